//go:build linux

// Package kernel is what the tests with the build tag e2e share: the audit
// netlink as an oracle, and a program whose system calls are logged.
package kernel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/elastic/go-libaudit/v2"
	"github.com/elastic/go-libaudit/v2/auparse"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
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
	group   int                   // a socket, which receives
	buf     []byte                // for one message
	control *libaudit.AuditClient // sends
	marks   int
}

// receiveBuffer is what the kernel may keep for the group's socket, in bytes of
// its own bookkeeping, some 2300 for a record. The default of a socket is full
// after 90 records, of anything on the machine, while the test has no CPU;
// libaudit's client has no way to set it.
const receiveBuffer = 32 << 20

// OpenAudit turns auditing on and joins the group, until the test ends.
func OpenAudit(t testing.TB) *Audit {
	Alone(t)
	control := openControl(t)
	status := statusOf(t, control)
	group, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_AUDIT)
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(group) })
	if err := unix.SetsockoptInt(group, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer); err != nil {
		Missing(t, "permission to enlarge a socket's buffer (CAP_NET_ADMIN): %v", err)
	}
	if err := unix.Bind(group, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.AUDIT_NLGRP_READLOG - 1)}); err != nil {
		Missing(t, "permission to read the audit netlink (CAP_AUDIT_READ): %v", err)
	}
	if status.Enabled == 0 {
		require.NoError(t, control.SetEnabled(true, libaudit.WaitForReply))
		t.Cleanup(func() { require.NoError(t, control.SetEnabled(false, libaudit.WaitForReply)) })
	}
	return &Audit{group: group, buf: make([]byte, 64<<10), control: control}
}

// alone counts the uses of the lock that this process holds.
var alone int

// Alone waits until no test of another process has the kernel's auditing, and
// keeps it until the test ends. There is one for the whole machine: whether it is
// on, who is the audit daemon, which actions are logged.
func Alone(t testing.TB) {
	t.Helper()
	if alone == 0 {
		lock, err := os.OpenFile("/run/whydenied-e2e.lock", os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
		if err != nil {
			Missing(t, "root: %v", err)
		}
		t.Cleanup(func() { lock.Close() })
		for err = syscall.EINTR; err == syscall.EINTR; {
			err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
		}
		require.NoError(t, err)
	}
	alone++
	t.Cleanup(func() { alone-- })
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
	flags := unix.MSG_DONTWAIT
	if wait {
		flags = 0
	}
	for {
		n, from, err := unix.Recvfrom(a.group, a.buf, flags)
		if err != nil {
			return "", err
		}
		// Other processes with CAP_NET_ADMIN can send to the socket too.
		if addr, ok := from.(*unix.SockaddrNetlink); !ok || addr.Pid != 0 || n < unix.NLMSG_HDRLEN {
			continue
		}
		kind := auparse.AuditMessageType(binary.NativeEndian.Uint16(a.buf[4:]))
		return fmt.Sprintf("type=%s msg=%s", kind, bytes.TrimRight(a.buf[unix.NLMSG_HDRLEN:n], "\x00\n")), nil
	}
}
