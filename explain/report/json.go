package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/escape"
)

// NewJSON returns a function that writes each message to w as one line of JSON.
// The lines are ASCII wherever a character could not be seen, so that they are
// safe on a terminal too. Calls must not overlap.
func NewJSON(w io.Writer) func(Message) error {
	return func(m Message) error { return escape.JSON(w, m.utf8()) }
}

// NewJSONLines is NewJSON for the messages of commands that report no findings.
func NewJSONLines[M any](w io.Writer) func(M) error {
	return func(m M) error { return escape.JSON(w, m) }
}

// utf8 returns the message with escape.UTF8 applied to what callers put into a Config
// or a Summary; NewFinding has done so for a Finding.
func (m Message) utf8() Message {
	if m.Config != nil {
		c := *m.Config
		c.Version = plain(c.Version)
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
		n.Text = plain(n.Text)
		m.Notice = &n
	}
	if m.Silent != nil {
		s := *m.Silent
		s.Next = slices.Clone(s.Next)
		for i, step := range s.Next {
			s.Next[i] = Step{Command: plain(step.Command), Why: plain(step.Why)}
		}
		m.Silent = &s
	}
	if m.Summary != nil {
		s := *m.Summary
		s.Samples = slices.Clone(s.Samples)
		for i, u := range s.Samples {
			s.Samples[i] = Unparsed{File: plain(u.File), Line: u.Line, Why: plain(u.Why), Text: plain(u.Text)}
		}
		m.Summary = &s
	}
	return m
}

// texts is escape.UTF8 for each of a list. An empty list is not nil, so that JSON has
// [] for it.
func texts(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = plain(s)
	}
	return out
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
