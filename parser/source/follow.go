package source

import (
	"bytes"
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/whydenied/whydenied/parser"
)

// A Notice is something that happened to a live source.
type Notice struct {
	Kind NoticeKind
	// Count is how many events (of the audit netlink) or messages (of the ring
	// buffer) are Lost; 0 if that cannot be known, and for the other kinds.
	Count int
	Text  string // what happened and what follows from it, for people
}

// A NoticeKind says what a Notice is about.
type NoticeKind uint8

// The kinds.
const (
	Lost    NoticeKind = iota // records are missing, or may be if Count is 0
	Rotated                   // a file was replaced or truncated, and its successor is read
	Waiting                   // the source is not there for now; it is waited for
	Resumed                   // the source was opened again
)

// String returns the kind as one word: lost, rotated, ...
func (k NoticeKind) String() string {
	return [...]string{"lost", "rotated", "waiting", "resumed"}[k]
}

// maxIntake bounds the text that waits to be parsed, in bytes. A source that has
// more to give must wait.
const maxIntake = 8 << 20

// Follow yields what a source gives, as it comes: denials a few milliseconds
// after their records, when the rest of their events has come, and notices. It ends with the error of
// ctx, after what came before; or with a *Error when the source ends. It closes l,
// which can be followed once. As of Scan, a Batch's Denials are valid until the
// next iteration. Their line numbers count from the place where following began,
// and those that come before the first of l's Since or later are left out. Memory is bounded: while the
// caller is slow the source waits, and what it drops meanwhile is counted. What comes again is
// among Repeats, with the programs of their processes, as of Fold.
func Follow(ctx context.Context, l *Live) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		running, stop := context.WithCancel(ctx)
		in := newIntake(running)
		in.together = max(in.together, l.together)
		go func() { in.end(l.stream.run(running, in)) }()
		f := follower{in: in, name: l.Name, hold: l.hold, patience: l.patience, since: l.from.Since, forms: parser.NewForms(true)}
		if f.deliver(yield) {
			switch err := in.err; {
			case ctx.Err() != nil:
				yield(Batch{}, ctx.Err())
			case err != nil:
				yield(Batch{}, &Error{Input: l.Name, Err: err})
			}
		}
		stop()
		<-in.ended
		l.stream.close()
	}
}

// A follower cuts what a source gave by age, and parses it.
type follower struct {
	in       *intake
	name     string
	hold     time.Duration
	patience time.Duration
	since    time.Time // zero once a denial was of it or later
	before   [2][]byte // the parser's context: what precedes the text that waits, and what preceded the last cut
	spare    []byte
	lines    int // cut so far
	cutAt    time.Time
	cutSize  int // in bytes, of the cut that is read since then; 0 if none is
	forms    *parser.Forms
	block    parser.Block
	denials  []parser.Denial
	repeats  []parser.Repeat
}

// deliver yields batches until the source has ended and all is cut. It is false
// if the caller wants no more.
func (f *follower) deliver(yield func(Batch, error) bool) bool {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		// Before the cut: what came after it is not yet in.
		ended := f.in.hasEnded()
		batch, wait := f.cut(time.Now(), ended)
		if batch.Stats.Lines > 0 || len(batch.Notices) > 0 || len(batch.Denials) > 0 {
			if !yield(batch, nil) {
				return false
			}
			clear(batch.Denials)
			clear(batch.Repeats)
			continue
		}
		if ended {
			return true
		}
		timer.Reset(wait)
		select {
		case <-f.in.changed:
		case <-f.in.ended:
		case <-timer.C:
		}
	}
}

