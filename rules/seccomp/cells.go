package seccomp

import (
	"encoding/binary"
	"slices"
)

// cells splits the values of an argument of some bits into the sets on which
// all conditions are constant, and returns the least value of each, ascending:
// every combination of truths that any value has is that of one of the values
// returned. ok is false if there would be more than limit of them on the way, or if
// work is used up, of which each look at a condition takes one.
//
// It goes through the bits from the highest down. What the bits so far say of a
// condition is that a comparison is decided or still equal, or that a mask
// still matches or not; values for which they say the same are one.
func cells(conditions []Arg, bits, limit int, work *int) (values []uint64, ok bool) {
	if len(conditions) == 0 { // most of the time
		return []uint64{0}, true
	}
	conditions = distinct(conditions)
	open := []prefix{{equal: make([]int32, len(conditions))}}
	for i := range conditions {
		open[0].equal[i] = int32(i)
	}
	for bit := bits - 1; bit >= 0; bit-- {
		seen := map[string]bool{}
		var next []prefix
		var key []byte
		for _, p := range open {
			if *work -= 2 * len(p.equal); *work < 0 {
				return nil, false
			}
			for b := range uint64(2) {
				q := p.extended(conditions, bit, b)
				key = q.key(key[:0])
				if !seen[string(key)] {
					seen[string(key)] = true
					next = append(next, q)
				}
			}
		}
		if open = next; len(open) > limit {
			return nil, false
		}
	}
	for _, p := range open {
		values = append(values, p.value)
	}
	return values, true
}

// A prefix is the bits so far of some values, and what they say.
type prefix struct {
	value uint64
	equal []int32 // conditions that are not decided: indexes, ascending
	below int     // how many comparisons for an order have a value below them
}

// extended returns the prefix with one more bit.
func (p prefix) extended(conditions []Arg, bit int, b uint64) prefix {
	q := prefix{value: p.value | b<<bit, below: p.below}
	for k, i := range p.equal {
		c := &conditions[i]
		want, looks := c.Value>>bit&1, true
		if c.Op == MaskedEQ {
			want, looks = c.ValueTwo>>bit&1, c.Value>>bit&1 == 1
		}
		if !looks || b == want {
			if q.equal != nil {
				q.equal = append(q.equal, i)
			}
			continue
		}
		if q.equal == nil { // the first one that goes: until then the list is shared
			q.equal = append(make([]int32, 0, len(p.equal)-1), p.equal[:k]...)
		}
		if b > want && !equality(c.Op) { // unequal is all that matters of an equality
			q.below++
		}
	}
	if q.equal == nil {
		q.equal = p.equal
	}
	return q
}

// key appends what tells the prefix from others of its length: comparisons for an
// order that are decided are so by their number alone, as their values are in order.
func (p prefix) key(to []byte) []byte {
	to = binary.LittleEndian.AppendUint32(to, uint32(p.below))
	for _, i := range p.equal {
		to = binary.LittleEndian.AppendUint32(to, uint32(i))
	}
	return to
}

// Example returns arguments for which all conditions of an entry hold, on 64 bits. It
// fails where there are none, where they are hard to find, and where two conditions
// are on the same argument, of which either is enough.
func (e *Entry) Example() (args []uint64, ok bool) {
	limit, work := 1<<8, maxCellWork
	if sharedIndex(e.Args) {
		return nil, false
	}
	args = make([]uint64, 6)
	for _, a := range e.Args {
		values, ok := cells([]Arg{a}, 64, limit, &work)
		i := slices.IndexFunc(values, a.holds)
		if !ok || i < 0 {
			return nil, false
		}
		args[a.Index] = values[i]
	}
	return args, true
}

// equality reports whether a comparison does not ask for an order.
func equality(o Op) bool { return o == EQ || o == NE || o == MaskedEQ }

// distinct returns conditions each once, wherever they are written.
func distinct(conditions []Arg) []Arg {
	var list []Arg
	seen := make(map[Arg]bool, len(conditions))
	for _, c := range conditions {
		if c = (Arg{Index: c.Index, Op: c.Op, Value: c.Value, ValueTwo: c.ValueTwo}); !seen[c] {
			seen[c] = true
			list = append(list, c)
		}
	}
	return list
}
