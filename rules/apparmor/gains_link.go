package apparmor

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules/apparmor/aare"
)

// maxLinkWork bounds one comparison of links, in visits of a state by a byte.
const maxLinkWork = 1 << 26

// linkGains returns the hard links that one text of a profile permits and another does
// not, and those that it does not permit any more. A link asks three things (see
// decideLink): of the new name, of it and the target as a pair and, where that demands a
// subset, of the target. So what either of two names is given decides on links too. All
// new names that both texts treat alike are taken as one, and so are all targets.
func linkGains(before, after *Profile, removed, added []Rule) (gains, losses []Gain, complete bool) {
	differing := slices.Concat(removed, added)
	if !slices.ContainsFunc(differing, isCompiled) {
		return nil, nil, true
	}
	w := newLinkWalk(before, after, differing)
	if w == nil {
		return nil, nil, true
	}
	complete = w.otherNames() && w.otherTargets()
	return w.gains, w.losses, complete
}

// A linkWalk goes through the automata of two profiles at once.
type linkWalk struct {
	sides  [2]gainSide       // before, after
	links  *aare.Automaton   // of what can be linked
	delta  *aare.Automaton   // of the rules that differ
	autos  []*aare.Automaton // of the sides' layers
	alpha  []byte
	work   int
	gains  []Gain
	losses []Gain
}

// A linkEnd is all new names, or all targets, of which both texts say the same.
type linkEnd struct {
	name string           // the first of them
	says [2][2]linkAnswer // before and after; to the owner, and to others
	rule [2]Rule          // of a new name: the first that lets it be a link
	next []*aare.State    // of a new name: of links, delta and autos after it and the NUL
	gain bool             // of a new name: links that are gained were not found yet
	lose bool             // and that are lost
}

// A linkAnswer is what one text says of a name.
type linkAnswer struct {
	allow Perms
	exec  *Transition
	pair  Perms // of a target, to the pair: Link, and subset as Lock
}

// newLinkWalk returns nil if no rule permits links.
func newLinkWalk(before, after *Profile, differing []Rule) *linkWalk {
	w := &linkWalk{}
	pairs, delta := after.layer(nil), after.layer(differing)
	after.addImplied(&delta)
	for i, p := range []*Profile{before, after} {
		w.sides[i].profile = p
		for _, r := range p.Rules {
			if mayLink(r) {
				r.(compiledRule).compile(&pairs, nil)
			}
		}
		if p.HasFlag("default_allow") {
			pairs.addPair(anyTarget, anyTarget, fileEntry{}, false)
		}
	}
	if !slices.ContainsFunc(pairs.entries, func(e fileEntry) bool { return e.perms&Link != 0 }) {
		return nil
	}
	pairs.files.Freeze()
	delta.files.Freeze()
	w.links, w.delta = pairs.files, delta.files
	for i := range w.sides {
		for _, l := range w.sides[i].profile.compile().layers {
			k := slices.Index(w.autos, l.files)
			if k < 0 {
				k = len(w.autos)
				w.autos = append(w.autos, l.files)
			}
			w.sides[i].layers = append(w.sides[i].layers, k)
		}
	}
	w.alpha = aare.Alphabet(append([]*aare.Automaton{w.links, w.delta}, w.autos...)...)
	return w
}

// mayLink reports whether a rule permits links.
func mayLink(r Rule) bool {
	if r.Head().Deny {
		return false
	}
	switch r := r.(type) {
	case *FileRule:
		return r.Perms&Link != 0
	case *LinkRule, *AllRule:
		return true
	}
	return false
}

// otherNames compares the links of new names on which the texts differ, to whatever
// target, until something is found of each. It reports whether it got to the end.
func (w *linkWalk) otherNames() bool {
	groups, order := map[string][]linkEnd{}, []string(nil)
	ended := w.names(w.delta, func(name linkEnd) bool {
		if name.gain, name.lose = name.may(); name.gain || name.lose {
			key := stateKey(name.next)
			if groups[key] == nil {
				order = append(order, key)
			}
			groups[key] = append(groups[key], name)
		}
		return true
	})
	for _, key := range order {
		open := groups[key]
		next := open[0].next
		ended = w.targets(w.links, next[0], next, func(target linkEnd) bool {
			for i := range open {
				gained, lost := w.compare(&open[i], &target)
				open[i].gain, open[i].lose = open[i].gain && !gained, open[i].lose && !lost
			}
			open = slices.DeleteFunc(open, func(name linkEnd) bool { return !name.gain && !name.lose })
			return len(open) > 0
		}) && ended
	}
	return ended
}

