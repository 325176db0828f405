package explain

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/whydenied/whydenied/parser"
)

func TestFallsBack(t *testing.T) {
	const amd64, clone3, openat2, unshare, enosys, eperm = 0xc000003e, 435, 437, 272, 38, 1
	for _, test := range []struct {
		seccomp *parser.Seccomp
		want    string
	}{
		{&parser.Seccomp{Arch: amd64, Syscall: clone3, Errno: enosys, Traced: true}, "clone3"},
		{&parser.Seccomp{Arch: amd64, Syscall: openat2, Errno: enosys, Traced: true}, "openat2"},
		{&parser.Seccomp{Arch: amd64, Syscall: clone3, Errno: eperm, Traced: true}, ""},
		{&parser.Seccomp{Arch: amd64, Syscall: unshare, Errno: enosys, Traced: true}, ""},
		{&parser.Seccomp{Arch: amd64, Syscall: clone3, Code: 0x50000}, ""}, // of a log, which has no errno
		{&parser.Seccomp{Arch: amd64, Syscall: 5000, Errno: enosys, Traced: true}, ""},
		{nil, ""},
	} {
		name, ok := fallsBack(&parser.Denial{Seccomp: test.seccomp})
		assert.Equal(t, test.want != "", ok)
		if ok {
			assert.Equal(t, test.want, name)
		}
	}
}

// TestYear holds that the year that a syslog line lacks is taken from the same event
// in a log that has it.
func TestYear(t *testing.T) {
	const body = `apparmor="DENIED" operation="open" profile="p" name="/x" pid=%d comm="c" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`
	syslog := denials(t, fmt.Sprintf("Jul 23 09:42:59 lab audit[7]: AVC "+body+"\nJul 24 09:42:59 lab audit[8]: AVC "+body+"\n", 7, 8))
	audit := denials(t, fmt.Sprintf("type=AVC msg=audit(1627033379.597:47): "+body+"\n", 7)) // 2021-07-23 09:42:59.597
	s := NewSession(nil, Filter{})
	for _, d := range append(syslog, audit...) {
		s.Add(d)
	}
	require.Len(t, s.Findings(), 1)
	f := s.Findings()[0]
	assert.Equal(t, 1, s.Duplicates)
	assert.Equal(t, 2, f.Count)
	assert.Equal(t, "2021-07-23", f.First.Format(time.DateOnly))
	assert.Equal(t, "2021-07-24", f.Last.Format(time.DateOnly))
}

// TestSuspicion holds that a process that SIGSYS ended is a finding where no record has
// the filter's answer.
func TestSuspicion(t *testing.T) {
	const (
		abend  = `type=ANOM_ABEND msg=audit(1795960961.941:8907593): auid=1 uid=0 gid=0 ses=1 subj=lab pid=2802 comm="a" exe="/usr/bin/a" sig=31 res=1` + "\n"
		answer = `type=SECCOMP msg=audit(1795960961.941:8907592): auid=1 uid=0 gid=0 ses=1 subj=lab pid=2802 comm="a" exe="/usr/bin/a" sig=0 arch=c000003e syscall=110 compat=0 ip=0x1 code=0x30000` + "\n"
	)
	fold := func(log string) []*Finding {
		s := NewSession(nil, Filter{})
		for _, d := range denials(t, log) {
			s.Add(d)
		}
		return s.Findings()
	}
	require.Len(t, fold(answer+abend), 1)
	assert.False(t, fold(answer + abend)[0].Denial.Seccomp.Suspected)
	require.Len(t, fold(strings.Replace(answer, "2802", "7", 1)+abend), 2)
	require.Len(t, fold(strings.Replace(answer, "0x30000", "0x50000", 1)+abend), 2)

	found := fold(abend)
	require.Len(t, found, 1)
	profile := filepath.Join(t.TempDir(), "trap.json")
	require.NoError(t, os.WriteFile(profile, []byte(`{"defaultAction":"SCMP_ACT_TRAP","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}`), 0o600))
	explainer, _, err := Options{Seccomp: profile}.Explainer()
	require.NoError(t, err)
	f := explainer.Explain(*found[0])
	assert.Equal(t, EndedBySIGSYS, f.Cause)
	assert.Equal(t, Undecidable, f.Decision)
	require.Len(t, f.Rules, 1)
	assert.Contains(t, f.Rules[0].Note, "every call that no entry names")
	assert.Empty(t, f.Fixes)
}
