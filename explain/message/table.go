package message

import (
	_ "embed"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// messages.tsv has a row for each text: the text as it is printed, who prints it, what it
// means, and where that is known from: "seen" and the version of the program that was made
// to fail, or the public source that has it. Rows are tried from the top.
//
// In a text {error} is any refusal by its name, {EPERM} and {EACCES} are those alone,
// {path}, {word}, {n} and {any} what they say, {nr} the number of a system call, and ' any
// quote. What it means is the error, where the text does not have it; the calls that it can
// have been, the likeliest first, with what is known of their arguments; and after a ! the
// name of a hint.
//
//go:embed messages.tsv
var messagesTSV string

// A Row is a text that programs print, and what it means.
type Row struct {
	Text   string
	From   string // the programs
	Errno  string // "" if the text says it
	Calls  []parser.Tried
	Hint   string // its name in hints
	Layer  string // the layer of the kernel that the text itself names, as explain/layer has them, or ""
	Source string

	means    string
	pattern  *regexp.Regexp
	trigrams []uint16 // of its words, that a line in lower case must hold
	named    bool     // it must name an error, too
}

// Seen reports whether the program was made to print the text; else the source is public.
func (r *Row) Seen() bool { return strings.HasPrefix(r.Source, "seen") }

// Rows returns the table. It panics if that is damaged, which a test reads.
var Rows = sync.OnceValue(func() []Row {
	var rows []Row
	for line := range strings.Lines(messagesTSV) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 4 {
			panic(fmt.Sprintf("message: messages.tsv: %d fields: %s", len(f), line))
		}
		r := Row{Text: f[0], From: f[1], Source: f[3], means: f[2]}
		r.read()
		r.compile()
		rows = append(rows, r)
	}
	return rows
})

var meansErrno = regexp.MustCompile(`^(E[A-Z]+|SIGSYS)(?: |$)`)

// read reads what a row means.
func (r *Row) read() {
	calls, hint, _ := strings.Cut(r.means, "!")
	r.Hint = strings.TrimSpace(hint)
	r.Layer = hints[r.Hint].layer
	calls = strings.TrimSpace(calls)
	if m := meansErrno.FindString(calls); m != "" {
		r.Errno, calls = strings.TrimSpace(m), calls[len(m):]
	}
	for text := range strings.SplitSeq(calls, "; ") {
		name, args, _ := strings.Cut(strings.TrimSuffix(text, ")"), "(")
		t := parser.Tried{Syscall: name}
		if args != "" {
			t.Args = strings.Split(args, ", ")
		}
		if name != "" {
			r.Calls = append(r.Calls, t)
		}
	}
}

// places are what stands for something in a text.
var places = map[string]string{
	"{error}": `(?:operation not permitted|permission denied|function not implemented|bad system call|eperm|eacces|enosys)`,
	"{EPERM}": `(?:operation not permitted|eperm)`, "{EACCES}": `(?:permission denied|eacces)`,
	"{path}": `[^\s'"‘’]+`, "{word}": `[^\s'"‘’]+?`, "{n}": `-?\d+`, "{any}": `.*?`, "{nr}": `(\d+)`,
}

// errorWords are those of which each error of places has one.
var errorWords = strings.Fields("permitted denied implemented call eperm eacces enosys")

var place = regexp.MustCompile(`\{\w+\}`)

