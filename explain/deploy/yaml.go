package deploy

import (
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/secret"
)

// yamlString is a scalar without secrets, in whose place are question marks.
func yamlString(s string) escape.YAML { return escape.YAMLString(secret.Policy(s, nil)) }

// yamlComment is a comment line without secrets.
func yamlComment(s string) escape.YAML { return escape.YAMLComment(secret.Text(s, nil)) }
