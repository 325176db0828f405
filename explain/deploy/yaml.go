package deploy

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/whydenied/whydenied/explain/report"
)

// plainYAML are the words that every reader of YAML takes as the strings they
// are: no number, date, boolean or null of YAML 1.1 or 1.2 looks like them.
var plainYAML = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./-]*$`)

// wordsYAML are the strings among them that some readers take for something else.
var wordsYAML = regexp.MustCompile(`^(?i:y|yes|n|no|on|off|true|false|null)$`)

// yamlString returns a string as a scalar of YAML 1.2: plain where that is
// certain to be read as the same string, else in double quotes, with everything
// escaped that report.Escape would not print. A byte that is not UTF-8, which YAML
// cannot hold, becomes \xNN as in JSON.
func yamlString(s string) string {
	s = report.PolicyUTF8(s)
	if plainYAML.MatchString(s) && !wordsYAML.MatchString(s) {
		return s
	}
	var out strings.Builder
	out.WriteByte('"')
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"' || r == '\\':
			out.WriteByte('\\')
			out.WriteRune(r)
		case report.Escape(s[i:i+n]) == s[i:i+n]:
			out.WriteString(s[i : i+n])
		case r <= 0xff:
			fmt.Fprintf(&out, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			fmt.Fprintf(&out, `\U%08x`, r)
		}
		i += n
	}
	out.WriteByte('"')
	return strings.ReplaceAll(out.String(), "##[", `##\x5b`) // see report.Escape
}

// yamlComment writes a comment line: nothing in it can end the line.
func yamlComment(out *strings.Builder, indent, format string, args ...any) {
	fmt.Fprintf(out, "%s# %s\n", indent, report.Escape(report.UTF8(fmt.Sprintf(format, args...))))
}
