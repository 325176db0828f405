package bundle

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/whydenied/whydenied/parser"
)

// word matches what names of secrets hold.
const word = `(?:passw(?:or)?d|passphrase|\bpass\b|secret|token|credential|api[-_.]?key|access[-_.]?key|private[-_.]?key|encryption[-_.]?key|\bauth\b|authorization|cookie|\bdsn\b|\bpwd\b)`

var (
	secretName = regexp.MustCompile(`(?i)` + word)
	secretFlag = regexp.MustCompile(`(?i)^--?[\w.-]*` + word + `[\w.-]*$`)
	// What follows the first group is the secret.
	secrets = []*regexp.Regexp{
		regexp.MustCompile(`(?i)([\w.-]*` + word + `[\w.-]*["']?\s*[=:]\s*(?:bearer\s+|basic\s+)?["']?)[^\s"'&;]+`),
		regexp.MustCompile(`(?i)(--?[\w.-]*` + word + `[\w.-]*\s+["']?)[^\s"'&;]+`),
		regexp.MustCompile(`(?i)(\b(?:bearer|basic)\s+)[\w.~+/=-]{6,}`),
		regexp.MustCompile(`(://[^/\s:@]*:)[^/\s@]+@`),
		regexp.MustCompile(`()-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END[^-]*-----)?`),
		regexp.MustCompile(`(\b)(?:AKIA[0-9A-Z]{16}|gh[opsur]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[a-z]-[\w-]{10,}|sk_live_\w{10,}|AIza[\w-]{30,}|eyJ[\w-]{10,}\.[\w-]{5,}\.[\w-]*)`),
	}
)

// redact puts asterisks in place of what looks like secrets in a text: as many as
// it had characters, so that places in the text stay. prev is the argument
// before, which may be a flag whose value this is.
func redact(text, prev string) string {
	if secretFlag.MatchString(prev) && !strings.HasPrefix(text, "-") {
		return stars(text)
	}
	for _, secret := range secrets {
		var out strings.Builder
		last := 0
		for _, m := range secret.FindAllStringSubmatchIndex(text, -1) {
			out.WriteString(text[last:m[3]])
			out.WriteString(stars(text[m[3]:m[1]]))
			last = m[1]
		}
		if last > 0 {
			text = out.String() + text[last:]
		}
	}
	return text
}

func stars(text string) string { return strings.Repeat("*", utf8.RuneCountInString(text)) }

// RedactRecord puts asterisks in place of what looks like secrets in the
// arguments that PROCTITLE and EXECVE records have, and reports whether there
// was any.
func RedactRecord(r *parser.Record) bool {
	if r.Type != parser.PROCTITLE && r.Type != parser.EXECVE {
		return false
	}
	changed, prev := false, ""
	r.Text = argument.ReplaceAllStringFunc(r.Text, func(field string) string {
		key, raw, _ := strings.Cut(field, "=")
		value := strings.Trim(raw, `"`)
		if raw == value { // in hexadecimal
			b, err := hex.DecodeString(raw)
			if err != nil {
				return field
			}
			value = string(b)
		}
		args := strings.Split(value, "\x00")
		for i, arg := range args {
			args[i] = redact(arg, prev)
			prev = arg
		}
		clean := strings.Join(args, "\x00")
		if clean == value {
			return field
		}
		changed = true
		return fmt.Sprintf("%s=%X", key, clean)
	})
	if changed {
		r.Fields = nil // which are of the text before
	}
	return changed
}

// argument matches the fields of those records that hold arguments: a0, a1[2],
// proctitle (audit_log_execve_info and audit_log_proctitle in kernel/auditsc.c).
var argument = regexp.MustCompile(`\b(?:a\d+(?:\[\d+\])?|proctitle)=(?:"[^"]*"|[0-9A-Fa-f]+)`)

// RedactJSON puts asterisks in place of the values of environment variables and
// of what looks like secrets in metadata of containers, and returns how many
// strings that were. Everything else keeps its place, as findings point into
// it. An error is that the text is no JSON.
func RedactJSON(text []byte) (clean []byte, changed int, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var out bytes.Buffer
	var around []nesting
	last := 0 // of text that is in out
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			out.Write(text[last:])
			return out.Bytes(), changed, nil
		}
		if err != nil {
			return nil, 0, err
		}
		switch token := token.(type) {
		case json.Delim:
			around = nest(around, token)
			continue
		case string:
			end := int(decoder.InputOffset())
			start := last + bytes.IndexByte(text[last:end], '"')
			out.Write(text[last:start])
			raw := string(text[start+1 : end-1])
			if redacted := inside(around, raw, token); redacted != raw {
				changed++
				raw = redacted
			}
			out.WriteString(`"` + raw + `"`)
			last = end
		default:
			end := int(decoder.InputOffset())
			out.Write(text[last:end])
			last = end
		}
		if n := len(around); n > 0 {
			around[n-1].passed(token)
		}
	}
}

// A nesting is an object or array around a value.
type nesting struct {
	object bool
	isKey  bool   // of an object: a key comes next
	key    string // of an object: the last key; of an array: the one it is under
	prev   string // of an array: the string before
}

func nest(around []nesting, delim json.Delim) []nesting {
	n := len(around)
	switch delim {
	case '{':
		return append(around, nesting{object: true, isKey: true})
	case '[':
		key := ""
		if n > 0 {
			key = around[n-1].key
		}
		return append(around, nesting{key: key})
	}
	around = around[:n-1]
	if n > 1 {
		around[n-2].passed(nil)
	}
	return around
}

// passed notes a key or a value that was read.
func (n *nesting) passed(token json.Token) {
	s, _ := token.(string)
	switch {
	case n.object && n.isKey:
		n.key, n.isKey = s, false
	case n.object:
		n.isKey = true
	default:
		n.prev = s
	}
}

// inside returns a string as it stands in JSON without its secrets; value is what
// it means.
func inside(around []nesting, raw, value string) string {
	n := len(around)
	if n == 0 || around[n-1].isKey || strings.HasPrefix(value, "seccomp=") {
		return raw
	}
	within := &around[n-1]
	name, _, assigned := strings.Cut(raw, "=")
	switch key := strings.ToLower(within.key); {
	case slices.Contains([]string{"env", "environment"}, key) && assigned:
		return name + "=" + stars(raw[len(name)+1:])
	case key == "createcommand", key == "kubectl.kubernetes.io/last-applied-configuration", within.object && secretName.MatchString(within.key):
		return stars(raw)
	case key == "value" && n > 1 && slices.Contains([]string{"env", "envs"}, strings.ToLower(around[n-2].key)):
		return stars(raw) // of Kubernetes and of the CRI
	}
	switch clean := redact(value, within.prev); {
	case clean == value:
		return raw
	case raw == value:
		return clean
	}
	return stars(raw) // what is escaped in it has no place of its own
}
