package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// As soon as auditd runs, what the kernel printed before is missing elsewhere.
func TestAuditdThatIsStarted(t *testing.T) {
	dir := t.TempDir()
	old := auditdPID
	auditdPID = filepath.Join(dir, "auditd.pid")
	t.Cleanup(func() { auditdPID = old })
	assert.Zero(t, auditd())
	sleep, err := exec.LookPath("sleep")
	require.NoError(t, err)
	program, err := os.ReadFile(sleep)
	require.NoError(t, err)
	daemon := filepath.Join(dir, "auditd")
	require.NoError(t, os.WriteFile(daemon, program, 0o700))

	w := watch(t, &Live{Name: "kmsg", stream: &scripted{script: func(ctx context.Context, in *intake) error {
		watchAuditd(ctx, in, 0)
		return nil
	}}})
	t.Cleanup(w.end) // before the daemon goes
	write := func(pid int) {
		require.NoError(t, os.WriteFile(auditdPID, fmt.Appendln(nil, pid), 0o600))
	}
	write(os.Getpid())
	assert.Zero(t, auditd(), "another process has its number")
	cmd := exec.Command(daemon, "60")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	write(cmd.Process.Pid)
	w.notice(Lost, fmt.Sprintf("auditd (process %d) was started", cmd.Process.Pid))
}

func TestFirstOf(t *testing.T) {
	failing := func(why string) func(Start) (*Live, error) {
		return func(Start) (*Live, error) { return nil, errors.New(why) }
	}
	l, err := firstOf(Start{}, failing("audit netlink: no"), failing("journal: no"), func(Start) (*Live, error) { return &Live{Name: "kmsg"}, nil })
	require.NoError(t, err)
	assert.Equal(t, "kmsg", l.Name)
	assert.Equal(t, []string{"audit netlink: no", "journal: no"}, l.Passed)
	_, err = firstOf(Start{}, failing("audit netlink: no"), failing("journal: no"))
	assert.EqualError(t, err, "audit netlink: no\njournal: no\n"+errNoLive.Error())
}

func TestAuditNetlinkHasNoPast(t *testing.T) {
	_, err := Open("audit", Start{Last: 5})
	assert.ErrorContains(t, err, "it has no past")
}

// That the buffer was full is said at once, and is the cause of what turns out to
// be missing then.
func TestFullBufferIsTheCause(t *testing.T) {
	n := &netlink{size: 64 << 10}
	in := newIntake(t.Context())
	now := time.Now()
	told := func() []Notice {
		n.tell(in, now)
		told := in.notices
		in.notices = nil
		return told
	}
	n.gaps.see(1, now)
	n.overflows = 2
	require.Len(t, told(), 1)
	assert.Empty(t, told(), "once")
	n.gaps.see(11, now)
	notices := told()
	require.Len(t, notices, 1)
	assert.Equal(t, 9, notices[0].Count)
	assert.Contains(t, notices[0].Text, "9 events are missing: the receive buffer of 64 KiB was full 2 times")
	n.gaps.see(13, now)
	notices = told()
	require.Len(t, notices, 1)
	assert.Contains(t, notices[0].Text, "1 event is missing that the kernel numbered and did not send")
}

// Where no more files may be opened, that is said, and not that there is no auditing.
func TestNetlinkWithoutFiles(t *testing.T) {
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: limit.Max}))
	_, err := openNetlink(receiveBuffer, 0)
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	assert.Equal(t, unix.EMFILE, err)
}
