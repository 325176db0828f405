package binary

import (
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules/apparmor"
)

// maxPairs bounds the pairs of states that are looked at to compare two automata.
const maxPairs = 1 << 15

// A Difference is something that one of two profiles grants and the other does not.
type Difference struct {
	First bool // the first of the two grants it
	// Request is such an access, for files one of the shortest names; nil where only
	// the class is known.
	Request apparmor.Request
	Class   string
}

// String is what the one grants: "/srv/x w", "capability bpf", "something of network".
func (d Difference) String() string {
	switch q := d.Request.(type) {
	case apparmor.FileRequest:
		text := q.Path + " " + q.Perms.String()
		if q.Owner {
			text += " to its owner"
		}
		return text
	case apparmor.CapabilityRequest:
		return "capability " + q.Name
	}
	return "something of " + d.Class
}

// Compare returns what one of two profiles grants and the other does not: of each
// permission on files and each capability one access, and of the other classes whether
// there is any. Exec transitions, flags and what is logged are not compared. It reports
// false if the automata are too large to be compared in full.
func Compare(a, b *Profile) (list []Difference, full bool) {
	list, full = compareFiles(a, b)
	for i, name := range apparmor.Capabilities() {
		x, y := a.Capabilities.Allow>>i&1, b.Capabilities.Allow>>i&1
		if x != y {
			list = append(list, Difference{x == 1, apparmor.CapabilityRequest{Name: name}, "capability"})
		}
	}
	for _, class := range classNames {
		first, second, all := compareClass(a, b, class.number)
		full = full && all
		if first {
			list = append(list, Difference{First: true, Class: class.name})
		}
		if second {
			list = append(list, Difference{Class: class.name})
		}
	}
	for n, name := range rlimits {
		x, limited := a.Rlimits[n]
		y, other := b.Rlimits[n]
		if limited != other || x != y {
			list = append(list, Difference{!limited || other && x > y, nil, "rlimit " + name})
		}
	}
	slices.SortStableFunc(list, func(a, b Difference) int { return strings.Compare(a.Class, b.Class) })
	return slices.Compact(list), full
}

var classNames = []struct {
	number byte
	name   string
}{
	{classMount, "mount"}, {classPtrace, "ptrace"}, {classSignal, "signal"}, {classNet, "network"}, {classNetV9, "network"},
	{classPosix, "mqueue"}, {classSysv, "mqueue"}, {classUserns, "userns"}, {classIOUring, "io_uring"}, {classDBus, "dbus"},
}

// A pair is a state of each of two automata, and how the walk came there.
type pair struct {
	a, b uint32
	from int
	by   byte
}

// pairs walks two automata side by side from a name on, and gives what visit wants
// until it says that it has enough. It reports false if there are too many pairs.
func pairs(a, b *database, start string, bytes []byte, visit func(a, b uint32, name func() string) bool) bool {
	walk := []pair{{a: a.match(start), b: b.match(start), from: -1}}
	seen := map[[2]uint32]bool{{walk[0].a, walk[0].b}: true}
	next := func(d *database, s uint32, c byte) uint32 {
		if s == 0 {
			return 0
		}
		return d.dfa.match(s, string([]byte{c}))
	}
	for i := 0; i < len(walk); i++ {
		name := func() string {
			var back []byte
			for k := i; walk[k].from >= 0; k = walk[k].from {
				back = append(back, walk[k].by)
			}
			slices.Reverse(back)
			return start + string(back)
		}
		if !visit(walk[i].a, walk[i].b, name) {
			return true
		}
		for _, c := range bytes {
			to := pair{next(a, walk[i].a, c), next(b, walk[i].b, c), i, c}
			if key := [2]uint32{to.a, to.b}; !seen[key] && key != [2]uint32{} {
				if len(walk) == maxPairs {
					return false
				}
				seen[key] = true
				walk = append(walk, to)
			}
		}
	}
	return true
}

// nameBytes are the bytes of a name, those first that read best in an example.
var nameBytes = func() []byte {
	list := []byte("xabcdefghijklmnopqrstuvwyz0123456789/._-")
	for c := 1; c < equivalents; c++ {
		if !slices.Contains(list, byte(c)) {
			list = append(list, byte(c))
		}
	}
	return list
}()

func compareFiles(a, b *Profile) (list []Difference, full bool) {
	type kind struct {
		perm         apparmor.Perms
		first, owner bool
	}
	found := map[kind]bool{}
	full = pairs(a.file, b.file, "/", nameBytes, func(x, y uint32, name func() string) bool {
		for _, owner := range []bool{false, true} {
			p, q := a.file.filePerms(x, owner), b.file.filePerms(y, owner)
			p.allow, q.allow = p.allow&^p.deny, q.allow&^q.deny
			for _, m := range fileMap {
				first := p.allow&m.bit != 0
				if first == (q.allow&m.bit != 0) || found[kind{m.perm, first, false}] || found[kind{m.perm, first, owner}] {
					continue
				}
				found[kind{m.perm, first, owner}] = true
				list = append(list, Difference{first, apparmor.FileRequest{Path: name(), Perms: m.perm, Owner: owner}, "file"})
			}
		}
		return len(found) < 2*len(fileMap)
	})
	return list, full
}

// compareClass reports whether there is something of a class that the one grants and
// the other does not, either way.
func compareClass(a, b *Profile, class byte) (first, second, full bool) {
	key := string([]byte{class})
	if a.mediates(class) != b.mediates(class) { // what is not mediated is granted
		return !a.mediates(class), a.mediates(class), true
	}
	if !a.mediates(class) {
		return false, false, true
	}
	all := append([]byte{0}, nameBytes...)
	full = pairs(a.policy, b.policy, key, all, func(x, y uint32, _ func() string) bool {
		p, q := a.policy.classPerms(x, a.ABI), b.policy.classPerms(y, b.ABI)
		const alone = bitContinue | bitLock // says nothing alone
		first = first || p.allow&^p.deny&^q.allow&^alone != 0
		second = second || q.allow&^q.deny&^p.allow&^alone != 0
		return !first || !second
	})
	return first, second, full
}
