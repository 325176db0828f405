package apparmor

import (
	"math/bits"
	"reflect"
	"slices"

	"github.com/whydenied/whydenied/rules/apparmor/aare"
)

// maxCells bounds the requests that one rule of a class other than files is
// compared on.
const maxCells = 1 << 16

// classGains compares two profiles in the classes other than files. The space
// of the requests that a differing rule matches falls into cells in which no
// rule of either profile tells two requests apart; one request of each is asked.
func classGains(before, after *Profile, removed, added []Rule, by difference, wanted []Request) (gains []Gain, complete bool) {
	complete = true
	c := celler{sides: [2]*Profile{before, after}, by: by, rules: slices.Concat(before.others(), after.others()), wanted: wanted, decision: Decision{memo: memo{}}}
	for _, r := range slices.Concat(removed, added) {
		isAdded := slices.Contains(added, r)
		if by.grants && r.Head().Deny == isAdded { // neither an allow rule less nor a deny rule more gives anything
			continue
		}
		if by.grants && !isAdded && !c.opens(r) {
			continue
		}
		gain, all := c.gain(r)
		if gain.Perms != 0 {
			gains = append(gains, gain)
		}
		complete = complete && all
	}
	return gains, complete
}

// gain is what the requests that a rule matches are answered otherwise, but for those that
// are wanted; all reports that none was left out.
func (c *celler) gain(r Rule) (gain Gain, all bool) {
	gain.Rule = r
	c.left, c.found = maxCells, nil
	r.cells(c)
	for _, req := range c.found {
		new := c.by.of(c.sides[0].tally(req, &c.decision), c.sides[1].tally(req, &c.decision))
		if new == 0 || c.isWanted(req) {
			continue
		}
		if gain.Perms |= new; gain.Example == nil {
			gain.Example = req
		}
	}
	return gain, c.left > 0
}

// opens reports whether a deny rule that has gone may give something. It takes an allow rule
// to grant what it refused, and those are few, and of few requests.
func (c *celler) opens(gone Rule) bool {
	class := reflect.TypeOf(gone)
	switch gone.(type) {
	case *AllRule, *NetworkRule, *UnixRule: // other classes have rules for the same requests
		return true
	}
	if c.sides[1].HasFlag("default_allow") {
		return true
	}
	if opens, known := c.opened[class]; known {
		return opens
	}
	opens := slices.ContainsFunc(c.sides[1].others(), func(r Rule) bool {
		if _, all := r.(*AllRule); r.Head().Deny || !all && reflect.TypeOf(r) != class {
			return false
		}
		gain, all := c.gain(r)
		return gain.Perms != 0 || !all
	})
	if c.opened == nil {
		c.opened = map[reflect.Type]bool{}
	}
	c.opened[class] = opens
	return opens
}

// A celler makes one request for each cell of the requests that a rule matches.
type celler struct {
	sides    [2]*Profile // which are compared; nil where every request is wanted
	by       difference
	rules    []Rule // by which requests are told apart
	wanted   []Request
	left     int // of maxCells
	found    []Request
	flags    []uint32              // of flagCells
	opened   map[reflect.Type]bool // what opens says, by the class of the rule
	decision Decision              // scratch of gain, with what is known of patterns for all rules
}

func (c *celler) add(req Request) { c.found = append(c.found, req) }

// isWanted reports whether a request, of one permission where its class has
// several, is part of a wanted one.
func (c *celler) isWanted(req Request) bool {
	return slices.ContainsFunc(c.wanted, func(w Request) bool {
		if sameSocket(req, w) || sameSocket(w, req) {
			return true
		}
		if _, ok := req.(NetworkRequest); !ok && req.wanted()&^w.wanted() != 0 {
			return false
		}
		return reflect.DeepEqual(req.subject(), w.subject())
	})
}

// orAll returns a list of words, or all words if it is empty, which rules mean
// by that.
func orAll(words, all []string) []string {
	if len(words) == 0 {
		return all
	}
	return words
}

// oneOf is the list of a rule's word, which means all where there is none.
func oneOf(word string) []string {
	if word == "" {
		return nil
	}
	return []string{word}
}

// each calls with every permission of a set in turn.
func each(perms Perms, with func(Perms)) {
	for ; perms != 0; perms &= perms - 1 {
		with(1 << bits.TrailingZeros32(uint32(perms)))
	}
}

// product calls with every combination of the values, as far as the bound goes.
func (c *celler) product(with func(values []string), dimensions ...[]string) {
	values := make([]string, len(dimensions))
	var choose func(int)
	choose = func(i int) {
		if i == len(dimensions) {
			if c.left--; c.left > 0 {
				with(values)
			}
			return
		}
		for _, v := range dimensions[i] {
			if values[i] = v; c.left > 0 {
				choose(i + 1)
			}
		}
	}
	choose(0)
}

// names returns one name for each cell of what a rule's pattern matches: cells
// are told apart by the same pattern of all rules and by what is wanted.
func names[R Rule, Q Request](c *celler, own *Pattern, of func(R) *Pattern, in func(Q) string) []string {
	var others []*Pattern
	for _, r := range c.rules {
		if r, ok := r.(R); ok {
			if p := of(r); p != nil {
				others = append(others, p)
			}
		}
	}
	return representatives(own, others, wantedNames(c, in))
}

func wantedNames[Q Request](c *celler, in func(Q) string) []string {
	var names []string
	for _, w := range c.wanted {
		if w, ok := w.(Q); ok {
			names = append(names, in(w))
		}
	}
	return names
}

// representatives returns a name for each set of the patterns that some name
// matched by own matches; the wanted names stand for themselves.
func representatives(own *Pattern, others []*Pattern, wanted []string) []string {
	if own == nil {
		own = anyProfile
	}
	if name, only := own.Literal(); only {
		return []string{name}
	}
	if own.expr() == nil {
		return nil
	}
	var exprs []*aare.Expr
	for _, p := range others {
		if e := p.expr(); e != nil {
			exprs = append(exprs, e)
		}
	}
	return aare.Representatives(own.expr(), exprs, wanted, maxCells)
}
