package source

import "time"

// patience is how long a serial that was passed over may still come. An event
// gets its serial before it is queued (audit_log_start and audit_log_end of
// kernel/audit.c), so those of other CPUs overtake it, by little.
const patience = 2 * time.Second

// maxHoles bounds the runs of serials that are waited for.
const maxHoles = 4096

// gaps counts the events that a reader of all records has not seen: the kernel
// numbers them one after the other, whatever their type (audit_serial).
type gaps struct {
	started bool
	next    uint32 // after the greatest serial seen
	holes   []hole // serials before next that were not seen, oldest first
	lost    int    // serials given up
}

// A hole is a run of serials that were passed over at some time.
type hole struct {
	lo, hi uint32
	since  time.Time
}

// see notes a serial. Serials wrap around after 2^32.
func (g *gaps) see(serial uint32, now time.Time) {
	ahead := int32(serial - g.next)
	switch {
	case !g.started:
		g.started, g.next = true, serial+1
	case ahead >= 0:
		if ahead > 0 {
			g.holes = append(g.holes, hole{g.next, serial - 1, now})
		}
		g.next = serial + 1
		if len(g.holes) > maxHoles {
			g.giveUp(1)
		}
	case len(g.holes) > 0:
		g.fill(serial)
	}
}

// fill takes a serial that came late out of its hole.
func (g *gaps) fill(serial uint32) {
	for i := len(g.holes) - 1; i >= 0; i-- {
		h := g.holes[i]
		if int32(serial-h.lo) < 0 {
			continue
		}
		if int32(serial-h.hi) > 0 {
			return // a further record of an event seen
		}
		rest := make([]hole, 0, 2)
		if serial != h.lo {
			rest = append(rest, hole{h.lo, serial - 1, h.since})
		}
		if serial != h.hi {
			rest = append(rest, hole{serial + 1, h.hi, h.since})
		}
		g.holes = append(g.holes[:i], append(rest, g.holes[i+1:]...)...)
		return
	}
}

// expire gives up what has not come by a time, and returns how many events were
// given up since the last call.
func (g *gaps) expire(before time.Time) int {
	old := 0
	for old < len(g.holes) && !g.holes[old].since.After(before) {
		old++
	}
	g.giveUp(old)
	lost := g.lost
	g.lost = 0
	return lost
}

func (g *gaps) giveUp(n int) {
	for _, h := range g.holes[:n] {
		g.lost += int(h.hi-h.lo) + 1
	}
	g.holes = append(g.holes[:0], g.holes[n:]...)
}
