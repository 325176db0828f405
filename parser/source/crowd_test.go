package source

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/parser"
)

// records are n of a process, as the netlink gives them, each an event of two.
func netlinkRecords(pid, serial, n int) (text []byte) {
	for i := range n {
		text = fmt.Appendf(text, "type=1326 msg=audit(1795427169.844:%d): auid=4294967295 uid=0 gid=0 ses=4294967295 pid=%d comm=\"x\" exe=\"/x\" sig=0 arch=c000003e syscall=110 compat=0 ip=0x1 code=0x7ffc0000\n", serial+i, pid)
		text = fmt.Appendf(text, "type=1327 msg=audit(1795427169.844:%d): proctitle=\"x\"\n", serial+i)
	}
	return text
}

// Where more comes than is read, processes that make few records lose none to one
// that makes many, and what is passed over is counted.
func TestCrowd(t *testing.T) {
	in := newIntake(context.Background())
	made, passed := 0, 0
	flood := func(pid, n int) {
		passed += in.fairLines(netlinkRecords(pid, 1+made, n))
		made += n
	}
	for len(in.text) < maxIntake/2 {
		flood(7, 100)
		in.arrivals[0].at = time.Now() // as if the reader were never behind
	}
	require.Zero(t, passed, "there was room")
	for i := range 100 {
		flood(7, 500)
		flood(8, 500)
		flood(1000+i, 1)
	}
	assert.Less(t, len(in.text), maxIntake, "nothing ever waited")
	for i := range 100 {
		assert.Contains(t, string(in.text), fmt.Sprintf(" pid=%d ", 1000+i))
	}
	assert.Equal(t, made, passed+strings.Count(string(in.text), "type=1326"))
	assert.Equal(t, made, passed+strings.Count(string(in.text), "type=1327"))

	f := follower{forms: parser.NewForms(true), in: in}
	f.cut(time.Now().Add(time.Hour), true)
	assert.Nil(t, in.crowd)
	assert.Zero(t, in.fairLines(netlinkRecords(7, 1, 5000)), "there is room again")
	assert.Equal(t, 10000, bytes.Count(in.text, []byte("\n")))
	in.crowd = nil
	in.arrivals[0].at = time.Now().Add(-time.Hour)
	assert.Positive(t, in.fairLines(netlinkRecords(7, 1, 5000)), "the reader is behind")
	assert.Zero(t, in.fairLines(netlinkRecords(8, 1, 1)))
}

// However long a record takes, no more waits than is read in maxBehind and a crowd's share:
// what a process floods with is passed over before others' records have to wait for it.
func TestCrowdByPace(t *testing.T) {
	in := newIntake(context.Background())
	f := follower{forms: parser.NewForms(true), in: in}
	now := time.Now()
	cut := func() int {
		f.cut(now, true)
		return f.cutSize
	}
	in.lines(netlinkRecords(7, 1, 4000))
	size := cut()
	require.Greater(t, size, 8*minCrowd)
	now = now.Add(time.Second) // for all of it
	require.Zero(t, cut())
	share := size / 10
	for serial := range 100 {
		in.fairLines(netlinkRecords(7, 10000+100*serial, 100))
		in.arrivals[0].at = time.Now() // as if it came at once
	}
	assert.Greater(t, len(in.text), share, "what is read in time is kept")
	assert.Less(t, len(in.text), share+share/2+maxCrowd*size/4000)
	require.Zero(t, in.fairLines(netlinkRecords(8, 99999, 1)))
}

func TestPace(t *testing.T) {
	var p pace
	assert.Equal(t, maxIntake, p.within(maxBehind), "not known yet")
	p.note(1<<20, time.Second)
	assert.Equal(t, 1<<20/10, p.within(100*time.Millisecond))
	for range 10 { // half as fast since
		p.note(lately, time.Second/2)
	}
	assert.InDelta(t, 1<<19/10, p.within(100*time.Millisecond), 1<<12)
	p.note(200, 50*time.Millisecond)
	assert.Greater(t, p.within(100*time.Millisecond), 1<<14, "one pause says little")
}
