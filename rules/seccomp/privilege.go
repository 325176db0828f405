package seccomp

import (
	"slices"
	"strings"
)

// A Privilege is what the kernel itself asks of a process that makes a system
// call. Seccomp answers first, so a filter that allows the call is of no use to a
// process without it.
type Privilege struct {
	Caps    []string // one of which is enough, the least first: CAP_SYSLOG
	Unless  string   // where the kernel goes without, as far as arguments do not tell; "" if nowhere
	Maybe   bool     // the arguments, as far as they are known, may be ones for which it asks for none
	Setting string   // of the host with which it goes without; "" if there is none
	Host    bool     // asked for in the user namespace of the host, not in that of the process
	Source  string   // of the fact, in Linux 6.12
}

// Privilege returns what the kernel asks for a call with its arguments, as far as
// they are known. ok is false if it asks for nothing. Without the arguments it is
// what most calls of the name need, and Unless says which need less.
func (c Call) Privilege() (p Privilege, ok bool) {
	name := c.Name
	if name == "" {
		name, _ = SyscallName(c.Arch, c.Syscall)
	}
	rows, known := candidates(name, inOrder(c.Arch, name, c.Args))
	var without []string
	for _, row := range rows {
		if row.Unless != "" && !slices.Contains(without, row.Unless) {
			without = append(without, row.Unless)
		}
		if len(row.Caps) > 0 && !ok {
			p, ok = row.Privilege, true
		}
	}
	if !ok {
		return Privilege{}, false
	}
	p.Caps = slices.Clone(p.Caps)
	if !known {
		p.Unless = strings.Join(without, ", or ")
		p.Maybe = slices.ContainsFunc(rows, func(r privilegeRow) bool { return len(r.Caps) == 0 })
	}
	return p, true
}

// candidates returns the rows of a call that may be the first that holds; known
// says that it is the only one.
func candidates(name string, args []uint64) (rows []privilegeRow, known bool) {
	for _, row := range privileges {
		if !slices.Contains(row.names, name) {
			continue
		}
		holds, sure := row.holds(args)
		if holds || !sure {
			rows = append(rows, row)
		}
		if holds {
			break
		}
	}
	return rows, len(rows) == 1
}

// A privilegeRow is a privilege with the calls that need it.
type privilegeRow struct {
	names []string
	when  []among // which must all hold; none for whatever arguments
	Privilege
}

// A among is a condition: an argument has one of some values in the bits of a mask.
type among struct {
	index  int
	mask   uint64
	values []uint64
}

// holds reports whether the conditions of a row hold, as far as that is known.
func (r *privilegeRow) holds(args []uint64) (holds, known bool) {
	known = true
	for _, b := range r.when {
		switch {
		case b.index >= len(args):
			known = false
		case !slices.Contains(b.values, args[b.index]&b.mask):
			return false, true
		}
	}
	return known, known
}

// PrivilegedCalls returns the names of all calls for which the kernel asks for a
// capability, in some cases at least.
func PrivilegedCalls() []string {
	var names []string
	for _, row := range privileges {
		names = append(names, row.names...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
