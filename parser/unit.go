package parser

import (
	"bytes"
	"fmt"
	"regexp"
)

// killed is how systemd logs that SIGSYS ended a process of a service
// (unit_log_process_exit() in src/core/unit.c).
var killed = regexp.MustCompile(`([\w@:.\\-]{1,255}\.service): (?:Main|Control) process exited, code=(?:killed|dumped), status=31/SYS\b`)

// maxUnit bounds how far behind a record such a line is looked for.
const maxUnit = 4096

// noteUnit notes the service of which systemd logs next that SIGSYS ended it, after the
// line that triggered, if that has the record of a filter that killed a process, and no filter
// killed another process before.
func (s *scanner) noteUnit(x *Denial) {
	if s.b.Live || x.Mode != Killed || x.Seccomp == nil {
		return
	}
	window, lo := s.window()
	text := window[min(s.end-lo, len(window)):]
	text = text[:min(len(text), maxUnit)]
	if !bytes.Contains(text, []byte("status=31/SYS")) { // as of nearly all
		return
	}
	m := killed.FindSubmatchIndex(text)
	if m == nil {
		return
	}
	own := fmt.Appendf(nil, " pid=%d ", x.Subject.PID)
	for line := range bytes.Lines(text[:m[0]]) {
		if bytes.Contains(line, []byte(" sig=31 ")) && !bytes.Contains(line, own) {
			return
		}
	}
	x.Seccomp.Unit = string(text[m[2]:m[3]])
}
