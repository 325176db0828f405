package secret

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/whydenied/whydenied/parser"
)

// maxTitle is how many bytes of a command line the kernel logs (MAX_PROCTITLE_AUDIT_LEN
// in kernel/auditsc.c of Linux 6.18): its last argument may be cut.
const maxTitle = 128

// Records puts asterisks in place of the secrets in the records of an event. An
// argument that was logged in pieces (a1[0], a1[1]), perhaps of several records, is one
// argument. It changes the records' texts, and drops their Fields where it does.
func Records(records []parser.Record, found Kinds) {
	fields := make([][]field, len(records))
	var arguments []*field
	for i := range records {
		fields[i] = fieldsOf(records[i].Text)
		for j := range fields[i] {
			f := &fields[i][j]
			switch {
			case records[i].Type == parser.EXECVE && f.argument != "":
				arguments = append(arguments, f)
			case f.argument != "": // of a system call
			case f.key == "proctitle":
				f.clean = title(f.value, found)
			case isSecret(f.key, f.value):
				f.clean = mask(f.value, []span{{0, len(f.value), kindOf(f.key)}}, '*', found)
			case f.isString:
				f.clean = Text(f.value, found)
			}
		}
	}
	executed(arguments, found)
	for i := range records {
		r := &records[i]
		text := join(r.Text, fields[i])
		text = mask(text, forms(text, false), '*', found)
		if text != r.Text {
			r.Text, r.Fields = text, nil // the fields are of the text before
		}
	}
}

// A field is a string of a record.
type field struct {
	start, end   int // of the value in the text, as it stands there
	key          string
	argument     string // the a1 of a1[0]; "" if it is none
	isString     bool   // in quotes or in hexadecimal
	inQuotes     bool
	inHex        bool
	value, clean string
}

// strings of records, in quotes, in hexadecimal where they hold what a quoted one
// cannot (audit_log_untrustedstring in kernel/audit.c), or as ausearch -i prints
// arguments.
var (
	fieldPattern = regexp.MustCompile(`\b([A-Za-z_][\w-]*(?:\[\d+\])?)=(?:"([^"]*)"|([^\s"']+))`)
	argumentKey  = regexp.MustCompile(`^(a\d+)(?:\[\d+\])?$`)
	hexKey       = regexp.MustCompile(`^(?:a\d+(?:\[\d+\])?|proctitle|name|comm|exe|cwd|cmd|acct|profile|target|srcname|peer|addr|path|data|vm|file)$`)
)

func fieldsOf(text string) []field {
	var fields []field
	for _, m := range fieldPattern.FindAllStringSubmatchIndex(text, -1) {
		f := field{key: text[m[2]:m[3]]}
		if key := argumentKey.FindStringSubmatch(f.key); key != nil {
			f.argument = key[1]
		}
		if m[4] >= 0 {
			f.start, f.end, f.value, f.isString, f.inQuotes = m[4]-1, m[5]+1, text[m[4]:m[5]], true, true
		} else {
			f.start, f.end, f.value = m[6], m[7], text[m[6]:m[7]]
			if f.key == "proctitle" && strings.Trim(f.value, "0123456789ABCDEFabcdef") != "" { // of ausearch -i, to the end
				f.end, f.value, f.isString = len(text), text[m[6]:], true
			} else if b, err := hex.DecodeString(f.value); err == nil && hexKey.MatchString(f.key) {
				f.value, f.isString, f.inHex = string(b), true, true
			}
		}
		f.clean = f.value
		fields = append(fields, f)
		if f.end == len(text) {
			break
		}
	}
	return fields
}

// title returns a command line as the kernel logs it, without its secrets.
func title(value string, found Kinds) string {
	args := strings.Split(value, "\x00")
	var c command
	for i, arg := range args {
		spans := c.argument(arg)
		if i == len(args)-1 && len(value) >= maxTitle-1 {
			spans = append(spans, forms(arg, true)...)
		}
		args[i] = mask(arg, spans, '*', found)
	}
	return strings.Join(args, "\x00")
}

// executed cleans the arguments of a command, of which each may be in pieces.
func executed(fields []*field, found Kinds) {
	var c command
	for len(fields) > 0 {
		var pieces strings.Builder
		n := 0
		for n < len(fields) && fields[n].argument == fields[0].argument {
			pieces.WriteString(fields[n].value)
			n++
		}
		spans := c.argument(pieces.String())
		at := 0
		for _, f := range fields[:n] {
			var own []span
			for _, s := range spans {
				s.start, s.end = max(s.start-at, 0), min(s.end-at, len(f.value))
				if s.start < s.end {
					own = append(own, s)
				}
			}
			f.clean = mask(f.value, own, '*', found)
			at += len(f.value)
		}
		fields = fields[n:]
	}
}

// join returns a text with the fields as they are now.
func join(text string, fields []field) string {
	var out strings.Builder
	last := 0
	for _, f := range fields {
		if f.clean == f.value {
			continue
		}
		out.WriteString(text[last:f.start])
		switch {
		case f.inHex, f.inQuotes && (f.argument != "" || !utf8.ValidString(f.clean)):
			fmt.Fprintf(&out, "%X", f.clean)
		case f.inQuotes:
			out.WriteString(`"` + f.clean + `"`)
		default:
			out.WriteString(f.clean)
		}
		last = f.end
	}
	out.WriteString(text[last:])
	return out.String()
}

// Pairs returns a record's pairs without secrets. The bytes of a value that is no
// UTF-8, in hexadecimal under its key with _hex appended, are cleaned likewise.
func Pairs(pairs parser.Pairs) parser.Pairs {
	for i, p := range pairs {
		value, isString := p.Value.(string)
		if !isString {
			continue
		}
		if b, err := hex.DecodeString(value); err == nil && strings.HasSuffix(p.Key, "_hex") {
			if clean := Text(string(b), nil); clean != string(b) {
				pairs[i].Value = hex.EncodeToString([]byte(clean))
			}
			continue
		}
		clean := Text(value, nil)
		if isSecret(p.Key, value) {
			clean = strings.Repeat("*", utf8.RuneCountInString(value))
		}
		if clean != value {
			pairs[i].Value = clean
		}
	}
	return pairs
}
