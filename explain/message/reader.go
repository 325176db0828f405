package message

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// A Reader reads the lines of a program's output one after the other. Beyond Read it knows
// traces: Python has the call that failed in a line of source before the error, Java in
// frames after it. It serves one goroutine at a time.
type Reader struct {
	arch     seccomp.Arch
	add      func(parser.Attempt)
	origin   parser.Origin
	isSource bool            // the next line is one of source
	source   string          // the last of them, in lower case
	said     *parser.Attempt // of the line before, whose call is not known yet
	before   string          // the lines before, as far as this one may go on with them
	firejail bool            // Firejail runs the program, by what it said before
}

// NewReader returns what reads a file, and calls add with each refusal that
// its lines tell of. Numbers of system calls are those of an architecture.
func NewReader(file string, arch seccomp.Arch, add func(parser.Attempt)) *Reader {
	return &Reader{arch: arch, add: add, origin: parser.Origin{File: file}}
}

// traced is how Python says which line of source comes next.
var traced = regexp.MustCompile(`^File "[^"]*", line \d+(?:, in \S+)?$`)

// framed is a frame of the JDK's own in a trace of Java. Native methods are named for calls,
// with a number at the end.
var framed = regexp.MustCompile(`^at java\.base/[\w.$]+\.([\w<>]+?)\d*\([\w.: ]*\)$`)

// methods are those of the JDK that have another name than the call they make.
var methods = map[string]string{
	"setMode": "chmod", "setOwners": "chown", "createDirectory": "mkdir", "move": "rename", "implDelete": "unlink", "createSymbolicLink": "symlink",
	"createLink": "link", "newByteChannel": "openat", "newDirectoryStream": "openat", "newWatchService": "inotify_init1", "createImpl": "socket", "forkAndExec": "vfork",
}

// exception is how Python names an exception.
var exception = regexp.MustCompile(`^[\w.]+(?:Error|Exception)(?::|$)`)

// ofFirejail is how Firejail says that it starts a program.
var ofFirejail = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:Reading profile /\S*firejail/|Parent pid \d+, child pid \d+$|Child process initialized in )|(?:^|[$#] )(?:sudo )?firejail -`)
})

// Line reads the next line.
func (r *Reader) Line(line string) {
	r.origin.Line++
	text := bare(line[:min(len(line), maxMessage)])
	if !r.firejail && (strings.Contains(text, "irejail") || strings.Contains(text, "hild p")) { // which is found much faster
		r.firejail = ofFirejail().MatchString(text)
	}
	if m := framed.FindStringSubmatch(text); m != nil && r.said != nil {
		r.said.Syscall = cmp.Or(methods[m[1]], known(lowerASCII(m[1])))
		if r.said.Syscall != "" {
			r.End()
		}
		return
	}
	r.End()
	before := r.before
	r.before = ""
	switch {
	case traced.MatchString(text):
		r.isSource = true
		return
	case r.isSource && !exception.MatchString(text): // which follows at once where the source is not known
		if r.isSource = false; r.source == "" || calledIn(lowerASCII(text)) != "" {
			r.source = lowerASCII(text) // of the innermost frame that makes a call
		}
		return
	}
	r.isSource = false
	if whole := goesOn(before, text); whole != "" {
		line = whole
	} else if prose, told := r.inCode(text); told {
		line = prose
	}
	a, ok := Read(r.origin, line, r.arch)
	if !ok {
		r.before = wrapped(before, text)
		return
	}
	if a.Syscall == "" {
		a.Syscall = calledIn(r.source)
		readsClock(&a)
	}
	if general := []string{"", hints["mount"].says, hints["namespaces"].says, hints["fusermount"].says}; r.firejail && slices.Contains(general, a.Hint) {
		take(&a, "firejail")
	}
	r.source, r.said = "", &a
	if a.Syscall != "" {
		r.End()
	}
}

// code is what people put a message into when they write of it: a span of code in Markdown.
var code = regexp.MustCompile("`[^`]{12,}`")

// inCode reads the spans of code in a line, and returns the line without those that tell of a refusal; told
// reports whether one does.
func (r *Reader) inCode(text string) (prose string, told bool) {
	prose = code.ReplaceAllStringFunc(text, func(span string) string {
		a, ok := Read(r.origin, strings.Trim(span, "`"), r.arch)
		if !ok {
			return span
		}
		told = true
		r.add(a)
		return " "
	})
	return prose, told
}

// End is to be called after the last line.
func (r *Reader) End() {
	if r.said != nil {
		r.add(*r.said)
		r.said = nil
	}
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

// A line that is shorter than minWrapped is hardly one that a terminal or a mail program
// wrapped; maxWrapped bounds the bytes of those before a line that it is read with.
const (
	minWrapped = 50
	maxWrapped = 1024
)

// wrapped returns the lines that the next one may go on with, after one more.
func wrapped(before, text string) string {
	if len(text) < minWrapped {
		return ""
	}
	if before != "" {
		text = before + " " + text
	}
	return text[max(0, len(text)-maxWrapped):]
}

// goesOn returns a line with those before that it goes on with, "" if it is one of its own. It
// goes on where the name of an error, or a text of the table, begins in those and ends in it.
// Terminals wrap within words, too.
func goesOn(before, text string) string {
	if before == "" || text == "" {
		return ""
	}
	for _, between := range []string{" ", ""} {
		whole := before + between + text[:min(len(text), maxWrapped)]
		lower, ends := lowerASCII(toEnglish().Replace(whole)), len(lowerASCII(toEnglish().Replace(before)))
		_, start, end := errnoOf(lower)
		if start >= 0 && start < ends && end > ends+len(between) {
			return whole
		}
		if between == " " && start == ends+1 && strings.HasSuffix(before, ":") { // the error alone
			return whole
		}
		if row, m := find(Rows(), lower); row != nil && m[0]+1 < ends && m[1] > ends+len(between) { // from what is before the text on
			return whole
		}
	}
	return ""
}
