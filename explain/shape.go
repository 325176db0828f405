package explain

import (
	"math/bits"
	"strings"
	"time"
)

// maxBuckets bounds the buckets of Times.
const maxBuckets = 64

// Times are how many denials came when, in buckets of equal width, which grow with the
// time that they span, so that there are 64 at most. They do not depend on the order in
// which times are added.
type Times struct {
	Counts []uint32
	shift  uint  // the width is 1<<shift seconds
	first  int64 // the first bucket's number: that of a time is its Unix seconds >> shift
}

// NewTimes returns none, of which the buckets will be no narrower than a width, which is a
// power of two of seconds: for times that are known no better.
func NewTimes(width time.Duration) Times {
	return Times{shift: uint(bits.Len64(uint64(width/time.Second)) - 1)}
}

// Start is when the first bucket begins; it is the zero time if there is none.
func (t *Times) Start() time.Time {
	if len(t.Counts) == 0 {
		return time.Time{}
	}
	return time.Unix(t.first<<t.shift, 0).UTC()
}

// Width is that of a bucket: a power of two of seconds.
func (t *Times) Width() time.Duration { return time.Second << t.shift }

// Add counts n denials of a time, which is not zero.
func (t *Times) Add(at time.Time, n uint32) {
	sec := at.Unix()
	if i := sec>>t.shift - t.first; uint64(i) < uint64(len(t.Counts)) {
		t.Counts[i] += n
		return
	}
	t.make(sec)
	t.Counts[sec>>t.shift-t.first] += n
}

// make makes a bucket for a time.
func (t *Times) make(sec int64) {
	if len(t.Counts) == 0 {
		t.first, t.Counts = sec>>t.shift, []uint32{0}
		return
	}
	for {
		low := min(t.first, sec>>t.shift)
		n := max(t.first+int64(len(t.Counts)), sec>>t.shift+1) - low
		if n <= maxBuckets {
			counts := make([]uint32, n)
			copy(counts[t.first-low:], t.Counts)
			t.first, t.Counts = low, counts
			return
		}
		t.halve()
	}
}

// halve makes one bucket of two.
func (t *Times) halve() {
	first := t.first >> 1
	counts := make([]uint32, (t.first+int64(len(t.Counts))-1)>>1-first+1)
	for i, n := range t.Counts {
		counts[(t.first+int64(i))>>1-first] += n
	}
	t.first, t.Counts = first, counts
	t.shift++
}

// move changes all times by as much.
func (t *Times) move(by time.Duration) {
	old := *t
	*t = Times{shift: old.shift}
	for i, n := range old.Counts {
		if n > 0 {
			t.Add(old.Start().Add(time.Duration(i)*old.Width()+by), n)
		}
	}
}

// maxTally bounds the names that a finding counts apart.
const maxTally = 32

// A Tally is how many denials of a finding are of which container or program: of the
// first 32 that were seen. The rest of the finding's Count is of others, or of ones that
// are not known.
type Tally []*Tallied

// A Tallied is a container or a program and its denials.
type Tallied struct {
	Name  string
	ID    string // of a container
	Image string // likewise
	Count int

	PodUID string // of the pod of a container, "" if it is of none or that is not known
}

// of returns the entry of a name, and makes it if there is room; else it is nil.
func (t *Tally) of(name, id string) *Tallied {
	if name == "" {
		return nil
	}
	for _, one := range *t {
		if one.Name == name && one.ID == id {
			return one
		}
	}
	if len(*t) >= maxTally {
		return nil
	}
	one := &Tallied{Name: strings.Clone(name), ID: strings.Clone(id)} // which are parts of whole records
	*t = append(*t, one)
	return one
}

// clone returns a copy that does not change.
func (t Tally) clone() Tally {
	if t == nil {
		return nil
	}
	all := make(Tally, len(t))
	for i, one := range t {
		c := *one
		all[i] = &c
	}
	return all
}

// add counts a denial; nil is an entry that there was no room for.
func (t *Tallied) add() {
	if t != nil {
		t.Count++
	}
}
