package escape

import (
	"fmt"
	"regexp"
	"strings"
)

// YAML is a part of a document of YAML 1.2.
type YAML string

// plainYAML are the words that every reader of YAML takes as the strings they
// are: no number, date, boolean or null of YAML 1.1 or 1.2 looks like them.
var plainYAML = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./-]*$`)

// wordsYAML are the strings among them that some readers take for something else.
var wordsYAML = regexp.MustCompile(`^(?i:y|yes|n|no|on|off|true|false|null)$`)

// YAMLString returns a string as a scalar: plain where that is certain to be read as
// the same string, else in double quotes, with everything escaped that Line would not
// print. A byte that is not UTF-8, which YAML cannot hold, becomes \xNN as in UTF8.
func YAMLString(s string) YAML {
	s = UTF8(s)
	if plainYAML.MatchString(s) && !wordsYAML.MatchString(s) {
		return YAML(s)
	}
	var out strings.Builder
	out.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			out.WriteByte('\\')
			out.WriteRune(r)
		case visible(r):
			out.WriteRune(r)
		case r <= 0xff:
			fmt.Fprintf(&out, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			fmt.Fprintf(&out, `\U%08x`, r)
		}
	}
	out.WriteByte('"')
	return YAML(disarm(out.String())) // whose escapes are those of a string in quotes
}

// YAMLNumber returns a number as a scalar.
func YAMLNumber[N int | uint64](n N) YAML { return YAML(fmt.Sprint(n)) }

// YAMLComment returns a line that is a comment.
func YAMLComment(s string) YAML { return YAML("# " + Line(s) + "\n") }