// cut parses the lines that are old enough. wait is how long until more are.
func (f *follower) cut(now time.Time, all bool) (batch Batch, wait time.Duration) {
	text, end, wait := f.take(now, all, &batch)
	torn := all && f.in.torn
	f.lines += batch.TooLong
	if end == 0 {
		batch.Stats.Lines = batch.TooLong
		return batch, wait
	}
	f.block = parser.Block{
		File: f.name, Before: f.before[0], Body: text[:end], After: text[end:],
		Reference: now, Location: time.Local, Live: true,
	}
	f.denials, f.repeats, batch.Stats = f.forms.Scan(f.denials[:0], f.repeats[:0], &f.block)
	batch.Denials, batch.Repeats = f.denials, f.repeats
	batch.moveLines(f.lines)
	batch.Stats.TornLast = torn
	f.lines += batch.Stats.Lines
	batch.Stats.Lines += batch.TooLong
	if batch.dropBefore(f.since) {
		f.since = time.Time{} // a clock that is set back since then drops nothing
	}
	next := append(f.before[1][:0], f.before[0][max(0, len(f.before[0])+min(end, parser.Context)-parser.Context):]...)
	next = append(next, text[max(0, end-parser.Context):end]...)
	f.before = [2][]byte{next, f.before[0]}
	f.spare = text
	if cap(f.spare) > maxIntake/8 {
		f.spare = nil
	}
	return batch, 0
}

// dropBefore leaves out what comes before the first denial of a time or later, if it has a time
// of its own, and reports whether there is such a denial.
func (b *Batch) dropBefore(since time.Time) (reached bool) {
	if since.IsZero() {
		return false
	}
	isBefore := func(at time.Time) bool {
		reached = reached || !at.Before(since)
		return !reached && !at.IsZero()
	}
	kept, next := b.Denials[:0], 0
	keepUpTo := func(end int) {
		for ; next < end; next++ {
			if !isBefore(b.Denials[next].Time) {
				kept = append(kept, b.Denials[next])
			}
		}
	}
	repeats := b.Repeats[:0]
	for _, r := range b.Repeats {
		keepUpTo(r.After)
		if r.After = len(kept); !isBefore(r.Time) {
			repeats = append(repeats, r)
		}
	}
	keepUpTo(len(b.Denials))
	clear(b.Denials[len(kept):])
	b.Denials, b.Repeats = kept, repeats
	return reached
}

// take takes the text that waits, of which the first end bytes are old enough;
// the rest stays in the intake too. With them come the notices.
func (f *follower) take(now time.Time, all bool, batch *Batch) (text []byte, end int, wait time.Duration) {
	in := f.in
	in.mu.Lock()
	defer in.mu.Unlock()
	batch.Notices, in.notices = in.notices, nil
	batch.TooLong, in.tooLong = in.tooLong, 0
	batch.Denials, in.denials = in.denials, nil
	batch.Stats.Records = len(batch.Denials)
	in.room.Broadcast()
	if f.cutSize > 0 {
		in.pace.note(f.cutSize, now.Sub(f.cutAt))
		f.cutSize = 0
	}
	old := 0
	var hold time.Duration // of the first that stays
	for ; old < len(in.arrivals); old++ {
		hold = f.hold
		if len(in.text)-end < patientBytes {
			hold = max(f.hold, f.patience)
		}
		if !all && now.Sub(in.arrivals[old].at) < hold {
			break
		}
		end = in.arrivals[old].end
	}
	if end == 0 {
		if len(in.arrivals) > 0 {
			return nil, 0, hold - now.Sub(in.arrivals[0].at)
		}
		return nil, 0, time.Hour
	}
	in.crowd = nil
	f.cutAt, f.cutSize = now, end
	in.arrivals = slices.Delete(in.arrivals, 0, old)
	for i := range in.arrivals {
		in.arrivals[i].end -= end
	}
	text, in.text = in.text, append(f.spare[:0], in.text[end:]...)
	in.room.Broadcast()
	return text, end, 0
}

// An intake is where the goroutines of a source leave what came.
type intake struct {
	changed chan struct{} // holds a token when something came
	ended   chan struct{} // closed when the source has ended
	err     error         // why; valid once ended is closed

	mu       sync.Mutex
	room     sync.Cond
	ctx      context.Context
	text     []byte // whole lines
	arrivals []arrival
	together time.Duration // what comes within this is one arrival
	tooLong  int
	torn     bool // the last line came without an end
	notices  []Notice
	denials  []parser.Denial // of a source that has no text
	pace     pace
	crowd    *crowd // nil while there is room
}

// An arrival is when the text up to an end came.
type arrival struct {
	end int
	at  time.Time
}

