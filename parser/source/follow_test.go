package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/parser"
)

// A watched is what Follow has yielded so far.
type watched struct {
	t     testing.TB
	stop  context.CancelFunc
	ended chan struct{}

	mu      sync.Mutex
	names   []string // of denials
	denials []parser.Denial
	repeats []parser.Repeat
	notices []Notice
	stats   parser.Stats
	tooLong int
	err     error // the last
}

// watch follows a source until the test ends.
func watch(t testing.TB, l *Live) *watched {
	ctx, stop := context.WithCancel(t.Context())
	w := &watched{t: t, stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		for batch, err := range Follow(ctx, l) {
			w.add(batch, err)
		}
	}()
	t.Cleanup(w.end)
	return w
}

func (w *watched) add(batch Batch, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range batch.Denials {
		name := ""
		if x.AppArmor != nil {
			name = x.AppArmor.Name
		}
		w.names = append(w.names, name)
		w.denials = append(w.denials, x)
	}
	w.repeats = append(w.repeats, batch.Repeats...)
	w.notices = append(w.notices, batch.Notices...)
	w.stats.Add(batch.Stats)
	w.tooLong += batch.TooLong
	w.err = err
}

// end stops following.
func (w *watched) end() {
	w.stop()
	select {
	case <-w.ended:
	case <-time.After(2 * time.Minute):
		w.t.Error("Follow does not end")
	}
}

// until waits until something holds.
func (w *watched) until(what string, holds func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Millisecond) {
		w.mu.Lock()
		held := holds()
		w.mu.Unlock()
		if held {
			return
		}
		if time.Now().After(deadline) {
			w.mu.Lock()
			defer w.mu.Unlock()
			require.FailNow(w.t, "not seen: "+what, "%d denials %q, notices %q", len(w.names), w.names[max(0, len(w.names)-20):], w.notices)
		}
	}
}

// sees waits for the denials of these lines, in this order, and no others.
func (w *watched) sees(lines ...int) {
	w.t.Helper()
	var want []string
	for _, line := range lines {
		want = append(want, fmt.Sprintf("/line/%d", line))
	}
	w.until(fmt.Sprint(want), func() bool { return len(w.names) >= len(want) })
	w.mu.Lock()
	defer w.mu.Unlock()
	assert.Equal(w.t, want, w.names)
}

// notice waits for a notice of a kind that holds a text.
func (w *watched) notice(kind NoticeKind, text string) {
	w.t.Helper()
	w.until(fmt.Sprintf("%v %q", kind, text), func() bool {
		for _, n := range w.notices {
			if n.Kind == kind && strings.Contains(n.Text, text) {
				return true
			}
		}
		return false
	})
}

// scripted is a stream that does what a test says.
type scripted struct {
	script func(ctx context.Context, in *intake) error
	closed bool
}

func (s *scripted) run(ctx context.Context, in *intake) error { return s.script(ctx, in) }
func (s *scripted) close()                                    { s.closed = true }

const syscallRecord = `type=SYSCALL msg=audit(1795427685.001:1): arch=c000003e syscall=2 success=no exit=-13 a0=1 a1=2 a2=3 a3=4 items=1 ppid=1 pid=7 auid=0 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=1 comm="a" exe="/usr/bin/late" key=(null)` + "\n"

func TestFollowJoinsEvents(t *testing.T) {
	w := watch(t, &Live{Name: "audit", hold: 200 * time.Millisecond, stream: &scripted{script: func(ctx context.Context, in *intake) error {
		in.lines([]byte(avc(1)))
		in.lines([]byte(avc(2))) // of another CPU
		time.Sleep(20 * time.Millisecond)
		in.lines([]byte(syscallRecord))
		<-ctx.Done()
		return nil
	}}})
	w.sees(1, 2)
	assert.Equal(t, "/usr/bin/late", w.denials[0].Subject.Exe)
	assert.Empty(t, w.denials[1].Subject.Exe)
	assert.Equal(t, 1, w.denials[0].Event.Records[0].Origin.Line)
	assert.Equal(t, "audit", w.denials[0].Event.Records[0].Origin.File)
	w.end()
	assert.ErrorIs(t, w.err, context.Canceled)
}

// A call may be interrupted between its refusal and its end, where its own record is written.
func TestFollowPatiently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &Live{Name: "audit", hold: 2 * time.Millisecond, stream: &scripted{script: func(ctx context.Context, in *intake) error {
			in.lines([]byte(avc(1)))
			time.Sleep(300 * time.Millisecond)
			in.lines([]byte(syscallRecord))
			<-ctx.Done()
			return nil
		}}}
		l.Patient()
		w := watch(t, l)
		time.Sleep(time.Second)
		w.end()
		require.Len(t, w.denials, 1)
		assert.Equal(t, "/usr/bin/late", w.denials[0].Subject.Exe)
	})
}

// Where much waits, the oldest of it waits no longer than it does without patience, so that it is no crowd.
func TestFollowPatientlyButBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		most := 0
		l := &Live{Name: "audit", hold: 2 * time.Millisecond, stream: &scripted{script: func(ctx context.Context, in *intake) error {
			for n := range 4000 { // 400 KB in a second
				in.lines([]byte(avc(n + 1)))
				time.Sleep(250 * time.Microsecond)
				in.mu.Lock()
				most = max(most, len(in.text))
				in.mu.Unlock()
			}
			<-ctx.Done()
			return nil
		}}}
		l.Patient()
		w := watch(t, l)
		time.Sleep(3 * time.Second)
		w.end()
		require.Len(t, w.denials, 4000)
		assert.Greater(t, most, patientBytes)
		assert.Less(t, most, minCrowd*3/4)
	})
}

