package store

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"slices"

	"github.com/whydenied/whydenied/explain"
)

// A place is where a denial is kept: the narrowest bucket and the part of the serials that
// it is in, with its position there.
type place struct {
	at       int64  // seconds
	sequence int64  // the serial >> 16
	position uint64 // milliseconds since at << 16 | the serial's other bits
}

// placeOf returns the place of a denial. One whose log has no serial gets one that is made
// of its time and process; one that has no time either, of the line that it is in.
func placeOf(c *explain.Counted) place {
	ms, serial := millis(c.Time), uint64(c.Serial)
	if serial == 0 {
		h := fnv.New32a()
		var buf [24]byte
		binary.LittleEndian.PutUint64(buf[0:], uint64(c.Time.UnixNano()))
		binary.LittleEndian.PutUint64(buf[8:], uint64(c.PID))
		if c.Time.IsZero() {
			binary.LittleEndian.PutUint64(buf[16:], uint64(c.Line))
		}
		h.Write(buf[:])
		serial = uint64(h.Sum32()) | 1<<32 // which is no serial of the kernel's
	}
	at := floor(ms, widths[0])
	return place{at: at, sequence: int64(serial >> 16), position: uint64(ms-at*1000)<<16 | serial&0xffff}
}

// floor returns the seconds at which the bucket of a width begins that has a time.
func floor(ms int64, width uint) int64 {
	sec := ms / 1000
	if ms%1000 < 0 {
		sec--
	}
	return sec >> width << width
}

// time returns when a denial was, in milliseconds.
func (p place) time() int64 { return p.at*1000 + int64(p.position>>16) }

// encode returns sorted positions as differences, each as a varint.
func encode(positions []uint64) []byte {
	out := make([]byte, 0, 3*len(positions))
	last := uint64(0)
	for _, p := range positions {
		out = binary.AppendUvarint(out, p-last)
		last = p
	}
	return out
}

// decode is the reverse of encode.
func decode(blob []byte) (positions []uint64, err error) {
	last := uint64(0)
	for len(blob) > 0 {
		d, n := binary.Uvarint(blob)
		if n <= 0 {
			return nil, errors.New("positions that are not as they were written")
		}
		last += d
		positions, blob = append(positions, last), blob[n:]
	}
	return positions, nil
}

// unite returns the sorted union of positions, and how many of more were not among them.
// Both are sorted.
func unite(have, more []uint64) (all []uint64, added int) {
	all = slices.Concat(have, more)
	slices.Sort(all)
	all = slices.Compact(all)
	return all, len(all) - len(have)
}

// without returns what of sorted positions is not in others.
func without(positions, others []uint64) []uint64 {
	if len(others) == 0 {
		return positions
	}
	return slices.DeleteFunc(positions, func(p uint64) bool {
		_, found := slices.BinarySearch(others, p)
		return found
	})
}

// between returns those of a bucket's positions that are of times from since on and before
// until, in milliseconds.
func between(positions []uint64, at, since, until int64) []uint64 {
	from, _ := slices.BinarySearchFunc(positions, since-at*1000, compareMillis)
	to, _ := slices.BinarySearchFunc(positions, until-at*1000, compareMillis)
	return positions[from:max(from, to)]
}

func compareMillis(p uint64, ms int64) int {
	switch at := int64(p >> 16); {
	case at < ms:
		return -1
	case at > ms:
		return 1
	}
	return 0
}

// boundsOf returns the times of the first and the last of sorted positions, which are some.
func boundsOf(at int64, positions []uint64) (first, last int64) {
	return place{at: at, position: positions[0]}.time(), place{at: at, position: positions[len(positions)-1]}.time()
}