// compile makes the pattern of a text.
func (r *Row) compile() {
	var b strings.Builder
	text := lowerText(r.Text)
	quote := func(literal string) {
		for word := range strings.FieldsFuncSeq(literal, func(c rune) bool { return c == ' ' || c == '\'' }) {
			for t := range trigramsOf(word) {
				r.trigrams = append(r.trigrams, t)
			}
		}
		for _, c := range literal {
			switch c {
			case '\'':
				b.WriteString("\\\\*['\"‘’`]") // escaped for a text around it, once or several times
			case ' ':
				b.WriteString(` +`)
			default:
				b.WriteString(regexp.QuoteMeta(string(c)))
			}
		}
	}
	if isWord(text[0]) {
		b.WriteString(`(?:^|[^\w/.-])`)
	}
	at := 0
	for _, m := range place.FindAllStringIndex(text, -1) {
		quote(text[at:m[0]])
		b.WriteString(places[text[m[0]:m[1]]])
		r.named = r.named || slices.Contains([]string{"{error}", "{EPERM}", "{EACCES}"}, text[m[0]:m[1]])
		at = m[1]
	}
	quote(text[at:])
	if isWord(text[len(text)-1]) || strings.HasSuffix(text, "{nr}") {
		b.WriteString(`\b`)
	}
	r.pattern = regexp.MustCompile(b.String())
}

func isWord(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

// lowerText is a text in lower case, but for its places.
func lowerText(text string) string {
	var b strings.Builder
	at := 0
	for _, m := range place.FindAllStringIndex(text, -1) {
		b.WriteString(lowerASCII(text[at:m[0]]) + text[m[0]:m[1]])
		at = m[1]
	}
	return b.String() + lowerASCII(text[at:])
}

// find returns the first of some rows whose text a line in lower case holds, and where it
// does; nil if none.
func find(rows []Row, lower string) (*Row, []int) {
	var held [1 << 12]bool
	for t := range trigramsOf(lower) {
		held[t] = true
	}
	unnamed := !slices.ContainsFunc(errorWords, func(word string) bool { return strings.Contains(lower, word) })
	for i := range rows {
		r := &rows[i]
		if r.named && unnamed || slices.ContainsFunc(r.trigrams, func(t uint16) bool { return !held[t] }) {
			continue
		}
		if m := r.pattern.FindStringSubmatchIndex(lower); m != nil {
			return r, m
		}
	}
	return nil, nil
}

// trigramsOf returns each three bytes of a text that follow each other, as a number of twelve bits: what
// has not those of a word has not the word, which a line is asked for all rows at once.
func trigramsOf(text string) iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		for i := range max(0, len(text)-2) {
			if !yield((uint16(text[i])<<8 ^ uint16(text[i+1])<<4 ^ uint16(text[i+2])) & (1<<12 - 1)) {
				return
			}
		}
	}
}

// outside are the hints of what is done beside a container: by its runtime or engine, or by what these run.
var outside = strings.Fields("runtime whole-proc cni hook rootless-network engine engine-root image-layer gpu-cgroups sysbox libvirt-exec lxc engine-volume nvml-hook")

// ofHost are the hints of what programs of the host say, in no container.
var ofHost = strings.Fields("unit-mounts unit-devices unit-namespace unit-path unit-chdir unit-capabilities unit-sigsys unit-call-name apparmor-unit " +
	"unit-directories unit-exec snap-profile build-context libvirt-profile qemu-file docker-socket fusermount fs-group unit-users selinux-record sd-bus apparmor-list oom-score " +
	"bwrap-mount suid-sandbox firejail lxc-join lxc-path unit-call-group signal")

// apply takes what a row says of a line that holds its text.
func (r *Row) apply(a *parser.Attempt, lower string, m []int, arch seccomp.Arch) {
	if r.Errno != "" {
		a.Errno = r.Errno
	} else if errno, _, _ := errnoOf(lower[m[0]:m[1]]); errno != "" {
		a.Errno = errno
	}
	take(a, r.Hint)
	if len(r.Calls) == 0 && r.Errno == "" {
		a.Errno = "" // whatever it is, no call of the program had it
	}
	for i, t := range r.Calls {
		if t.Syscall == "{nr}" {
			nr, err := strconv.ParseUint(lower[m[2]:m[3]], 10, 32) // with zeros before it, and decimal all the same
			if err != nil {
				continue
			}
			t.Syscall, _ = seccomp.SyscallName(arch, uint32(nr))
		}
		if i == 0 {
			a.Syscall, a.Args = t.Syscall, t.Args
			continue
		}
		a.Or = append(a.Or, t)
	}
}