// A record is there whether or not another one follows.
func TestFollowDoesNotWait(t *testing.T) {
	w := watch(t, &Live{stream: &scripted{script: func(ctx context.Context, in *intake) error {
		in.lines([]byte(avc(1)))
		<-ctx.Done()
		return nil
	}}})
	w.sees(1)
}

// What came before the end is yielded before the end's error.
func TestFollowEnds(t *testing.T) {
	broken := errors.New("the cable is cut")
	s := &scripted{script: func(ctx context.Context, in *intake) error {
		in.lines([]byte(avc(1)))
		in.notice(Notice{Lost, 3, "three"})
		return broken
	}}
	w := watch(t, &Live{Name: "audit", stream: s})
	<-w.ended
	w.sees(1)
	assert.Equal(t, []Notice{{Lost, 3, "three"}}, w.notices)
	assert.ErrorIs(t, w.err, broken)
	assert.EqualError(t, w.err, "audit: the cable is cut")
	assert.True(t, s.closed)
}

// A slow caller makes the source wait; nothing is lost and memory is bounded.
func TestFollowSlowly(t *testing.T) {
	const lines = 100_000 // 20 MB
	most := 0
	l := &Live{stream: &scripted{script: func(ctx context.Context, in *intake) error {
		for i := range lines {
			in.lines([]byte(avc(i + 1)))
			in.mu.Lock()
			most = max(most, len(in.text))
			in.mu.Unlock()
		}
		return nil
	}}}
	seen := 0
	for batch, err := range Follow(t.Context(), l) {
		require.NoError(t, err)
		for _, x := range batch.Denials {
			seen++
			require.Equal(t, fmt.Sprintf("/line/%d", seen), x.AppArmor.Name)
			require.Equal(t, seen, x.Event.Records[0].Origin.Line)
		}
		time.Sleep(20 * time.Millisecond)
	}
	assert.Equal(t, lines, seen)
	assert.Less(t, most, maxIntake+1000)
}

func TestFollowStopsEarly(t *testing.T) {
	s := &scripted{script: func(ctx context.Context, in *intake) error {
		for i := 1; ctx.Err() == nil; i++ {
			in.lines([]byte(avc(i))) // more than fits
		}
		return nil
	}}
	for range Follow(t.Context(), &Live{stream: s}) {
		break
	}
	assert.True(t, s.closed)
}

func TestFollowSince(t *testing.T) {
	since := time.UnixMilli(1795427685_500)
	l := &Live{from: Start{Since: since}, stream: &scripted{script: func(ctx context.Context, in *intake) error {
		in.lines([]byte(avc(499) + avc(500) + avc(501)))
		return nil
	}}}
	w := watch(t, l)
	<-w.ended
	w.sees(500, 501)
	assert.NoError(t, w.err)
}

// What stands behind a denial of the time is not from before it, whatever the clock said.
func TestFollowSinceClockSetBack(t *testing.T) {
	l := &Live{from: Start{Since: time.UnixMilli(1795427685_500)}, hold: time.Millisecond, stream: &scripted{script: func(ctx context.Context, in *intake) error {
		in.lines([]byte(avc(400) + avc(600) + avc(401)))
		time.Sleep(20 * time.Millisecond)
		in.lines([]byte(avc(402)))
		return nil
	}}}
	w := watch(t, l)
	<-w.ended
	w.sees(600, 401, 402)
	assert.NoError(t, w.err)
}

func TestNoticesAreBounded(t *testing.T) {
	in := newIntake(t.Context())
	for range 10_000 {
		in.notice(Notice{Kind: Rotated})
		in.notice(Notice{Kind: Lost, Count: 2})
	}
	assert.LessOrEqual(t, len(in.notices), maxNotices+1)
	lost := 0
	for _, n := range in.notices {
		lost += n.Count
	}
	assert.Equal(t, 20_000, lost)
}

func TestSplitter(t *testing.T) {
	long := strings.Repeat("x", MaxLine+1)
	for name, c := range map[string]struct {
		pieces  []string
		lines   string
		rest    string
		tooLong int
	}{
		"whole":           {[]string{"a\nb\n"}, "a\nb\n", "", 0},
		"halves":          {[]string{"a", "b\nc"}, "ab\n", "c\n", 0},
		"end alone":       {[]string{"a", "\n", "b\n"}, "a\nb\n", "", 0},
		"CR LF in halves": {[]string{"a\r", "\nb\r\n"}, "a\r\nb\r\n", "", 0},
		"any bytes":       {[]string{"\xff\x00", "\x1b[2J\n"}, "\xff\x00\x1b[2J\n", "", 0},
		"a hole":          {[]string{strings.Repeat("\x00", 5<<20), "\x00\x00b\n"}, "b\n", "", 0},
		"too long":        {[]string{"a\n", long, "x", "y\nb\n"}, "a\nb\n", "", 1},
		"growing":         {[]string{long[:MaxLine], "yy", "y\nb"}, "", "b\n", 1},
		"no end":          {[]string{long, long}, "", "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			var s splitter
			var got bytes.Buffer
			in := newIntake(t.Context())
			emit := func(text []byte) { got.Write(text) }
			for _, piece := range c.pieces {
				s.feed([]byte(piece), in, emit)
				assert.LessOrEqual(t, len(s.line), MaxLine)
			}
			assert.Equal(t, c.lines, got.String())
			got.Reset()
			s.flush(emit)
			assert.Equal(t, c.rest, got.String())
			assert.Equal(t, c.tooLong, in.tooLong)
		})
	}
}
