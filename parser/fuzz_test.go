package parser

import (
	"bytes"
	"github.com/whydenied/whydenied/testdata/cputime"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzParse scans arbitrary bytes. Whatever they are: no panic, lines counted,
// time bounded, what is returned is consistent, and where the log is cut into
// blocks does not matter.
func FuzzParse(f *testing.F) {
	for _, shape := range shapes {
		f.Add([]byte(fill(shape.log, avcBody)), uint16(7))
	}
	for _, k := range kinds {
		f.Add([]byte("type="+k.typ+" msg=audit(1.2:3): "+k.body+"\n"), uint16(3))
	}
	f.Add([]byte("type=AVC msg=audit(11/23/2026 09:42:59.597:47) : "+interpreted+"\n"), uint16(0))
	for i, t := range treatments {
		shape := shapes[i*len(shapes)/len(treatments)]
		f.Add([]byte(t.do(fill(shape.log, avcBody))+"\n"+t.do(fill(asType(shape.log, "SECCOMP"), seccompBody))), uint16(i))
	}
	f.Add(readLog(f, "testdata/corpus/linux-6.1-auditd/stack-both.log"), uint16(1))
	f.Add(readLog(f, "testdata/journal/journald-noauditd.short")[:1500], uint16(500))
	f.Add(readLog(f, "testdata/journal/journald-noauditd.audit.export")[:3000], uint16(900))
	f.Add([]byte(binaryField("MESSAGE", "AVC "+avcBody)+"__REALTIME_TIMESTAMP=1\n_TRANSPORT=audit\n"), uint16(9))
	f.Add([]byte("Nov 23 09:42:59 lab kernel: audit: audit_lost=3 audit_rate_limit=0\nkauditd_printk_skb: 9 callbacks suppressed\n"), uint16(9))
	filler := bytes.Repeat([]byte("type=CWD msg=audit(1.2:3): cwd\n"), Context/16)
	f.Fuzz(func(t *testing.T, log []byte, seed uint16) {
		if seed%8 == 0 && len(log) < Context {
			// What belongs together comes to lie about Context bytes apart.
			middle := filler[:Context-len(log)/2+int(seed/8)%600-300]
			log = slices.Concat(log, []byte("\n"), middle, []byte("\n"), log)
		}
		whole, stats := cutScan(log, nil, Context)
		limit, best := 500*time.Millisecond+time.Duration(len(log))*10*time.Microsecond, time.Hour
		for try := 0; try < 3 && best > limit; try++ { // a busy machine may stall one
			best = min(best, cputime.Of(func() { cutScan(log, nil, Context) }))
		}
		if best > limit {
			t.Fatalf("%d bytes took %v of CPU time", len(log), best)
		}
		if stats.Lines != lineCount(log) || stats.Bytes != int64(len(log)) || stats.Records != len(whole) {
			t.Fatalf("%d lines, %d bytes, %d records for %d denials", stats.Lines, stats.Bytes, stats.Records, len(whole))
		}
		if stats.Unparsed < len(stats.Samples) || stats.Unparsed+stats.Records > stats.Lines {
			t.Fatalf("%d unparsed, %d records in %d lines", stats.Unparsed, stats.Records, stats.Lines)
		}
		if n := evidentLines(log); n > stats.Records+stats.Unparsed+stats.Others {
			t.Fatalf("%d lines of a denial; %d read, %d told, %d others", n, stats.Records, stats.Unparsed, stats.Others)
		}
		checkDenials(t, log, whole)
		stats.Serials.Missing()

		// Cut behind some lines, about 20 at most.
		var cuts []int
		ends := lineEnds(log)
		sparse := uint16(5 + len(ends)/10)
		for i, end := range ends {
			if (uint16(i)*31+seed)%sparse < 2 {
				cuts = append(cuts, end)
			}
		}
		parts, partStats := cutScan(log, cuts, Context+int(seed%3))
		if len(parts) != len(whole) {
			t.Fatalf("%d denials in one block, %d in %d", len(whole), len(parts), len(cuts)+1)
		}
		for i := range whole {
			if d := difference(&whole[i], &parts[i]); d != "" {
				t.Fatalf("denial %d differs in %s", i, d)
			}
		}
		if partStats.Lines != stats.Lines || partStats.Unparsed != stats.Unparsed || partStats.Others != stats.Others || partStats.Records != stats.Records ||
			partStats.CRLF != stats.CRLF || partStats.NULs != stats.NULs || partStats.TornLast != stats.TornLast ||
			!slices.Equal(partStats.Samples, stats.Samples) {
			t.Fatalf("%+v in one block, %+v in %d", stats, partStats, len(cuts)+1)
		}
	})
}

// evidentLines counts the lines of which none may be passed over: all that match,
// but those that are a line of auditd's log of which the type is another.
func evidentLines(log []byte) (n int) {
	for line := range bytes.Lines(log) {
		var s scanner
		line = bytes.TrimRight(line, "\n")
		raw, ok := s.readRaw(bytes.TrimSuffix(line, []byte("\r")))
		if evident.Match(line) && (!ok || kindOf(line[raw.name:raw.space]) == denialKind) {
			n++
		}
	}
	return n
}

// checkDenials checks what must hold of every denial.
func checkDenials(t *testing.T, log []byte, denials []Denial) {
	d := NewDedup()
	last := 0
	for i := range denials {
		x := &denials[i]
		r := &x.Event.Records[x.Record]
		if (x.AppArmor == nil) == (x.Seccomp == nil) {
			t.Fatal("not exactly one of AppArmor and Seccomp")
		}
		if r.Origin.Line <= last || r.Origin.Line > lineCount(log) {
			t.Fatalf("line %d after line %d", r.Origin.Line, last)
		}
		last = r.Origin.Line
		if len(x.Event.Records) > 32 || r.Type == "" || len(r.Fields) == 0 {
			t.Fatalf("%d records, type %q, %d fields", len(x.Event.Records), r.Type, len(r.Fields))
		}
		for _, f := range r.Fields {
			if f.Start < 0 || f.Start > f.End || f.End > len(r.Text) || !strings.HasSuffix(r.Text[:f.Start], f.Key+"=") {
				t.Fatalf("field %+v of %q", f, r.Text)
			}
		}
		if _, err := x.Pairs().MarshalJSON(); err != nil {
			t.Fatal(err)
		}
		_ = x.Mode.String()
		d.Duplicate(x)
		if r.Serial != 0 && !d.Duplicate(x) {
			t.Fatal("not a duplicate of itself")
		}
	}
}

// difference says where two denials differ.
func difference(a, b *Denial) string {
	switch {
	case a.Mode != b.Mode || !a.Time.Equal(b.Time) || a.Record != b.Record || a.Subject != b.Subject:
		return "subject"
	case len(a.Event.Records) != len(b.Event.Records):
		return "number of records"
	}
	for i := range a.Event.Records {
		x, y := &a.Event.Records[i], &b.Event.Records[i]
		if x.Origin != y.Origin || x.Node != y.Node || x.Type != y.Type || !x.Time.Equal(y.Time) || x.Serial != y.Serial || x.Text != y.Text || !slices.Equal(x.Fields, y.Fields) {
			return "record"
		}
	}
	if !bytes.Equal(pairsOf(a), pairsOf(b)) {
		return "fields"
	}
	return ""
}

func pairsOf(x *Denial) []byte {
	b, _ := x.Pairs().MarshalJSON()
	return b
}
