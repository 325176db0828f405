package parser

import (
	"encoding/binary"
	"hash/maphash"
	"strings"
)

// Dedup recognises a denial that was already seen through another transport or
// in another file. It is not safe for concurrent use.
//
// Records with a serial are the same if serial, time and content are, and their
// nodes are not known to differ. Records without one (journalctl's short forms,
// bare records) are matched with those of the same content that lie at most a
// second away, or lie anywhere if the record has no time: of n seen one way and m
// seen another way, max(n, m) count, in whatever order they come. Times are
// compared modulo 15 minutes, so that one in a zone that the log does not say
// still matches. A look-alike from user space never matches the kernel's own, nor does
// a record of unknown origin.
//
// It remembers the last 256k to 512k denials, in about 40 MB, and forgets older
// ones.
type Dedup struct {
	exact generations[uint32]  // serial, time and content: the node
	timed generations[tallies] // content and second
	any   generations[tallies] // content
	// early are the records seen until the first without a serial comes: only then
	// do timed and any matter.
	early []sighting
	bare  bool // it came
	seed  maphash.Seed
	buf   []byte
}

// A sighting is a record with a serial: what it says and its second.
type sighting struct{ content, second uint64 }

// NewDedup returns an empty Dedup.
func NewDedup() *Dedup { return &Dedup{seed: maphash.MakeSeed()} }

// Duplicate reports whether x is an event that was seen before, and remembers it.
func (d *Dedup) Duplicate(x *Denial) bool {
	r := &x.Event.Records[x.Record]
	content := d.content(x)
	quarter := r.Time.UnixMilli() % (15 * 60 * 1000)
	if quarter < 0 {
		quarter = 0
	}
	if r.Serial != 0 && d.seenExactly(d.key(content, uint64(r.Serial), uint64(quarter)), d.node(r.Node)) {
		return true
	}
	second := uint64(quarter / 1000)
	if r.Serial != 0 && !d.bare && !r.Time.IsZero() {
		if len(d.early) == 2*generation {
			d.early = append(d.early[:0], d.early[generation:]...)
		}
		d.early = append(d.early, sighting{content, second})
		return false
	}
	if !d.bare {
		d.bare = true
		for _, e := range d.early {
			d.tally(e.content, e.second, 0)
		}
		d.early = nil
	}
	way := uint16(0) // of a record with a serial, where each stands for one event
	if r.Serial == 0 {
		way = uint16(d.key(maphash.String(d.seed, r.Origin.File), uint64(r.Origin.Transport))) | 1
	}
	if r.Time.IsZero() {
		return note(&d.any, content, way)
	}
	return d.tally(content, second, way)
}

// tally counts a record that has a time, and reports whether another one of the
// same event was seen some other way.
func (d *Dedup) tally(content, second uint64, way uint16) bool {
	for _, near := range [...]uint64{second, second + 899, second + 1} {
		key := d.key(content, near%900)
		if t, ok := d.timed.get(key); ok && t.lacks(way) {
			return note(&d.timed, key, way)
		}
	}
	note(&d.timed, d.key(content, second), way)
	return note(&d.any, content, 0)
}

// note counts a record seen some way, and reports whether it was seen before.
func note(g *generations[tallies], key uint64, way uint16) bool {
	t, _ := g.get(key)
	seen := t.add(way)
	g.put(key, t)
	return seen
}

// seenExactly notes a record with a serial.
func (d *Dedup) seenExactly(key uint64, node uint32) bool {
	for {
		other, ok := d.exact.get(key)
		switch {
		case !ok:
			d.exact.put(key, node)
			return false
		case node == 0 || other == node:
			return true
		case other == 0:
			d.exact.put(key, node)
			return true
		}
		key = d.key(key, uint64(node)) // the same event number on another host
	}
}

// node hashes a host's name, short and in lower case. It is 0 for none.
func (d *Dedup) node(name string) uint32 {
	if name == "" {
		return 0
	}
	short, _, _ := strings.Cut(name, ".")
	return uint32(maphash.String(d.seed, strings.ToLower(short))) | 1
}

// key hashes numbers.
func (d *Dedup) key(parts ...uint64) uint64 {
	var b [24]byte
	for i, p := range parts {
		binary.LittleEndian.PutUint64(b[8*i:], p)
	}
	return maphash.Bytes(d.seed, b[:8*len(parts)])
}

// content hashes what a record says, in every shape: neither ids nor numbers
// that ausearch -i replaces by names.
func (d *Dedup) content(x *Denial) uint64 {
	b := append(d.buf[:0], byte(x.Mode), 0)
	switch o := &x.Event.Records[x.Record].Origin; {
	case o.UserSpace:
		b[1] = 1
	case o.UnknownPrefix:
		b[1] = 2
	}
	b = binary.AppendVarint(b, int64(x.Subject.PID))
	str := func(values ...string) {
		for _, s := range values {
			b = binary.AppendUvarint(b, uint64(len(s)))
			b = append(b, s...)
		}
	}
	str(x.Subject.Comm)
	if a := x.AppArmor; a != nil {
		str(a.Operation, a.Namespace, a.Profile, a.Name, a.Info, a.Requested, a.Denied, a.Target, a.Peer, a.CapName,
			a.SockType, a.Addr, a.PeerAddr, a.Signal, a.SrcName, a.FSType, a.RLimit, a.Value, a.Bus, a.Path, a.Interface, a.Member)
		b = binary.AppendVarint(b, int64(a.Error))
		b = binary.AppendVarint(b, int64(a.Port)<<16|int64(a.PeerPort))
	}
	if c := x.Seccomp; c != nil { // not Exe, which a traced call does not have
		b = binary.AppendUvarint(b, c.IP)
		b = binary.AppendUvarint(b, uint64(c.Arch))
		if code := c.Code; seccompMode(code) != Killed { // ausearch -i calls both kills "kill"
			b = binary.AppendUvarint(b, uint64(code))
		}
	}
	d.buf = b
	return maphash.Bytes(d.seed, b)
}

// tallies counts how often one content was seen each way.
type tallies struct {
	n   [4]uint32
	way [4]uint16 // of n; n[0] is of records with a serial
}

// slot returns the index of a way's count. What exceeds the slots shares one.
func (t *tallies) slot(way uint16) int {
	if way == 0 {
		return 0
	}
	for i := 1; i < len(t.way); i++ {
		if t.way[i] == way || t.way[i] == 0 {
			t.way[i] = way
			return i
		}
	}
	return len(t.way) - 1
}

// most returns the number of events that the records stand for.
func (t *tallies) most() uint32 { return max(t.n[0], t.n[1], t.n[2], t.n[3]) }

// lacks reports whether another way has shown more records than this one.
func (t tallies) lacks(way uint16) bool { return t.n[t.slot(way)] < t.most() }

// add counts a record, and reports whether it is of an event already counted.
func (t *tallies) add(way uint16) bool {
	most := t.most()
	n := &t.n[t.slot(way)]
	*n++
	return *n <= most
}

// generation is how many entries are kept before older ones are forgotten.
const generation = 256 << 10

// generations is a map that forgets: when the young one is full it becomes old,
// and what was old is dropped.
type generations[V any] struct{ young, old map[uint64]V }

func (g *generations[V]) get(key uint64) (V, bool) {
	if v, ok := g.young[key]; ok {
		return v, true
	}
	v, ok := g.old[key]
	return v, ok
}

func (g *generations[V]) put(key uint64, v V) {
	if g.young == nil {
		g.young = map[uint64]V{}
	}
	if len(g.young) >= generation {
		g.old, g.young = g.young, map[uint64]V{}
	}
	g.young[key] = v
}
