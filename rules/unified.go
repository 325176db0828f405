package rules

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff"
)

// Unified returns the changes as one unified diff with three lines of context,
// in the form that git apply and patch -p1 accept: names get the prefixes a/
// and b/, and a leading slash of a name is dropped. A file that is not there yet
// is created. Names are quoted where they need it, as git does.
func Unified(changes []Change) string {
	var out strings.Builder
	for _, c := range changes {
		name := strings.TrimPrefix(c.File.Name, "/")
		old, new := diffName("a/"+name), diffName("b/"+name)
		if c.File.Absent {
			old = "/dev/null"
		}
		diff, err := udiff.ToUnified(old, new, c.File.Text, lineEdits(c.File.Text, c.New), udiff.DefaultContextLines)
		if err != nil { // edits that overlap, which lineEdits never makes
			diff = udiff.Unified(old, new, c.File.Text, c.New)
		}
		out.WriteString(diff)
	}
	return out.String()
}

// diffName quotes a name for a header of a diff as quote_c_style does (quote.c of git),
// but that text in UTF-8 stays. patch would cut a name at a space, but for the tab, and at
// its end anyway.
func diffName(name string) string {
	plain := func(r rune) bool { return strconv.IsPrint(r) && r != '"' && r != '\\' && r != utf8.RuneError }
	if strings.TrimLeftFunc(name, plain) == "" && !strings.HasSuffix(name, " ") {
		if strings.Contains(name, " ") {
			name += "\t"
		}
		return name
	}
	var out strings.Builder
	for i := 0; i < len(name); {
		r, n := utf8.DecodeRuneInString(name[i:])
		switch {
		case plain(r):
			out.WriteString(name[i : i+n])
		case r == '"' || r == '\\':
			out.WriteString(`\` + name[i:i+n])
		default:
			for _, b := range []byte(name[i : i+n]) {
				fmt.Fprintf(&out, `\%03o`, b)
			}
		}
		i += n
	}
	return `"` + out.String() + `"`
}

// DiffName reads a name of a header of a diff, without the a/ or b/ before it.
func DiffName(header string) (name string, ok bool) {
	name, _, _ = strings.Cut(header, "\t")
	if strings.HasPrefix(name, `"`) {
		var err error
		if name, err = strconv.Unquote(name); err != nil {
			return "", false
		}
	}
	if len(name) < 2 || name[1] != '/' || name[0] != 'a' && name[0] != 'b' {
		return "", false
	}
	return name[2:], true
}
