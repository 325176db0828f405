package track

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const ms = time.Millisecond

func in(path string) *membership { return newMembership([]cgroup{{0, path}}) }

func paths(members []*membership) []string {
	all := []string{}
	for _, m := range members {
		all = append(all, m.path())
	}
	return all
}

func TestMembership(t *testing.T) {
	m := newMembership([]cgroup{{3, "/c"}, {0, "/"}, {1, "/a/b"}})
	assert.Equal(t, []cgroup{{0, "/"}, {1, "/a/b"}, {3, "/c"}}, m.cgroups)
	assert.Equal(t, "/a/b", m.path(), "v2 holds everything in its root here")
	moved := m.with(0, "/x/y").with(3, "/d")
	assert.Equal(t, []cgroup{{0, "/x/y"}, {1, "/a/b"}, {3, "/d"}}, moved.cgroups)
	assert.Equal(t, "/x/y", moved.path())
	assert.Equal(t, "/a/b", m.path(), "others share it")
	assert.Equal(t, "/z", (*membership)(nil).with(0, "/z").path())
	assert.True(t, m.equal(m.with(3, "/c")))
	assert.False(t, m.equal(moved))
	assert.False(t, m.equal(nil))
	assert.Equal(t, "/", newMembership(nil).path())
}

// With moves told, children have their parent's cgroups as they were then.
func TestMovesAreTold(t *testing.T) {
	var ps processes
	ps.read(reading{pid: 1, at: 1 * ms, member: in("/")}, true)
	fork := func(pid, parent int, at time.Duration) *process {
		return ps.fork(event{kind: forked, pid: pid, parent: parent, at: at, inherits: true, exact: true})
	}
	init := fork(10, 1, 5*ms)
	ps.move(event{kind: moved, pid: 10, at: 8 * ms, path: "/docker/a"})
	early := fork(11, 10, 9*ms)
	ps.move(event{kind: moved, pid: 10, at: 12 * ms, path: "/docker/b"})
	late := fork(12, 10, 13*ms)

	assert.Equal(t, []string{"/"}, paths(init.cgroupsWithin(span{6 * ms, 7 * ms})))
	assert.Equal(t, []string{"/"}, paths(init.cgroupsWithin(span{0, 7 * ms})), "from its start on")
	assert.Equal(t, []string{"/", "/docker/a"}, paths(init.cgroupsWithin(span{6 * ms, 9 * ms})))
	assert.Equal(t, []string{"/docker/b"}, paths(init.cgroupsWithin(span{12 * ms, time.Hour})))
	assert.Equal(t, []string{"/docker/a"}, paths(early.cgroupsWithin(span{9 * ms, time.Hour})), "it stays when its parent moves")
	assert.Equal(t, []string{"/docker/b"}, paths(late.cgroupsWithin(span{0, time.Hour})))

	cloned := ps.fork(event{kind: forked, pid: 13, parent: 10, at: 14 * ms, exact: true})
	assert.Empty(t, cloned.cgroupsWithin(span{14 * ms, time.Hour}), "into another cgroup: not known until it is read")
	ps.read(reading{pid: 13, start: 10 * ms, at: 16 * ms, member: in("/docker/c")}, true)
	assert.Equal(t, []string{"/docker/c"}, paths(cloned.cgroupsWithin(span{14 * ms, time.Hour})), "no move was told since")
	assert.Nil(t, ps.move(event{kind: moved, pid: 99, path: "/x"}), "unknown")

	for i := range 100 {
		ps.move(event{kind: moved, pid: 10, at: time.Duration(20+i) * ms, path: fmt.Sprint("/m", i)})
	}
	assert.LessOrEqual(t, len(init.changes), 32)
	assert.Equal(t, "/m99", init.cgroupsAt(time.Hour).path())
}

