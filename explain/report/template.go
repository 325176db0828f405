package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/template"

	"github.com/whydenied/whydenied/explain/escape"
)

// ParseTemplate reads a template of text/template, for TextOptions.Template. The error
// says where it is wrong.
func ParseTemplate(text string) (*template.Template, error) {
	return template.New("template").Funcs(template.FuncMap{
		"join": func(list []any, separator string) string {
			parts := make([]string, len(list))
			for i, v := range list {
				parts[i] = fmt.Sprint(v)
			}
			return strings.Join(parts, separator)
		},
	}).Parse(text)
}

// sentences is the template where none is given.
var sentences = template.Must(ParseTemplate("{{or .message .what}}"))

// newTemplate returns a function that writes what a template makes of each finding, or of
// each group of an overview: the object that JSON has, by its keys. Strings are such as can
// be printed as a line.
func newTemplate(w io.Writer, o TextOptions) func(Message) error {
	return func(m Message) error {
		if m.Overview != nil {
			for _, g := range m.Overview.Groups {
				if err := writeTemplate(w, o, g); err != nil {
					return err
				}
			}
		}
		if m.Finding == nil {
			return nil
		}
		return writeTemplate(w, o, m.Finding)
	}
}

func writeTemplated(w io.Writer, r *Report, o TextOptions) error {
	return r.write(newTemplate(w, o), func(m CheckMessage) error {
		if m.Diagnostic == nil {
			return nil
		}
		return writeTemplate(w, o, m.Diagnostic)
	})
}

// writeTemplate executes the template on one value, and ends its line.
func writeTemplate(w io.Writer, o TextOptions, value any) error {
	use := o.Template
	if use == nil {
		use = sentences
	}
	text, err := escape.Encode(value)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var object any
	if err := decoder.Decode(&object); err != nil {
		return err
	}
	var out strings.Builder
	if err := use.Execute(&out, inert(object)); err != nil {
		return err
	}
	line := strings.ReplaceAll(out.String(), "<no value>", "") // what a key is that is not there
	if line != "" && !strings.HasSuffix(line, "\n") {
		line += "\n"
	}
	return escape.Write(w, escape.Lines(line))
}

// inert is a value of JSON with numbers as Go has them, and strings that are printable
// lines.
func inert(v any) any {
	switch v := v.(type) {
	case string:
		return string(escape.Line(v))
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		n, _ := v.Float64()
		return n
	case []any:
		for i := range v {
			v[i] = inert(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = inert(v[key])
		}
	}
	return v
}
