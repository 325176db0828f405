package seccomp

import (
	_ "embed"
	"strings"
	"sync"
)

// basesTSV has the calls that the base profiles of the Security Profiles Operator allow,
// a line for each.
//
//go:embed bases.tsv
var basesTSV string

// baseCalls are the calls by the name of the base profile.
var baseCalls = sync.OnceValue(func() map[string][]string {
	all := map[string][]string{}
	_, text, _ := strings.Cut(basesTSV, "\n")
	for line := range strings.Lines(text) {
		name, calls, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		all[name] = strings.Fields(calls)
	}
	return all
})

// setBase sets the base profile of a SeccompProfile, whose calls the operator adds to its
// own, and which is one of its examples where its name is that of one.
func (p *Profile) setBase(name string, n *node, r *reader) {
	p.Base = name
	calls, ok := baseCalls()[name]
	if !ok {
		return
	}
	at := r.at(n.at)
	p.base = &Entry{Index: -1, Action: Allow, Errno: 1, At: at, NamesAt: at, ActionAt: at, valid: true}
	for _, call := range calls {
		p.base.Names = append(p.base.Names, Name{call, at, knownNames()[call]})
	}
}

// withBase returns the entries that make the filter: the profile's own, and that of
// its base profile if it is known.
func (p *Profile) withBase() []*Entry {
	if p.base == nil {
		return p.Entries
	}
	return append(p.Entries[:len(p.Entries):len(p.Entries)], p.base)
}
