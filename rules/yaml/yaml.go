// Package yaml reads YAML that strangers wrote, within bounds. Its functions are safe for
// concurrent use; their errors are of one line, and do not name the file.
package yaml

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	goyaml "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// The bounds of what the parser, which takes some kilobytes for a value, is given.
const (
	maxText      = 3 << 19 // bytes: Kubernetes stores no larger object
	MaxValues    = 100_000 // lines, and values within them
	maxDocuments = 1_000
	MaxDepth     = 200 // of values in one another
)

// Parse returns the documents of a text, in which lines and columns are those of the text.
func Parse(text string) (file *ast.File, err error) {
	if err := check(text); err != nil {
		return nil, err
	}
	// The parser panics on some malformed text; to the user that is one more
	// syntax error.
	defer func() {
		if recover() != nil {
			file, err = nil, errMalformed
		}
	}()
	// Lines and columns are the same without carriage returns, which the parser
	// counts as lines of their own after a comment (goccy/go-yaml v1.19.2).
	file, err = parser.ParseBytes(withoutEmpty(strings.ReplaceAll(text, "\r\n", "\n")), 0)
	if err != nil {
		message, _, _ := strings.Cut(err.Error(), "\n")
		return nil, errors.New(message)
	}
	return file, nil
}

// emptyDocument is a document without a value, and what begins the next one.
var emptyDocument = regexp.MustCompile(`(?m)^---([ \t]*(?:#.*)?\n(?:[ \t]*(?:#.*)?\n)*---[ \t\n])`)

// withoutEmpty makes comments of what begins documents without a value: the parser loses all
// that is behind one (goccy/go-yaml v1.19.2). Lines and columns stay.
func withoutEmpty(text string) []byte {
	for {
		next := emptyDocument.ReplaceAllString(text, "#--$1")
		if next == text {
			return []byte(text)
		}
		text = next
	}
}

// Decode reads the first document of a text into what a value points to, by names as in
// encoding/json but in lower case. Aliases, with which a short text can say a long one, are an error.
func Decode(text string, into any) (err error) {
	file, err := Parse(text)
	if err != nil {
		return err
	}
	defer func() {
		if recover() != nil {
			err = errMalformed
		}
	}()
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		return decode(doc.Body, into)
	}
	return errNoValue
}

// Encode writes a value as Decode reads it. It is nil for what YAML cannot express.
func Encode(value any) []byte {
	text, err := goyaml.Marshal(value)
	if err != nil {
		return nil
	}
	return text
}

type aliasFinder struct{ found bool }

func (f *aliasFinder) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.AliasNode, *ast.MergeKeyNode:
		f.found = true
	}
	if f.found {
		return nil
	}
	return f
}

// check refuses text that would make a recursive parser run out of stack.
func check(s string) error {
	if len(s) > maxText {
		return fmt.Errorf("%d bytes are too many (limit %d)", len(s), maxText)
	}
	depth, documents, values := 0, 0, 0
	for line := range strings.Lines(s) {
		if strings.HasPrefix(line, "---") {
			documents++
		}
		if values += 1 + strings.Count(line, ",") + strings.Count(line, ": "); values > MaxValues || documents > maxDocuments {
			return fmt.Errorf("more than %d values or %d documents are too many; split it", MaxValues, maxDocuments)
		}
		trimmed := strings.TrimLeft(line, " ")
		marks := strings.TrimLeft(trimmed, "-?&!*|>: \t")
		if len(line)-len(trimmed) > MaxDepth || len(trimmed)-len(marks) > MaxDepth {
			return errTooDeep
		}
		for _, c := range line {
			switch c {
			case '[', '{':
				depth++
			case ']', '}':
				depth = max(depth-1, 0)
			}
			if depth > MaxDepth {
				return errTooDeep
			}
		}
	}
	return nil
}

var errTooDeep = errors.New("values nest too deeply")
