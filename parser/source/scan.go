package source

import (
	"context"
	"iter"
	"runtime"
	"time"

	"github.com/whydenied/whydenied/parser"
)

// A Batch is what one block of a log gave.
type Batch struct {
	Denials []parser.Denial // with line numbers of the whole input
	Stats   parser.Stats
	TooLong int      // lines, in Stats.Lines too, that were skipped as they exceed MaxLine
	Notices []Notice // what happened to the source meanwhile; of Follow only
}

// MaxLine is the longest line that is sure to be read, in bytes; a longer one is
// counted and skipped. The kernel cuts audit records at 8970 bytes
// (MAX_AUDIT_MESSAGE_LENGTH), journald's lines grow to some 100 KB.
const MaxLine = 4 << 20

// blockSize is the text given to one worker at a time. Files are read into
// reused buffers of that size and not mapped: for 200 MB in the page cache that
// costs 20 ms where a mapping costs 12 (64 KB buffers 30, 4 MB 22), but mapped
// pages count as memory of the process, and a log that logrotate truncates under
// a mapping ends the process with SIGBUS.
const blockSize = 1 << 20

// Scan parses the inputs one after the other, each on all CPUs, and yields what
// was found in the order of the text. An input that cannot be opened or read to
// its end yields an error, a *Error, and the next input follows; when ctx ends,
// its error is the last. Memory does not depend on the size of the inputs.
//
// A Batch's Denials are valid until the next iteration; what they point to stays
// valid. After an early stop a reader that is blocked in Read, as on a terminal,
// stays until that Read returns.
func Scan(ctx context.Context, inputs []Input) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		workers := runtime.GOMAXPROCS(0)
		s := &scan{
			ctx:   ctx,
			parts: make(chan *part, 2*workers),
			jobs:  make(chan *part, workers),
			free:  make(chan []byte, workers+2),
			spent: make(chan []parser.Denial, 2*workers+2),
		}
		for range cap(s.free) {
			s.free <- nil
		}
		for range workers {
			go s.work()
		}
		go s.read(inputs)
		s.deliver(yield)
	}
}

// An Error is why an input could not be read, or not to its end.
type Error struct {
	Input string
	Err   error // says what is wrong and what to do
}

func (e *Error) Error() string { return e.Input + ": " + e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// A scan is the machinery of one Scan: a reader cuts parts, workers parse them,
// and deliver yields them in order. The buffers that go round bound its memory.
type scan struct {
	ctx   context.Context
	parts chan *part           // in order, from the reader to deliver
	jobs  chan *part           // the same parts, to the workers
	free  chan []byte          // buffers for the reader; nil until first used
	spent chan []parser.Denial // slices for the workers
}

// A part is one block on its way, or the error that ended an input.
type part struct {
	batch Batch
	block parser.Block
	buf   []byte        // what block points into
	first bool          // of an input
	done  chan struct{} // closed when batch is filled in
	err   error
}

// send hands a part on, unless the scan was stopped.
func (s *scan) send(to chan<- *part, p *part) bool {
	select {
	case to <- p:
		return true
	case <-s.ctx.Done():
		return false
	}
}

func (s *scan) read(inputs []Input) {
	defer close(s.parts)
	defer close(s.jobs)
	for _, in := range inputs {
		err := s.readInput(in)
		if s.ctx.Err() != nil {
			return
		}
		if err != nil && !s.send(s.parts, &part{err: &Error{Input: in.Name, Err: err}}) {
			return
		}
	}
}

// readInput cuts one input into parts.
func (s *scan) readInput(in Input) error {
	r, reference, err := in.Open(s.ctx)
	if err != nil {
		return err
	}
	text, closeText, err := decode(in.Name, r)
	if err != nil {
		r.Close()
		return err
	}
	template := parser.Block{File: in.Name, Reference: reference, Location: time.Local}
	err = s.cut(text, template)
	closeText()
	if closeErr := r.Close(); err == nil {
		err = closeErr
	}
	return err
}

func (s *scan) work() {
	for {
		var p *part
		select {
		case p = <-s.jobs:
		case <-s.ctx.Done():
		}
		if p == nil {
			return
		}
		var dst []parser.Denial
		select {
		case dst = <-s.spent:
		default:
		}
		p.batch.Denials, p.batch.Stats = parser.Scan(dst, p.block)
		s.release(p.buf)
		p.block, p.buf = parser.Block{}, nil
		close(p.done)
	}
}

// release gives a buffer back; one that grew for a long line is left to the
// garbage collector.
func (s *scan) release(buf []byte) {
	if cap(buf) > bufferSize {
		buf = nil
	}
	s.free <- buf
}

// deliver yields the parts in order with line numbers made absolute.
func (s *scan) deliver(yield func(Batch, error) bool) {
	line := 0 // of the input's text before the part
	for {
		var p *part
		var open bool
		select {
		case p, open = <-s.parts:
		case <-s.ctx.Done():
		}
		if s.ctx.Err() != nil {
			yield(Batch{}, s.ctx.Err())
			return
		}
		if !open {
			return
		}
		if p.err != nil {
			if !yield(Batch{}, p.err) {
				return
			}
			continue
		}
		select {
		case <-p.done:
		case <-s.ctx.Done():
			yield(Batch{}, s.ctx.Err())
			return
		}
		if p.first {
			line = 0
		}
		line += p.batch.TooLong // they come before the block
		moveLines(p.batch.Denials, line)
		p.batch.Stats.Shift(line)
		line += p.batch.Stats.Lines
		p.batch.Stats.Lines += p.batch.TooLong
		if !yield(p.batch, nil) {
			return
		}
		clear(p.batch.Denials)
		select {
		case s.spent <- p.batch.Denials[:0]:
		default:
		}
	}
}

// moveLines adds the lines before a block to the line numbers in it. Denials of
// one event share its records.
func moveLines(denials []parser.Denial, by int) {
	var last *parser.Record
	for i := range denials {
		records := denials[i].Event.Records
		if len(records) == 0 || &records[0] == last {
			continue
		}
		last = &records[0]
		for j := range records {
			records[j].Origin.Line += by
		}
	}
}
