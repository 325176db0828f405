package source

import (
	"bytes"
	"io"
	"time"

	"github.com/whydenied/whydenied/parser"
)

// bufferSize is a block with the context on both sides of it.
const bufferSize = 2*parser.Context + blockSize

// cut reads a text to its end and yields it as parts: blocks of whole lines, each
// with parser.Context bytes before and after it, or all there are. The last line
// of the text may lack its line end. The returned error is of the reader; what came before it
// was yielded.
func (s *scan) cut(r io.Reader, template parser.Block, yield func(*part) bool) error {
	c := cutter{scan: s, yield: yield, r: r, template: template, first: true}
	if c.part = s.freePart(nil); c.part == nil {
		return s.ctx.Err()
	}
	for c.fill() {
		end := bytes.LastIndexByte(c.buf[c.start:len(c.buf)-parser.Context], '\n') + 1
		if end == 0 {
			c.grow()
			continue
		}
		if !c.block(c.start + end) {
			return s.ctx.Err()
		}
	}
	c.last()
	return c.err
}

// A cutter is the state of cut. buf, of the part that comes next, holds the context before
// the block in buf[:start], and from there on what was read and not yet yielded.
type cutter struct {
	*scan
	*part
	yield    func(*part) bool
	r        io.Reader
	template parser.Block
	first    bool
	start    int
	skipping bool // in a line that is too long, whose start was thrown away
	tooLong  int  // such lines since the last part
	err      error
}

// freePart returns a free part whose buffer starts with a copy of the given bytes; nil when
// ctx has ended.
func (s *scan) freePart(head []byte) (p *part) {
	select {
	case p = <-s.free:
	case <-s.ctx.Done():
		return nil
	}
	if cap(p.buf) < max(bufferSize, len(head)) {
		p.buf = make([]byte, 0, max(bufferSize, len(head)))
	}
	if p.done == nil {
		p.done = make(chan struct{}, 1)
	}
	p.buf = append(p.buf[:0], head...)
	return p
}

// fill reads until the buffer is full. It reports whether there may be more.
func (c *cutter) fill() bool {
	for empty := 0; len(c.buf) < cap(c.buf); {
		n, err := c.r.Read(c.buf[len(c.buf):cap(c.buf)])
		c.buf = c.buf[:len(c.buf)+n]
		if c.skipping {
			c.skip()
		}
		if n == 0 && err == nil {
			if empty++; empty == 100 {
				err = io.ErrNoProgress
			}
		}
		if err == io.EOF {
			return false
		}
		if err != nil {
			c.err = corrupt(err)
			return false
		}
		if c.ctx.Err() != nil {
			c.err = c.ctx.Err()
			return false
		}
	}
	return true
}

// grow makes room for a line that does not fit the buffer, or gives it up.
func (c *cutter) grow() {
	if len(c.buf)-c.start < MaxLine+parser.Context {
		buf := make([]byte, len(c.buf), min(2*cap(c.buf), c.start+MaxLine+parser.Context))
		copy(buf, c.buf)
		c.buf = buf
		return
	}
	c.tooLong++
	c.skipping = true
	c.skip()
}

// skip throws away what was read of a line that is too long.
func (c *cutter) skip() {
	rest := c.buf[c.start:]
	end := bytes.IndexByte(rest, '\n') + 1
	if end == 0 {
		end = len(rest)
	} else {
		c.skipping = false
	}
	c.buf = c.buf[:c.start+copy(rest, rest[end:])]
}

// block yields the lines up to end, and goes on in another part that starts
// with the bytes before end as context.
func (c *cutter) block(end int) bool {
	before := max(0, end-parser.Context)
	next := c.freePart(c.buf[before:])
	if next == nil || !c.give(end, end+parser.Context) {
		return false
	}
	c.part, c.start = next, end-before
	return true
}

// last yields what is left at the end of the text.
func (c *cutter) last() {
	if len(c.buf) == c.start && c.tooLong == 0 {
		c.release(c.part)
		return
	}
	if c.first { // the whole log is here
		c.template.Reference = referenceOf(c.buf, c.template.Reference)
	}
	c.give(len(c.buf), len(c.buf))
}

// referenceOf returns the time that dates of a whole log without a year are relative to: half
// a year after its newest stamp that has one, as what was pasted from an old log is in a new
// file.
func referenceOf(text []byte, written time.Time) time.Time {
	newest := parser.NewestStamp(text)
	if late := newest.AddDate(0, 6, 0); !newest.IsZero() && late.Before(written) {
		return late
	}
	return written
}

// give yields the part, to be parsed in buf[start:end].
func (c *cutter) give(end, after int) bool {
	p := c.part
	p.block, p.first, p.batch.TooLong = c.template, c.first, c.tooLong
	p.block.Before, p.block.Body, p.block.After = c.buf[:c.start], c.buf[c.start:end], c.buf[end:after]
	c.first, c.tooLong = false, 0
	return c.yield(p)
}
