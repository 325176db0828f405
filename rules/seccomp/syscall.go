package seccomp

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

//go:generate go -C internal/tools run ./syscalls -o ../../syscalls.tsv

// syscallsTSV has a line per name and a column per architecture.
//
//go:embed syscalls.tsv
var syscallsTSV string

// A numbering is the system calls of one architecture.
type numbering struct {
	base    uint32
	names   []string          // by number less base
	high    map[uint32]string // those far above: ARM's private calls
	numbers map[string]uint32 // without bit 30 for x32
}

// numberings returns the numberings by column name, and every name that any
// architecture has.
var numberings = sync.OnceValue(func() map[string]*numbering {
	_, text, _ := strings.Cut(syscallsTSV, "\n")
	header, text, _ := strings.Cut(text, "\n")
	columns := strings.Split(header, "\t")[1:]
	tables := make([]numbering, len(columns))
	out := make(map[string]*numbering, len(columns))
	for i, c := range columns {
		tables[i] = numbering{base: bases[c], high: map[uint32]string{}, numbers: make(map[string]uint32, 512)}
		out[c] = &tables[i]
	}
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		for i := 0; rest != ""; i++ {
			var field string
			field, rest, _ = strings.Cut(rest, "\t")
			if field == "" {
				continue
			}
			nr, err := strconv.ParseUint(field, 10, 32)
			if err != nil {
				panic("seccomp: syscalls.tsv: " + err.Error())
			}
			tables[i].add(name, uint32(nr))
		}
	}
	return out
})

// bases are the first numbers of the tables that do not start at 0.
var bases = map[string]uint32{"mips": 4000, "mips64": 5000}

// add enters one system call.
func (n *numbering) add(name string, nr uint32) {
	n.numbers[name] = nr
	i := nr - n.base
	if i > 4095 {
		n.high[nr] = name
		return
	}
	for uint32(len(n.names)) <= i {
		n.names = append(n.names, "")
	}
	n.names[i] = name
}

// name returns the name of a number, or "".
func (n *numbering) name(nr uint32) string {
	if i := nr - n.base; i < uint32(len(n.names)) {
		return n.names[i]
	}
	return n.high[nr]
}

// byArch has the numbering of each index of arches, or nil.
var byArch = sync.OnceValue(func() *[archCount]*numbering {
	var list [archCount]*numbering
	for i, a := range arches {
		list[i] = numberings()[a.column]
	}
	return &list
})

// tableOf returns the numbering of an index of arches, or nil.
func tableOf(i int) *numbering {
	if i < 0 {
		return nil
	}
	return byArch()[i]
}

// knownNames are numbers, from 1 on, of the names that mean anything on some architecture.
var knownNames = sync.OnceValue(func() map[string]int32 {
	ids := map[string]int32{}
	add := func(name string) {
		if ids[name] == 0 {
			ids[name] = int32(len(ids) + 1)
		}
	}
	for _, n := range numberings() {
		for name := range n.numbers {
			add(name)
		}
	}
	for _, name := range socketCalls {
		add(name)
	}
	for name := range ipcCalls {
		add(name)
	}
	return ids
})

// A nameOn is what a name in a profile means on an architecture.
type nameOn struct {
	numbered bool // it is a call of the architecture: nr, without bit 30 for x32
	nr       uint32
	since    spell // the versions of libseccomp that know it
	mux      bool  // another call stands for it: muxed, with its first argument
	muxed    uint32
	argument uint64
}

var namesByArch [len(arches)]struct {
	once  sync.Once
	names []nameOn
}

// namesOn returns what the known names mean on the architecture of an index of arches, by
// their numbers. The first, of all others, means nothing.
func namesOn(i int) []nameOn {
	on := &namesByArch[i]
	on.once.Do(func() {
		n, ids := tableOf(i), knownNames()
		on.names = make([]nameOn, len(ids)+1)
		for name, id := range ids {
			is := nameOn{since: spellOf(i, name)}
			is.nr, is.numbered = n.numbers[name]
			if call, argument, ok := multiplexed(i, name); ok {
				is.mux, is.muxed, is.argument = true, n.numbers[call], argument
			}
			on.names[id] = is
		}
	})
	return on.names
}

// SyscallName returns the name of a system call number on an architecture, as
// Linux to 6.19 numbers them (golang.org/x/sys v0.49.0). Numbers of X86_64 with
// bit 30 set are the x32 ABI's.
func SyscallName(a Arch, nr uint32) (name string, ok bool) {
	i := a.index(nr)
	n := tableOf(i)
	if n == nil {
		return "", false
	}
	if i == x32Index {
		nr &^= x32Bit
	}
	name = n.name(nr)
	return name, name != ""
}

// SyscallNumber returns the number of a system call on an architecture. For
// X86_64 it is the number of the 64-bit ABI.
func SyscallNumber(a Arch, name string) (uint32, bool) {
	n := tableOf(a.index(0))
	if n == nil {
		return 0, false
	}
	nr, ok := n.numbers[name]
	return nr, ok
}

// syscallLabel returns the name of a call, or "syscall_N".
func syscallLabel(a Arch, nr uint32) string {
	if name, ok := SyscallName(a, nr); ok {
		return name
	}
	return fmt.Sprintf("syscall_%d", nr)
}
