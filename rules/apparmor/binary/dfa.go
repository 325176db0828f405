package binary

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The tables of an automaton: enum in security/apparmor/include/match.h, whose
// numbers are one less.
const (
	tableAccept  = 1
	tableBase    = 2
	tableCheck   = 3
	tableDefault = 4
	tableEquiv   = 5
	tableAccept2 = 7
	tableNext    = 8
)

// What the header of an automaton and its states may say.
const (
	magic          = 0x1b5e783d
	headerDiff     = 1 // some states are encoded as the difference to another
	headerOOB      = 2 // some states have a transition that no byte takes
	stateDiff      = 1 << 31
	stateOOB       = 1 << 29
	stateFlags     = 0xff << 24
	stateIndex     = 0xffffff
	equivalents    = 256
	startState     = 1
	tableHeader    = 12
	minAutomaton   = 16
	maxPadding     = 7
	ownerCondition = 1 // in accept2, from permsv 3 on
)

// An automaton is the compressed tables of a state machine over bytes, as
// security/apparmor/match.c has them. State 0 matches nothing.
type automaton struct {
	accept, accept2, base, def, next, check []uint32
	equiv                                   []uint32 // classes of bytes; nil if each is its own
	flags                                   uint16
}

// unpackAutomaton reads and verifies an automaton, so that no walk through it can
// leave the tables or run for ever: aa_dfa_unpack() and verify_dfa() of match.c.
func unpackAutomaton(blob []byte) (*automaton, error) {
	// The compiler aligns it to 8 bytes from the start of what it writes.
	for range maxPadding {
		if len(blob) >= minAutomaton && binary.BigEndian.Uint32(blob) != magic {
			blob = blob[1:]
		}
	}
	if len(blob) < minAutomaton || binary.BigEndian.Uint32(blob) != magic {
		return nil, errors.New("an automaton has no header")
	}
	header := binary.BigEndian.Uint32(blob[4:])
	a := &automaton{flags: binary.BigEndian.Uint16(blob[12:])}
	if a.flags&^(headerDiff|headerOOB) != 0 {
		return nil, fmt.Errorf("an automaton has the unknown flags %#x", a.flags)
	}
	if header < minAutomaton || uint64(header) > uint64(len(blob)) {
		return nil, errors.New("the header of an automaton is longer than the automaton")
	}
	for blob = blob[header:]; len(blob) > 0; {
		n, err := a.table(blob)
		if err != nil {
			return nil, err
		}
		blob = blob[min(n, len(blob)):]
	}
	return a, a.verify()
}

// table reads one table, and returns its length with padding.
func (a *automaton) table(blob []byte) (int, error) {
	if len(blob) < tableHeader {
		return 0, errors.New("a table of an automaton is cut off")
	}
	id, width := binary.BigEndian.Uint16(blob), int(binary.BigEndian.Uint16(blob[2:]))
	count := int(binary.BigEndian.Uint32(blob[8:]))
	if width != 1 && width != 2 && width != 4 || count == 0 || count > (len(blob)-tableHeader)/width {
		return 0, fmt.Errorf("table %d of an automaton has %d entries of %d bytes", id, count, width)
	}
	fields := map[uint16]*[]uint32{tableAccept: &a.accept, tableBase: &a.base, tableCheck: &a.check,
		tableDefault: &a.def, tableEquiv: &a.equiv, tableAccept2: &a.accept2, tableNext: &a.next}
	field := fields[id]
	if field == nil || *field != nil {
		return 0, fmt.Errorf("an automaton has table %d twice, or there is none of that number", id)
	}
	if (id == tableEquiv) != (width == 1) || (id == tableBase || id == tableAccept || id == tableAccept2) && width != 4 {
		return 0, fmt.Errorf("table %d of an automaton has entries of %d bytes", id, width)
	}
	table := make([]uint32, count)
	for i := range table {
		switch at := blob[tableHeader+i*width:]; width {
		case 1:
			table[i] = uint32(at[0])
		case 2:
			table[i] = uint32(binary.BigEndian.Uint16(at))
		case 4:
			table[i] = binary.BigEndian.Uint32(at)
		}
	}
	*field = table
	return (tableHeader + count*width + 7) &^ 7, nil
}

func (a *automaton) verify() error {
	states, transitions := len(a.base), len(a.next)
	switch {
	case states < 2 || len(a.def) != states || len(a.accept) != states || a.accept2 != nil && len(a.accept2) != states:
		return errors.New("the tables of an automaton differ in states")
	case len(a.check) != transitions:
		return errors.New("the tables of an automaton differ in transitions")
	case a.equiv != nil && len(a.equiv) != equivalents:
		return errors.New("an automaton has not one class for each byte")
	}
	for i, base := range a.base {
		flags := base & stateFlags
		switch {
		case int64(a.def[i]) >= int64(states):
			return errors.New("a state of an automaton leads to none")
		case int(base&stateIndex)+equivalents > transitions:
			return errors.New("a state of an automaton has transitions beyond the table")
		case flags&^(stateDiff|stateOOB) != 0, flags&stateDiff != 0 && a.flags&headerDiff == 0, flags&stateOOB != 0 && a.flags&headerOOB == 0:
			return fmt.Errorf("a state of an automaton has the flags %#x, which its header does not", flags)
		}
	}
	for i := range a.next {
		if int64(a.next[i]) >= int64(states) || int64(a.check[i]) >= int64(states) {
			return errors.New("a transition of an automaton leads to no state")
		}
	}
	return a.verifyDifferences()
}

// maxDifferences is how many states may be a difference to the next in a row: each
// byte of a name may lead through all of them.
const maxDifferences = 1 << 15

// verifyDifferences reports states that are differences to each other in a ring, or
// in a row that is too long.
func (a *automaton) verifyDifferences() error {
	length := make([]int32, len(a.base)) // of the row from a state on, once it is known
	var row []uint32
	for i := range a.base {
		row = row[:0]
		s := uint32(i)
		for ; a.base[s]&stateDiff != 0 && length[s] == 0; s = a.def[s] {
			length[s] = -1
			row = append(row, s)
		}
		if length[s] == -1 {
			return errors.New("states of an automaton are differences to each other")
		}
		n := length[s]
		for k := len(row) - 1; k >= 0; k-- {
			n++
			length[row[k]] = n
		}
		if n > maxDifferences {
			return fmt.Errorf("more than %d states of an automaton are differences to the next", maxDifferences)
		}
	}
	return nil
}

// match walks from a state and returns where the walk ends: aa_dfa_match_len() of
// match.c.
func (a *automaton) match(state uint32, key string) uint32 {
	for i := range len(key) {
		if state == 0 {
			return 0
		}
		c := uint32(key[i])
		if a.equiv != nil {
			c = a.equiv[c]
		}
		for {
			base := a.base[state]
			if at := base&stateIndex + c; a.check[at] == state {
				state = a.next[at]
				break
			}
			state = a.def[state]
			if base&stateDiff == 0 {
				break
			}
		}
	}
	return state
}
