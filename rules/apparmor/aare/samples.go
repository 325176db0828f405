package aare

import (
	"math/bits"
	"slices"
)

// maxSamples bounds the strings that Samples returns.
const maxSamples = 12

// Samples returns some strings without NUL that the expression matches: short ones
// that differ in the choices that it leaves. Whatever does not match all of them does
// not match all that the expression does, and to know that takes no comparison of
// automata. There may be none.
func (e *Expr) Samples() []string {
	var out []string
	for i := range min(max(3, e.choices()), maxSamples) {
		if text, ok := e.sample(nil, i); ok && !slices.Contains(out, string(text)) {
			out = append(out, string(text))
		}
	}
	return out
}

// choices returns the size of the largest alternation.
func (e *Expr) choices() int {
	n := 0
	if e.op == opAlt {
		n = len(e.subs)
	}
	for _, sub := range e.subs {
		n = max(n, sub.choices())
	}
	return n
}

// sample appends the i-th sample.
func (e *Expr) sample(to []byte, i int) (_ []byte, ok bool) {
	switch e.op {
	case opSet:
		c, ok := e.set.without(0).member(i)
		return append(to, c), ok
	case opAlt:
		if len(e.subs) == 0 {
			return nil, false
		}
		return e.subs[i%len(e.subs)].sample(to, i)
	case opStar:
		for range (i + 1) % 3 {
			if to, ok = e.subs[0].sample(to, i); !ok {
				return nil, false
			}
		}
		return to, true
	}
	for _, sub := range e.subs {
		if to, ok = sub.sample(to, i); !ok {
			return nil, false
		}
	}
	return to, true
}

// member returns the last, the first or a slash of a set, whichever i says; ok is
// false if it is empty.
func (s byteSet) member(i int) (c byte, ok bool) {
	if s == (byteSet{}) {
		return 0, false
	}
	first, last := 0, 0
	for k := range s {
		if word := s[len(s)-1-k]; word != 0 {
			first = (len(s)-1-k)*64 + bits.TrailingZeros64(word)
		}
		if word := s[k]; word != 0 {
			last = k*64 + 63 - bits.LeadingZeros64(word)
		}
	}
	switch {
	case i%3 == 0:
		return byte(last), true
	case i%3 == 2 && s.has('/'):
		return '/', true
	}
	return byte(first), true
}
