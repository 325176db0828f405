package rules

import (
	"strings"

	"github.com/aymanbagabas/go-udiff"
)

// Unified returns the changes as one unified diff with three lines of context,
// in the form that git apply and patch -p1 accept: names get the prefixes a/
// and b/, and a leading slash of a name is dropped.
func Unified(changes []Change) string {
	var out strings.Builder
	for _, c := range changes {
		name := strings.TrimPrefix(c.File.Name, "/")
		out.WriteString(udiff.Unified("a/"+name, "b/"+name, c.File.Text, c.New))
	}
	return out.String()
}
