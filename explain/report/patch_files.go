package report

import (
	"errors"
	"io"
	"strings"

	"github.com/whydenied/whydenied/explain/escape"
)

// WriteFiles writes the changed files whole, each below a comment that names it;
// of one file alone just its text, so that it can be redirected. The texts are
// byte for byte what will be in the files, less wrong UTF-8 and secrets.
func (p *Patch) WriteFiles(w io.Writer) error {
	for i, f := range p.Files {
		var head escape.Text
		switch {
		case f.Part:
			head = "# the filter of " + escape.Line(f.File) + ", which holds more than policy; whydenied patch --write changes it there\n"
		case len(p.Files) > 1:
			head = "# " + escape.Line(f.File) + "\n"
		}
		if i > 0 && !strings.HasSuffix(p.Files[i-1].Text, "\n") {
			head = "\n" + head
		}
		if err := errors.Join(escape.Write(w, head), escape.Write(w, escape.Raw(f.Text))); err != nil {
			return err
		}
	}
	return nil
}
