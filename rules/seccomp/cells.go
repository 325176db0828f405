package seccomp

import "slices"

// cells splits the values of an argument of some bits into the sets on which
// all conditions are constant, and returns one value of each: every combination
// of truths that any value has is that of one of the values returned. ok is
// false if there would be more than limit of them on the way.
//
// It goes through the bits from the highest down. What the bits so far say of a
// condition is that a comparison is decided or still equal, or that a mask
// still matches or not; values for which they say the same are one.
func cells(conditions []Arg, bits, limit int) (values []uint64, ok bool) {
	if len(conditions) == 0 { // most of the time
		return []uint64{0}, true
	}
	conditions = distinct(conditions)
	type prefix struct {
		state string // a byte per condition: equal, less, greater
		value uint64
	}
	const equal, less, greater = '=', '<', '>'
	start := make([]byte, len(conditions))
	for i := range start {
		start[i] = equal
	}
	open := []prefix{{string(start), 0}}
	for bit := bits - 1; bit >= 0; bit-- {
		seen := map[string]bool{}
		var next []prefix
		for _, p := range open {
			for b := range uint64(2) {
				state := []byte(p.state)
				for i, c := range conditions {
					want, looks := c.Value>>bit&1, true
					if c.Op == MaskedEQ {
						want, looks = c.ValueTwo>>bit&1, c.Value>>bit&1 == 1
					}
					switch {
					case state[i] != equal || !looks || b == want:
					case b < want && !equality(c.Op):
						state[i] = less
					default: // unequal is all that matters of an equality
						state[i] = greater
					}
				}
				if seen[string(state)] {
					continue
				}
				seen[string(state)] = true
				next = append(next, prefix{string(state), p.value | b<<bit})
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

// Example returns arguments for which all conditions of an entry hold, on 64 bits. It
// fails where there are none, where they are hard to find, and where two conditions
// are on the same argument, of which either is enough.
func (e *Entry) Example() (args []uint64, ok bool) {
	const limit = 1 << 8
	if sharedIndex(e.Args) {
		return nil, false
	}
	args = make([]uint64, 6)
	for _, a := range e.Args {
		values, ok := cells([]Arg{a}, 64, limit)
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
	for _, c := range conditions {
		if c = (Arg{Index: c.Index, Op: c.Op, Value: c.Value, ValueTwo: c.ValueTwo}); !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	return list
}
