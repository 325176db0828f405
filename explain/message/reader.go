package message

import (
	"regexp"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// A Reader reads the lines of a program's output one after the other. Beyond Read it knows
// the traces of Python, which have the call that failed in a line of source before the
// error. It serves one goroutine at a time.
type Reader struct {
	Origin parser.Origin // of the line before the next
	Arch   seccomp.Arch  // whose numbers of system calls are meant

	isSource bool   // the next line is one of source
	source   string // the last of them, in lower case
}

// traced is how Python says which line of source comes next.
var traced = regexp.MustCompile(`^File "[^"]*", line \d+(?:, in \S+)?$`)

// Line reads the next line, as Read does.
func (r *Reader) Line(line string) (a parser.Attempt, ok bool) {
	r.Origin.Line++
	text := bare(line[:min(len(line), maxMessage)])
	switch {
	case traced.MatchString(text):
		r.isSource = true
		return a, false
	case r.isSource:
		r.isSource, r.source = false, lowerASCII(text)
		return a, false
	}
	a, ok = Read(r.Origin, line, r.Arch)
	if !ok {
		return a, false
	}
	if a.Syscall == "" {
		a.Syscall = calledIn(r.source)
	}
	r.source = ""
	return a, true
}

// called finds what a line of source calls, and whose constructor.
var called = regexp.MustCompile(`([a-z_][a-z_0-9]*)(?:\.__init__)?\(`)

// calledIn returns the first system call that a line of source makes, or "".
func calledIn(source string) string {
	for _, m := range called.FindAllStringSubmatch(source, 16) {
		if call := known(m[1]); call != "" {
			return call
		}
	}
	return ""
}
