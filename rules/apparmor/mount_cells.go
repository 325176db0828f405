package apparmor

// cells makes the requests for each form of a mount rule and each choice of the
// flags that the form leaves open.
func (r *MountRule) cells(c *celler) {
	target := func(r *MountRule) *Pattern { return r.point() }
	targetOf := func(w MountRequest) string { return w.Target }
	if r.Op == "umount" {
		for _, point := range names(c, r.point(), target, targetOf) {
			c.add(MountRequest{Op: "umount", Target: point})
		}
		return
	}
	var fstypes []*Pattern
	for _, other := range c.rules {
		if m, ok := other.(*MountRule); ok {
			for _, cond := range m.Fstype {
				fstypes = append(fstypes, patterns(cond.Values)...)
			}
		}
	}
	known := map[*Pattern][2][]string{} // the mount points and sources for a pattern, which forms share
	namesOf := func(p *Pattern) [2][]string {
		if _, ok := known[p]; !ok {
			known[p] = [2][]string{
				names(c, p, target, targetOf),
				names(c, p, func(r *MountRule) *Pattern { return r.Source }, func(w MountRequest) string { return w.Source }),
			}
		}
		return known[p]
	}
	for _, f := range mountForms(r) {
		own := &Pattern{Source: "fstype", Expanded: f.fstypes}
		if f.fstypes == nil {
			own = nil
		}
		types := representatives(own, fstypes, wantedNames(c, func(w MountRequest) string { return w.Fstype }))
		cells := mountCells{celler: c, names: [3][]string{namesOf(f.target)[0], namesOf(f.source)[1], types}}
		cells.of(&f)
	}
}

// mountCells are the cells of mounts of some names: of a mount point, a source and a type of
// file system each, and of flags.
type mountCells struct {
	*celler
	names [3][]string
	votes [2][]mountVote      // of both profiles
	known map[string][][3]int // see differing
}

// A mountVote is what one form of a rule says of the mounts that it matches: of those with
// the names for which it is true, by their places. A vote without a form is of all mounts.
type mountVote struct {
	vote
	form  *mountForm
	names [3][]bool
}

// nameless is the place of the empty name, of mounts whose source or type the kernel does
// not look at.
func (m *mountCells) nameless(k int) int { return len(m.names[k]) }

// of makes the requests of a form, of which flags are what tells most apart. Those that both
// profiles answer alike, as nearly all are, are left out, unless there are too many of all
// or no profiles to compare.
func (m *mountCells) of(f *mountForm) {
	var all []uint32
	total := 0
	for _, flags := range m.flagCells() {
		if f.takes(flags) {
			all = append(all, flags)
			lists := m.places(kindOf(flags))
			total += len(lists[0]) * len(lists[1]) * len(lists[2])
		}
	}
	if m.sides[0] == nil || total >= m.left {
		m.addAll(all)
		return
	}
	m.left -= total
	for side, p := range m.sides {
		m.votes[side] = m.votesOf(p)
	}
	m.known = map[string][][3]int{}
	for _, flags := range all {
		for _, at := range m.differing(flags) {
			m.request(at, flags)
		}
	}
}

// addAll makes the requests for some flags, as far as the bound goes.
func (m *mountCells) addAll(all []uint32) {
	for _, flags := range all {
		m.eachCell(kindOf(flags), func(at [3]int) bool {
			if m.left--; m.left > 0 {
				m.request(at, flags)
			}
			return m.left > 0
		})
	}
}

// places are those of the names of which a kind of mount has one.
func (m *mountCells) places(kind mountKind) (lists [3][]int) {
	for k := range lists {
		for i := range m.names[k] {
			lists[k] = append(lists[k], i)
		}
	}
	switch kind {
	case remount, changeType:
		lists[1], lists[2] = []int{m.nameless(1)}, []int{m.nameless(2)}
	case bindMount, moveMount:
		lists[2] = []int{m.nameless(2)}
	}
	return lists
}

// eachCell calls with the names of each cell of a kind, until with returns false.
func (m *mountCells) eachCell(kind mountKind, with func(at [3]int) bool) {
	lists := m.places(kind)
	for _, target := range lists[0] {
		for _, source := range lists[1] {
			for _, fstype := range lists[2] {
				if !with([3]int{target, source, fstype}) {
					return
				}
			}
		}
	}
}

func (m *mountCells) request(at [3]int, flags uint32) {
	var v [3]string
	for k, i := range at {
		if i < m.nameless(k) {
			v[k] = m.names[k][i]
		}
	}
	m.celler.add(MountRequest{Op: "mount", Target: v[0], Source: v[1], Fstype: v[2], Flags: flagWords(flags)})
}

// votesOf are the votes of a profile, as MountRequest.decide has them.
func (m *mountCells) votesOf(p *Profile) (votes []mountVote) {
	for _, r := range p.others() {
		switch r := r.(type) {
		case *AllRule:
			if !r.Deny || !r.filesOnly {
				votes = append(votes, mountVote{vote: r.vote(Access)})
			}
		case *MountRule:
			if r.Op == "umount" {
				continue
			}
			for _, f := range mountForms(r) {
				v := mountVote{vote: voteOf(r, Access), form: &f}
				for k, matches := range []func(string) bool{f.target.Match, f.source.Match, func(name string) bool { return f.takesType(name, nil) }} {
					for _, name := range m.names[k] {
						v.names[k] = append(v.names[k], matches(name))
					}
					v.names[k] = append(v.names[k], matches(""))
				}
				votes = append(votes, v)
			}
		}
	}
	if p.HasFlag("default_allow") {
		votes = append(votes, mountVote{vote: defaultAllow})
	}
	return votes
}

// differing returns the names of the cells of some flags that the profiles answer otherwise.
// Flags that the same forms take of both are alike.
func (m *mountCells) differing(flags uint32) [][3]int {
	kind := kindOf(flags)
	_, _, looked := looksAt(flags, "", "")
	key := []byte{byte(kind)}
	var votes [2][]*mountVote
	for side := range m.votes {
		for i := range m.votes[side] {
			v, takes := &m.votes[side][i], byte(0)
			if v.form == nil || v.form.takes(looked) {
				takes = 1
				votes[side] = append(votes[side], v)
			}
			key = append(key, takes)
		}
	}
	found, ok := m.known[string(key)]
	if !ok {
		m.eachCell(kind, func(at [3]int) bool {
			if m.by.of(m.tally(0, votes[0], at), m.tally(1, votes[1], at)) != 0 {
				found = append(found, at)
			}
			return true
		})
		m.known[string(key)] = found
	}
	return found
}

// tally is Profile.tally of the mounts of a cell.
func (m *mountCells) tally(side int, all []*mountVote, at [3]int) tally {
	var few [16]vote
	votes := few[:0]
	for _, v := range all {
		if v.form == nil || v.names[0][at[0]] && v.names[1][at[1]] && v.names[2][at[2]] {
			votes = append(votes, v.vote)
		}
	}
	t := m.sides[side].count(votes)
	return tally{Access & t.allow, Access & t.deny, Access & t.deny & t.quiet, Access & t.allow & t.audit}
}
