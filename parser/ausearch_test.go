package parser

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tool returns the path of an external program, or skips the test.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("REQUIRE_TOOLS") == "1" {
		t.Fatalf("%s is missing: install auditd", name)
	}
	if err != nil {
		t.Skipf("%s is missing", name)
	}
	return path
}

// What ausearch prints of a log is the same as the log. Debian's ausearch 3.0.9
// leaves out AppArmor's AVC records, so these are SECCOMP and USER_AVC.
func TestAusearch(t *testing.T) {
	ausearch := tool(t, "ausearch")
	log := []byte(`type=USER_AVC msg=audit(1795427600.100:1): pid=513 uid=102 auid=4294967295 ses=4294967295 subj=unconfined msg='apparmor="DENIED" operation="dbus_method_call"  bus="system" path="/org/freedesktop/login1" interface="org.freedesktop.login1.Manager" member="Inhibit" mask="send" name="org.freedesktop.login1" pid=1000 label="snap.x.y" peer_pid=700 peer_label="unconfined" exe="/usr/bin/dbus-daemon" sauid=102 hostname=? addr=? terminal=?'
type=SECCOMP msg=audit(1795427601.100:2): auid=0 uid=0 gid=0 ses=1 subj=a//&b (enforce) pid=12 comm=61206220 exe=2F612062 sig=0 arch=40000003 syscall=999 compat=1 ip=0xf7f1 code=0x7ffc0000
`)
	for _, name := range []string{"seccomp-kill-process", "seccomp-trap-log", "seccomp-trace-log", "seccomp-log", "seccomp-x32", "seccomp-unknown-nr", "seccomp-repeat"} {
		log = append(log, readLog(t, "testdata/corpus/linux-6.1-auditd/"+name+".log")...)
	}
	lines := bytes.SplitAfter(bytes.TrimSpace(log), []byte("\n"))
	slices.SortStableFunc(lines, func(a, b []byte) int { return bytes.Compare(a[bytes.IndexByte(a, '('):], b[bytes.IndexByte(b, '('):]) })
	file := filepath.Join(t.TempDir(), "audit.log")
	require.NoError(t, os.WriteFile(file, append(bytes.Join(lines, nil), '\n'), 0o600))
	want, _ := Scan(nil, Block{Body: readLog(t, file)})
	require.Greater(t, len(want), 30)
	for _, args := range [][]string{{"--raw"}, {}, {"-i"}} {
		cmd := exec.Command(ausearch, append(args, "-if", file)...)
		cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
		out, err := cmd.Output()
		require.NoError(t, err)
		got, stats := Scan(nil, Block{Body: out, Reference: time.Unix(1795500000, 0)})
		assert.Zero(t, stats.Unparsed, "%v", stats.Samples)
		require.Len(t, got, len(want), "%v", args)
		d := NewDedup()
		for i := range want {
			assert.False(t, d.Duplicate(&want[i]))
		}
		for i := range got {
			x, y := &got[i], &want[i]
			assert.True(t, d.Duplicate(x), "%v: %+v", args, x)
			assert.Equal(t, y.Time, x.Time)
			assert.Equal(t, y.Event.Records[0].Serial, x.Event.Records[0].Serial)
			assert.Equal(t, y.Mode, x.Mode)
			assert.Equal(t, y.Subject, x.Subject)
			assert.Equal(t, y.AppArmor, x.AppArmor)
			if y.Seccomp != nil {
				assert.Equal(t, y.Seccomp.Arch, x.Seccomp.Arch)
				assert.Equal(t, y.Seccomp.Code, x.Seccomp.Code)
				assert.Equal(t, y.Seccomp.Signal, x.Seccomp.Signal)
				assert.True(t, x.Seccomp.SyscallName != "" || x.Seccomp.Syscall == y.Seccomp.Syscall)
			}
		}
	}
}
