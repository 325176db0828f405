package rules

import (
	"strings"

	"github.com/aymanbagabas/go-udiff"
)

// Unified returns the changes as one unified diff with three lines of context,
// in the form that git apply and patch -p1 accept: names get the prefixes a/
// and b/, and a leading slash of a name is dropped. A file that is not there yet
// is created.
func Unified(changes []Change) string {
	var out strings.Builder
	for _, c := range changes {
		name := strings.TrimPrefix(c.File.Name, "/")
		old := "a/" + name
		if c.File.Absent {
			old = "/dev/null"
		}
		diff, err := udiff.ToUnified(old, "b/"+name, c.File.Text, lineEdits(c.File.Text, c.New), udiff.DefaultContextLines)
		if err != nil { // edits that overlap, which lineEdits never makes
			diff = udiff.Unified(old, "b/"+name, c.File.Text, c.New)
		}
		out.WriteString(diff)
	}
	return out.String()
}
