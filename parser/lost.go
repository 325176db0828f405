package parser

import (
	"bytes"
	"hash/maphash"
)

// maxLosses bounds the notices remembered to count each one once.
const maxLosses = 1 << 14

// A loss is one notice that something is missing.
type loss struct {
	kind lossKind
	n    int
}

type lossKind uint8

const (
	auditLost lossKind = iota
	suppressed
	rateLimited
	backlog
	failed
	messages
	dropped
)

// notices are the texts that announce a loss. n says where its size stands:
// before the text, behind it, or nowhere (then it is one).
var notices = [...]struct {
	text string
	n    int
	kind lossKind
}{
	{"audit: audit_lost=", +1, auditLost},          // audit_log_lost, kernel/audit.c
	{"_printk_skb: ", +1, suppressed},              // printk's rate limit; kauditd_printk_skb since 4.10
	{"audit: rate limit exceeded", 0, rateLimited}, // auditctl -r
	{"audit: backlog limit exceeded", 0, backlog},  // auditctl -b
	{"audit: kauditd hold queue overflow", 0, backlog},
	{"audit: kauditd retry queue overflow", 0, backlog},
	{"audit: out of memory in audit_", 0, backlog},
	{"audit: error in audit_log_", 0, failed},                           // audit_panic of audit_log_subj_ctx, _task_context, ...
	{"Suppressed ", +1, messages},                                       // journald, RateLimitBurst=
	{"Missed ", +1, messages},                                           // journald: kernel messages overwritten before it read them
	{"/dev/kmsg buffer overrun, some messages lost", 0, messages},       // journald
	{" messages lost due to rate-limiting", -1, messages},               // rsyslog imjournal
	{"imuxsock lost ", +1, messages},                                    // rsyslog
	{"queue is full - dropping event", 0, dropped},                      // audispd
	{"queue to plugins is full - dropping event", 0, dropped},           // auditd
	{"Audit daemon has no space left on logging partition", 0, dropped}, // auditd
	{"Error receiving audit netlink packet", 0, dropped},                // auditd
}

// lost looks for a notice of loss in a line.
func (s *scanner) lost(line []byte, audit bool) {
	if !audit && !holds(line, 'j', "ournal") && !holds(line, 'x', "sock lost") && !holds(line, 'q', "ueue ") {
		return
	}
	for i := range notices {
		notice := &notices[i]
		at := bytes.Index(line, []byte(notice.text))
		if at < 0 {
			continue
		}
		l := loss{notice.kind, 1}
		after := line[at+len(notice.text):]
		switch notice.n {
		case +1:
			n, unit := leadingNumber(after)
			if n == 0 || !isLossOf(notice.text, unit) {
				continue
			}
			l.n = n
		case -1:
			if l.n = trailingNumber(line[:at]); l.n == 0 {
				continue
			}
		}
		s.stats.Lost.note(lossKey(line, at), l)
		return
	}
}

// holds reports whether a byte, rare in logs, is in a line with a text behind it.
func holds(line []byte, rare byte, rest string) bool {
	for {
		i := bytes.IndexByte(line, rare)
		if i < 0 {
			return false
		}
		line = line[i+1:]
		if len(line) >= len(rest) && string(line[:len(rest)]) == rest {
			return true
		}
	}
}

// isLossOf reports whether what follows the number is what the notice says.
func isLossOf(text string, unit []byte) bool {
	switch text {
	case "_printk_skb: ":
		return bytes.HasPrefix(unit, []byte(" callbacks suppressed"))
	case "Suppressed ":
		return bytes.HasPrefix(unit, []byte(" messages from"))
	case "Missed ":
		return bytes.HasPrefix(unit, []byte(" kernel messages"))
	case "imuxsock lost ":
		return bytes.HasPrefix(unit, []byte(" messages"))
	}
	return true
}

var lossSeed = maphash.MakeSeed()

// lossKey identifies a notice by its text and by the kernel's or the log's time
// before it, so that syslog and kern.log count it once. It is 0 if there is no
// time.
func lossKey(line []byte, at int) uint64 {
	head := line[:at]
	if open := bytes.LastIndexByte(head, '['); open >= 0 {
		if end := bytes.IndexByte(head[open:], ']'); end > 4 && bytes.IndexByte(head[open:open+end], '.') > 0 {
			return maphash.Bytes(lossSeed, line[open:]) // [   18.157576]
		}
	}
	if line[0] == '{' || bytes.ContainsAny(head, "0123456789") {
		return maphash.Bytes(lossSeed, line)
	}
	return 0
}

// note counts a notice, once for each key but 0.
func (l *Lost) note(key uint64, x loss) {
	if key != 0 {
		if _, ok := l.seen[key]; ok {
			return
		}
		if l.seen == nil {
			l.seen = map[uint64]loss{}
		}
		if len(l.seen) < maxLosses {
			l.seen[key] = x
		}
	}
	l.count(x)
}

func (l *Lost) count(x loss) {
	switch x.kind {
	case auditLost:
		l.AuditLost = max(l.AuditLost, x.n)
		if l.AuditLostMin == 0 || x.n < l.AuditLostMin {
			l.AuditLostMin = x.n
		}
	case suppressed:
		l.Suppressed += x.n
	case rateLimited:
		l.RateLimited += x.n
	case backlog:
		l.Backlog += x.n
	case failed:
		l.Failed += x.n
	case messages:
		l.Messages += x.n
	case dropped:
		l.Dropped += x.n
	}
}

func (l *Lost) add(t *Lost) {
	// What t counts without a key is what its keys do not account for.
	rest := *t
	for key, x := range t.seen {
		l.note(key, x)
		x.n = -x.n
		if x.kind != auditLost {
			rest.count(x)
		}
	}
	l.Suppressed += rest.Suppressed
	l.RateLimited += rest.RateLimited
	l.Backlog += rest.Backlog
	l.Failed += rest.Failed
	l.Messages += rest.Messages
	l.Dropped += rest.Dropped
	for _, n := range [...]int{t.AuditLost, t.AuditLostMin} {
		if n > 0 {
			l.count(loss{auditLost, n})
		}
	}
}

// leadingNumber reads the decimal number that text starts with, at most 10^9,
// and returns what follows it.
func leadingNumber(text []byte) (int, []byte) {
	n, i := 0, 0
	for i < len(text) && '0' <= text[i] && text[i] <= '9' {
		n = min(n*10+int(text[i]-'0'), 1e9)
		i++
	}
	return n, text[i:]
}

// trailingNumber reads the decimal number that text ends with.
func trailingNumber(text []byte) int {
	i := len(text)
	for i > 0 && '0' <= text[i-1] && text[i-1] <= '9' {
		i--
	}
	n, _ := leadingNumber(text[i:])
	return n
}