// Without, cgroups are read, and between readings only some things are known.
func TestMovesAreRead(t *testing.T) {
	var ps processes
	ps.read(reading{pid: 1, at: 1 * ms, member: in("/")}, false)
	fork := func(pid, parent int, at time.Duration) *process {
		return ps.fork(event{kind: forked, pid: pid, parent: parent, at: at, inherits: true})
	}
	read := func(pid int, start, at time.Duration, path string) {
		ps.read(reading{pid: pid, start: start.Truncate(clockTick), at: at, member: in(path)}, false)
	}
	// As runc does: a child is moved, then gets its program.
	init := fork(10, 1, 20*ms)
	assert.Equal(t, []string{"/"}, paths(init.cgroupsWithin(span{20 * ms, time.Hour})), "the parent's")
	read(10, 20*ms, 21*ms, "/")
	read(10, 20*ms, 22*ms, "/")
	init.exec = 25 * ms
	read(10, 20*ms, 26*ms, "/docker/a")
	assert.Equal(t, []string{"/"}, paths(init.cgroupsWithin(span{20 * ms, 22*ms - 1})), "it was read later, too")
	assert.Equal(t, []string{"/", "/docker/a"}, paths(init.cgroupsWithin(span{23 * ms, 24 * ms})), "moved at some time in between")
	assert.Equal(t, []string{"/docker/a"}, paths(init.cgroupsWithin(span{26 * ms, time.Hour})))
	assert.Equal(t, []string{"/docker/a"}, paths(init.cgroupsWithin(span{25*ms + 1, 25*ms + 2})), "its program came after the move")

	short := fork(11, 10, 27*ms)
	ps.exit(11, 28*ms, false)
	assert.Equal(t, []string{"/docker/a"}, paths(short.cgroupsWithin(span{27 * ms, time.Hour})), "ended before it was read")
	unsure := fork(12, 10, 24*ms)
	assert.Equal(t, []string{"/", "/docker/a"}, paths(unsure.cgroupsWithin(span{24 * ms, time.Hour})))
	read(12, 24*ms, 30*ms, "/docker/a")
	assert.Equal(t, []string{"/docker/a"}, paths(unsure.cgroupsWithin(span{31 * ms, time.Hour})))
	orphan := fork(13, 99, 30*ms)
	assert.Empty(t, orphan.cgroupsWithin(span{30 * ms, time.Hour}))
}

// A PID is not a process.
func TestUses(t *testing.T) {
	var ps processes
	pids := func(from, to time.Duration) (starts []time.Duration) {
		for _, p := range ps.uses(7, span{from, to}) {
			starts = append(starts, p.start)
		}
		return starts
	}
	fork := func(at time.Duration) { ps.fork(event{kind: forked, pid: 7, at: at, exact: true}) }
	fork(100 * ms)
	ps.exit(7, 200*ms, true)
	fork(300 * ms)
	ps.exit(7, 400*ms, true)
	fork(500 * ms)
	assert.Empty(t, pids(0, 99*ms))
	assert.Equal(t, []time.Duration{100 * ms}, pids(90*ms, 110*ms))
	assert.Equal(t, []time.Duration{100 * ms}, pids(200*ms, 299*ms))
	assert.Empty(t, pids(201*ms, 299*ms), "nobody's")
	assert.Equal(t, []time.Duration{100 * ms, 300 * ms}, pids(150*ms, 310*ms), "either's")
	assert.Equal(t, []time.Duration{500 * ms}, pids(time.Hour, time.Hour+100*ms))

	// The first thread ends, others go on: the PID stays.
	ps.exit(7, 600*ms, false)
	assert.Equal(t, []time.Duration{500 * ms}, pids(700*ms, 800*ms))
	fork(750 * ms)
	assert.Equal(t, []time.Duration{750 * ms}, pids(760*ms, 800*ms))

	// An exit that was not told, and a start that was not.
	fork(900 * ms)
	assert.Equal(t, []time.Duration{900 * ms}, pids(950*ms, 951*ms))
	ps.read(reading{pid: 7, start: 2000 * ms, at: 2050 * ms, member: in("/")}, true)
	assert.Equal(t, []time.Duration{2000 * ms}, pids(2100*ms, 2200*ms))
	assert.Equal(t, []time.Duration{900 * ms}, pids(1999*ms, 1999*ms))
}

func TestReadBeforeItsEvent(t *testing.T) {
	var ps processes
	p, changed := ps.read(reading{pid: 5, start: 120 * ms, at: 140 * ms, member: in("/docker/a")}, true)
	require.True(t, changed)
	again := ps.fork(event{kind: forked, pid: 5, at: 126 * ms, inherits: true, exact: true})
	assert.Same(t, p, again)
	assert.Equal(t, 1, ps.count)
}

func TestMemoryIsBounded(t *testing.T) {
	var ps processes
	ps.fork(event{kind: forked, pid: 1, at: 0})
	for i := range 3 * maxEnded {
		at := time.Duration(i) * time.Microsecond
		pid := 2 + i%30000
		ps.fork(event{kind: forked, pid: pid, parent: max(1, pid-1), at: at, inherits: true}) // a chain, none read
		ps.exit(pid, at+1, true)
	}
	assert.LessOrEqual(t, ps.count, maxEnded+1)
	assert.LessOrEqual(t, len(ps.byPID), maxEnded+1)
	assert.NotNil(t, ps.newest(1), "it lives")
	ps.fork(event{kind: forked, pid: 2, at: time.Hour})
	ps.exit(2, time.Hour, true)
	assert.Equal(t, 2, ps.count, "all others ended long ago")

	for i := range maxProcesses + 10 {
		ps.fork(event{kind: forked, pid: 10 + i, at: time.Hour + time.Duration(i)})
	}
	assert.LessOrEqual(t, ps.count, maxProcesses)
}
