package parser

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// distinct counts the events in several logs, each with a name of its own.
func distinct(logs ...string) int {
	d := NewDedup()
	n := 0
	for i, log := range logs {
		denials, _ := Scan(nil, Block{File: fmt.Sprint(i), Body: []byte(log), Reference: reference})
		for j := range denials {
			if !d.Duplicate(&denials[j]) {
				n++
			}
		}
	}
	return n
}

func bodyOf(pid int) string {
	return strings.Replace(avcBody, "pid=234", fmt.Sprintf("pid=%d", pid), 1)
}

func auditd(serial int, body string) string {
	return fmt.Sprintf("type=AVC msg=audit(1795426979.597:%d): %s\x1dFSUID=\"root\" OUID=\"root\"\n", serial, body)
}

func dmesg(serial int, body string) string {
	return fmt.Sprintf("[  40.1] audit: type=1400 audit(1795426979.597:%d): %s\n", serial, body)
}

func short(second int, body string) string {
	return fmt.Sprintf("Nov 23 09:42:%02d lab audit[234]: AVC %s\n", second, body)
}

func TestDuplicate(t *testing.T) {
	b := bodyOf(234)
	node := func(name, log string) string { return "node=" + name + " " + log }
	for _, test := range []struct {
		name string
		logs []string
		want int
	}{
		{"two transports", []string{auditd(47, b), dmesg(47, b)}, 1},
		{"two transports of a host", []string{auditd(47, b), "Nov 23 09:42:59 lab kernel: audit: type=1400 audit(1795426979.597:47): " + b + "\n"}, 1},
		{"two serials", []string{auditd(47, b) + auditd(48, b)}, 2},
		{"two records of one event", []string{auditd(47, b) + auditd(47, strings.Replace(b, "open", "mknod", 1))}, 2},
		{"two hosts", []string{node("a", auditd(47, b)) + node("b", auditd(47, b))}, 2},
		{"two hosts, twice", []string{node("a", auditd(47, b)) + node("b", auditd(47, b)), node("b", auditd(47, b)) + node("a", auditd(47, b))}, 2},
		{"a host and its full name", []string{node("LAB", auditd(47, b)), node("lab.example.org", auditd(47, b))}, 1},
		{"an unknown host is any", []string{auditd(47, b), node("a", auditd(47, b)), node("b", auditd(47, b))}, 2},
		{"another boot", []string{auditd(47, b), strings.Replace(auditd(47, b), "1795426979", "1795436979", 1)}, 2},
		{"interpreted in another zone", []string{auditd(47, b), "type=AVC msg=audit(23.11.2026 15:27:59.597:47) : " + interpreted + "\n"}, 1},
		{"without a serial, same second", []string{auditd(47, b), short(59, b)}, 1},
		{"without a serial, a second early", []string{auditd(47, b), short(58, b)}, 1},
		{"without a serial, two seconds early", []string{auditd(47, b), short(57, b)}, 2},
		{"without a serial, in another zone", []string{auditd(47, b), strings.Replace(short(59, b), "09:42", "15:12", 1)}, 1},
		{"without a serial, another process", []string{auditd(47, b), short(59, bodyOf(235))}, 2},
		{"without a serial, repeated", []string{short(59, b) + short(59, b)}, 2},
		{"n and m", []string{auditd(47, b) + auditd(48, b) + auditd(49, b), short(59, b) + short(59, b)}, 3},
		{"m and n", []string{auditd(47, b) + auditd(48, b), short(59, b) + short(59, b) + short(59, b)}, 3},
		{"saved twice", []string{short(59, b) + short(59, b), short(59, b) + short(59, b)}, 2},
		{"bare", []string{auditd(47, b), b + "\n"}, 1},
		{"bare, repeated", []string{auditd(47, b), b + "\n" + b + "\n"}, 2},
		{"bare and short", []string{short(59, b), "AVC " + b + "\n"}, 1},
		{"three ways", []string{auditd(47, b) + auditd(48, b), short(59, b), b + "\n" + b + "\n" + b + "\n"}, 3},
		{"kernel and audit transports", []string{short(59, b) + "Nov 23 09:42:59 lab kernel: audit: type=1400 audit(1795426979.597:47): " + b + "\n"}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			rng := rand.New(rand.NewSource(1))
			for range 10 {
				assert.Equal(t, test.want, distinct(test.logs...), "%q", test.logs)
				rng.Shuffle(len(test.logs), func(i, j int) { test.logs[i], test.logs[j] = test.logs[j], test.logs[i] })
			}
		})
	}
}

// A refusal that is traced and logged is one event, whichever comes first.
func TestDuplicateOfTraced(t *testing.T) {
	const logged = `type=SECCOMP msg=audit(1795427689.211:%d): auid=1 uid=0 gid=0 ses=1 subj=unconfined pid=3246 comm="x" exe="/x" sig=0 arch=c000003e syscall=83 compat=0 ip=0x401007 code=0x50000`
	traced := func(pid int) Denial {
		at := time.UnixMilli(1795427689213).UTC()
		return Denial{
			Event: Event{Records: []Record{{Origin: Origin{File: "trace", Transport: Unknown}, Type: TRACE, Time: at}}}, Time: at,
			Subject: Subject{PID: pid, Comm: "x"}, Mode: Denied,
			Seccomp: &Seccomp{Arch: 0xc000003e, Syscall: 83, Code: 0x50000, IP: 0x401007, Traced: true, Errno: 1},
		}
	}
	record := func(serial int) Denial {
		denials, _ := Scan(nil, Block{File: "audit", Body: []byte(fmt.Sprintf(logged, serial) + "\n"), Reference: reference})
		return denials[0]
	}
	for _, test := range []struct {
		name    string
		denials []Denial
		want    int
	}{
		{"traced first", []Denial{traced(3246), record(1)}, 1},
		{"logged first", []Denial{record(1), traced(3246)}, 1},
		{"two of each", []Denial{traced(3246), record(1), traced(3246), record(2)}, 2},
		{"one is lost", []Denial{traced(3246), traced(3246), record(1), record(2), record(3)}, 3},
		{"another process", []Denial{traced(3246), traced(3247), record(1)}, 2},
	} {
		d, n := NewDedup(), 0
		for i := range test.denials {
			if !d.Duplicate(&test.denials[i]) {
				n++
			}
		}
		assert.Equal(t, test.want, n, test.name)
	}
}

func TestDuplicateForgets(t *testing.T) {
	denials, _ := scanString(t, auditd(1, avcBody))
	x := denials[0]
	d := NewDedup()
	at := func(i int) *Denial {
		x.Event.Records[0].Serial = uint32(i)
		return &x
	}
	for range 2 { // the second time the serials are no news
		x.Event.Records[0].Time = x.Event.Records[0].Time.Add(time.Second)
		for i := 1; i <= 3*generation; i++ {
			if d.Duplicate(at(i)) {
				t.Fatal(i)
			}
		}
	}
	assert.True(t, d.Duplicate(at(3*generation)))
	assert.True(t, d.Duplicate(at(2*generation+1)))
	assert.False(t, d.Duplicate(at(1)))
	assert.LessOrEqual(t, len(d.early), 2*generation)
	assert.LessOrEqual(t, len(d.ascending.young.of)+len(d.ascending.old.of), 2*generation)
	assert.NotZero(t, d.exact.young.n)
	assert.LessOrEqual(t, d.exact.young.n, generation)
	assert.LessOrEqual(t, d.exact.old.n, generation)
}