// may reports whether links of a new name may be gained and lost by what is said of it, or
// by rules for the pair.
func (e *linkEnd) may() (gain, lose bool) {
	if !e.next[1].Dead() {
		return true, true
	}
	for who := range 2 {
		was, is := e.says[0][who], e.says[1][who]
		more, less := is.allow&^was.allow, was.allow&^is.allow
		other := !sameExec(was.exec, is.exec)
		gain = gain || other || less&^Link != 0 || more&Link != 0
		lose = lose || other || more&^Link != 0 || less&Link != 0
	}
	return gain, lose
}

// otherTargets compares the links of all new names to the targets on which the texts
// differ. It reports whether it got to the end.
func (w *linkWalk) otherTargets() bool {
	changed := Perms(0) // on some target
	autos := append([]*aare.Automaton{w.delta}, w.autos...)
	ended := w.walk(autos, startsOf(autos), func(states []*aare.State, _ func() string) bool {
		var says [2][2]linkAnswer
		w.ask(states[1:], func(side, who int, a fileAnswer) {
			says[side][who] = linkAnswer{allow: count(a.votes).allow, exec: a.exec}
		})
		for who := range 2 {
			changed |= says[0][who].allow ^ says[1][who].allow
			if !sameExec(says[0][who].exec, says[1][who].exec) {
				changed |= Exec
			}
		}
		return true
	})
	if changed == 0 {
		return ended
	}
	seen := map[string][]linkEnd{}
	return w.names(w.links, func(name linkEnd) bool {
		if (name.says[0][0].allow|name.says[0][1].allow|name.says[1][0].allow|name.says[1][1].allow)&changed == 0 {
			return true // whose links ask nothing of a target that has changed
		}
		key := stateKey(name.next)
		targets, known := seen[key]
		if !known {
			ended = w.targets(w.delta, w.delta.Start(), name.next, func(target linkEnd) bool {
				targets = append(targets, target)
				return true
			}) && ended
			seen[key] = targets
		}
		for i := range targets {
			w.compare(&name, &targets[i])
		}
		return true
	}) && ended
}

func sameExec(a, b *Transition) bool {
	if a == nil || b == nil {
		return a == b
	}
	return sameTransition(*a, *b)
}

// names calls with the new names that may be links in one text at least, shortest first,
// as far as an automaton leads to them, until with returns false. It reports whether it
// got to the end.
func (w *linkWalk) names(live *aare.Automaton, with func(linkEnd) bool) bool {
	seen := map[string]bool{}
	autos := append([]*aare.Automaton{live, w.links, w.delta}, w.autos...)
	return w.walk(autos, startsOf(autos), func(states []*aare.State, spell func() string) bool {
		end := linkEnd{}
		links := Perms(0)
		w.ask(states[3:], func(side, who int, a fileAnswer) {
			end.says[side][who] = linkAnswer{allow: count(a.votes).allow, exec: a.exec}
			links |= end.says[side][who].allow & Link
			for _, v := range a.votes {
				if end.rule[side] == nil && !v.deny && v.perms&Link != 0 {
					end.rule[side] = v.rule
				}
			}
		})
		if links == 0 {
			return true
		}
		for k, a := range autos[1:] {
			end.next = append(end.next, a.Next(states[1+k], 0))
		}
		key := stateKey(end.next) + answerKey(&end)
		if end.next[0].Dead() || seen[key] {
			return true
		}
		seen[key], end.name = true, spell()
		return with(end)
	})
}

// targets is names for the targets of new names after which the automata have the states
// of a pair; the automaton that leads to them has another.
func (w *linkWalk) targets(live *aare.Automaton, first *aare.State, pair []*aare.State, with func(linkEnd) bool) bool {
	seen := map[string]bool{}
	autos := slices.Concat([]*aare.Automaton{live}, w.autos, w.autos)
	start := slices.Concat([]*aare.State{first}, pair[2:], startsOf(w.autos))
	return w.walk(autos, start, func(states []*aare.State, spell func() string) bool {
		end := linkEnd{}
		linked := Perms(0)
		w.ask(states[1:1+len(w.autos)], func(side, who int, a fileAnswer) {
			end.says[side][who].pair = count(a.votes).allow & (Link | Lock)
			linked |= end.says[side][who].pair & Link
		})
		if linked == 0 {
			return true
		}
		w.ask(states[1+len(w.autos):], func(side, who int, a fileAnswer) {
			end.says[side][who].allow, end.says[side][who].exec = count(a.votes).allow, a.exec
		})
		key := answerKey(&end)
		if seen[key] {
			return true
		}
		seen[key], end.name = true, spell()
		return with(end)
	})
}

