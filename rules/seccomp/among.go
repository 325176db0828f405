package seccomp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// decideAmong answers a call where it is not known which of several texts is in force:
// as all of them do, or with the answers of the others as cases besides.
func (p *Profile) decideAmong(c Call) Decision {
	alone := p.Alone()
	d := alone.Decide(c)
	own := d.signature()
	var signatures []string
	cases := map[string]*Decision{}
	releases := map[string][]rules.ReleaseText{}
	for _, o := range p.Others {
		other := o.Profile.Decide(c)
		key := other.signature()
		if key == own {
			continue
		}
		if cases[key] == nil {
			signatures = append(signatures, key)
		}
		cases[key] = &other // the newest of those that answer so
		releases[key] = append(releases[key], o.Releases)
	}
	var whens []Outcome
	for _, key := range signatures {
		of := cases[key]
		names := rules.ReleaseNames(releases[key]...)
		for _, w := range append(slices.Clip(of.Whens), of.Outcome) {
			w.Releases = names
			w.When = strings.TrimSuffix("the text is that of "+names+", and "+w.When, ", and ")
			whens = append(whens, w)
		}
		d.Ambiguous = d.Ambiguous || of.Ambiguous
	}
	if len(whens) > 0 {
		d.Undecidable, d.Whens = true, append(whens, d.Whens...)
	}
	return d
}

// signature tells decisions apart that differ to the process, or in the conditions on
// which they hang.
func (d *Decision) signature() string {
	var b strings.Builder
	for _, o := range append(slices.Clip(d.Whens), d.Outcome) {
		fmt.Fprintf(&b, "%d %d %s\n", o.Action, o.Errno, o.When)
	}
	return b.String()
}

// Alone returns the profile as the one in force, without the others that may be.
func (p *Profile) Alone() *Profile {
	if p.Others == nil {
		return p
	}
	return builtin(strings.TrimSuffix(p.File.Name, ".json"))
}

// Possible returns the profile, or the newest of the Others of which keep is true: that is
// asked for the profile first. It is the profile as it is if none is, and with as many
// others as are kept.
func (p *Profile) Possible(keep func(*Profile) bool) *Profile {
	kept := slices.DeleteFunc(slices.Clone(p.Others), func(o Other) bool { return !keep(o.Profile) })
	own := keep(p.Alone())
	if own && len(kept) == len(p.Others) || !own && len(kept) == 0 {
		return p
	}
	q, releases := p, p.Releases
	if !own {
		newest := kept[len(kept)-1]
		q, releases, kept = newest.Profile, newest.Releases, kept[:len(kept)-1]
	}
	q = q.clone()
	q.Unknown, q.Releases, q.Others = p.Unknown, releases, kept
	return q
}
