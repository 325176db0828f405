package track

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// Who does not answer is left alone, and others are not.
func TestWithin(t *testing.T) {
	var d delays
	const most = 500 * time.Millisecond
	hang := make(chan struct{})
	var hung atomic.Int32
	ask := func(whom string, uid int, hangs bool) (string, bool) {
		return within(&d, whom, uid, most, func() string {
			if hangs {
				hung.Add(1)
				<-hang
			}
			return whom
		})
	}
	answer, ok := ask("user", 1000, false)
	assert.True(t, ok)
	assert.Equal(t, "user", answer)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { _, ok := ask("user", 1000, true); assert.False(t, ok) })
	}
	all.Wait()
	_, ok = ask("user", 1000, false)
	assert.False(t, ok)
	assert.EqualValues(t, 1, hung.Load(), "one reader a user")
	_, ok = ask("other", 1001, false)
	assert.True(t, ok)
	_, ok = ask("engine", 0, true)
	assert.False(t, ok)
	answer, ok = ask("other engine", 0, false)
	assert.True(t, ok)
	assert.Equal(t, "other engine", answer)
	close(hang)
	d.mu.Lock()
	for _, p := range d.parties {
		p.at = p.at.Add(-time.Minute)
	}
	d.mu.Unlock()
	assert.Eventually(t, func() bool { _, ok := ask("engine", 0, false); return ok }, 10*time.Second, most)
	assert.Eventually(t, func() bool { _, ok := ask("user", 1000, false); return ok }, 10*time.Second, most)
	assert.Eventually(t, func() bool { d.mu.Lock(); defer d.mu.Unlock(); return d.left == 0 }, 10*time.Second, time.Millisecond)
}

// A user pays for all that is waited, too if the answer comes in time; one of the
// system does not.
func TestWithinSlowly(t *testing.T) {
	var d delays
	const most = time.Hour
	asked := 0
	ask := func(uid int) bool {
		_, ok := within(&d, uid, uid, most, func() bool { asked++; time.Sleep(time.Millisecond); return true })
		return ok
	}
	for uid, pays := range map[int]bool{1000: true, 0: false} {
		assert.True(t, ask(uid))
		p := d.party(uid, uid, most)
		assert.Equal(t, pays, p.credit < most, uid)
		d.charge(p, 10*most, most)
		assert.Equal(t, -most, p.credit, "it is asked again some day")
		assert.False(t, ask(uid))
		p.at = p.at.Add(-time.Duration(p.share) * 2 * most)
		assert.True(t, ask(uid))
	}
	assert.Equal(t, 4, asked)
}

// Neither who is asked nor who is left behind grows without bound.
func TestWithinMany(t *testing.T) {
	var d delays
	hang := make(chan struct{})
	var all sync.WaitGroup
	for i := range 2 * maxLeft {
		all.Go(func() { within(&d, i, 1000+i, time.Millisecond, func() int { <-hang; return i }) })
	}
	all.Wait()
	_, ok := within(&d, "one more", 0, time.Second, func() int { return 0 })
	assert.False(t, ok)
	close(hang)
	assert.Eventually(t, func() bool {
		_, ok := within(&d, "one more", 0, time.Second, func() int { return 0 })
		return ok
	}, 10*time.Second, time.Millisecond)
	for i := range 10 * maxContainers {
		within(&d, strconv.Itoa(i), 0, time.Second, func() int { return i })
	}
	assert.LessOrEqual(t, len(d.parties), maxContainers)
}
