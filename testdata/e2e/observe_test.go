//go:build e2e && linux && amd64

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a container calls is observed, refused or not, and what the runtime called before it loaded the
// filter is not among it. Docker's profile is minimised by that, and the container runs under what is left.
func TestObserveContainer(t *testing.T) {
	b := newBed(t)
	p := resolve(t, filepath.Join(b.profiles, "docker.json"), dockersCaps)
	r := newRuntimes(t)[0]
	require.NoError(t, os.Link(filepath.Join(b.programs, "true"), filepath.Join(b.programs, "busybox")))
	argv := []string{"busybox", "sh", "-c", "ls -l /bin >/list; unshare -U true; mkdir /made && chmod 700 /made && echo done"}
	tr := b.trace(t, "trace", "--observe")
	c, refusal := r.run(t, b.programs, argv, dockersCaps, p)
	require.NotNil(t, c, refusal)
	require.Contains(t, c.output, "done")
	require.NoError(t, tr.cmd.Process.Signal(syscall.SIGINT))
	text, err := io.ReadAll(tr.stdout)
	require.NoError(t, err)
	tr.cmd.Wait()

	folder := t.TempDir()
	calls := filepath.Join(folder, "calls")
	require.NoError(t, os.WriteFile(calls, text, 0o600))
	answered := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		var o struct {
			Container *struct {
				ID, Confidence string
				Evidence       []string
			}
			Filtered bool
			Before   int
			Calls    []struct {
				Syscall  string
				Answered bool
			}
		}
		require.NoError(t, json.Unmarshal([]byte(line), &o), line)
		if o.Container == nil || o.Container.ID != c.id {
			continue
		}
		assert.Equal(t, "high", o.Container.Confidence, o.Container.Evidence)
		assert.True(t, o.Filtered)
		assert.NotZero(t, o.Before)
		for _, call := range o.Calls {
			answered[call.Syscall] = answered[call.Syscall] || call.Answered
		}
	}
	assert.Subset(t, answered, map[string]bool{"mkdir": false, "chmod": false, "execve": false, "unshare": true})
	assert.NotContains(t, answered, "pivot_root", "only the runtime called it")

	whole := filepath.Join(folder, "docker.json")
	text, err = json.MarshalIndent(p, "", "\t")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(whole, text, 0o600))
	flags := []string{"--seccomp", whole, "--trace", calls, "--container", c.id}
	out, stderr, status := b.exec(t, append([]string{"coverage"}, flags...)...)
	assert.Contains(t, string(out), " different calls", stderr)
	assert.NotEqual(t, 1, status, stderr)
	out, stderr, status = b.exec(t, append([]string{"minimise", "--narrow", "--write"}, flags...)...)
	require.Equal(t, 3, status, "%s%s", out, stderr)

	text, err = os.ReadFile(whole)
	require.NoError(t, err)
	narrow := new(profile)
	require.NoError(t, json.Unmarshal(text, narrow))
	names := func(p *profile) (n int) {
		for _, s := range p.Syscalls {
			n += len(s.Names)
		}
		return n
	}
	t.Logf("%d names of calls, minimised %d", names(p), names(narrow))
	assert.Less(t, names(narrow), names(p)/2)
	again, refusal := r.run(t, b.programs, argv, dockersCaps, narrow)
	require.NotNil(t, again, refusal)
	assert.Equal(t, c.output, again.output)
	assert.Equal(t, c.outcome, again.outcome)
}

// The policy in force for a container that runs is policy to all commands that take policy.
func TestContainerPolicy(t *testing.T) {
	b := newBed(t)
	p := resolve(t, filepath.Join(b.profiles, "docker.json"), dockersCaps)
	require.NoError(t, os.Link(filepath.Join(b.programs, "true"), filepath.Join(b.programs, "busybox")))
	r := newRuntimes(t)[0]
	id := fmt.Sprintf("whydenied-%d", os.Getpid())
	c := &container{id: strings.Repeat("0", 12) + id, bundle: filepath.Join(t.TempDir(), id)} // its cgroup is named by 12 characters
	writeBundle(t, c, b.programs, []string{"busybox", "sh", "-c", "while :; do busybox unshare -U true; busybox sleep 0.2; done"}, dockersCaps, p)
	// Its output is not a pipe that somebody would wait for.
	require.NoError(t, exec.Command(r.path, "run", "--detach", "--bundle", c.bundle, id).Run())
	t.Cleanup(func() { run(t, r.path, "delete", "--force", id) })
	folder, name := t.TempDir(), "container:"+id

	calls, stderr, status := b.exec(t, "trace", "--observe", "--container", id, "--for", "3s", "--format", "json")
	require.Equal(t, 0, status, stderr)
	files := map[string]string{
		"calls":  string(calls),
		"expect": "policy " + name + "\nallow syscall mkdir\ndeny syscall unshare 0x10000000\n",
		"log":    "type=SECCOMP msg=audit(1700000000.1:1): auid=0 uid=0 gid=0 ses=1 pid=7 comm=\"x\" exe=\"/x\" sig=0 arch=c000003e syscall=90 compat=0 ip=0x1 code=0x7ffc0000\n",
	}
	for file, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(folder, file), []byte(text), 0o600))
	}
	in := func(file string) string { return filepath.Join(folder, file) }
	for _, test := range []struct {
		args   []string
		status int
		prints string
	}{
		{[]string{"coverage", "--trace", in("calls"), "--seccomp", name}, 3, "different calls"},
		{[]string{"minimise", "--narrow", "--trace", in("calls"), "--seccomp", name}, 0, "is built in"}, // as it is Docker's own
		{[]string{"replay", in("log"), "--seccomp", name}, 0, "still-granted"},
		{[]string{"test", in("expect")}, 0, ""},
		{[]string{"diff", name, name}, 0, "equal"},
	} {
		out, stderr, status := b.exec(t, test.args...)
		assert.Equal(t, test.status, status, "%v %s%s", test.args, out, stderr)
		assert.Contains(t, string(out)+stderr, test.prints, "%v", test.args)
	}
}
