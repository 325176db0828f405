// Package rules is the vocabulary that the two policy languages share: files
// and places in them, diagnostics, and fixes made of text edits. It knows
// nothing of AppArmor or seccomp; rules/apparmor and rules/seccomp build on it.
//
// All values are immutable once made and safe for concurrent use.
package rules

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

// A File is the text of one policy file. Every position in this module is a
// byte offset into Text; lines and columns are computed when printed.
type File struct {
	Name string // as the user named it, or as an include found it
	Text string
	// Builtin says where a file that is not on disk comes from, such as
	// "docker-default of moby/profiles v0.2.1"; it is empty for real files.
	Builtin string
	// Absent says that the file is not there yet: a change creates it.
	Absent bool
	// Policy is the part that is policy, where the file holds more: the filter in an OCI
	// config.json, which has the container's environment besides. The zero Span is the
	// whole file. Nothing else of the file is told to anyone.
	Policy Span

	lines []uint32 // byte offset of the start of each line
}

// NewFile returns the file of the given name and text.
func NewFile(name, text string) *File {
	f := &File{Name: name, Text: text, lines: make([]uint32, 1, 1+strings.Count(text, "\n"))}
	for i := range len(text) {
		if text[i] == '\n' {
			f.lines = append(f.lines, uint32(i+1))
		}
	}
	return f
}

// Position returns the 1-based line and the 1-based column, counted in runes,
// of a byte offset. An offset outside the text is clamped to it.
func (f *File) Position(offset int) (line, column int) {
	offset = min(max(offset, 0), len(f.Text))
	line = sort.Search(len(f.lines), func(i int) bool { return int(f.lines[i]) > offset })
	start := int(f.lines[line-1])
	return line, utf8.RuneCountInString(f.Text[start:offset]) + 1
}

// Line returns the text of the 1-based line without its line ending, or "" if
// there is no such line.
func (f *File) Line(line int) string {
	if line < 1 || line > len(f.lines) {
		return ""
	}
	end := len(f.Text)
	if line < len(f.lines) {
		end = int(f.lines[line]) - 1
	}
	text := f.Text[f.lines[line-1]:end]
	if n := len(text); n > 0 && text[n-1] == '\r' {
		text = text[:n-1]
	}
	return text
}

// LineStart returns the byte offset at which the 1-based line starts, clamped
// to the file.
func (f *File) LineStart(line int) int {
	return int(f.lines[min(max(line, 1), len(f.lines))-1])
}

// Told returns the part of the file that is told.
func (f *File) Told() Span {
	if f.Policy == (Span{}) {
		return Span{0, len(f.Text)}
	}
	return f.Policy
}

// A Span is the half-open range of byte offsets [Start, End) of a file.
type Span struct{ Start, End int }

// A Location is a span of a file. The zero Location is nowhere.
type Location struct {
	File *File
	Span Span
}

// IsZero reports whether the location is nowhere.
func (l Location) IsZero() bool { return l.File == nil }

// Text returns the source text at the location.
func (l Location) Text() string {
	if l.File == nil {
		return ""
	}
	return l.File.Text[l.Span.Start:l.Span.End]
}

// String returns "file:line:column" of the start of the location.
func (l Location) String() string {
	if l.File == nil {
		return "nowhere"
	}
	line, column := l.File.Position(l.Span.Start)
	return fmt.Sprintf("%s:%d:%d", l.File.Name, line, column)
}
