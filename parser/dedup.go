package parser

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
	"time"
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
	ascending ascending            // records with a serial, as far as serials went up
	exact     generations[uint32]  // serial, time and content of the others: the node
	timed     generations[tallies] // content and second
	any       generations[tallies] // content
	// early are the records seen until the first without a serial comes, but for those in
	// ascending: only then do timed and any matter.
	early []sighting
	bare  bool // it came

	host     string // that was hashed last
	hostHash uint32
}

// A sighting is a record with a serial: what it says and its second.
type sighting struct{ content, second uint64 }

// NewDedup returns an empty Dedup.
func NewDedup() *Dedup { return new(Dedup) }

// Duplicate reports whether x is an event that was seen before, and remembers it.
func (d *Dedup) Duplicate(x *Denial) bool {
	r := &x.Event.Records[x.Record]
	return d.saw(x.content(), r.Time, r.Serial, r.Node, &r.Origin)
}

// DuplicateRepeat is Duplicate of what r.Denial returns.
func (d *Dedup) DuplicateRepeat(r *Repeat) bool {
	content := keyOf(r.Form.said, uint64(r.PID), r.ip)
	return d.saw(content, r.Time, r.Serial, r.Form.Node, &Origin{File: r.File(), Transport: r.Form.transport})
}

// saw notes a record, and reports whether its event was seen before.
func (d *Dedup) saw(content uint64, at time.Time, serial uint32, node string, o *Origin) bool {
	quarter := at.UnixMilli() % (15 * 60 * 1000)
	if quarter < 0 {
		quarter = 0
	}
	second := uint64(quarter / 1000)
	if serial != 0 {
		n := numbered{content, serial, uint32(quarter)}
		if at.IsZero() {
			n.quarter = noTime
		}
		of := d.node(node)
		ascends := d.ascending.add(n, of)
		switch {
		case !ascends && d.seenExactly(n, of):
			return true
		case d.bare || at.IsZero():
		case ascends:
			return false
		default:
			if len(d.early) == 2*generation {
				d.early = append(d.early[:0], d.early[generation:]...)
			}
			d.early = append(d.early, sighting{content, second})
			return false
		}
	}
	d.tallyEarly()
	way := uint16(0) // of a record with a serial, where each stands for one event
	if serial == 0 {
		way = uint16(keyOf(maphash.String(saidSeed, o.File), uint64(o.Transport))) | 1
	}
	if at.IsZero() {
		return note(&d.any, content, way)
	}
	return d.tally(content, second, way)
}

// tallyEarly counts the records with a serial that came before the first without one.
func (d *Dedup) tallyEarly() {
	if d.bare {
		return
	}
	d.bare = true
	for _, list := range [...]*serials{&d.ascending.old, &d.ascending.young} {
		for _, n := range list.of {
			if n.quarter != noTime {
				d.tally(n.content, uint64(n.quarter/1000), 0)
			}
		}
	}
	for _, e := range d.early {
		d.tally(e.content, e.second, 0)
	}
	d.early = nil
}

// tally counts a record that has a time, and reports whether another one of the
// same event was seen some other way.
func (d *Dedup) tally(content, second uint64, way uint16) bool {
	for _, near := range [...]uint64{second, second + 899, second + 1} {
		key := keyOf(content, near%900)
		if t, ok := d.timed.get(key); ok && t.lacks(way) {
			return note(&d.timed, key, way)
		}
	}
	note(&d.timed, keyOf(content, second), way)
	return note(&d.any, content, 0)
}

// note counts a record seen some way, and reports whether it was seen before.
func note(g *generations[tallies], key uint64, way uint16) bool {
	t, _ := g.get(key)
	seen := t.add(way)
	g.put(key, t)
	return seen
}

// seenExactly notes a record with a serial that does not ascend.
func (d *Dedup) seenExactly(n numbered, node uint32) bool {
	key := keyOf(n.content, uint64(n.serial), uint64(n.quarter))
	if list, i := d.ascending.find(n); list != nil {
		switch other := list.node(i); {
		case node == 0 || other == node:
			return true
		case other == 0:
			list.setNode(i, node)
			return true
		}
		key = keyOf(key, uint64(node)) // the same event number on another host
	}
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
		key = keyOf(key, uint64(node))
	}
}

// An ascending holds the records of a log whose serials go up, as they nearly always do: of
// one with a greater serial than all before it, it is known without a look that it is new.
type ascending struct{ young, old serials }

// serials are records, and the nodes of them: nil while there is none.
type serials struct {
	of    []numbered
	nodes []uint32
}

// A numbered is a record with a serial: what it says, and its milliseconds modulo 15 minutes.
type numbered struct {
	content         uint64
	serial, quarter uint32
}

// noTime is the quarter of a record without a time.
const noTime = 1 << 31

