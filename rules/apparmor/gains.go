package apparmor

import (
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules/apparmor/aare"
)

// A Gain is a set of accesses that one text of a profile grants and another does
// not: what a change of the profile gives away.
type Gain struct {
	// Rule grants them, or is the deny rule that no longer refuses them; nil if
	// it is one that apparmor_parser adds itself.
	Rule    Rule
	Perms   Perms   // what is gained, on some of them at least
	Owner   bool    // by the owner of the file alone
	Others  bool    // by everybody but the owner of the file, who had it
	Example Request // a shortest of them, with Perms
	Single  bool    // the example is all there is
	// Exec is how a program that could be executed before is executed now; Perms
	// is Exec then. It is nil for other gains.
	Exec *ExecChange
	// Lacks is, of a hard link whose new name is given more than its target has, what the
	// target would have to have as well where the link is refused.
	Lacks Perms
}

// An ExecChange is two transitions of one program.
type ExecChange struct{ From, To Transition }

// String returns the change in words, such as "ix in place of Px".
func (c *ExecChange) String() string { return c.To.words() + " in place of " + c.From.words() }

// maxGainWork bounds one comparison, in visits of a state by a byte. Rules as
// people write them need some thousand.
const maxGainWork = 1 << 22

// Gains returns what one text of a profile grants beyond another, less the
// accesses that are wanted. It compares the compiled texts, not samples: every
// access that only the second grants is in one of the gains. Where the rules
// that differ are too many or too wide for that, complete is false, and there
// may be more gains than those returned. Of hard links it compares the rules for
// them alone; CompareProfiles follows as well what is granted to the files linked.
func Gains(before, after *Profile, wanted ...Request) (gains []Gain, complete bool) {
	if before.HasFlag("unconfined") {
		return nil, true
	}
	if after.HasFlag("unconfined") || after.HasFlag("default_allow") && !before.HasFlag("default_allow") {
		return nil, false
	}
	return differ(before, after, gained, wanted)
}

// differ returns the accesses that a kind of difference holds of, with what Gains says
// of each.
func differ(before, after *Profile, by difference, wanted []Request) ([]Gain, bool) {
	removed, added := differingRules(before, after)
	files, complete := fileGains(before, after, removed, added, by, wanted)
	others, all := classGains(before, after, removed, added, by, wanted)
	return append(files, others...), complete && all
}

// A difference is a way in which two texts of a profile answer otherwise.
type difference struct {
	of     func(before, after tally) Perms
	grants bool // it is of what is granted, and of where that leads
	links  bool // and of links, as far as the rules for them tell
	deny   bool // it is a deny rule of the second that makes it, mostly
}

var (
	gained = difference{of: func(before, after tally) Perms { return after.allow &^ before.allow }, grants: true, links: true}
	// gainedButLinks is gained without what linkGains tells.
	gainedButLinks = difference{of: gained.of, grants: true}
	// silenced is refused by both, and logged by the first alone.
	silenced = difference{of: func(before, after tally) Perms { return after.quiet &^ before.quiet &^ before.allow }, deny: true}
	// audited is granted by both, and logged by the second alone.
	audited = difference{of: func(before, after tally) Perms { return after.audit & before.allow &^ before.audit }}
)

// A gainWalk goes through the automata of two profiles at once, breadth first,
// wherever a rule that only one of them has can still match.
type gainWalk struct {
	autos  []*aare.Automaton // that of the rules that differ, then those of the layers
	alpha  []byte
	delta  layer
	by     difference
	wanted map[int32]compiledRequest // by tag of the delta's automaton
	at     Request                   // the wanted one that the step in hand is, if it is one
	sides  [2]gainSide               // before, after

	queue []gainStep
	seen  map[string]bool
	key   []byte        // of the step that is visited
	next  []*aare.State // scratch of walk
	live  []byte        // and of it
	votes [4][]vote     // and of look
	kept  keptStates    // of the steps
	gains []Gain
}

// A gainSide is one of the two profiles.
type gainSide struct {
	profile *Profile
	layers  []int // index in autos of the automaton of each layer
}

// A gainStep is the states after some bytes. Keys with a NUL are pairs: of link
// and target, or of program and profile.
type gainStep struct {
	states []*aare.State
	from   int // index of the step before
	c      byte
	pair   bool
	half   [2]Perms // of a pair: what each side grants on its first name
	double bool     // two slashes in a row: a label, as no path has them
}

