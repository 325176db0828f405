package report

import (
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/secret"
)

// plain returns what a record says as plain data: without secrets, and as valid UTF-8.
func plain(s string) string { return escape.UTF8(secret.Text(s, nil)) }

// plainPolicy is plain for what becomes part of a policy, where secrets are question
// marks; see secret.Policy.
func plainPolicy(s string) string { return escape.UTF8(secret.Policy(s, nil)) }
