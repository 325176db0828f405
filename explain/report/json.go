package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// NewJSON returns a function that writes each message to w as one line of JSON.
// The lines are ASCII wherever a character could not be seen, so that they are
// safe on a terminal too. Calls must not overlap.
func NewJSON(w io.Writer) func(Message) error {
	return func(m Message) error { return writeJSON(w, m.utf8()) }
}

// NewJSONLines is NewJSON for the messages of commands that report no findings.
func NewJSONLines[M any](w io.Writer) func(M) error {
	return func(m M) error { return writeJSON(w, m) }
}

// writeJSON writes a value as one line of JSON without invisible characters.
func writeJSON(w io.Writer, value any) error {
	line, err := encode(value)
	if err == nil {
		_, err = w.Write(EscapeJSON(append(line, '\n')))
	}
	return err
}

// encode returns a value as JSON, with <, > and & as they are.
func encode(value any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}

// utf8 returns the message with UTF8 applied to what callers put into a Config
// or a Summary; NewFinding has done so for a Finding.
func (m Message) utf8() Message {
	if m.Config != nil {
		c := *m.Config
		c.Version = UTF8(c.Version)
		c.Inputs, c.Policies, c.Inventory = texts(c.Inputs), texts(c.Policies), texts(c.Inventory)
		if c.Filters != nil {
			f := *c.Filters
			f.Container, f.Profile, f.Comm = texts(f.Container), texts(f.Profile), texts(f.Comm)
			c.Filters = &f
		}
		m.Config = &c
	}
	if m.Notice != nil {
		n := *m.Notice
		n.Text = UTF8(n.Text)
		m.Notice = &n
	}
	if m.Silent != nil {
		s := *m.Silent
		s.Next = slices.Clone(s.Next)
		for i, step := range s.Next {
			s.Next[i] = Step{Command: UTF8(step.Command), Why: UTF8(step.Why)}
		}
		m.Silent = &s
	}
	if m.Summary != nil {
		s := *m.Summary
		s.Samples = slices.Clone(s.Samples)
		for i, u := range s.Samples {
			s.Samples[i] = Unparsed{File: UTF8(u.File), Line: u.Line, Why: UTF8(u.Why), Text: UTF8(u.Text)}
		}
		m.Summary = &s
	}
	return m
}

// EscapeJSON rewrites the characters of a JSON line that encoding/json leaves raw
// and Escape would not print: they can only stand in strings, where \uXXXX means
// the same. The line ends with a newline, and may be returned itself.
func EscapeJSON(line []byte) []byte {
	if bytes.Contains(line, []byte("##[")) {
		line = bytes.ReplaceAll(line, []byte("##["), []byte(`##\u005b`))
	}
	end := len(line) - 1 // the newline
	if visibleASCII(line[:end]) || !hostile(string(line[:end])) {
		return line
	}
	out := make([]byte, 0, len(line)+64)
	for i := 0; i < end; {
		r, n := utf8.DecodeRune(line[i:end])
		switch {
		case visible(r):
			out = append(out, line[i:i+n]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		i += n
	}
	return append(out, '\n')
}

// visibleASCII reports whether text is of visible ASCII alone, as most is, which is
// faster to find out than whether it is hostile.
func visibleASCII(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// maxMessage bounds the bytes of one message that Read takes.
const maxMessage = 64 << 20

// Read returns the messages that NewJSON wrote. Pretty-printed and filtered
// copies are read too; keys that this version does not know are ignored. The
// first error ends it: the input is not such messages, or their schema version
// is another major one.
func Read(r io.Reader) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		in := &boundedReader{r: r}
		d := json.NewDecoder(in)
		for n := 1; ; n++ {
			var m Message
			in.left = maxMessage
			err := d.Decode(&m)
			if err == io.EOF {
				return
			}
			if err == nil {
				err = m.check()
			}
			if err != nil {
				yield(Message{}, fmt.Errorf("saved findings: message %d: %w", n, err))
				return
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}

// check reports a message of another schema, or of no known kind.
func (m Message) check() error {
	if m == (Message{}) {
		return errors.New("neither config, finding nor summary; pass the lines that --format json wrote")
	}
	if m.Config == nil {
		return nil
	}
	major, _, _ := strings.Cut(m.Config.SchemaVersion, ".")
	ours, _, _ := strings.Cut(SchemaVersion, ".")
	if major != ours {
		return fmt.Errorf("schema version %q, this program reads %s.x; use the version of whydenied that wrote them",
			m.Config.SchemaVersion, ours)
	}
	return nil
}

// A boundedReader fails once the bytes left are read.
type boundedReader struct {
	r    io.Reader
	left int
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("longer than %d MiB", maxMessage>>20)
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// IsSaved reports whether the first bytes of a file, a hundred or more, are
// those of messages that NewJSON wrote.
func IsSaved(head []byte) bool {
	head = head[:min(len(head), 512)]
	compact := strings.Join(strings.Fields(string(head)), "")
	for _, prefix := range []string{`{"config":{"`, `{"finding":{"`, `{"repeat":{"`, `{"update":{"`, `{"notice":{"`, `{"summary":{"`, `{"silent":{"`} {
		if strings.HasPrefix(compact, prefix) {
			return true
		}
	}
	return false
}
