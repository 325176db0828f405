// Package deploy writes what gives containers the profiles of a patch, in the forms
// that they are deployed by. All YAML in it is of YAML 1.2, with comments first that
// say what the patch fixes; names from logs and policies cannot end a string or a
// comment. It reads no files, and its functions are safe for concurrent use, each with
// a patch of its own. What a form cannot say Write tells; its error is of writing.
package deploy

import (
	"io"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/patch"
	"github.com/whydenied/whydenied/explain/report"
)

// A Format is a form in which a patch is deployed.
type Format struct {
	Name string
	// Write writes a patch. The limits are what the form cannot express or grants
	// beyond the profiles, a line each.
	Write func(w io.Writer, p *patch.Patch) (limits []string, err error)
}

// comments begins a document with what the patch says of itself.
func comments(p *patch.Patch) *escape.Builder[escape.YAML] {
	out := new(escape.Builder[escape.YAML])
	for _, line := range report.NewPatch(p).Comments() {
		out.Add(yamlComment(line))
	}
	return out
}

// Formats are all forms.
var Formats = []Format{
	{"compose", writeCompose},
	{"kubernetes", writeKubernetes},
	{"spo", writeSPO},
}
