package rules

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPosition(t *testing.T) {
	f := NewFile("f", "ab\nçd\r\n\nlast")
	for _, c := range []struct{ offset, line, column int }{
		{-1, 1, 1}, {0, 1, 1}, {2, 1, 3}, {3, 2, 1}, {5, 2, 2}, {8, 3, 1}, {9, 4, 1}, {13, 4, 5}, {99, 4, 5},
	} {
		line, column := f.Position(c.offset)
		assert.Equal(t, [2]int{c.line, c.column}, [2]int{line, column}, c.offset)
	}
	assert.Equal(t, []string{"", "ab", "çd", "", "last", ""}, []string{f.Line(0), f.Line(1), f.Line(2), f.Line(3), f.Line(4), f.Line(5)})
	assert.Equal(t, "f:2:2", Location{f, Span{5, 6}}.String())
	assert.Equal(t, "d", Location{f, Span{5, 6}}.Text())
	assert.Equal(t, "nowhere", Location{}.String())
	assert.Equal(t, []string{""}, []string{NewFile("empty", "").Line(1)})
}

// edit replaces the first occurrence of old in a file.
func edit(f *File, old, text string) Edit {
	i := strings.Index(f.Text, old)
	return Edit{Location{f, Span{i, i + len(old)}}, text}
}

func insert(f *File, offset int, text string) Edit {
	return Edit{Location{f, Span{offset, offset}}, text}
}

func TestMergeAndApply(t *testing.T) {
	a, b := NewFile("a", "one two three\n"), NewFile("b", "four\n")
	for _, c := range []struct {
		name      string
		sets      [][]Edit
		want      []string // the files afterwards
		conflicts int
	}{
		{"nothing", nil, nil, 0},
		{"independent", [][]Edit{{edit(a, "three", "3")}, {edit(a, "one", "1"), edit(b, "four", "4")}}, []string{"1 two 3\n", "4\n"}, 0},
		{"identical edits coalesce", [][]Edit{{edit(a, "two", "2")}, {edit(a, "two", "2")}}, []string{"one 2 three\n"}, 0},
		{"different edits conflict", [][]Edit{{edit(a, "two", "2")}, {edit(a, "two", "II")}}, []string{"one 2 three\n"}, 1},
		{"overlap", [][]Edit{{edit(a, "one two", "12")}, {edit(a, "two three", "23")}}, []string{"12 three\n"}, 1},
		{"insertions at one place keep their order", [][]Edit{{insert(a, 4, "x ")}, {insert(a, 4, "y ")}}, []string{"one x y two three\n"}, 0},
		{"insertion beside a replacement", [][]Edit{{edit(a, "two ", "")}, {insert(a, 8, "z ")}}, []string{"one z three\n"}, 0},
		{"insertion where a replacement starts", [][]Edit{{edit(a, "two ", "")}, {insert(a, 4, "z ")}}, []string{"one z three\n"}, 0},
		{"insertion inside a replacement", [][]Edit{{edit(a, "two", "2")}, {insert(a, 5, "z")}}, []string{"one 2 three\n"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			edits, conflicts := Merge(c.sets...)
			assert.Len(t, conflicts, c.conflicts)
			changes, err := Apply(edits)
			require.NoError(t, err)
			var got []string
			for _, change := range changes {
				got = append(got, change.New)
			}
			assert.Equal(t, c.want, got)
		})
	}
	_, err := Apply([]Edit{edit(a, "two", "2"), edit(a, "two", "3")})
	assert.ErrorContains(t, err, "a:1:5: edit overlaps")
	_, err = Apply([]Edit{insert(a, 99, "x")})
	assert.ErrorContains(t, err, "outside the file")
}

// TestUnified holds that git apply and patch -p1 take the diffs and make of the
// files what Apply made.
// manyChanges writes a file of 3,000 lines to a directory and returns 500 changes
// of it as one.
func manyChanges(t *testing.T, dir string) Change {
	var text strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&text, "  /srv/%d r,\n", i)
	}
	f := NewFile("many", text.String())
	require.NoError(t, os.WriteFile(filepath.Join(dir, f.Name), []byte(f.Text), 0o600))
	var edits []Edit
	for i := 1; i < 3000; i += 6 {
		edits = append(edits, insert(f, f.LineStart(i), fmt.Sprintf("  /new/%d w,\n", i)))
	}
	changes, err := Apply(edits)
	require.NoError(t, err)
	return changes[0]
}

