//go:build linux

// Package kernel is what the tests with the build tag e2e share: the audit
// netlink as an oracle, and a program whose system calls are logged.
package kernel

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/elastic/go-libaudit/v2"
	"github.com/elastic/go-libaudit/v2/auparse"
	"github.com/stretchr/testify/require"
)

// Missing skips a test for want of something, or fails it if nothing may be
// wanting.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("REQUIRE_KERNEL") == "1" {
		require.FailNow(t, "missing: "+fmt.Sprintf(format, args...))
	}
	t.Skipf("missing: "+format, args...)
}

// Measures skips a test that is about time or speed, and so about what else the
// machine does, where only what is right is asked for.
func Measures(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("measures time; not with -short")
	}
}

// An Audit reads what the kernel sends to the multicast group of the audit
// netlink. Next and Mark may be called by one goroutine each.
type Audit struct {
	group   *libaudit.AuditClient // receives
	control *libaudit.AuditClient // sends
	marks   int
}

// OpenAudit turns auditing on until the test ends and joins the group.
func OpenAudit(t testing.TB) *Audit {
	control := openControl(t)
	status := statusOf(t, control)
	group, err := libaudit.NewMulticastAuditClient(nil)
	if err != nil {
		Missing(t, "permission to read the audit netlink (CAP_AUDIT_READ): %v", err)
	}
	t.Cleanup(func() { group.Close() })
	if status.Enabled == 0 {
		require.NoError(t, control.SetEnabled(true, libaudit.WaitForReply))
		t.Cleanup(func() { require.NoError(t, control.SetEnabled(false, libaudit.WaitForReply)) })
	}
	return &Audit{group: group, control: control}
}

func openControl(t testing.TB) *libaudit.AuditClient {
	control, err := libaudit.NewAuditClient(nil)
	if err != nil {
		Missing(t, "the audit netlink: %v", err)
	}
	t.Cleanup(func() { control.Close() })
	return control
}

// Status asks the kernel for the state of auditing.
func Status(t testing.TB) *libaudit.AuditStatus { return statusOf(t, openControl(t)) }

func statusOf(t testing.TB, control *libaudit.AuditClient) *libaudit.AuditStatus {
	status, err := control.GetStatus()
	if err != nil {
		Missing(t, "permission to control auditing (CAP_AUDIT_CONTROL in the initial user namespace): %v", err)
	}
	return status
}

// Say has the kernel log an audit message of a user's.
func (a *Audit) Say(t testing.TB, text string) {
	t.Helper()
	if err := a.say(text); err != nil {
		Missing(t, "permission to write an audit message (CAP_AUDIT_WRITE): %v", err)
	}
}

func (a *Audit) say(text string) error {
	_, err := a.control.Netlink.Send(syscall.NetlinkMessage{
		Header: syscall.NlMsghdr{Type: uint16(auparse.AUDIT_USER), Flags: syscall.NLM_F_REQUEST},
		Data:   append([]byte(text), 0),
	})
	return err
}

// Nudge has the kernel log a message now and then until the test ends. A program
// that waits for room in the kernel's queue can miss its turn and then waits for
// the next record of any other, a minute at most (audit_log_start of
// kernel/audit.c).
func (a *Audit) Nudge(t testing.TB) {
	go func() {
		for t.Context().Err() == nil && a.say("whydenied-e2e") == nil {
			time.Sleep(50 * time.Millisecond)
		}
	}()
}

// Mark has the kernel log a message of our own, and returns its text. The kernel
// sends records in the order in which they were made (kauditd_thread of
// kernel/audit.c): when the mark arrives, all that were made before it have.
func (a *Audit) Mark(t testing.TB) string {
	t.Helper()
	a.marks++
	mark := fmt.Sprintf("whydenied-e2e-%d-%d", time.Now().UnixNano(), a.marks)
	a.Say(t, mark)
	return mark
}

// Next returns the next record as a line of auditd's log. If it does not wait,
// the error is EAGAIN where there is none; ENOBUFS says that records were lost,
// and EINTR may come at any time.
func (a *Audit) Next(wait bool) (line string, err error) {
	message, err := a.group.Receive(!wait)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("type=%s msg=%s", message.Type, strings.TrimRight(string(message.Data), "\x00\n")), nil
}