// maxNotices bounds those that wait for a slow caller; beyond that, those of a
// kind are added up.
const maxNotices = 256

func newIntake(ctx context.Context) *intake {
	in := &intake{changed: make(chan struct{}, 1), ended: make(chan struct{}), ctx: ctx, together: time.Millisecond}
	in.room.L = &in.mu
	context.AfterFunc(ctx, func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.room.Broadcast()
	})
	return in
}

// lines takes whole lines, which the caller may overwrite afterwards. It waits
// while there is too much.
func (in *intake) lines(text []byte) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.add(text)
}

// add is lines with mu held.
func (in *intake) add(text []byte) {
	if len(text) == 0 {
		return
	}
	for len(in.text) >= maxIntake && in.ctx.Err() == nil {
		in.room.Wait()
	}
	in.text = append(in.text, text...)
	now := time.Now()
	if n := len(in.arrivals); n > 0 && now.Sub(in.arrivals[n-1].at) < in.together {
		in.arrivals[n-1].end = len(in.text)
		return // the reader knows of it, and looks again in time
	}
	in.arrivals = append(in.arrivals, arrival{len(in.text), now})
	in.wake()
}

// maxDenials bounds those that wait for a slow caller.
const maxDenials = 8192

// traced takes denials that come without text. It waits while there are too many.
func (in *intake) traced(denials []parser.Denial) {
	if len(denials) == 0 {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.denials) >= maxDenials && in.ctx.Err() == nil {
		in.room.Wait()
	}
	in.denials = append(in.denials, denials...)
	in.wake()
}

// longLine counts a line that was skipped for its length.
func (in *intake) longLine() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.tooLong++
	in.wake()
}

// tornLine notes that the last line has no end.
func (in *intake) tornLine() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.torn = true
}

func (in *intake) notice(n Notice) {
	in.mu.Lock()
	defer in.mu.Unlock()
	defer in.wake()
	if len(in.notices) >= maxNotices {
		for i := range in.notices {
			if last := &in.notices[len(in.notices)-1-i]; last.Kind == n.Kind {
				n.Count += last.Count
				*last = n
				return
			}
		}
	}
	in.notices = append(in.notices, n)
}

func (in *intake) wake() {
	select {
	case in.changed <- struct{}{}:
	default:
	}
}

func (in *intake) end(err error) {
	in.err = err
	close(in.ended)
}

func (in *intake) hasEnded() bool {
	select {
	case <-in.ended:
		return true
	default:
		return false
	}
}

// A splitter makes whole lines of text that comes in pieces. A line that is longer
// than MaxLine by more than a piece is skipped.
type splitter struct {
	line     []byte // the start of a line whose end has not come
	skipping bool   // in a line that is too long
}

// feed gives the lines that are whole to emit, and keeps the rest.
func (s *splitter) feed(text []byte, in *intake, emit func([]byte)) {
	if s.skipping {
		end := bytes.IndexByte(text, '\n') + 1
		if end == 0 {
			return
		}
		s.skipping, text = false, text[end:]
	}
	if len(s.line) == 0 {
		// What is before the place of a writer whose file was truncated.
		text = bytes.TrimLeft(text, "\x00")
	} else {
		end := bytes.IndexByte(text, '\n') + 1
		if end == 0 {
			s.keep(text, in)
			return
		}
		s.line = append(s.line, text[:end]...)
		emit(s.line)
		s.line, text = nil, text[end:]
	}
	end := bytes.LastIndexByte(text, '\n') + 1
	if end > 0 {
		emit(text[:end])
	}
	s.keep(text[end:], in)
}

// keep adds to the line whose end has not come.
func (s *splitter) keep(text []byte, in *intake) {
	if len(s.line)+len(text) > MaxLine {
		s.line, s.skipping = nil, true
		in.longLine()
		return
	}
	s.line = append(s.line, text...)
}

// flush gives a last line that has no end to emit.
func (s *splitter) flush(emit func([]byte)) {
	if len(s.line) > 0 {
		emit(append(s.line, '\n'))
	}
	*s = splitter{}
}