// ask tells what each side answers at some states, to the owner and to others.
func (w *linkWalk) ask(states []*aare.State, tell func(side, who int, a fileAnswer)) {
	var votes []vote
	for side := range w.sides {
		for who, owner := range []bool{true, false} {
			a := w.sides[side].answer(states, owner, votes[:0])
			tell(side, who, a)
			votes = a.votes
		}
	}
}

func startsOf(autos []*aare.Automaton) (states []*aare.State) {
	for _, a := range autos {
		states = append(states, a.Start())
	}
	return states
}

// walk calls with the states of automata after each name to which the first of them leads,
// but those with two slashes in a row, which no path has, until with returns false. It
// reports whether the work that is allowed was enough.
func (w *linkWalk) walk(autos []*aare.Automaton, start []*aare.State, with func(states []*aare.State, spell func() string) bool) bool {
	queue := []gainStep{{from: -1, states: start}}
	seen := map[string]bool{}
	var kept keptStates
	var bytes, key []byte // scratch, as next
	next := make([]*aare.State, len(autos))
	for i := 0; i < len(queue); i++ {
		step := queue[i]
		if i > 0 && !with(step.states, func() string { return spellStep(queue, i) }) {
			return true
		}
		bytes = autos[0].Leading(step.states[0], w.alpha, bytes[:0])
		if w.work += (1 + len(bytes)) * len(autos); w.work > maxLinkWork {
			return false
		}
		for _, c := range bytes {
			if c == 0 || c == '/' && step.c == '/' && step.from >= 0 {
				continue
			}
			for k, a := range autos {
				next[k] = a.Next(step.states[k], c)
			}
			if key = appendStates(key[:0], next); c == '/' {
				key = append(key, c)
			}
			if !seen[string(key)] {
				seen[string(key)] = true
				queue = append(queue, gainStep{from: i, c: c, states: kept.keep(next)})
			}
		}
	}
	return true
}

// appendStates appends what tells states of the same automata from others.
func appendStates(key []byte, states []*aare.State) []byte {
	for _, s := range states {
		key = binary.LittleEndian.AppendUint32(key, s.ID)
	}
	return key
}

func stateKey(states []*aare.State) string { return string(appendStates(nil, states)) }

// answerKey tells apart what both texts say of names.
func answerKey(end *linkEnd) string {
	var key strings.Builder
	for side := range end.says {
		for _, a := range end.says[side] {
			key.Write(binary.LittleEndian.AppendUint32(nil, uint32(a.allow)))
			key.Write(binary.LittleEndian.AppendUint32(nil, uint32(a.pair)))
			if a.exec != nil {
				key.WriteString(a.exec.String() + a.exec.words())
			}
			key.WriteByte(0)
		}
	}
	return key.String()
}

// permits reports whether a link is permitted, and otherwise which permissions of the
// new name the target lacks, if it is that.
func (a linkAnswer) permits(target linkAnswer) (permitted bool, lacks Perms) {
	if a.allow&target.pair&Link == 0 {
		return false, 0
	}
	if target.pair&Lock != 0 {
		lacks = linkLacks(a.allow, target.allow, a.exec, target.exec)
	}
	return lacks == 0, lacks
}

// compare notes how the texts differ on the links of some names to some targets, and
// reports whether some are gained and some lost.
func (w *linkWalk) compare(name, target *linkEnd) (gains, loses bool) {
	var gained, lost [2]bool
	var lacks [2]Perms
	for who := range 2 {
		was, lacked := name.says[0][who].permits(target.says[0][who])
		is, lack := name.says[1][who].permits(target.says[1][who])
		gained[who], lost[who] = is && !was, was && !is
		lacks[0] |= lacked
		lacks[1] |= lack
	}
	w.work++
	req := FileRequest{Path: name.name, Target: target.name, Perms: Link}
	noteLinks(&w.gains, name.rule[1], req, gained, lacks[0])
	noteLinks(&w.losses, name.rule[0], req, lost, lacks[1])
	return gained[0] || gained[1], lost[0] || lost[1]
}

// noteLinks adds links that one text permits to those of the same rule that lacked the
// same in the other.
func noteLinks(list *[]Gain, by Rule, req FileRequest, who [2]bool, lacks Perms) {
	if !who[0] && !who[1] {
		return
	}
	req.Owner = who[0]
	g := Gain{Rule: by, Perms: Link, Owner: who[0] && !who[1], Others: who[1] && !who[0], Example: req, Lacks: lacks}
	same := func(o Gain) bool {
		return o.Rule == g.Rule && o.Lacks == lacks && o.Owner == g.Owner && o.Others == g.Others
	}
	if !slices.ContainsFunc(*list, same) {
		*list = append(*list, g)
	}
}
