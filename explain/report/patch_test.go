package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/escape/escapetest"
	"github.com/whydenied/whydenied/explain/patch"
	"github.com/whydenied/whydenied/explain/patch/patchtest"
	"github.com/whydenied/whydenied/rules"
)

// TestPatchFormats compares the changed files and SARIF with their golden files.
func TestPatchFormats(t *testing.T) {
	pod := container.Container{ID: "a", Name: "web", Pod: "shop-5d9-x2x", Namespace: "shop", Runtime: "containerd", Confidence: container.High}
	dir, err := os.Getwd()
	require.NoError(t, err)
	for _, c := range []struct {
		name      string
		container container.Container
		write     func(*bytes.Buffer, *patch.Patch) error
	}{
		{"patch.files.txt", pod, func(w *bytes.Buffer, p *patch.Patch) error { return NewPatch(p).WriteFiles(w) }},
		{"patch.sarif.json", pod, func(w *bytes.Buffer, p *patch.Patch) error {
			return writeSARIF(w, &Report{Version: "v0", Patch: NewPatch(p)}, TextOptions{})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := patchtest.WithSeccomp(t, patchtest.Some(t, c.container), c.container)
			require.Len(t, p.Remedies, 3)
			for i := range p.Remedies {
				p.Remedies[i].Fix.Proof = []string{"the changed policy parses", "nothing else is"}
			}
			var out bytes.Buffer
			require.NoError(t, c.write(&out, p))
			t.Chdir(dir)
			golden(t, c.name, out.String())
		})
	}
}

func TestOneFileAlone(t *testing.T) {
	p := patchtest.Of(t, "web", "profile web {\r\n  /a r,\r\n}", patchtest.Container, patchtest.Opened("web", "/b", "r"))
	require.Len(t, p.Changes, 1)
	var out bytes.Buffer
	require.NoError(t, NewPatch(p).WriteFiles(&out))
	assert.Equal(t, p.Changes[0].New, out.String(), "nothing but its text")
}

// TestHostileSARIF writes patches of files with hostile names.
func TestHostileSARIF(t *testing.T) {
	for _, name := range append([]string{"a: b", " a ", "%x", "#c"}, hostileNames...) {
		finding := poison(t)
		p := &patch.Patch{
			Changes:  []rules.Change{{File: rules.NewFile(name, "profile x {\n}\n"), New: "{}"}},
			Remedies: []patch.Remedy{{Finding: &finding, Fix: finding.Fixes[0], File: name}},
			Left:     []patch.Unfixed{{Finding: &finding, Reason: name}},
		}
		var out bytes.Buffer
		require.NoError(t, writeSARIF(&out, &Report{Patch: NewPatch(p)}, TextOptions{}))
		assertPrintable(t, out.String())
		var log map[string]any
		require.NoError(t, json.Unmarshal(out.Bytes(), &log))
		checkSARIF(t, "log", "log", log)
	}
}

// TestSARIFFixes holds, for random patches, that the replacements of all results,
// each once, make the new texts of the old.
func TestSARIFFixes(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 60 {
		name := func() string {
			return fmt.Sprintf("/srv/%c/%c%c", 'a'+random.IntN(4), 'a'+random.IntN(26), 'a'+random.IntN(26))
		}
		newline := [...]string{"\n", "\r\n"}[random.IntN(2)]
		profile := "profile web {" + newline
		for range random.IntN(20) {
			profile += "  " + name() + " " + [...]string{"r", "w", "rw"}[random.IntN(3)] + "," + [...]string{"", " # \u00fc"}[random.IntN(2)] + newline
		}
		if random.IntN(3) == 0 {
			profile += "  deny /srv/a/** w," + newline
		}
		profile += "}" + [...]string{"", newline, newline + newline}[random.IntN(3)]
		var bodies []string
		for range 1 + random.IntN(20) {
			bodies = append(bodies, patchtest.Opened("web", name(), [...]string{"r", "w", "wr"}[random.IntN(3)]))
		}
		if random.IntN(2) == 0 {
			bodies = append(bodies, strings.Replace(patchtest.Opened("web", name(), "r"), "requested", `info="Failed name lookup - disconnected path" error=-13 requested`, 1))
		}
		p := patchtest.Of(t, "web", profile, patchtest.Container, bodies...)
		if random.IntN(2) == 0 {
			patchtest.WithSeccomp(t, p, patchtest.Container)
		}
		checkSARIFFixes(t, p)
	}
}

