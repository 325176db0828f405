package parser

import (
	"cmp"
	"slices"
)

// Stats says what a Scan went through besides the denials it returned. Those of
// several blocks are added up with Add, in any order.
type Stats struct {
	Lines   int   // lines of the body
	Bytes   int64 // bytes of the body
	Records int   // AppArmor and SECCOMP records understood, STATUS and look-alikes too

	// Unparsed counts lines that are evidently a denial but were not understood;
	// Samples holds the first few of them.
	Unparsed int
	Samples  []Unparsed
	// Others counts lines that have words of a denial in them and are none: records
	// of another kind, and messages of programs that quote some.
	Others int

	Neighbours [Neighbours]int // records of other security modules, by kind

	Lost    Lost    // what the log itself says is missing
	Serials Serials // audit serials seen, for counting gaps

	NULs     int  // NUL bytes: the log was not closed cleanly
	CRLF     int  // lines that end in CR LF
	TornLast bool // the last line has no newline: it may be cut off
}

// Unparsed is a line that is evidently a denial but was not understood.
type Unparsed struct {
	Origin Origin
	Why    string // what is wrong with it
	Text   string // its first bytes, as found
}

const (
	maxSamples    = 16  // samples kept
	maxSampleText = 256 // bytes kept of each
)

// Add adds t to s. The result does not depend on the order of additions.
func (s *Stats) Add(t Stats) {
	s.Lines += t.Lines
	s.Bytes += t.Bytes
	s.Records += t.Records
	s.Unparsed += t.Unparsed
	for i, n := range t.Neighbours {
		s.Neighbours[i] += n
	}
	s.Others += t.Others
	s.NULs += t.NULs
	s.CRLF += t.CRLF
	s.TornLast = s.TornLast || t.TornLast
	s.Lost.add(&t.Lost)
	s.Serials.add(&t.Serials)
	s.Samples = append(slices.Clip(s.Samples), t.Samples...)
	slices.SortFunc(s.Samples, compareUnparsed)
	if len(s.Samples) > maxSamples {
		s.Samples = s.Samples[:maxSamples]
	}
}

// Shift moves the line numbers of the samples by n lines: from counting in the
// block to counting in the file.
func (s *Stats) Shift(n int) {
	for i := range s.Samples {
		s.Samples[i].Origin.Line += n
	}
}

// compareUnparsed orders samples by where they are.
func compareUnparsed(a, b Unparsed) int {
	return cmp.Or(cmp.Compare(a.Origin.File, b.Origin.File), cmp.Compare(a.Origin.Line, b.Origin.Line))
}

func (s *Stats) unparsed(o Origin, why string, text []byte) {
	s.Unparsed++
	if len(s.Samples) < maxSamples {
		s.Samples = append(s.Samples, Unparsed{o, why, string(text[:min(len(text), maxSampleText)])})
	}
}

// Lost adds up what the log itself says is missing from it.
type Lost struct {
	// AuditLost is the greatest audit_lost=: records the kernel has dropped since
	// it booted. AuditLostMin is the smallest; both are 0 if there was none.
	AuditLost, AuditLostMin int
	Suppressed              int // records that printk's rate limit kept out: "kauditd_printk_skb: N callbacks suppressed"
	RateLimited             int // times the kernel said "audit: rate limit exceeded"
	Backlog                 int // times it said that its backlog limit or hold queue overflowed
	Failed                  int // times it said that it could not write part of a record: "error in audit_log_subj_ctx"
	Messages                int // log messages that journald or rsyslog say they dropped or missed
	Dropped                 int // times auditd said that it dropped events or that its disk is full

	seen map[uint64]loss
}

// Serials is the set of audit event serials seen in auditd's log. The kernel
// numbers events from 1 at each boot without holes, so a hole is an event that
// did not reach the log.
type Serials struct {
	nodes     map[string]*serialsOf // by node= prefix
	events    int
	unrelated int  // events without an AppArmor or SECCOMP record
	truncated bool // there were too many holes or hosts to keep

	last     *serialsOf // of the last line
	lastNode string
}
