package explain

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/whydenied/whydenied/parser"
)

// tracedDenial returns a call as tracing gives it.
func tracedDenial(syscall uint32, code uint32, errno int, args ...uint64) parser.Denial {
	at := time.Date(2026, 11, 25, 1, 2, 3, 0, time.UTC)
	return parser.Denial{
		Event:   parser.Event{Records: []parser.Record{{Type: parser.TRACE, Time: at}}},
		Time:    at,
		Subject: parser.Subject{PID: 1, Comm: "x", UID: -1},
		Seccomp: &parser.Seccomp{Arch: 0xc000003e, Syscall: syscall, Code: code, Errno: errno, Args: append(args, make([]uint64, 6-len(args))...), Traced: true},
	}
}

// Calls are told apart by the arguments that choose what they do, and by errno.
func TestTracedGroup(t *testing.T) {
	g := NewGroup(nil, Filter{})
	for _, d := range []parser.Denial{
		tracedDenial(41, 0x50000, 1, 40, 1, 2), tracedDenial(41, 0x50000, 1, 40, 5, 6),
		tracedDenial(41, 0x50000, 1, 38, 1, 2),
		tracedDenial(83, 0x50000, 1, 0x7ffe0000), tracedDenial(83, 0x50000, 1, 0x7fff0000), tracedDenial(83, 0x50000, 13, 0x7fff0000),
	} {
		g.Add(d)
	}
	counts := map[string]int{}
	for _, f := range g.Findings() {
		counts[fmt.Sprintf("%d %d %s", f.Denial.Seccomp.Syscall, f.Denial.Seccomp.Errno, tracedCall(f.Denial.Seccomp))] = f.Count
	}
	assert.Equal(t, map[string]int{"41 1 socket(AF_VSOCK)": 2, "41 1 socket(AF_ALG)": 1, "83 1 mkdir": 2, "83 13 mkdir": 1}, counts)
}

// A finding keeps the names of the programs that it counts apart, and not the records that
// they are from.
func TestTallyKeepsNoRecords(t *testing.T) {
	const long = 1 << 20
	var tally Tally
	for i := range maxTally {
		record := strings.Repeat("x", long) + strconv.Itoa(i)
		tally.of(record[long-1:], "")
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	assert.Less(t, m.HeapAlloc, uint64(maxTally*long/2))
	assert.Len(t, tally, maxTally)
}