func fileGains(before, after *Profile, removed, added []Rule, by difference, wanted []Request) ([]Gain, bool) {
	w := &gainWalk{by: by, seen: map[string]bool{}, wanted: map[int32]compiledRequest{}}
	differing := slices.Concat(removed, added)
	none := !slices.ContainsFunc(differing, isCompiled) || by.grants && len(added) == 0 && !slices.ContainsFunc(removed, lets)
	if none && before.implied() == after.implied() {
		return nil, true
	}
	if slices.ContainsFunc(differing, deniesChangeProfile) {
		for _, r := range slices.Concat(before.Rules, after.Rules) {
			if _, ok := r.(*ChangeProfileRule); ok && !slices.Contains(differing, r) {
				differing = append(differing, r)
			}
		}
	}
	w.delta = after.layer(differing)
	after.addImplied(&w.delta)
	for _, req := range wanted {
		if req, ok := req.(compiledRequest); ok && req.key() != "" {
			w.wanted[int32(len(w.delta.entries))] = req
			w.delta.add(aare.Literal(req.key()), fileEntry{})
		}
	}
	w.delta.files.Freeze()
	w.autos = []*aare.Automaton{w.delta.files}
	for i, p := range []*Profile{before, after} {
		w.sides[i].profile = p
		for _, l := range p.compile().layers {
			w.sides[i].layers = append(w.sides[i].layers, w.index(l.files))
		}
	}
	w.alpha = aare.Alphabet(w.autos...)
	complete := w.walk()
	return w.gains, complete
}

// lets reports whether something can be granted for want of a rule, or be executed
// otherwise.
func lets(r Rule) bool {
	file, ok := r.(*FileRule)
	return isCompiled(r) && (r.Head().Deny || !ok || file.Perms&Exec != 0)
}

// deniesChangeProfile reports whether a rule denies changes of profile, whatever their
// target: with it those at an execution are refused that other rules allow; see
// ChangeProfileRule.
func deniesChangeProfile(r Rule) bool {
	switch r.(type) {
	case *ChangeProfileRule, *AllRule:
		return r.Head().Deny
	}
	return false
}

func isCompiled(r Rule) bool {
	_, ok := r.(compiledRule)
	return ok
}

// A compiledRequest is one that the automaton of file names answers.
type compiledRequest interface {
	Request
	// key is what the automaton is asked.
	key() string
	// covers returns the permissions that it asks for, with those that its rule
	// cannot but grant, and whether it is the owner's.
	covers() (perms Perms, owner bool)
}

// index returns the place of an automaton in autos. Texts that share a layer
// share its state too.
func (w *gainWalk) index(a *aare.Automaton) int {
	if i := slices.Index(w.autos, a); i >= 0 {
		return i
	}
	w.autos = append(w.autos, a)
	return len(w.autos) - 1
}

// walk visits every state that the differing rules reach, and reports whether
// it got to the end.
func (w *gainWalk) walk() bool {
	first := gainStep{from: -1}
	for _, a := range w.autos {
		first.states = append(first.states, a.Start())
	}
	w.visit(first)
	work := 0
	for i := 0; i < len(w.queue); i++ {
		step := w.queue[i]
		granted := w.look(i)
		if work += len(w.alpha) * len(w.autos); work > maxGainWork {
			return false
		}
		w.live = w.autos[0].Leading(step.states[0], w.alpha, w.live[:0])
		for _, c := range w.live { // few, and the other automata need not be asked of the rest
			next := step
			next.from, next.c = i, c
			next.double = step.double || c == '/' && step.c == '/' && step.from >= 0
			if c == 0 {
				if step.pair || granted[1] == 0 {
					continue // NUL stands between two names, once
				}
				next.pair, next.half = true, granted
			}
			next.states = w.next[:0]
			for k, a := range w.autos {
				next.states = append(next.states, a.Next(step.states[k], c))
			}
			w.next = next.states
			w.visit(next)
		}
	}
	return true
}

