package yaml

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	goyaml "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// JSON returns the documents of a text as JSON, a line each. Aliases, and values that JSON
// cannot express, are an error.
func JSON(text string) (lines []byte, err error) {
	file, err := Parse(text)
	if err != nil {
		return nil, err
	}
	defer func() {
		if recover() != nil {
			lines, err = nil, errMalformed
		}
	}()
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		var value any
		if err := decode(doc.Body, &value); err != nil {
			return nil, err
		}
		line, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("a value that JSON does not have: %w", err)
		}
		lines = append(append(lines, line...), '\n')
	}
	if lines == nil {
		return nil, errNoValue
	}
	return lines, nil
}

var (
	errMalformed = errors.New("the text is malformed")
	errNoValue   = errors.New("the text holds no value")
)

// decode reads a document into what a value points to.
func decode(body ast.Node, into any) error {
	aliases := new(aliasFinder)
	ast.Walk(aliases, body)
	if aliases.found {
		return errors.New("aliases and merge keys of YAML are not read: write the values out")
	}
	if err := goyaml.NodeToValue(body, into); err != nil {
		message, _, _ := strings.Cut(err.Error(), "\n")
		return errors.New(message)
	}
	return nil
}
