package source

import (
	"context"
	"iter"
	"runtime"
	"sync"
	"time"

	"github.com/whydenied/whydenied/parser"
)

// A Batch is what one block of a log gave.
type Batch struct {
	Denials []parser.Denial // with line numbers of the whole input
	Repeats []parser.Repeat // of forms of denials in this batch or before; of Fold and Follow only
	Stats   parser.Stats
	TooLong int      // lines, in Stats.Lines too, that were skipped as they exceed MaxLine
	Notices []Notice // what happened to the source meanwhile; of Follow only
}

// All yields the denials and the repeats in the order of their lines: one of both, and nil.
func (b *Batch) All() iter.Seq2[*parser.Denial, *parser.Repeat] {
	return func(yield func(*parser.Denial, *parser.Repeat) bool) {
		next := 0
		for i := range b.Repeats {
			for r := &b.Repeats[i]; next < r.After; next++ {
				if !yield(&b.Denials[next], nil) {
					return
				}
			}
			if !yield(nil, &b.Repeats[i]) {
				return
			}
		}
		for ; next < len(b.Denials); next++ {
			if !yield(&b.Denials[next], nil) {
				return
			}
		}
	}
}

// MaxLine is the longest line that is sure to be read, in bytes; a longer one is
// counted and skipped. The kernel cuts audit records at 8970 bytes
// (MAX_AUDIT_MESSAGE_LENGTH in libaudit.h), journald's lines grow to some 100 KB.
const MaxLine = 4 << 20

// blockSize is the text that a worker reads and parses at a time: little enough that it
// is still in the cache of its core when it is parsed. Files are read into reused buffers
// and not mapped: mapped pages cost a little less, but count as memory of the process, and a
// log that logrotate truncates under a mapping ends the process with SIGBUS.
const blockSize = 256 << 10

// Scan parses the inputs one after the other, each on all CPUs, and yields what
// was found in the order of the text. An input that cannot be opened or read to
// its end yields an error, a *Error, and the next input follows; when ctx ends,
// its error is the last. Memory does not depend on the size of the inputs.
//
// A Batch's Denials are valid until the next iteration; what they point to stays
// valid. After an early stop a reader that is blocked in Read, as on a terminal,
// stays until that Read returns.
func Scan(ctx context.Context, inputs []Input) iter.Seq2[Batch, error] {
	return scanAll(ctx, inputs, func() *parser.Forms { return nil })
}

// Fold is Scan, but that most of what comes again is not parsed: it is among Repeats, which
// are valid until the next iteration. programs is as of parser.NewForms.
func Fold(ctx context.Context, inputs []Input, programs bool) iter.Seq2[Batch, error] {
	return scanAll(ctx, inputs, func() *parser.Forms { return parser.NewForms(programs) })
}

// scanAll is Scan, each worker with forms of its own.
func scanAll(ctx context.Context, inputs []Input, forms func() *parser.Forms) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		workers := runtime.GOMAXPROCS(0)
		s := &scan{
			ctx:   ctx,
			parts: make(chan *part, 2*workers),
			free:  make(chan *part, 4*workers),
		}
		for range cap(s.free) {
			s.free <- new(part)
		}
		s.next, _ = iter.Pull(s.read(inputs))
		for range workers {
			go s.work(forms())
		}
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

// A scan is the machinery of one Scan: workers take turns at reading a part each, which
// they then parse, and deliver yields the parts in order. The parts that go round bound
// its memory.
type scan struct {
	ctx   context.Context
	parts chan *part // in order, to deliver
	free  chan *part // to be used again

	reading sync.Mutex // held by the worker whose turn it is
	next    func() (*part, bool)
	ended   bool // nothing is left to read
}

// A part is one block on its way, or the error that ended an input.
type part struct {
	buf   []byte // what block points into
	block parser.Block
	batch Batch
	first bool          // of an input
	done  chan struct{} // gets a token when batch is filled in
	err   error
}

// read yields the parts of the inputs. It ends when ctx does.
func (s *scan) read(inputs []Input) iter.Seq[*part] {
	return func(yield func(*part) bool) {
		for _, in := range inputs {
			err := s.readInput(in, yield)
			if s.ctx.Err() != nil {
				return
			}
			if err != nil && !yield(&part{err: &Error{Input: in.Name, Err: err}}) {
				return
			}
		}
	}
}

// readInput cuts one input into parts.
func (s *scan) readInput(in Input, yield func(*part) bool) error {
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
	err = s.cut(text, template, yield)
	closeText()
	if closeErr := r.Close(); err == nil {
		err = closeErr
	}
	return err
}

// take reads the next part that is to be parsed; nil if there is none.
func (s *scan) take() *part {
	s.reading.Lock()
	defer s.reading.Unlock()
	for {
		p, ok := s.next()
		if !ok {
			if !s.ended {
				s.ended = true
				close(s.parts)
			}
			return nil
		}
		select {
		case s.parts <- p:
		case <-s.ctx.Done():
			continue // until the reader notices, too
		}
		if p.err == nil {
			return p
		}
	}
}

func (s *scan) work(forms *parser.Forms) {
	for p := s.take(); p != nil; p = s.take() {
		b := &p.batch
		if forms != nil {
			b.Denials, b.Repeats, b.Stats = forms.Scan(b.Denials, b.Repeats, &p.block)
		} else {
			b.Denials, b.Stats = parser.Scan(b.Denials, p.block)
		}
		p.done <- struct{}{}
	}
}

// release gives a part back. A buffer that grew for a long line is left to the garbage
// collector.
func (s *scan) release(p *part) {
	if cap(p.buf) > bufferSize {
		p.buf = nil
	}
	clear(p.batch.Denials)
	clear(p.batch.Repeats)
	p.batch = Batch{Denials: p.batch.Denials[:0], Repeats: p.batch.Repeats[:0]}
	s.free <- p
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
		p.batch.moveLines(line)
		line += p.batch.Stats.Lines
		p.batch.Stats.Lines += p.batch.TooLong
		if !yield(p.batch, nil) {
			return
		}
		s.release(p)
	}
}

// moveLines adds the lines before a block to the line numbers in it. Denials of
// one event share its records; of those, the others have no number.
func (b *Batch) moveLines(by int) {
	b.Stats.Shift(by)
	for i := range b.Repeats {
		b.Repeats[i].Line += by
	}
	for i := range b.Denials {
		b.Denials[i].Event.Records[b.Denials[i].Record].Origin.Line += by
	}
}
