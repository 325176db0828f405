package report

import (
	"fmt"
	"io"
	"strings"
)

// WriteFiles writes the changed files whole, each below a comment that names it;
// of one file alone just its text, so that it can be redirected. The texts are
// byte for byte what will be in the files, less wrong UTF-8 and secrets.
func (p *Patch) WriteFiles(w io.Writer) error {
	var out strings.Builder
	for i, f := range p.Files {
		if len(p.Files) > 1 {
			if i > 0 && !strings.HasSuffix(p.Files[i-1].Text, "\n") {
				out.WriteByte('\n')
			}
			fmt.Fprintf(&out, "# %s\n", Escape(f.File))
		}
		out.WriteString(f.Text)
	}
	_, err := io.WriteString(w, out.String())
	return err
}
