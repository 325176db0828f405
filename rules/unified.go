package rules

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff"
)

// Unified returns the changes as one unified diff with three lines of context,
// in the form that git apply and patch -p1 accept: names get the prefixes a/
// and b/, and a leading slash of a name is dropped. A file that is not there yet
// is created. Names are quoted where they need it, as git does.
//
// Of a file of which a part is policy, the diff is of that part: its first and last line
// are cut where the part begins and ends, see Change.IsCut.
func Unified(changes []Change) string {
	var out strings.Builder
	for _, c := range changes {
		if c.File.Policy != (Span{}) {
			skipped, _ := c.File.Position(c.File.Policy.Start)
			out.WriteString(laterHunks(Unified([]Change{c.Told()}), skipped-1))
			continue
		}
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

// Told returns the change of the part of the file that is told, as one of a file of its
// own. It is no change if it would reach beyond that part.
func (c Change) Told() Change {
	part, text := c.File.Told(), c.File.Text
	file := NewFile(c.File.Name, text[part.Start:part.End])
	file.Absent = c.File.Absent
	before, after := text[:part.Start], text[part.End:]
	if len(c.New) < len(before)+len(after) || !strings.HasPrefix(c.New, before) || !strings.HasSuffix(c.New, after) {
		return Change{File: file, New: file.Text}
	}
	return Change{File: file, New: c.New[len(before) : len(c.New)-len(after)]}
}

// IsCut reports whether a diff of the change has lines that are cut, so that git apply and
// patch do not take it.
func (c Change) IsCut() bool {
	if c.File.Policy == (Span{}) {
		return false
	}
	first, column := c.File.Position(c.File.Policy.Start)
	last, _ := c.File.Position(c.File.Policy.End)
	for _, e := range c.LineEdits() {
		from, _ := c.File.Position(e.At.Span.Start)
		to, _ := c.File.Position(e.At.Span.End)
		if from-udiff.DefaultContextLines <= first && column > 1 || to+udiff.DefaultContextLines >= last {
			return true
		}
	}
	return false
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

// UnifiedEdits is Unified of what Apply makes of edits, with the names of the files. It looks at no more of a file
// than the lines around them, and so is quick for a small edit of a large file.
func UnifiedEdits(edits []Edit) (diff string, files []string, err error) {
	sorted, conflicts := Merge(edits)
	if len(conflicts) > 0 {
		_, err := Apply(edits)
		return "", nil, err
	}
	var out strings.Builder
	for len(sorted) > 0 {
		f := sorted[0].At.File
		n := slices.IndexFunc(sorted, func(e Edit) bool { return e.At.File != f })
		if n < 0 {
			n = len(sorted)
		}
		diff, err := unifiedPart(f, sorted[:n])
		if err != nil {
			return "", nil, err
		}
		out.WriteString(diff)
		files = append(files, f.Name)
		sorted = sorted[n:]
	}
	return out.String(), files, nil
}

// unifiedPart is Unified of the lines around sorted edits of a file.
func unifiedPart(f *File, edits []Edit) (string, error) {
	const around = udiff.DefaultContextLines + 2
	last := slices.MaxFunc(edits, func(a, b Edit) int { return cmp.Compare(a.At.Span.End, b.At.Span.End) })
	line, _ := f.Position(edits[0].At.Span.Start)
	end, _ := f.Position(last.At.Span.End)
	skipped := max(line-1-around, 0)
	told := f.Told()
	start, stop := max(f.LineStart(skipped+1), told.Start), told.End
	if end+around < len(f.lines) {
		stop = min(f.LineStart(end+around), stop)
	}
	first, _ := f.Position(start)
	skipped = first - 1
	if f.Policy != (Span{}) && (edits[0].At.Span.Start < start || last.At.Span.End > stop) {
		return "", fmt.Errorf("%s: an edit is beyond what is policy in it", f.Name)
	}
	part := NewFile(f.Name, f.Text[start:stop])
	part.Absent = f.Absent
	moved := make([]Edit, len(edits))
	for i, e := range edits {
		moved[i] = Edit{At: Location{File: part, Span: Span{e.At.Span.Start - start, e.At.Span.End - start}}, New: e.New}
	}
	text, err := applyFile(part, moved)
	if err != nil {
		return "", fmt.Errorf("%s, after byte %d", err, start)
	}
	return laterHunks(Unified([]Change{{File: part, New: text}}), skipped), nil
}

// laterHunks is a diff of a text that is part of one, before which it has n lines more.
func laterHunks(diff string, n int) string {
	return hunk.ReplaceAllStringFunc(diff, func(header string) string {
		m := hunk.FindStringSubmatch(header)
		return "@@ -" + later(m[1], n) + m[2] + " +" + later(m[3], n) + m[4] + " @@"
	})
}

var hunk = regexp.MustCompile(`(?m)^@@ -(\d+)(,\d+)? \+(\d+)(,\d+)? @@`)

// later adds to the number of a line.
func later(line string, n int) string {
	number, _ := strconv.Atoi(line)
	return strconv.Itoa(number + n)
}
