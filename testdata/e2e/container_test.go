//go:build e2e && linux && amd64

package e2e

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A runtime is a runc.
type runtime struct {
	path    string
	version string // "1.1.5+ds1"
	library string // version of the libseccomp that it compiles filters with
}

// A container is one that ran to its end.
type container struct {
	id, bundle string
	pid        int // in the initial PID namespace, as the kernel logs it
	outcome    string
	output     string
}

// config returns the file that the runtime was started with; state what it wrote
// down about the running container.
func (c *container) config() string { return filepath.Join(c.bundle, "config.json") }
func (c *container) state() string  { return filepath.Join(c.bundle, "state.json") }

// run runs a program to its end in a container of a folder's programs. A nil
// profile is none. It returns the runtime's own words if it refuses to create the
// container.
func (r *runtime) run(t *testing.T, programs string, argv, caps []string, p *profile) (c *container, refusal string) {
	t.Helper()
	id := make([]byte, 32)
	_, err := rand.Read(id)
	require.NoError(t, err)
	c = &container{id: hex.EncodeToString(id)}
	c.bundle = filepath.Join(t.TempDir(), c.id)
	writeBundle(t, c, programs, argv, caps, p)
	root := filepath.Join(t.TempDir(), "runc")
	printed, err := os.Create(filepath.Join(c.bundle, "output"))
	require.NoError(t, err)
	defer printed.Close()
	runc := func(args ...string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, r.path, append([]string{"--root", root}, args...)...)
		cmd.Stdout, cmd.Stderr = printed, printed
		return cmd.Run()
	}
	output := func() string {
		text, err := os.ReadFile(printed.Name())
		require.NoError(t, err)
		return string(text)
	}
	pidFile := filepath.Join(c.bundle, "pid")
	if err := runc("create", "--bundle", c.bundle, "--pid-file", pidFile, c.id); err != nil {
		return nil, output()
	}
	defer func() { assert.NoError(t, runc("delete", "--force", c.id), output) }()
	pid, err := os.ReadFile(pidFile)
	require.NoError(t, err)
	c.pid, err = strconv.Atoi(string(pid))
	require.NoError(t, err)
	state, err := os.ReadFile(filepath.Join(root, c.id, "state.json"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(c.state(), state, 0o600))
	require.NoError(t, runc("start", c.id), "%s", output())
	c.outcome = outcomeOf(t, c.pid)
	c.output = output()
	return c, ""
}

// writeBundle writes an OCI bundle: the programs as its root, and config.json.
func writeBundle(t *testing.T, c *container, programs string, argv, caps []string, p *profile) {
	t.Helper()
	bin := filepath.Join(c.bundle, "rootfs", "bin")
	for _, dir := range []string{bin, filepath.Join(c.bundle, "rootfs", "proc")} {
		require.NoError(t, os.MkdirAll(dir, 0o755))
	}
	entries, err := os.ReadDir(programs)
	require.NoError(t, err)
	for _, e := range entries {
		require.NoError(t, os.Link(filepath.Join(programs, e.Name()), filepath.Join(bin, e.Name())))
	}
	type object = map[string]any
	linux := object{
		"cgroupsPath": "/whydenied-e2e-" + c.id[:12],
		"namespaces":  []object{{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}, {"type": "network"}},
	}
	if p != nil {
		linux["seccomp"] = p
	}
	if caps == nil {
		caps = []string{}
	}
	config, err := json.MarshalIndent(object{
		"ociVersion": "1.0.2",
		"process": object{
			"user": object{"uid": 0, "gid": 0}, "args": argv, "env": []string{"PATH=/bin"}, "cwd": "/",
			"capabilities": object{"bounding": caps, "effective": caps, "permitted": caps},
		},
		"root":   object{"path": "rootfs"},
		"mounts": []object{{"destination": "/proc", "type": "proc", "source": "proc"}},
		"linux":  linux,
	}, "", "\t")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(c.config(), config, 0o600))
}

// outcomeOf waits for the container's first process and says how it ended:
// "ran", the name of the errno that it exits with, or of the signal that ended
// it. The process is ours to wait for, as conmon's and containerd-shim's are
// theirs: the runtime that made it has ended, and we reap orphans.
func outcomeOf(t *testing.T, pid int) string {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		var status unix.WaitStatus
		reaped, err := unix.Wait4(pid, &status, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil || time.Now().After(deadline):
			require.FailNow(t, "the container did not end", "process %d: %v", pid, err)
		case reaped != pid:
			continue
		case status.Signaled():
			return unix.SignalName(status.Signal())
		case status.ExitStatus() == 0:
			return "ran"
		}
		if name := unix.ErrnoName(unix.Errno(status.ExitStatus())); name != "" {
			return name
		}
		return fmt.Sprintf("exit status %d", status.ExitStatus())
	}
}

// newRuntime asks a runc for its versions.
func newRuntime(t *testing.T, path string) *runtime {
	t.Helper()
	out, err := exec.Command(path, "--version").Output()
	require.NoError(t, err)
	r := &runtime{path: path}
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if v, ok := strings.CutPrefix(line, "runc version "); ok {
			r.version = v
		}
		if v, ok := strings.CutPrefix(line, "libseccomp: "); ok {
			r.library = v
		}
	}
	require.NotEmpty(t, r.version, "%s", out)
	if r.library == "" {
		missing(t, "support for seccomp in %s", path)
	}
	t.Logf("runc %s with libseccomp %s", r.version, r.library)
	return r
}
