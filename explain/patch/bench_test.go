package patch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/library"
)

// BenchmarkPatch is one patch for 500 findings over a profile of 3,000 rules,
// a third of them on rules that are there.
func BenchmarkPatch(b *testing.B) {
	var profile, log strings.Builder
	profile.WriteString("profile p {\n")
	name := func(i int) string {
		return fmt.Sprintf("/srv/app/%c%c/%c/%c%c%c", 'a'+i%7, 'a'+i%11, 'a'+i%5, 'a'+i/676%26, 'a'+i/26%26, 'a'+i%26)
	}
	for i := range 3000 {
		fmt.Fprintf(&profile, "  %s%s r,\n", name(i), [...]string{"", "/*", "/**"}[i%3])
	}
	profile.WriteString("}\n")
	for i := range 500 {
		fmt.Fprintf(&log, `type=AVC msg=audit(1795427169.844:%d): apparmor="DENIED" operation="open" profile="p" name="%s" pid=7 comm="app" requested_mask="w" denied_mask="w" fsuid=0 ouid=0`+"\n", i+1, name(i*5))
	}
	dir := b.TempDir()
	file := filepath.Join(dir, "p")
	if err := os.WriteFile(file, []byte(profile.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	denied := denials(b, log.String())
	for b.Loop() {
		explainer := explain.New(library.New(dir, nil))
		if _, _, err := explainer.Library.AddProfile(file); err != nil {
			b.Fatal(err)
		}
		group := explain.NewGroup(nil, explain.Filter{})
		for _, d := range denied {
			group.Add(d)
		}
		patch := Make(explainer, explainer.DiagnoseAll(group.Findings()))
		if len(patch.Remedies) != 500 || len(patch.Left) != 0 {
			b.Fatalf("%d fixed, %d left", len(patch.Remedies), len(patch.Left))
		}
	}
}