// TestSARIFBytes holds that texts that are not UTF-8 come out exactly.
func TestSARIFBytes(t *testing.T) {
	f := rules.NewFile("f", "a\xff\nb\n")
	finding := poison(t)
	checkSARIFFixes(t, &patch.Patch{
		Changes:  []rules.Change{{File: f, New: "a\xff\n\xfe\nb\n"}},
		Remedies: []patch.Remedy{{Finding: &finding, File: "f"}},
	})
}

// checkSARIFFixes writes a patch as SARIF and applies it.
func checkSARIFFixes(t *testing.T, p *patch.Patch) {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, writeSARIF(&out, &Report{Patch: NewPatch(p)}, TextOptions{}))
	var log sarifLog
	require.NoError(t, json.Unmarshal(out.Bytes(), &log))
	require.Len(t, log.Runs[0].Results, len(p.Remedies)+len(p.Left))
	replacements := map[string][]sarifReplacement{}
	for _, r := range log.Runs[0].Results {
		for _, fix := range r.Fixes {
			for _, change := range fix.ArtifactChanges {
				uri := change.ArtifactLocation.URI
				for _, replacement := range change.Replacements {
					known := slices.ContainsFunc(replacements[uri], func(o sarifReplacement) bool { return assert.ObjectsAreEqual(o, replacement) })
					if !known {
						replacements[uri] = append(replacements[uri], replacement)
					}
				}
			}
		}
	}
	if len(p.Remedies) == 0 {
		return
	}
	for _, c := range p.Changes {
		var edits []rules.Edit
		for _, r := range replacements[fileURI(c.File.Name)] {
			edits = append(edits, rules.Edit{At: rules.Location{File: c.File, Span: spanOf(c.File, r.DeletedRegion)}, New: contentOf(r)})
		}
		changes, err := rules.Apply(edits)
		require.NoError(t, err)
		require.Len(t, changes, 1, out.String())
		require.Equal(t, c.New, changes[0].New, "of\n%s\nby\n%s", c.File.Text, out.String())
	}
}

func contentOf(r sarifReplacement) string {
	if r.InsertedContent == nil {
		return ""
	}
	return r.InsertedContent.Text + string(r.InsertedContent.Binary)
}

// spanOf is the region as SARIF defines it: lines and columns count from 1.
func spanOf(f *rules.File, r sarifRegion) rules.Span {
	if r.ByteOffset != nil {
		return rules.Span{Start: *r.ByteOffset, End: *r.ByteOffset + *r.ByteLength}
	}
	offset := func(line, column int) int {
		lines := slices.Collect(strings.Lines(f.Text))
		before := len(strings.Join(lines[:line-1], ""))
		if line > len(lines) {
			return before
		}
		return before + len(string([]rune(lines[line-1])[:column-1]))
	}
	return rules.Span{Start: offset(r.StartLine, r.StartColumn), End: offset(r.EndLine, r.EndColumn)}
}

// TestRawDiff holds that a diff has the bytes of the files and says so, and that the
// one below text, which is for people, is escaped but for its tabs.
func TestRawDiff(t *testing.T) {
	const diff = "--- a/web\n+++ b/web\n@@ -1,2 +1,3 @@\n # \x1b]0;t\a\n ::error::x\n+\t/a r,\n"
	p := &Patch{Diff: diff, Fixed: []PatchFix{{}}}
	var out strings.Builder
	require.NoError(t, p.WriteDiff(&out))
	comments, ok := strings.CutSuffix(out.String(), diff)
	require.True(t, ok)
	assert.Contains(t, comments, "\n# ! below are the bytes of the files")
	for line := range strings.Lines(comments) {
		assert.True(t, strings.HasPrefix(line, "# "), line)
	}

	out.Reset()
	require.NoError(t, writeText(&out, &Report{Patch: p}, TextOptions{}))
	assert.Contains(t, out.String(), ` # \x1b]0;t\a`+"\n "+`\x3a:error::x`+"\n+\t/a r,\n")
	require.NoError(t, (&escapetest.Terminal{Tabs: true}).Print(out.String()))
	assert.Empty(t, escapetest.Commands(out.String()))

	out.Reset()
	p.Diff = "--- a/web\n+++ b/web\n@@ -1 +1,2 @@\n a\n+\t/ü r,\n"
	require.NoError(t, p.WriteDiff(&out))
	assert.NotContains(t, out.String(), "# !")
}