// add notes a record if its serial is greater than all, or reports that it is not.
func (a *ascending) add(n numbered, node uint32) bool {
	for _, list := range [...]*serials{&a.young, &a.old} {
		if last := len(list.of) - 1; last >= 0 {
			if n.serial <= list.of[last].serial {
				return false
			}
			break
		}
	}
	a.young.of = append(a.young.of, n)
	if node != 0 || a.young.nodes != nil {
		a.young.setNode(len(a.young.of)-1, node)
	}
	if len(a.young.of) == generation {
		a.old, a.young = a.young, serials{of: a.old.of[:0]}
	}
	return true
}

// find returns where a record is, nil if it is not known.
func (a *ascending) find(n numbered) (*serials, int) {
	for _, list := range [...]*serials{&a.young, &a.old} {
		i, ok := slices.BinarySearchFunc(list.of, n.serial, func(n numbered, serial uint32) int { return cmp.Compare(n.serial, serial) })
		if ok && list.of[i] == n {
			return list, i
		}
	}
	return nil, 0
}

func (s *serials) node(i int) uint32 {
	if i >= len(s.nodes) {
		return 0
	}
	return s.nodes[i]
}

func (s *serials) setNode(i int, node uint32) {
	if missing := i + 1 - len(s.nodes); missing > 0 {
		s.nodes = append(s.nodes, make([]uint32, missing)...)
	}
	s.nodes[i] = node
}

// node hashes a host's name, short and in lower case. It is 0 for none.
func (d *Dedup) node(name string) uint32 {
	if name == "" {
		return 0
	}
	if name != d.host {
		short, _, _ := strings.Cut(name, ".")
		d.host, d.hostHash = name, uint32(maphash.String(saidSeed, strings.ToLower(short)))|1
	}
	return d.hostHash
}

// saidSeed is of the hashes that Dedups compare.
var saidSeed = maphash.MakeSeed()

// keyOf hashes numbers. It is never 0.
func keyOf(parts ...uint64) uint64 {
	var b [24]byte
	for i, p := range parts {
		binary.LittleEndian.PutUint64(b[8*i:], p)
	}
	return max(1, maphash.Bytes(saidSeed, b[:8*len(parts)]))
}

// content hashes what a record says, in every shape: neither ids nor numbers
// that ausearch -i replaces by names.
func (x *Denial) content() uint64 {
	ip := uint64(0)
	if x.Seccomp != nil {
		ip = x.Seccomp.IP
	}
	return keyOf(x.said(&x.Event.Records[x.Record].Origin), uint64(x.Subject.PID), ip)
}

// said is the part of content that is the same in all records of a Form. o is the record's.
func (x *Denial) said(o *Origin) uint64 {
	b := append(make([]byte, 0, 512), byte(x.Mode), 0)
	switch {
	case o.UserSpace:
		b[1] = 1
	case o.UnknownPrefix:
		b[1] = 2
	}
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
		b = binary.AppendUvarint(b, uint64(c.Arch))
		if code := c.Code; seccompMode(code) != Killed { // ausearch -i calls both kills "kill"
			b = binary.AppendUvarint(b, uint64(code))
		}
	}
	if o := x.Other; o != nil {
		b = append(b, byte(o.Module))
		str(o.Access, o.Class, o.Name, o.Target, o.Domain, o.Rule)
	}
	return maphash.Bytes(saidSeed, b)
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

// generations is a table that forgets: when the young one is full it becomes old,
// and what was old is dropped.
type generations[V any] struct{ young, old table[V] }

func (g *generations[V]) get(key uint64) (V, bool) {
	if v, ok := g.young.get(key); ok {
		return v, true
	}
	return g.old.get(key)
}

func (g *generations[V]) put(key uint64, v V) {
	if g.young.n >= generation {
		g.old, g.young = g.young, table[V]{}
	}
	g.young.put(key, v)
}

// A table is a map of hashes, which are not 0: of so many, most of which are looked up once,
// a Go map takes three times as long.
type table[V any] struct {
	slots []slot[V] // those in use are where their keys are by size, or next to it
	n     int
}

type slot[V any] struct {
	key   uint64
	value V
}

// at returns the slot of a key, or the free one where it is to be.
func (t *table[V]) at(key uint64) *slot[V] {
	place, _ := bits.Mul64(key, uint64(len(t.slots)))
	for ; ; place++ {
		if place == uint64(len(t.slots)) {
			place = 0
		}
		if s := &t.slots[place]; s.key == key || s.key == 0 {
			return s
		}
	}
}

func (t *table[V]) get(key uint64) (v V, ok bool) {
	if t.n == 0 {
		return v, false
	}
	s := t.at(key)
	return s.value, s.key != 0
}

func (t *table[V]) put(key uint64, v V) {
	if t.n >= len(t.slots)*3/4 {
		grown := table[V]{slots: make([]slot[V], min(max(1024, 4*len(t.slots)), generation*3/2)), n: t.n}
		for _, s := range t.slots {
			if s.key != 0 {
				*grown.at(s.key) = s
			}
		}
		*t = grown
	}
	s := t.at(key)
	if s.key == 0 {
		t.n++
	}
	*s = slot[V]{key, v}
}
