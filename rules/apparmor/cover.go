package apparmor

import (
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor/aare"
)

// A sampled is a pattern with some of the names that it matches.
type sampled struct {
	*Pattern
	names []string
}

// sample returns a pattern of which is asked whether others cover it.
func sample(p *Pattern) sampled {
	if name, ok := p.Literal(); ok {
		if strings.IndexByte(name, 0) >= 0 {
			return sampled{Pattern: p}
		}
		return sampled{p, []string{name}}
	}
	if e := p.expr(); e != nil {
		return sampled{p, e.Samples()}
	}
	return sampled{Pattern: p}
}

// covers reports whether a surely matches every name that b matches.
func (e *effort) covers(a *Pattern, b sampled) bool {
	for _, name := range b.names {
		e.left -= len(name) + a.size()
		if !a.Match(name) {
			return false
		}
	}
	return e.coversSampled(a, b)
}

// coversSampled is covers for an a that matches the samples of b.
func (e *effort) coversSampled(a *Pattern, b sampled) bool {
	if _, ok := b.Literal(); ok && len(b.names) > 0 {
		return true // it was the sample
	}
	r := e.compare(a, b.Pattern, aare.OnlyB)
	return r.Complete && !r.HasOnlyB
}

// A patternSet finds those of many patterns that match a name.
type patternSet struct {
	matchers []*matcher
	literals map[string][]int32 // indexes, ascending
	others   *aare.Automaton
}

// maxStates bounds the memory, in bytes, that the states of one patternSet hold.
const maxStates = 2 << 20

func newPatternSet(matchers []*matcher) *patternSet {
	s := &patternSet{matchers: matchers, literals: map[string][]int32{}, others: aare.New()}
	for i, m := range matchers {
		if name, ok := m.literal(); ok {
			s.literals[name] = append(s.literals[name], int32(i))
		} else if e := m.expr(); e != nil {
			s.others.Add(e, int32(i))
		}
	}
	s.others.Hold(maxStates)
	s.others.Freeze()
	return s
}

// match returns the indexes of the patterns that match a name, ascending.
func (s *patternSet) match(e *effort, name string) []int32 {
	found, work := s.others.MatchWork(name)
	e.left -= work + len(found)
	literals := s.literals[name]
	if len(literals) == 0 {
		return found
	}
	all := slices.Concat(found, literals)
	slices.Sort(all)
	return all
}

// patternSets are those of included files, which the policies of a Loader share where
// the variables in their rules mean the same.
type patternSets struct {
	byFile map[*rules.File][]*patternSet
	bytes  int // of their patterns
}

// The bounds of patternSets: how many meanings of one file are kept, and the bytes of
// all patterns.
const (
	maxMeanings  = 4
	maxSetsBytes = 1 << 20
)

// of returns the set of the rules of a file.
func (s *patternSets) of(file *rules.File, matchers []*matcher) *patternSet {
	for _, set := range s.byFile[file] {
		if slices.Equal(set.matchers, matchers) {
			return set
		}
	}
	set := newPatternSet(matchers)
	for _, m := range matchers {
		for _, text := range m.globs {
			s.bytes += len(text)
		}
	}
	if s.bytes > maxSetsBytes {
		s.byFile, s.bytes = nil, 0
	}
	if s.byFile == nil {
		s.byFile = map[*rules.File][]*patternSet{}
	}
	if len(s.byFile[file]) < maxMeanings {
		s.byFile[file] = append(s.byFile[file], set)
	}
	return set
}

// A coverIndex finds among file rules those that may cover a pattern.
type coverIndex struct {
	group  []*FileRule
	layers []coverLayer
}

// A coverLayer is the rules of one file, as indexes into the group.
type coverLayer struct {
	rules []int
	set   *patternSet
}

func (p *Profile) indexCovers(group []*FileRule) *coverIndex {
	x := &coverIndex{group: group}
	type place struct {
		file *rules.File
		own  bool
	}
	places := map[place]int{}
	var matchers [][]*matcher
	for i, r := range group {
		at := place{r.At.File, own(r)}
		k, ok := places[at]
		if !ok {
			k = len(x.layers)
			places[at] = k
			x.layers, matchers = append(x.layers, coverLayer{}), append(matchers, nil)
		}
		x.layers[k].rules = append(x.layers[k].rules, i)
		matchers[k] = append(matchers[k], filePattern(r).read())
	}
	for at, k := range places {
		if at.own {
			x.layers[k].set = newPatternSet(matchers[k])
		} else {
			x.layers[k].set = p.Policy.sets.of(at.file, matchers[k])
		}
	}
	return x
}

// covering returns the rules, as indexes, that match the samples of a pattern, of those
// that are to be kept.
func (x *coverIndex) covering(e *effort, p sampled, keep func(i int) bool) (all []int) {
	if len(p.names) == 0 {
		for i := range x.group {
			if keep(i) {
				all = append(all, i)
			}
		}
		return all
	}
	for _, layer := range x.layers {
		var found []int32
		for _, at := range layer.set.match(e, p.names[0]) {
			if keep(layer.rules[at]) {
				found = append(found, at)
			}
		}
		for _, name := range p.names[1:] {
			if len(found) == 0 {
				break
			}
			also := layer.set.match(e, name)
			found = slices.DeleteFunc(found, func(at int32) bool {
				_, ok := slices.BinarySearch(also, at)
				return !ok
			})
		}
		for _, at := range found {
			all = append(all, layer.rules[at])
		}
	}
	slices.Sort(all)
	return all
}
