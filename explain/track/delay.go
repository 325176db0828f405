package track

import (
	"sync"
	"time"
)

// readTimeout bounds the reading of what there is on disk of one container. A file
// system of a user's own (FUSE) can keep a reader for ever.
const readTimeout = time.Second

// Bounds of what is asked at one time: of each user, of each of the system, and of
// all those that did not come back in time.
const (
	maxOfUser   = 1
	maxOfSystem = 8
	maxLeft     = 64
)

// delays know who keeps us waiting: users, with their files and engines, and those
// of the system. Nobody can have us do nothing else than wait for them.
type delays struct {
	mu      sync.Mutex
	parties map[any]*party
	left    int // readers that nobody waits for any more
}

// A party is somebody who is asked. It has credit for the time that it may cost.
type party struct {
	share  int           // of the time, one in how many: what it may cost in the long run
	turns  chan struct{} // has one for each question that is not answered
	credit time.Duration // at some time, not more than it is waited for once
	at     time.Time
}

// within asks a party, by a comparable key, and waits for the answer up to a time. It
// is not ok if there is none, or the party has used up its credit: by all that a user
// takes, or by what one of the system is waited for in vain.
func within[T any](d *delays, whom any, uid int, most time.Duration, ask func() T) (answer T, ok bool) {
	p := d.party(whom, uid, most)
	timer := time.NewTimer(most)
	defer timer.Stop()
	if !d.may(p, most) {
		return answer, false
	}
	select {
	case p.turns <- struct{}{}:
	case <-timer.C:
		d.charge(p, most, most)
		return answer, false
	}
	began := time.Now()
	done := make(chan T, 1)
	go func() {
		done <- ask()
		<-p.turns
	}()
	select {
	case answer = <-done:
		ok = true
	case <-timer.C:
		d.leave(func() { <-done })
	}
	if uid != 0 || !ok {
		d.charge(p, time.Since(began), most)
	}
	return answer, ok
}

// party returns what is known of somebody.
func (d *delays) party(whom any, uid int, most time.Duration) *party {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.parties[whom]
	if p != nil {
		return p
	}
	if len(d.parties) >= maxContainers {
		for whom, p := range d.parties {
			if len(p.turns) == 0 && p.regained() >= most {
				delete(d.parties, whom)
			}
		}
	}
	if d.parties == nil {
		d.parties = map[any]*party{}
	}
	p = &party{share: 10, turns: make(chan struct{}, maxOfUser), credit: most, at: time.Now()}
	if uid == 0 {
		p.share, p.turns = 2, make(chan struct{}, maxOfSystem)
	}
	d.parties[whom] = p
	return p
}

// regained is the credit of a party by now, without its bound.
func (p *party) regained() time.Duration { return p.credit + time.Since(p.at)/time.Duration(p.share) }

// may reports whether a party is to be asked now.
func (d *delays) may(p *party, most time.Duration) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	p.credit, p.at = min(p.regained(), most), time.Now()
	return p.credit > 0 && d.left < maxLeft
}

// charge takes note of what a party has cost.
func (d *delays) charge(p *party, cost, most time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p.credit = max(p.credit-cost, -most)
}

// leave counts a reader that is left behind until it comes back.
func (d *delays) leave(back func()) {
	d.mu.Lock()
	d.left++
	d.mu.Unlock()
	go func() {
		back()
		d.mu.Lock()
		d.left--
		d.mu.Unlock()
	}()
}