// visit queues a step where the differing rules still can match, once.
func (w *gainWalk) visit(s gainStep) {
	if s.states[0].Dead() {
		return
	}
	key := appendStates(w.key[:0], s.states)
	key = append(key, byte(s.half[0]), byte(s.half[1]), byte(s.half[0]>>24), byte(s.half[1]>>24))
	if s.pair {
		key = append(key, 'p')
	}
	if s.double {
		key = append(key, 'd')
	}
	if s.c == '/' { // which the next slash would double
		key = append(key, '/')
	}
	if w.key = key; !w.seen[string(key)] {
		w.seen[string(key)] = true
		s.states = w.kept.keep(s.states)
		w.queue = append(w.queue, s)
	}
}

// keptStates are the states of steps, many steps' in one slice.
type keptStates struct{ spare []*aare.State }

// keep returns a copy of states.
func (k *keptStates) keep(states []*aare.State) []*aare.State {
	const steps = 32
	if n := len(states); cap(k.spare)-len(k.spare) < n {
		k.spare = make([]*aare.State, 0, steps*n)
	}
	from := len(k.spare)
	k.spare = append(k.spare, states...)
	return k.spare[from:len(k.spare):len(k.spare)]
}

// look compares what the two sides grant at a step, and returns the permissions
// of each by which a pair can follow.
func (w *gainWalk) look(i int) (pairs [2]Perms) {
	step := &w.queue[i]
	var byOwner, byOthers [2]fileAnswer
	var own, other [2]tally
	for k := range w.sides {
		byOwner[k], byOthers[k] = w.answer(k, step, true, &w.votes[2*k]), w.answer(k, step, false, &w.votes[2*k+1])
		p := w.sides[k].profile
		own[k], other[k] = p.count(byOwner[k].votes), p.count(byOthers[k].votes)
		pairs[k] = (own[k].allow | other[k].allow) & (Link | onExec)
	}
	if step.pair {
		if empty := step.c == 0; !empty && (!step.double || pairs[1]&onExec != 0) {
			w.gainPair(i, own, other)
		}
		return pairs
	}
	kinds := FilePerms&^Link | Access
	if step.double {
		kinds = Access
	}
	gainOwn, gainOther := w.by.of(own[0], own[1])&kinds, w.by.of(other[0], other[1])&kinds
	for _, tag := range step.states[0].Tags {
		if req, ok := w.wanted[tag]; ok {
			w.at = req
			perms, owner := req.covers()
			gainOwn &^= perms
			if !owner {
				gainOther &^= perms
			}
		}
	}
	defer func() { w.at = nil }()
	w.gain(i, gainOwn&gainOther, true, true)
	w.gain(i, gainOwn&^gainOther, true, false)
	w.gain(i, gainOther&^gainOwn, false, true)
	if !w.by.grants {
		return pairs
	}
	for _, a := range [][2]fileAnswer{byOwner, byOthers} {
		if own[0].allow&own[1].allow&Exec != 0 && a[0].exec != nil && a[1].exec != nil && !sameTransition(*a[0].exec, *a[1].exec) {
			w.gainExec(i, *a[0].exec, *a[1].exec, a[1].execRule)
			break
		}
	}
	return pairs
}

// answer is Profile.ask at a step. It keeps the votes in a scratch, until that is used again.
func (w *gainWalk) answer(side int, step *gainStep, owner bool, votes *[]vote) fileAnswer {
	a := w.sides[side].answer(step.states, owner, (*votes)[:0])
	*votes = a.votes
	return a
}

// answer is Profile.ask at the states of the automata. The votes are appended to a scratch.
func (s *gainSide) answer(states []*aare.State, owner bool, votes []vote) fileAnswer {
	a := fileAnswer{votes: votes}
	d := s.profile.compile()
	for i := range d.layers {
		d.collect(&a, &d.layers[i], states[s.layers[i]].Tags, owner)
	}
	if s.profile.HasFlag("default_allow") {
		a.votes = append(a.votes, defaultAllow)
	}
	return a
}

