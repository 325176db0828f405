package parser

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLost(t *testing.T) {
	_, stats := scanString(t, `[   12.000001] audit: audit_lost=3 audit_rate_limit=0 audit_backlog_limit=64
[   12.000002] audit: backlog limit exceeded
[   13.000001] audit: audit_lost=17 audit_rate_limit=0 audit_backlog_limit=64
[   13.000002] audit: rate limit exceeded
[   13.000003] audit: kauditd hold queue overflow
[   19.279042] kauditd_printk_skb: 96 callbacks suppressed
Nov 23 09:42:59 lab kernel: [   20.279042] audit_printk_skb: 4 callbacks suppressed
Nov 23 09:42:59 lab kernel: [   20.279042] audit_printk_skb: 4 callbacks suppressed
[   21.279042] net_ratelimit: 1000 callbacks suppressed
Nov 23 09:43:59 lab systemd-journald[123]: Suppressed 1234 messages from nginx.service
Nov 23 09:43:59 lab systemd-journald[123]: Missed 5 kernel messages
Nov 23 09:44:59 lab rsyslogd: imjournal: 100 messages lost due to rate-limiting (20000 allowed within 600 seconds)
Nov 23 09:44:59 lab rsyslogd[1]: imuxsock lost 7 messages from pid 5 due to rate-limiting
Nov 23 09:44:59 lab audispd[1]: queue is full - dropping event
{"_TRANSPORT":"kernel","MESSAGE":"kauditd_printk_skb: 50 callbacks suppressed"}
kauditd_printk_skb: 1 callbacks suppressed
kauditd_printk_skb: 1 callbacks suppressed
`)
	want := Lost{AuditLost: 17, AuditLostMin: 3, Suppressed: 96 + 4 + 50 + 2, RateLimited: 1, Backlog: 2, Messages: 1234 + 5 + 100 + 7, Dropped: 1}
	got := stats.Lost
	got.seen = nil
	assert.Equal(t, want, got)

	// The same lines in another file count once, those without a time each time.
	sum := stats
	sum.Lost = Lost{}
	sum.Lost.add(&stats.Lost)
	sum.Lost.add(&stats.Lost)
	got = sum.Lost
	got.seen = nil
	want.Suppressed += 2
	assert.Equal(t, want, got)
}

// sequence writes audit.log lines with the given serials.
func sequence(sec int, serials ...int) string {
	var b strings.Builder
	for i, n := range serials {
		fmt.Fprintf(&b, "type=SERVICE_START msg=audit(%d.000:%d): pid=1\n", 1795426979+sec+i/100, n)
	}
	return b.String()
}

func upTo(from, to int) []int {
	var s []int
	for n := from; n <= to; n++ {
		s = append(s, n)
	}
	return s
}

func TestMissing(t *testing.T) {
	without := func(s []int, gone ...int) []int {
		return slices.DeleteFunc(slices.Clone(s), func(n int) bool { return slices.Contains(gone, n) })
	}
	denials := ""
	for i := range 50 {
		denials += auditd(100+7*i, avcBody)
	}
	for _, test := range []struct {
		name, log string
		want      int
		known     bool
	}{
		{"none", "hello\n", 0, false},
		{"complete", sequence(0, upTo(5, 3000)...), 0, true},
		{"one gap", sequence(0, without(upTo(5, 3000), 100, 101, 102)...), 3, true},
		{"several lines of an event", strings.Repeat(sequence(0, 7), 3) + sequence(1, 8, 10), 1, true},
		{"out of order", sequence(0, 1, 3, 2, 4, 6, 5, 9, 7), 1, true},
		{"two boots", sequence(0, without(upTo(1, 500), 50)...) + sequence(600, without(upTo(1, 700), 60, 61)...), 3, true},
		{"long system call", sequence(0, upTo(1, 100)...) + sequence(50, upTo(101, 3000)...) + sequence(2, 3001) + sequence(90, upTo(3002, 3100)...), 0, true},
		{"auditd's own records", "type=DAEMON_START msg=audit(1795426979.000:3888): op=start\n" + sequence(0, upTo(1, 9)...), 0, true},
		{"two hosts", strings.ReplaceAll(sequence(0, 1, 2, 4), "type=", "node=a type=") + strings.ReplaceAll(sequence(0, 100, 103), "type=", "node=b type="), 3, true},
		{"denials only", denials, 0, false},
		{"a selection", sequence(0, 1, 50, 100, 150, 200), 0, false},
		{"not auditd's log", strings.ReplaceAll(sequence(0, 1, 2, 4), "type=", "[ 1.2] audit: type="), 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, stats := scanString(t, test.log)
			missing, known := stats.Serials.Missing()
			assert.Equal(t, test.want, missing)
			assert.Equal(t, test.known, known)
			// In blocks, added up in any order.
			ends := lineEnds([]byte(test.log))
			rng := rand.New(rand.NewSource(1))
			for range 5 {
				var parts []Stats
				start := 0
				for i, end := range ends {
					if i == len(ends)-1 || rng.Intn(40) == 0 {
						_, s := scanString(t, test.log[start:end])
						parts = append(parts, s)
						start = end
					}
				}
				rng.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
				var sum Stats
				for _, p := range parts {
					sum.Add(p)
				}
				missing, known = sum.Serials.Missing()
				if test.name != "long system call" {
					assert.Equal(t, test.want, missing)
				}
				assert.Equal(t, test.known, known)
			}
		})
	}
}

