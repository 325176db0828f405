package parser

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// killed is how systemd logs that SIGSYS ended a process of a service
// (unit_log_process_exit() in src/core/unit.c).
var killed = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`([\w@:.\\-]{1,255}\.service): (?:Main|Control) process exited, code=(?:killed|dumped), status=31/SYS\b`)
})

// serviceFailed is the record by which systemd has a service fail in the audit log, in which it goes without
// .service: manager_send_unit_audit() in src/core/manager.c. The kernel says that process 1 sent it.
var serviceFailed = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\b(?:SERVICE_(?:STOP|START)|113[01]) (?:msg=)?audit\((\d+)\.\d+:\d+\): pid=1 uid=0 [^\n']*msg='unit=([\w@:.\\-]{1,255}) comm="systemd" [^\n']* res=failed'`)
})

// Such a line is looked for so many bytes behind a record, and such a record within so much of its time.
const (
	maxUnit     = 4096
	maxUnitTime = 5 * time.Second
)

// noteUnit notes the service of which systemd logs next that it failed or that SIGSYS ended it, after
// the line that triggered, if that has the record of a filter that killed a process, and no filter
// killed another process before.
func (s *scanner) noteUnit(x *Denial) {
	if s.b.Live || x.Mode != Killed || x.Seccomp == nil {
		return
	}
	window, lo := s.window()
	text := window[min(s.end-lo, len(window)):]
	text = text[:min(len(text), maxUnit)]
	at, unit := unitIn(text, x.Time)
	if unit == "" {
		return
	}
	own := fmt.Appendf(nil, " pid=%d ", x.Subject.PID)
	for line := range bytes.Lines(text[:at]) {
		if bytes.Contains(line, []byte(" sig=31 ")) && !bytes.Contains(line, own) {
			return
		}
	}
	x.Seccomp.Unit = unit
}

// unitIn returns the first service that a text, which follows what was logged at a time, says ended by
// SIGSYS, else failed, and where; "" if none.
func unitIn(text []byte, after time.Time) (at int, unit string) {
	if bytes.Contains(text, []byte("status=31/SYS")) { // as few have
		if m := killed().FindSubmatchIndex(text); m != nil {
			return m[0], string(text[m[2]:m[3]])
		}
	}
	if bytes.Contains(text, []byte(" res=failed'")) {
		m := serviceFailed().FindSubmatchIndex(text)
		if m == nil {
			return 0, ""
		}
		seconds, err := strconv.ParseInt(string(text[m[2]:m[3]]), 10, 64)
		if d := time.Unix(seconds, 0).Sub(after.Truncate(time.Second)); err == nil && d >= 0 && d <= maxUnitTime {
			return m[0], string(text[m[4]:m[5]]) + ".service"
		}
	}
	return 0, ""
}
