package seccomp

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/yaml"
)

// readYAML returns the first document of a YAML text that is a SeccompProfile,
// and how many there are.
func readYAML(file *rules.File) (first *node, count int, err error) {
	parsed, err := yaml.Parse(file.Text)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: not a SeccompProfile in YAML: %w", file.Name, err)
	}
	y := &yamlReader{file: file}
	for _, doc := range parsed.Docs {
		if doc.Body == nil {
			continue
		}
		n, err := y.read(doc.Body, 0)
		if err != nil {
			return nil, 0, err
		}
		if k := n.get("kind"); k == nil || k.value != "SeccompProfile" {
			continue
		}
		if count++; first == nil {
			first = &n
		}
	}
	if first == nil {
		return nil, 0, fmt.Errorf("%s: no document of the file is of kind SeccompProfile", file.Name)
	}
	return first, count, nil
}

// A yamlReader turns the syntax tree of YAML into one of nodes.
type yamlReader struct {
	file         *rules.File
	line, column int // of the place that was asked for last, which most come after
	at           int // its offset
}

// offset returns the byte offset of a 1-based line and a 1-based column in
// runes; the parser's own offsets skip blank lines.
func (y *yamlReader) offset(line, column int) int {
	if line != y.line || column < y.column {
		y.line, y.column, y.at = line, 1, y.file.LineStart(line)
	}
	for ; y.column < column && y.at < len(y.file.Text); y.column++ {
		_, size := utf8.DecodeRuneInString(y.file.Text[y.at:])
		y.at += size
	}
	return y.at
}

// read converts one value.
func (y *yamlReader) read(n ast.Node, depth int) (node, error) {
	position := n.GetToken().Position
	start := y.offset(position.Line, position.Column)
	if depth > yaml.MaxDepth {
		return node{}, y.fail(start, "values nest too deeply for a SeccompProfile")
	}
	at := rules.Span{Start: start, End: start}
	switch n := n.(type) {
	case *ast.MappingNode:
		return y.object(n.Values, n.IsFlowStyle, start, depth)
	case *ast.MappingValueNode:
		return y.object([]*ast.MappingValueNode{n}, false, start, depth)
	case *ast.SequenceNode:
		return y.array(n, start, depth)
	case *ast.NullNode:
		return node{kind: null, at: at}, nil
	case *ast.BoolNode:
		return node{kind: boolean, at: at, value: n.GetToken().Value}, nil
	case *ast.IntegerNode:
		return y.scalar(number, fmt.Sprint(n.Value), n.GetToken().Value, start), nil
	case *ast.FloatNode:
		return y.scalar(number, n.GetToken().Value, n.GetToken().Value, start), nil
	case *ast.StringNode:
		return y.scalar(text, n.Value, n.GetToken().Value, start), nil
	case *ast.LiteralNode:
		return node{kind: text, at: at, value: n.Value.Value}, nil
	case *ast.TagNode:
		return y.read(n.Value, depth+1)
	case *ast.AnchorNode:
		return y.read(n.Value, depth+1)
	}
	return node{}, y.fail(start, "aliases and merge keys of YAML are not read: write the values out")
}

// fail returns an error at a byte offset.
func (y *yamlReader) fail(offset int, message string) error {
	return errorAt(y.file, offset, errors.New(message))
}

// scalar returns a value whose end follows from its text: in quotes to the
// closing quote, otherwise as long as its token.
func (y *yamlReader) scalar(k kind, value, token string, start int) node {
	src := y.file.Text[start:]
	end := 0
	switch {
	case src == "":
	case src[0] == '"' || src[0] == '\'':
		end = quotedEnd(src)
	case strings.HasPrefix(src, token):
		end = len(token)
	}
	return node{kind: k, at: rules.Span{Start: start, End: start + end}, value: value}
}

// quotedEnd returns the length of the quoted scalar that s starts with.
func quotedEnd(s string) int {
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case quote == '"' && s[i] == '\\':
			i++
		case s[i] != quote:
		case quote == '\'' && strings.HasPrefix(s[i+1:], "'"):
			i++
		default:
			return i + 1
		}
	}
	return len(s)
}

// object converts a mapping.
func (y *yamlReader) object(values []*ast.MappingValueNode, flow bool, start, depth int) (node, error) {
	n := node{kind: object, at: rules.Span{Start: start, End: start}, flow: flow}
	for i, v := range values {
		key, err := y.read(v.Key, depth+1)
		if err != nil {
			return n, err
		}
		value, err := y.read(v.Value, depth+1)
		if err != nil {
			return n, err
		}
		if i == 0 && !flow {
			n.at.Start = key.at.Start // the token of a block mapping is its first colon
		}
		n.at.End = max(n.at.End, key.at.End, value.at.End)
		n.keys = append(n.keys, member{name: key.value, at: key.at, value: value})
	}
	if flow {
		n.at.End = y.closing(n.at.End, '}')
	}
	return n, nil
}

// array converts a sequence.
func (y *yamlReader) array(s *ast.SequenceNode, start, depth int) (node, error) {
	n := node{kind: array, at: rules.Span{Start: start, End: start}, flow: s.IsFlowStyle}
	for _, v := range s.Values {
		item, err := y.read(v, depth+1)
		if err != nil {
			return n, err
		}
		n.at.End = max(n.at.End, item.at.End)
		n.items = append(n.items, item)
	}
	if n.flow {
		n.at.End = y.closing(n.at.End, ']')
	}
	return n, nil
}

// closing returns the offset after the closing bracket of a flow collection
// whose last value ends at an offset.
func (y *yamlReader) closing(offset int, bracket byte) int {
	if i := strings.IndexByte(y.file.Text[offset:], bracket); i >= 0 {
		return offset + i + 1
	}
	return offset
}
