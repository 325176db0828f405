package patch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules"
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

// BenchmarkNames is a patch for many names that programs made up, of each kind that
// something is done about.
func BenchmarkNames(b *testing.B) {
	letters := func(i int) string {
		return fmt.Sprintf("%c%c%c%c", 'a'+i/17576%26, 'a'+i/676%26, 'a'+i/26%26, 'a'+i%26)
	}
	const record = `type=AVC msg=audit(1795427169.844:%d): apparmor="DENIED" operation="%s" profile="p" name="%s" pid=7 comm="app" requested_mask="%s" denied_mask="%[4]s" fsuid=0 ouid=0` + "\n"
	for _, kind := range []struct {
		name, operation, mask string
		path                  func(i int) string
	}{
		{"distinct", "open", "w", func(i int) string { return "/srv/" + letters(i) + "/" + letters(7*i+3) }},
		{"temporary", "mknod", "c", func(i int) string { return fmt.Sprintf("/tmp/tmp.%010x", int64(i)*2654435761%(1<<40)) }},
		{"numbered", "open", "w", func(i int) string { return fmt.Sprintf("/srv/%s/%d.log", letters(i/10), i) }},
		{"programs", "exec", "x", func(i int) string { return "/opt/" + letters(i) + "/bin/" + letters(7*i+3) }},
	} {
		for _, n := range []int{1000, 2000, 4000} {
			var log strings.Builder
			for i := range n {
				fmt.Fprintf(&log, record, i+1, kind.operation, kind.path(i), kind.mask)
			}
			denied := denials(b, log.String())
			b.Run(fmt.Sprintf("%s/%d", kind.name, n), func(b *testing.B) {
				for b.Loop() {
					explainer := explain.New(library.New(b.TempDir(), nil))
					explainer.Library.UseProfile(rules.NewFile("p", "profile p {\n}\n"))
					group := explain.NewGroup(nil, explain.Filter{})
					for _, d := range denied {
						group.Add(d)
					}
					if patch := Make(explainer, explainer.DiagnoseAll(group.Findings())); len(patch.Remedies) != n {
						b.Fatalf("%d fixed, %d left", len(patch.Remedies), len(patch.Left))
					}
				}
			})
		}
	}
}
