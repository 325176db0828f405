package report

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/parser"
)

const x86, i386 = 0xc000003e, 0x40000003

// Of processes with a filter only what it was asked about is told; else everything is. Both are read again
// as they were written, whatever names hold.
func TestObservation(t *testing.T) {
	calls := []parser.ObservedCall{
		{Arch: x86, Syscall: 155, How: parser.Free}, {Arch: x86, Syscall: 1, How: parser.Passed}, {Arch: x86, Syscall: 0, How: parser.Passed},
		{Arch: i386, Syscall: 5, How: parser.Passed}, {Arch: x86, Syscall: 165, How: parser.Answered}, {Arch: x86, Syscall: 1000, How: parser.Passed},
		{Arch: x86, Syscall: 1, How: parser.Passed}, // of another cgroup
	}
	c := container.Container{ID: "aa", Name: "web\x1b[31m", Confidence: container.High}
	o := NewObservation(c, calls, 3)
	o.Since, o.Until = time.Unix(100, 0).UTC(), time.Unix(160, 0).UTC()
	var text, line bytes.Buffer
	require.NoError(t, NewObservationText(&text, TextOptions{Width: 100})(o))
	assert.Equal(t, `web\x1b[31m: 4 different system calls in 60.0 seconds, and 1 that its seccomp filter answered
  called: i386 open
  called: x86_64 1000 read write
  answered by the filter: x86_64 mount
  1 other call came before the filter, as from the runtime that started it
`, text.String())

	require.NoError(t, NewJSONLines[Observation](&line)(o))
	assert.NotContains(t, line.String(), "\x1b")
	read, err := ReadObservation(line.Bytes())
	require.NoError(t, err)
	assert.Equal(t, o, read)
	assert.True(t, read.IsOf("aa"))
	assert.False(t, read.IsOf("db"))

	free := NewObservation(container.Container{Unit: "cron.service"}, []parser.ObservedCall{{Arch: x86, Syscall: 155, How: parser.Free}}, 0)
	assert.False(t, free.Filtered)
	assert.Equal(t, []ObservedCall{{Arch: "x86_64", Syscall: "pivot_root", Number: 155}}, free.Calls)
	assert.Equal(t, "cron.service", free.Whose())
	for _, not := range []string{"", "[]", "{}", `{"calls":[]}`, `{"calls":7}`, "\xff"} {
		_, err := ReadObservation([]byte(not))
		assert.Error(t, err, "%q", not)
	}
}
