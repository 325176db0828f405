package track

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// install copies the shell to where nobody else can change it, under the name of a
// runtime.
func install(t *testing.T, name string) (file string) {
	t.Helper()
	shell, err := exec.LookPath("sh")
	require.NoError(t, err)
	text, err := os.ReadFile(shell)
	require.NoError(t, err)
	dir := t.TempDir()
	for _, folder := range []string{dir, filepath.Dir(dir)} {
		require.NoError(t, os.Chmod(folder, 0o755))
	}
	file = filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(file, text, 0o755))
	require.NoError(t, os.Chmod(file, 0o755))
	return file
}

// startRuntime starts a shell that waits, with a command line of runc's.
func startRuntime(t *testing.T, file, dir string, args ...string) reading {
	t.Helper()
	cmd := exec.Command(file)
	cmd.Args = append([]string{"runc", "-c", "read line; exit"}, args...)
	cmd.Dir = dir
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	r, ok := readProcess(cmd.Process.Pid)
	require.True(t, ok)
	r.comm = "runc"
	// A program that starts shows no command line yet when its files are closed, which
	// is what Start waits for (begin_new_exec of fs/exec.c).
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", r.pid))
		return err == nil && len(text) > 0
	}, 5*time.Second, time.Millisecond)
	return r
}

// A command is believed of a file that is a runtime's by its name and place alone.
func TestReadCommand(t *testing.T) {
	dir := t.TempDir()
	believed := func(file string) bool {
		r := startRuntime(t, file, dir, "run", "box")
		args, cwd, ok := readCommand("/proc", command{r.pid, r.start})
		if ok {
			assert.Equal(t, []string{"runc", "-c", "read line; exit", "run", "box"}, args)
			assert.Equal(t, dir, cwd)
		}
		_, _, another := readCommand("/proc", command{r.pid, r.start + time.Second})
		assert.False(t, another, "with its ID")
		return ok
	}
	for _, name := range []string{"runc", "runc-v1.5.2", "crun", "youki", "runc.amd64"} {
		assert.True(t, believed(install(t, name)), name)
	}
	assert.False(t, believed(install(t, "sh")), "called like one in its arguments")
	link := filepath.Join(t.TempDir(), "runc")
	require.NoError(t, os.Symlink(install(t, "su"), link))
	assert.False(t, believed(link), "a link's name is nothing")
	for name, spoil := range map[string]func(file string) error{
		"the file is writable for all":   func(file string) error { return os.Chmod(file, 0o777) },
		"the file is a group's":          func(file string) error { return os.Chmod(file, 0o775) },
		"the folder is writable for all": func(file string) error { return os.Chmod(filepath.Dir(file), 0o777) },
		"the folder is a group's":        func(file string) error { return os.Chmod(filepath.Dir(file), 0o775) },
		"a folder above is":              func(file string) error { return os.Chmod(filepath.Dir(filepath.Dir(file)), 0o777) },
		"a setuid program":               func(file string) error { return os.Chmod(file, os.ModeSetuid|0o755) },
	} {
		file := install(t, "runc")
		require.NoError(t, spoil(file))
		assert.False(t, believed(file), name)
	}
	sticky := install(t, "runc")
	require.NoError(t, os.Chmod(filepath.Dir(sticky), os.ModeSticky|0o777))
	assert.True(t, believed(sticky), "as /tmp")
	moved := install(t, "runc")
	r := startRuntime(t, moved, dir, "run", "box")
	require.NoError(t, os.Rename(moved, moved+".old"))
	require.NoError(t, os.WriteFile(moved, nil, 0o755))
	_, _, ok := readCommand("/proc", command{r.pid, r.start})
	assert.True(t, ok, "it was renamed, to a runtime's name")
	require.NoError(t, os.Remove(moved+".old"))
	_, _, ok = readCommand("/proc", command{r.pid, r.start})
	assert.False(t, ok, "another file is where it was")
	if os.Geteuid() == 0 {
		theirs := install(t, "runc")
		require.NoError(t, os.Chown(theirs, 65534, 65534))
		assert.False(t, believed(theirs), "a user's file")
		theirs = install(t, "runc")
		require.NoError(t, os.Chown(filepath.Dir(theirs), 65534, 65534))
		assert.False(t, believed(theirs), "a user's folder")
	}
}

// A runtime that runs from a copy in memory, as crun can, has no place.
func TestReadCommandOfCopy(t *testing.T) {
	fd, err := unix.MemfdCreate("crun_cloned", unix.MFD_CLOEXEC)
	require.NoError(t, err)
	copied := os.NewFile(uintptr(fd), "memfd")
	defer copied.Close()
	shell, err := os.Open(install(t, "sh"))
	require.NoError(t, err)
	defer shell.Close()
	_, err = io.Copy(copied, shell)
	require.NoError(t, err)
	readOnly, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
	require.NoError(t, err)
	defer readOnly.Close()
	copied.Close()
	r := startRuntime(t, fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), readOnly.Fd()), t.TempDir(), "run", "box")
	_, _, ok := readCommand("/proc", command{r.pid, r.start})
	assert.True(t, ok)
}

// What the kernel says of processes that a test cannot have.
func TestReadCommandOfOthers(t *testing.T) {
	const stat = "7 (runc) S 1 10 10 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 5132 1000 200 18446744073709551615\n"
	exe := install(t, "runc")
	me := fmt.Sprint(os.Geteuid())
	of := func(uids, namespace string) (proc string) {
		proc = t.TempDir()
		writeFile(t, proc+"/self/ns/user", "")
		writeFile(t, proc+"/7/stat", stat)
		writeFile(t, proc+"/7/status", "Name:\trunc\nUmask:\t0022\nUid:\t"+uids+"\nGid:\t0\t0\t0\t0\n")
		writeFile(t, proc+"/7/cmdline", "runc\x00run\x00box\x00")
		require.NoError(t, os.Symlink(exe, proc+"/7/exe"))
		require.NoError(t, os.Mkdir(proc+"/7/ns", 0o755))
		require.NoError(t, os.Symlink(namespace, proc+"/7/ns/user"))
		return proc
	}
	believed := func(proc string) bool {
		_, _, ok := readCommand(proc, command{7, 51320 * ms})
		return ok
	}
	same := func(uid string) string { return strings.Join([]string{uid, uid, uid, uid}, "\t") }
	const ours = "../../self/ns/user"
	assert.True(t, believed(of(same(me), ours)))
	assert.True(t, believed(of(same("0"), ours)))
	assert.False(t, believed(of(same("0"), "../stat")), "root of another user namespace")
	assert.False(t, believed(of(same("4000000001"), ours)), "another user")
	for i := range 4 { // real, effective, saved, file system
		uids := []string{"0", "0", "0", "0"}
		uids[i] = "4000000001"
		assert.False(t, believed(of(strings.Join(uids, "\t"), ours)), uids)
	}
	for _, torn := range []string{"", "0", "\t", "x\tx\tx\tx", "-1\t-1\t-1\t-1"} {
		assert.False(t, believed(of(torn, ours)), "%q", torn)
	}
	gone := of(same("0"), ours)
	require.NoError(t, os.Remove(gone+"/7/exe"))
	assert.False(t, believed(gone))
	fifo := of(same("0"), ours)
	require.NoError(t, os.Remove(fifo+"/7/exe"))
	require.NoError(t, unix.Mkfifo(fifo+"/7/exe", 0o600))
	assert.False(t, believed(fifo))
}
