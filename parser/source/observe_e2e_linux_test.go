//go:build e2e && (amd64 || arm64)

package source

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/elastic/go-libaudit/v2/auparse"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/parser"
)

func observing(t *testing.T, room int) *Observer {
	t.Helper()
	o, err := observe(room)
	if err != nil {
		missing(t, err.Error())
	}
	t.Cleanup(o.Close)
	return o
}

// newCgroups makes a cgroup of each kind that this host has.
func newCgroups(t *testing.T) (dirs []string) {
	for _, root := range []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup/devices", "/sys/fs/cgroup"} {
		dir := filepath.Join(root, fmt.Sprintf("whydenied-test-%d", os.Getpid()))
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err != nil || os.Mkdir(dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() { assert.NoError(t, os.Remove(dir)) })
		dirs = append(dirs, dir)
	}
	if len(dirs) == 0 {
		missing(t, "a hierarchy of cgroups that can be written")
	}
	return dirs
}

// names are the calls of a passage by name.
func names(o Observed, how parser.Passage) map[string]bool {
	set := map[string]bool{}
	for _, c := range o.Calls {
		if c.How == how {
			name := auparse.AuditSyscalls[map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]][int(c.Syscall)]
			if name == "pread" || name == "pwrite" || name == "getdents" && runtime.GOARCH == "arm64" { // as the kernel calls them
				name += "64"
			}
			set[name] = true
		}
	}
	return set
}

// What is observed of a cgroup is, call for call, what strace sees of its processes.
func TestObserveAsStrace(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		missing(t, "strace")
	}
	for _, dir := range newCgroups(t) {
		o := observing(t, maxCgroups)
		trace := filepath.Join(t.TempDir(), "trace")
		script := `echo $$ >"$0/cgroup.procs"; ls -lR /etc/apt | sort >/dev/null; exec find /usr/lib/apt -newer /etc/passwd`
		out, err := exec.Command("strace", "-f", "-o", trace, "sh", "-c", script, dir).CombinedOutput()
		require.NoError(t, err, "%s", out)
		list, _, err := o.Read()
		require.NoError(t, err)

		text, err := os.ReadFile(trace)
		require.NoError(t, err)
		var pid int
		moved := regexp.MustCompile(`(?m)^(\d+) +write\(\d+, "\d+\\n", \d+\) += \d+\n`).FindIndex(text)
		require.NotNil(t, moved, "%s", text[:min(len(text), 2000)])
		_, err = fmt.Sscan(string(text[moved[0]:]), &pid)
		require.NoError(t, err)
		want := map[string]bool{}
		for _, m := range regexp.MustCompile(`(?m)^\d+ +([a-z_0-9]+)\(`).FindAllSubmatch(text[moved[1]:], -1) {
			want[string(m[1])] = true
		}
		i := slices.IndexFunc(list, func(o Observed) bool { return o.PID == pid })
		require.GreaterOrEqual(t, i, 0, "%s", dir)
		assert.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(names(list[i], parser.Free))), "%s", dir)
		assert.Empty(t, names(list[i], parser.Passed))
		assert.Greater(t, len(want), 15)
	}
}

// A call that a filter answers is told from those that it lets pass, and those from what was called
// before there was one.
func TestObserveFilter(t *testing.T) {
	program := calls(t)
	dir := newCgroups(t)[0]
	o := observing(t, maxCgroups)
	cmd := exec.Command("sh", "-c", `echo $$ >"$0/cgroup.procs"; exec "$1" args`, dir, program)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	list, _, err := o.Read()
	require.NoError(t, err)
	i := slices.IndexFunc(list, func(o Observed) bool { return o.PID == cmd.Process.Pid })
	require.GreaterOrEqual(t, i, 0)
	assert.Equal(t, map[string]bool{"mknodat": true}, names(list[i], parser.Answered))
	passed := names(list[i], parser.Passed)
	assert.True(t, passed["exit_group"], "%v", passed)
	assert.False(t, passed["mknodat"], "%v", passed)
	assert.False(t, passed["execve"], "%v", passed)
	assert.True(t, names(list[i], parser.Free)["execve"])
}

// A thousand processes in eight cgroups at once: each call is observed in its own.
func TestObserveCgroups(t *testing.T) {
	dir := newCgroups(t)[0]
	o := observing(t, maxCgroups)
	var wait sync.WaitGroup
	pids := make([]int, 8)
	for i := range pids {
		own := filepath.Join(dir, fmt.Sprint(i))
		require.NoError(t, os.Mkdir(own, 0o755))
		t.Cleanup(func() { assert.NoError(t, os.Remove(own)) })
		wait.Go(func() {
			last := []string{"exec mkdir /proc/none", "exec rmdir /proc/none"}[i%2]
			cmd := exec.Command("sh", "-c", `echo $$ >"$0/cgroup.procs"; for i in $(seq 125); do /bin/true; done; `+last, own)
			assert.Error(t, cmd.Run())
			pids[i] = cmd.Process.Pid
		})
	}
	wait.Wait()
	list, _, err := o.Read()
	require.NoError(t, err)
	for i, pid := range pids {
		at := slices.IndexFunc(list, func(o Observed) bool { return o.PID == pid })
		require.GreaterOrEqual(t, at, 0)
		free := names(list[at], parser.Free)
		assert.Equal(t, []bool{i%2 == 0, i%2 == 1}, []bool{free["mkdir"] || free["mkdirat"], free["rmdir"] || free["unlinkat"]}) // of x86-64, of arm64
	}
}

// Calls of more cgroups than there is room for are counted.
func TestObserveFull(t *testing.T) {
	const room = 4
	dir := newCgroups(t)[0]
	o := observing(t, room)
	script := `for i in 1 2 3 4 5 6; do mkdir "$0/$i"; echo $$ >"$0/$i/cgroup.procs"; done; echo $$ >"$0/../cgroup.procs"; rmdir "$0"/*/`
	out, err := exec.Command("sh", "-c", script, dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	list, missing, err := o.Read()
	require.NoError(t, err)
	assert.Len(t, list, room)
	assert.GreaterOrEqual(t, missing.Full, uint64(6-room))
}