// gainPair notes a link that became possible, or a change of profile at the
// execution of a program. A pair that must be a subset (see addPair) is less
// than one that need not.
func (w *gainWalk) gainPair(i int, ownTally, otherTally [2]tally) {
	step := &w.queue[i]
	if !w.by.grants {
		silentOwn, silentOther := w.by.of(ownTally[0], ownTally[1])&Link != 0, w.by.of(otherTally[0], otherTally[1])&Link != 0
		if silentOwn || silentOther {
			w.gain(i, Link, silentOwn, silentOther)
		}
		return
	}
	own, other := [2]Perms{ownTally[0].allow, ownTally[1].allow}, [2]Perms{otherTally[0].allow, otherTally[1].allow}
	level := func(perms, half Perms) int {
		switch {
		case perms&half&Link == 0:
			return 0
		case perms&Lock != 0:
			return 1
		}
		return 2
	}
	for _, tag := range step.states[0].Tags {
		if _, ok := w.wanted[tag]; ok {
			return
		}
	}
	gained := func(p [2]Perms) bool { return level(p[1], step.half[1]) > level(p[0], step.half[0]) }
	if w.by.links && (gained(own) || gained(other)) {
		w.gain(i, Link, gained(own), gained(other))
	}
	if own[1]&step.half[1]&onExec != 0 && own[0]&step.half[0]&onExec == 0 {
		w.gain(i, onExec, true, true)
	}
}

// gain adds permissions to the gain of the rule that is responsible.
func (w *gainWalk) gain(i int, perms Perms, owner, others bool) {
	if perms == 0 {
		return
	}
	rule := w.responsible(&w.queue[i], perms, owner)
	single := isSingle(rule) || w.at != nil // a wanted name is told from all others
	example := exampleOf(spellStep(w.queue, i), perms, owner)
	k := slices.IndexFunc(w.gains, func(g Gain) bool {
		return g.Rule == rule && g.Owner == (owner && !others) && g.Others == (others && !owner) && g.Exec == nil &&
			(w.at == nil && g.Single == isSingle(rule) || g.Single && g.Example == example)
	})
	if k < 0 {
		k = len(w.gains)
		w.gains = append(w.gains, Gain{Rule: rule, Owner: owner && !others, Others: others && !owner, Example: example, Single: single})
	}
	w.gains[k].Perms |= perms
}

// gainExec notes a program that is executed in another way.
func (w *gainWalk) gainExec(i int, from, to Transition, rule Rule) {
	change := &ExecChange{from, to}
	if slices.ContainsFunc(w.gains, func(g Gain) bool { return g.Rule == rule && g.Exec != nil && g.Exec.String() == change.String() }) {
		return
	}
	w.gains = append(w.gains, Gain{Rule: rule, Perms: Exec, Exec: change,
		Example: exampleOf(spellStep(w.queue, i), Exec, true), Single: isSingle(rule)})
}

// responsible returns the new rule that grants a permission here, else the deny
// rule that has gone; of what has become silent the new deny rule, else an allow rule
// that has gone.
func (w *gainWalk) responsible(step *gainStep, perms Perms, owner bool) Rule {
	var gone Rule
	for _, tag := range step.states[0].Tags {
		e := &w.delta.entries[tag]
		switch {
		case e.vote.rule == nil || e.perms&perms == 0 || e.owner && !owner:
		case e.vote.deny == w.by.deny && slices.Contains(w.sides[1].profile.Rules, e.vote.rule):
			return e.vote.rule
		case e.vote.deny != w.by.deny && gone == nil:
			gone = e.vote.rule
		}
	}
	return gone
}

// isSingle reports whether a file rule names one file.
func isSingle(r Rule) bool {
	f, ok := r.(*FileRule)
	if !ok || f.Path == nil {
		return false
	}
	_, literal := f.Path.Literal()
	return literal
}

// exampleOf is the request of a key of the automaton.
func exampleOf(key string, perms Perms, owner bool) Request {
	first, second, pair := strings.Cut(key, "\x00")
	switch {
	case perms&onExec != 0:
		return ChangeProfileRequest{Target: second, OnExec: first}
	case perms&Access != 0:
		return ChangeProfileRequest{Target: first}
	case pair:
		return FileRequest{Path: first, Target: second, Perms: Link, Owner: owner}
	}
	return FileRequest{Path: first, Perms: perms, Owner: owner}
}

// spellStep returns the bytes on the way to a step.
func spellStep(queue []gainStep, i int) string {
	var out []byte
	for ; queue[i].from >= 0; i = queue[i].from {
		out = append(out, queue[i].c)
	}
	slices.Reverse(out)
	return string(out)
}