// awkwardNames are changes of files whose names a diff's headers cannot have as they are.
func awkwardNames(t *testing.T, dir string) (changes []Change) {
	for _, name := range []string{"with space", " a  b ", `quo"te`, `back\slash`, "tab\there", "größe", "esc\x1b[m", "bad\xffbyte", "x\u202ey", "'"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("old\n"), 0o600))
		changes = append(changes, Change{NewFile(name, "old\n"), "new\n"})
		header, _, _ := strings.Cut(strings.TrimPrefix(Unified(changes[len(changes)-1:]), "--- "), "\n")
		got, ok := DiffName(header)
		assert.True(t, ok, header)
		assert.Equal(t, name, got)
		assert.NotContains(t, header, "\x1b")
	}
	forged := NewFile("x\n--- a/etc/passwd", "a\n")
	assert.Equal(t, 1, strings.Count(Unified([]Change{{forged, "b\n"}}), "\n--- ")+1, "a name begins no other file")
	return changes
}

// UnifiedEdits gives the diff of the whole file.
func TestUnifiedEdits(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 3))
	for range 500 {
		var text strings.Builder
		for i := range random.IntN(60) {
			fmt.Fprintf(&text, "line %d\n", i)
		}
		if random.IntN(3) == 0 {
			text.WriteString("the end")
		}
		f := NewFile("f", text.String())
		var edits []Edit
		at := 0
		for range 1 + random.IntN(3) {
			start := at + random.IntN(len(f.Text)-at+1)
			end := start + min(random.IntN(12), len(f.Text)-start)
			edits = append(edits, Edit{Location{f, Span{start, end}}, [...]string{"", "x", "new\n", "a\nb\n"}[random.IntN(4)]})
			at = end
		}
		changes, err := Apply(edits)
		diff, _, err2 := UnifiedEdits(edits)
		require.Equal(t, err == nil, err2 == nil, "%v, %v", err, err2)
		if err == nil {
			require.Equal(t, Unified(changes), diff, "%q", f.Text)
		}
	}
	_, _, err := UnifiedEdits([]Edit{insert(NewFile("f", "a\n"), 99, "x")})
	assert.ErrorContains(t, err, "outside the file")
}

func TestUnified(t *testing.T) {
	for _, tool := range [][]string{{"git", "apply"}, {"patch", "-p1", "-s", "-i"}} {
		t.Run(tool[0], func(t *testing.T) {
			if _, err := exec.LookPath(tool[0]); err != nil {
				t.Skipf("%s is not installed", tool[0])
			}
			dir := t.TempDir()
			files := []*File{
				NewFile("etc/apparmor.d/web", strings.Repeat("  /a r,\n", 30)+"}\n"),
				NewFile("no-newline", "{\n\t/b r,\n}"),
				NewFile("crlf", "{\r\n  /c r,\r\n}\r\n"),
			}
			for _, f := range files {
				require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, f.Name)), 0o700))
				require.NoError(t, os.WriteFile(filepath.Join(dir, f.Name), []byte(f.Text), 0o600))
			}
			changes, err := Apply([]Edit{
				insert(files[0], 0, "  /first r,\n"), insert(files[0], len(files[0].Text)-2, "  /last r,\n"),
				edit(files[1], "/b r,", "/b rw,"), insert(files[1], len(files[1].Text), "\n# end"),
				edit(files[2], "/c r,", "/c rw,"),
			})
			require.NoError(t, err)
			absent := NewFile("etc/apparmor.d/containers/new", "")
			absent.Absent = true
			changes = append(changes, Change{absent, "profile new {\n}\n"}, manyChanges(t, dir))
			if runtime.GOOS == "linux" {
				changes = append(changes, awkwardNames(t, dir)...)
			}
			require.NoError(t, os.WriteFile(filepath.Join(dir, "p.diff"), []byte(Unified(changes)), 0o600))
			cmd := exec.Command(tool[0], append(tool[1:], "p.diff")...)
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s\n%s", out, Unified(changes))
			for _, c := range changes {
				got, err := os.ReadFile(filepath.Join(dir, c.File.Name))
				require.NoError(t, err)
				assert.Equal(t, c.New, string(got), c.File.Name)
			}
		})
	}
	assert.Empty(t, Unified(nil))
	assert.Contains(t, Unified([]Change{{NewFile("/etc/x", "a\n"), "b\n"}}), "--- a/etc/x\n+++ b/etc/x\n")
}
