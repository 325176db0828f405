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

	"github.com/elastic/go-libaudit/v2"
	"github.com/elastic/go-libaudit/v2/auparse"
	"github.com/stretchr/testify/require"
)

// An auditLog reads what the kernel sends to the multicast group of the audit
// netlink, as auditd's audit.log has it. It is for one goroutine.
type auditLog struct {
	group   *libaudit.AuditClient // receives
	control *libaudit.AuditClient // sends
	marks   int
}

// openAudit turns auditing on until the test ends and joins the group.
func openAudit(t *testing.T) *auditLog {
	control, err := libaudit.NewAuditClient(nil)
	if err != nil {
		missing(t, "the audit netlink: %v", err)
	}
	t.Cleanup(func() { control.Close() })
	status, err := control.GetStatus()
	if err != nil {
		missing(t, "permission to control auditing (CAP_AUDIT_CONTROL in the initial user namespace): %v", err)
	}
	group, err := libaudit.NewMulticastAuditClient(nil)
	if err != nil {
		missing(t, "permission to read the audit netlink (CAP_AUDIT_READ): %v", err)
	}
	t.Cleanup(func() { group.Close() })
	if status.Enabled == 0 {
		require.NoError(t, control.SetEnabled(true, libaudit.WaitForReply))
		t.Cleanup(func() { require.NoError(t, control.SetEnabled(false, libaudit.WaitForReply)) })
	}
	return &auditLog{group: group, control: control}
}

// serialOf finds the time and serial that the records of one event share.
var serialOf = regexp.MustCompile(`^type=\S+ msg=(audit\([0-9.]+:[0-9]+\))`)

// of returns the records of the events with a SECCOMP record of a process, one
// a line, that were logged since the last call. The process must have ended.
//
// That there is none is no matter of waiting: the kernel sends records in the
// order in which they were made (kauditd_thread of kernel/audit.c), so that
// when a message of our own arrives all that were made before it have.
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
	a.marks++
	mark := fmt.Sprintf("whydenied-e2e-%d-%d", time.Now().UnixNano(), a.marks)
	_, err := a.control.Netlink.Send(syscall.NetlinkMessage{
		Header: syscall.NlMsghdr{Type: uint16(auparse.AUDIT_USER), Flags: syscall.NLM_F_REQUEST},
		Data:   append([]byte(mark), 0),
	})
	if err != nil {
		missing(t, "permission to write an audit message (CAP_AUDIT_WRITE): %v", err)
	}
	var lines []string
	for deadline := time.Now().Add(time.Minute); ; {
		message, err := a.group.Receive(true)
		switch {
		case errors.Is(err, syscall.EAGAIN):
			require.False(t, time.Now().After(deadline), "our own audit message did not come back in a minute; does something else turn auditing off?")
			time.Sleep(time.Millisecond)
			continue
		case errors.Is(err, syscall.EINTR):
			continue
		}
		require.NoError(t, err, "records were lost") // ENOBUFS
		text := strings.TrimRight(string(message.Data), "\x00\n")
		lines = append(lines, fmt.Sprintf("type=%s msg=%s", message.Type, text))
		if strings.Contains(text, mark) {
			return lines
		}
	}
}