func TestStatsAdd(t *testing.T) {
	bad := func(n int) Stats {
		_, s := scanString(t, strings.Repeat("\n", n)+"type=AVC msg=audit(1.2:3): apparmor=\"DENIED\"\n")
		return s
	}
	var a, b Stats
	for n := range 40 {
		a.Add(bad(n))
		b.Add(bad(39 - n))
	}
	assert.Equal(t, a.Samples, b.Samples)
	assert.Len(t, a.Samples, maxSamples)
	assert.Equal(t, 40, a.Unparsed)
	assert.Equal(t, 1, a.Samples[0].Origin.Line)
	a.Shift(10)
	assert.Equal(t, 11, a.Samples[0].Origin.Line)
	assert.Equal(t, 1, b.Samples[0].Origin.Line)
}

func TestPairs(t *testing.T) {
	denials, _ := scanString(t, "node=h type=AVC msg=audit(1795426979.597:47): "+avcBody+" error=-13 serial=9 value=007 "+"\n")
	b, err := json.Marshal(append(denials[0].Pairs(), Pair{"action", "<x>"}))
	require.NoError(t, err)
	assert.Equal(t, `{"type":"AVC","time":"2026-11-23T09:42:59.597Z","serial":47,"node":"h","apparmor":"DENIED","operation":"open","class":"file","profile":"lab","name":"/srv/a b ï","pid":234,"comm":"aaop","requested_mask":"r","denied_mask":"r","fsuid":0,"ouid":0,"error":-13,"value":"007","action":"\u003cx\u003e"}`, string(b))
	b, err = append(denials[0].Pairs()[:1:1], Pair{"action", "<x>"}).MarshalJSON()
	require.NoError(t, err)
	assert.Equal(t, `{"type":"AVC","action":"<x>"}`, string(b))

	denials, _ = scanString(t, `type=AVC msg=audit(0.000:0): apparmor="DENIED" operation="setrlimit" pid=1 rlimit=memlock value=18446744073709551615`+"\n")
	b, err = json.Marshal(denials[0].Pairs())
	require.NoError(t, err)
	assert.Equal(t, `{"type":"AVC","apparmor":"DENIED","operation":"setrlimit","pid":1,"rlimit":"memlock","value":18446744073709551615}`, string(b))

	denials, _ = scanString(t, `type=AVC msg=audit(0.000:0): apparmor="DENIED" operation="open" name=2F5CFF0A22 pid=1 comm=C3AF`+"\n")
	b, err = json.Marshal(denials[0].Pairs())
	require.NoError(t, err)
	assert.Equal(t, `{"type":"AVC","apparmor":"DENIED","operation":"open","name":"/\\\\\\xff\n\"","name_hex":"2f5cff0a22","pid":1,"comm":"ï"}`, string(b))
}

func TestTimes(t *testing.T) {
	berlin := time.FixedZone("CET", 3600)
	for text, want := range map[string]string{
		"Nov 23 09:42:59 x":                  "2026-11-23T08:42:59Z",
		"Nov 25 09:42:59 x":                  "2025-11-25T08:42:59Z",
		"Nov 24 09:42:59.123456 x":           "2026-11-24T08:42:59.123456Z",
		"Feb 29 09:42:59 x":                  "2024-02-29T08:42:59Z",
		"Jan  1 00:00:00 x":                  "2025-12-31T23:00:00Z",
		"2026-11-23T09:42:59.5+0530 x":       "2026-11-23T04:12:59.5Z",
		"2026-11-23T09:42:59Z x":             "2026-11-23T09:42:59Z",
		"2026-11-23T09:42:59,25-08:00 x":     "2026-11-23T17:42:59.25Z",
		"2026-11-23 09:42:59 x":              "2026-11-23T08:42:59Z",
		"Mon 2026-11-23 09:42:59 UTC x":      "2026-11-23T09:42:59Z",
		"Mon 2026-11-23 09:42:59.5 CET x":    "2026-11-23T08:42:59.5Z",
		"Mon Nov 23 09:42:59 2026 x":         "2026-11-23T08:42:59Z",
		"1795426979.607716 x":                "2026-11-23T09:42:59.607716Z",
		"Nov 23 24:42:59 x":                  "",
		"Foo 23 09:42:59 x":                  "",
		"2026-13-23T09:42:59Z x":             "",
		"1795426979 x":                       "",
		"99999999999999999999.1 x":           "",
		"Nov 23 09:42:59":                    "",
		"2026-11-23T09:42:59+99999999999:0 ": "",
	} {
		got, rest, ok := cutTime(text, zone{reference, berlin})
		assert.Equal(t, want != "", ok, text)
		if want != "" {
			assert.Equal(t, want, got.Format(time.RFC3339Nano), text)
			assert.Equal(t, "x", rest, text)
		}
	}
	for text, want := range map[string]string{
		"11/12/2026": "2026-11-12", "12/11/2026": "2026-11-12", "31/10/26": "2026-10-31", "05.04.2026": "2026-04-05",
		"2026-04-05": "2026-04-05", "0/0/0": "0001-01-01", "31/31/2026": "0001-01-01", "x": "0001-01-01",
	} {
		assert.Equal(t, want, localDate(text, zone{latest: reference}).Format(time.DateOnly), text)
	}
}
