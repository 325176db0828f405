package source

import (
	"bytes"
	"strconv"
	"time"
)

// Lines are a crowd where more than minCrowd bytes wait, and do for maxBehind, or are more
// than is read within that. Of a crowd maxCrowd lines are taken, of which
// processes have equal shares.
const (
	minCrowd  = 64 << 10
	maxBehind = 100 * time.Millisecond
	maxCrowd  = 1024
)

// crowded reports whether what waits is a crowd.
func (in *intake) crowded(now time.Time) bool {
	if len(in.text) < minCrowd {
		return false
	}
	return len(in.text) >= min(maxIntake/2, in.pace.within(maxBehind)) || now.Sub(in.arrivals[0].at) >= maxBehind
}

// A pace is how fast text was read of late. How long a record takes depends on what is made
// of it, and on who else wants the CPU.
type pace struct {
	bytes int
	took  time.Duration
}

// lately is how many bytes count as late, before they count half.
const lately = 256 << 10

// note adds what reading some bytes took.
func (p *pace) note(bytes int, took time.Duration) {
	for ; p.bytes >= lately; p.bytes /= 2 {
		p.took /= 2
	}
	p.bytes += bytes
	p.took += took
}

// within returns how many bytes are read within a time, at this pace.
func (p *pace) within(d time.Duration) int {
	if p.took <= 0 {
		return maxIntake
	}
	return int(float64(p.bytes) * d.Seconds() / p.took.Seconds())
}

// A crowd counts the lines that processes add to it. A process whose records come
// faster than they can be read would else have all others' wait behind its own, or
// dropped by the kernel, as likely as not.
type crowd struct {
	lines   map[int]int // by the process's ID
	skipped uint32      // serial of the last event that was passed over
}

// fairLines is lines for a source that drops what is not read in time: it does not
// wait, but passes over records of processes that have had their share, and returns
// of how many events.
func (in *intake) fairLines(text []byte) (passed int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.crowded(time.Now()) {
		in.add(text)
		return 0
	}
	if in.crowd == nil {
		in.crowd = &crowd{lines: map[int]int{}}
	}
	kept := text[:0]
	for line := range bytes.Lines(text) {
		skip, isNew := in.crowd.skips(line)
		if !skip {
			kept = append(kept, line...)
		}
		if isNew {
			passed++
		}
	}
	in.add(kept)
	return passed
}

// skips reports whether a line is passed over, and whether it is the first one of its
// event. What does not tell a process goes with the line before, or is kept.
func (c *crowd) skips(line []byte) (skip, isNew bool) {
	_, body, _ := bytes.Cut(line, []byte(" msg="))
	serial, _ := serialOf(body)
	if serial != 0 && serial == c.skipped {
		return true, false
	}
	// The kernel writes what has a space in hexadecimal, so that nobody can write
	// this but where it stands.
	_, tail, ok := bytes.Cut(body, []byte(" pid="))
	if !ok {
		return false, false
	}
	pid, err := strconv.Atoi(string(tail[:digits(tail)]))
	if err != nil {
		return false, false
	}
	c.lines[pid]++
	if n := c.lines[pid]; n == 1 || n*len(c.lines) <= maxCrowd {
		return false, false
	}
	c.skipped = serial
	return true, true
}

// digits returns how many decimal digits a text begins with.
func digits(text []byte) int {
	n := 0
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	return n
}

// serialOf reads the serial of "audit(TIME:SERIAL): ".
func serialOf(body []byte) (uint32, bool) {
	end := bytes.IndexByte(body[:min(len(body), 48)], ')')
	if end < 0 || !bytes.HasPrefix(body, []byte("audit(")) {
		return 0, false
	}
	colon := bytes.LastIndexByte(body[:end], ':')
	n, err := strconv.ParseUint(string(body[colon+1:end]), 10, 32)
	return uint32(n), err == nil && colon > 0
}
