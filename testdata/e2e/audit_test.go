//go:build e2e && linux && amd64

package e2e

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/testdata/e2e/kernel"
)

// missing skips a test for want of something, or fails it.
var missing = kernel.Missing

// An auditLog is what the kernel logs, as auditd's audit.log has it. It is for
// one goroutine.
type auditLog struct{ *kernel.Audit }

// serialOf finds the time and serial that the records of one event share.
var serialOf = regexp.MustCompile(`^type=\S+ msg=(audit\([0-9.]+:[0-9]+\))`)

// of returns the records of the events with a SECCOMP record of a process, one
// a line, that were logged since the last call. The process must have ended.
//
// That there is none is no matter of waiting: see kernel.Audit.Mark.
func (a *auditLog) of(t *testing.T, pid int) []string {
	t.Helper()
	var lines []string
	ours := map[string]bool{}
	for _, line := range a.upToNow(t) {
		if strings.HasPrefix(line, "type=SECCOMP ") && strings.Contains(line, fmt.Sprintf(" pid=%d ", pid)) {
			ours[serialOf.FindStringSubmatch(line)[1]] = true
		}
		lines = append(lines, line)
	}
	var found []string
	for _, line := range lines {
		if m := serialOf.FindStringSubmatch(line); m != nil && ours[m[1]] {
			found = append(found, line)
		}
	}
	return found
}

// upToNow returns the records that the kernel has made since the last call.
func (a *auditLog) upToNow(t *testing.T) []string {
	t.Helper()
	mark := a.Mark(t)
	var lines []string
	for deadline := time.Now().Add(time.Minute); ; {
		line, err := a.Next(false)
		switch {
		case errors.Is(err, syscall.EAGAIN):
			require.False(t, time.Now().After(deadline), "our own audit message did not come back in a minute; does something else turn auditing off?")
			time.Sleep(time.Millisecond)
			continue
		case errors.Is(err, syscall.EINTR):
			continue
		}
		require.NoError(t, err, "records were lost") // ENOBUFS
		lines = append(lines, line)
		if strings.Contains(line, mark) {
			return lines
		}
	}
}
