package seccomp

import "slices"

// changedNames returns the names of the calls for which one profile may have
// other rules than another; ok is false if those are any, as the profiles differ
// in more than entries.
func changedNames(before, after *Profile) (names map[string]bool, ok bool) {
	alike := before.Default == after.Default && before.DefaultErrno == after.DefaultErrno && before.Base == after.Base &&
		before.refused == after.refused && slices.Equal(before.Archs, after.Archs) &&
		slices.EqualFunc(before.ArchMap, after.ArchMap, func(a, b ArchMap) bool { return a.Arch == b.Arch && slices.Equal(a.Sub, b.Sub) })
	if !alike {
		return nil, false
	}
	a, b := before.Entries, after.Entries
	for len(a) > 0 && len(b) > 0 && sameAnswer(a[0], b[0]) && sameNames(a[0], b[0]) {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && sameAnswer(a[len(a)-1], b[len(b)-1]) && sameNames(a[len(a)-1], b[len(b)-1]) {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	count := map[string]int{}
	for _, e := range a {
		for _, name := range e.Names {
			count[name.Text]++
		}
	}
	moved := len(a) != 1 || len(b) != 1 || !sameAnswer(a[0], b[0])
	for _, e := range b {
		for _, name := range e.Names {
			count[name.Text]--
		}
	}
	names = map[string]bool{}
	for name, n := range count {
		if moved || n != 0 {
			names[name] = true
		}
	}
	return names, true
}

// sameAnswer reports whether two entries answer the calls that they name alike.
func sameAnswer(a, b *Entry) bool {
	return a.valid == b.valid && a.Action == b.Action && a.Errno == b.Errno && sameGates(a, b) && slices.EqualFunc(a.Args, b.Args, sameArg)
}

func sameNames(a, b *Entry) bool {
	return slices.EqualFunc(a.Names, b.Names, func(x, y Name) bool { return x.Text == y.Text })
}

// sameArg reports whether two conditions are the same, wherever they are written.
func sameArg(a, b Arg) bool {
	return a.Index == b.Index && a.Op == b.Op && a.Value == b.Value && a.ValueTwo == b.ValueTwo
}

// narrowedTo returns the profile with the rules for the calls of some names
// alone. It decides those calls as the profile does, and is quicker to make
// tables of.
func (p *Profile) narrowedTo(names map[string]bool) *Profile {
	return &Profile{
		File: p.File, Form: p.Form, At: p.At,
		Default: p.Default, DefaultErrno: p.DefaultErrno, DefaultAt: p.DefaultAt,
		Archs: p.Archs, ArchMap: p.ArchMap, Flags: p.Flags, Entries: p.Entries, Base: p.Base, base: p.base,
		refused: p.refused, archs: p.archs, node: p.node, only: names,
	}
}

// onlyNumbers returns the numbers of the calls that a profile is narrowed to, on
// the architecture of an index of arches; nil if it is not.
func (p *Profile) onlyNumbers(i int, n *numbering) map[uint32]bool {
	if p.only == nil {
		return nil
	}
	only := map[uint32]bool{}
	for name := range p.only {
		if nr, ok := n.numbers[name]; ok {
			only[nr] = true
		}
		if call, _, ok := multiplexed(i, name); ok {
			only[n.numbers[call]] = true
		}
	}
	return only
}
