package aare

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"
)

// A byteSet is a set of byte values.
type byteSet [4]uint64

var anyByte = byteSet{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}

func oneByte(c byte) (s byteSet) { s.add(c); return s }

func without(bytes ...byte) byteSet {
	s := anyByte
	for _, c := range bytes {
		s[c>>6] &^= 1 << (c & 63)
	}
	return s
}

func (s *byteSet) add(c byte)     { s[c>>6] |= 1 << (c & 63) }
func (s byteSet) has(c byte) bool { return s[c>>6]&(1<<(c&63)) != 0 }
func (s byteSet) complement() byteSet {
	return byteSet{^s[0], ^s[1], ^s[2], ^s[3]}
}

// count returns how many members a set has.
func (s byteSet) count() (n int) {
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return n
}

// single returns the one member of a set that has exactly one.
func (s byteSet) single() (byte, bool) {
	n, at := 0, 0
	for i, word := range s {
		if word != 0 {
			at = i*64 + bits.TrailingZeros64(word)
		}
		n += bits.OnesCount64(word)
	}
	return byte(at), n == 1
}

func (s byteSet) len() int {
	return bits.OnesCount64(s[0]) + bits.OnesCount64(s[1]) + bits.OnesCount64(s[2]) + bits.OnesCount64(s[3])
}

// An Expr is a regular expression over bytes. The zero Expr matches the empty
// string.
type Expr struct {
	op    exprOp
	class bool    // opSet written as [ ]
	set   byteSet // of opSet
	subs  []*Expr
}

type exprOp byte

const (
	opCat  exprOp = iota // subs, one after the other
	opSet                // one byte of set
	opAlt                // one of subs
	opStar               // subs[0], any number of times
)

func set(s byteSet) *Expr {
	if c, ok := s.single(); ok {
		return &literals[c]
	}
	return &Expr{op: opSet, set: s}
}

// literals match one byte. Most of a pattern is such, so they are shared.
var literals = func() (list [256]Expr) {
	for c := range list {
		list[c] = Expr{op: opSet, set: oneByte(byte(c))}
	}
	return list
}()

func star(e *Expr) *Expr { return &Expr{op: opStar, subs: []*Expr{e}} }

// Cat joins expressions; concatenations in it are flattened.
func Cat(parts ...*Expr) *Expr {
	joined := &Expr{}
	for _, p := range parts {
		if p.op == opCat {
			joined.subs = append(joined.subs, p.subs...)
		} else {
			joined.subs = append(joined.subs, p)
		}
	}
	if len(joined.subs) == 1 {
		return joined.subs[0]
	}
	return joined
}

func alt(choices ...*Expr) *Expr {
	if len(choices) == 1 {
		return choices[0]
	}
	return &Expr{op: opAlt, subs: choices}
}

// Exact reports whether the expression is made of literals and alternations
// alone. Such a rule wins over others when apparmor_parser picks the dominating
// exec transition: add_rule_vec() in libapparmor_re/aare_rules.cc. From 4.0 on, which
// classes says, [abc] is exact, too; [^abc] is not.
func (e *Expr) Exact(classes bool) bool {
	if e.op == opSet {
		_, one := e.set.single()
		if e.class {
			return classes && e.set.len() <= 128
		}
		return one
	}
	for _, sub := range e.subs {
		if !sub.Exact(classes) {
			return false
		}
	}
	return e.op != opStar
}

// Literal returns the only string that the expression matches, if there is one.
func (e *Expr) Literal() (string, bool) {
	switch e.op {
	case opSet:
		c, ok := e.set.single()
		return string([]byte{c}), ok
	case opCat:
		var out []byte
		for _, sub := range e.subs {
			s, ok := sub.Literal()
			if !ok {
				return "", false
			}
			out = append(out, s...)
		}
		return string(out), true
	}
	return "", false
}

// Prefix returns what all strings that match begin with, and whether there is
// but that one.
func (e *Expr) Prefix() (prefix string, exact bool) {
	if s, ok := e.Literal(); ok {
		return s, true
	}
	if e.op != opCat {
		return "", false
	}
	var out []byte
	for _, sub := range e.subs {
		s, ok := sub.Literal()
		if !ok {
			break
		}
		out = append(out, s...)
	}
	return string(out), false
}

// Possible reports whether some string without NUL matches.
func (e *Expr) Possible() bool {
	switch e.op {
	case opSet:
		return e.set.without(0) != byteSet{}
	case opCat:
		return !slices.ContainsFunc(e.subs, func(sub *Expr) bool { return !sub.Possible() })
	case opAlt:
		return slices.ContainsFunc(e.subs, (*Expr).Possible)
	}
	return true
}

// key appends a canonical form of the expression, equal for equal expressions.
func (e *Expr) key(to []byte) []byte {
	to = append(to, byte(e.op))
	if e.op == opSet {
		for _, word := range e.set {
			to = binary.LittleEndian.AppendUint64(to, word)
		}
		return to
	}
	to = strconv.AppendInt(to, int64(len(e.subs)), 10)
	for _, sub := range e.subs {
		to = sub.key(to)
	}
	return to
}

// equal reports whether two expressions have the same key.
func (e *Expr) equal(o *Expr) bool {
	if e.op == opSet || o.op == opSet {
		return e.op == o.op && e.set == o.set
	}
	return e.op == o.op && slices.EqualFunc(e.subs, o.subs, (*Expr).equal)
}

func (s byteSet) and(t byteSet) byteSet {
	return byteSet{s[0] & t[0], s[1] & t[1], s[2] & t[2], s[3] & t[3]}
}

func (s byteSet) or(t byteSet) byteSet {
	return byteSet{s[0] | t[0], s[1] | t[1], s[2] | t[2], s[3] | t[3]}
}

func (s byteSet) without(c byte) byteSet {
	s[c>>6] &^= 1 << (c & 63)
	return s
}

// nothing matches no name at all.
var nothing = &Expr{op: opAlt}

func isNothing(e *Expr) bool { return e.op == opAlt && len(e.subs) == 0 }

// Literal returns the expression that matches one string.
func Literal(text string) *Expr {
	parts := make([]*Expr, len(text))
	for i := range len(text) {
		parts[i] = set(oneByte(text[i]))
	}
	return Cat(parts...)
}

// itemsOf returns the parts of a concatenation, or the expression alone.
func itemsOf(e *Expr) []*Expr {
	if e.op == opCat {
		return e.subs
	}
	return []*Expr{e}
}

// size returns the number of nodes of an expression.
func size(e *Expr) int {
	n := 1
	for _, sub := range e.subs {
		n += size(sub)
	}
	return n
}
