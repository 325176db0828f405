//go:build e2e && linux && amd64

package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/whydenied/whydenied/testdata/e2e/kernel"
)

// attacker is a user without any privilege.
const attacker = 65534

// asAttacker has a program run as that user.
var asAttacker = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: attacker, Gid: attacker}}

// attackMain is what this program does for the attacker, if it is that: see asMyself.
func attackMain() {
	switch dir := os.Getenv("ATTACK_DIR"); os.Getenv("ATTACK") {
	case "swap": // exchanges all files of a name below with their neighbour, for ever
		for {
			files, _ := filepath.Glob(filepath.Join(dir, "*", "state.json"))
			for _, file := range files {
				_ = unix.Renameat2(unix.AT_FDCWD, file, unix.AT_FDCWD, filepath.Join(filepath.Dir(file), "other"), unix.RENAME_EXCHANGE)
			}
		}
	case "engine": // answers for ever
		unix.Umask(0) // so that a root without capabilities may ask
		listener, err := net.Listen("unix", filepath.Join(dir, "docker.sock"))
		if err != nil {
			panic(err)
		}
		for {
			c, err := listener.Accept()
			if err != nil {
				panic(err)
			}
			go func() {
				defer c.Close()
				_, _ = c.Read(make([]byte, 4096)) // the question
				fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{")
				for {
					if _, err := fmt.Fprint(c, " "); err != nil {
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
			}()
		}
	}
}

// asMyself starts this program as the attacker.
func asMyself(t *testing.T, what, dir string) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "ATTACK="+what, "ATTACK_DIR="+dir)
	cmd.SysProcAttr = asAttacker
	cmd.Dir = "/"
	launch(t, cmd)
}

// An attack is a watch, and what a host user has made against it.
type attack struct {
	t    *testing.T
	w    *live
	root string // of cgroup v2

	refused int // calls
}

func newAttack(t *testing.T) *attack {
	kernel.OpenAudit(t).Nudge(t)
	a := &attack{t: t, root: "/sys/fs/cgroup"}
	if _, err := os.Stat(a.root + "/unified/cgroup.procs"); err == nil {
		a.root += "/unified"
	}
	a.w = startLive(t, buildForAll(t), "watch", "--source", "audit", "--format", "json")
	return a
}

// home makes a folder that is the attacker's.
func (a *attack) home(dir string) {
	a.t.Helper()
	// Nobody logs in as the attacker, so what is there is of a run that was killed.
	require.NoError(a.t, os.RemoveAll(dir))
	require.NoError(a.t, os.MkdirAll(dir, 0o755))
	require.NoError(a.t, os.Chown(dir, attacker, attacker))
	a.t.Cleanup(func() { os.RemoveAll(dir) })
}

// file makes a file of the attacker's, and the folders that it needs.
func (a *attack) file(name, text string) {
	a.t.Helper()
	require.NoError(a.t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(a.t, os.WriteFile(name, []byte(text), 0o644))
	require.NoError(a.t, os.Chown(filepath.Dir(name), attacker, attacker))
	require.NoError(a.t, os.Chown(name, attacker, attacker))
}

// refuse has a call logged of a process in a cgroup, and does not wait for it.
func (a *attack) refuse(cgroup, comm string) {
	a.t.Helper()
	dir := filepath.Join(a.root, cgroup)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		missing(a.t, "a cgroup v2 hierarchy: %v", err)
	}
	a.refused++ // each call is of another number, so that each is a finding
	cmd := kernel.Logged{Calls: 2, Call: kernel.NoCall + a.refused, Pause: 200 * time.Millisecond, Comm: comm, Cgroup: dir}.Start(a.t)
	a.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		for ; len(dir) > len(a.root); dir = filepath.Dir(dir) {
			_ = os.Remove(dir) // others may use it
		}
	})
}

// container waits for the finding of a program and returns the container it names.
func (a *attack) container(comm string) (c struct {
	ID, Image, Confidence string
	Evidence              []string
}) {
	a.t.Helper()
	a.w.stdout.waitFor(a.t, fmt.Sprintf(`"comm":%q`, comm))
	for _, line := range a.w.stdout.all() {
		var m struct {
			Finding *struct {
				Container json.RawMessage
				Subject   struct{ Comm string }
			}
		}
		require.NoError(a.t, json.Unmarshal([]byte(line), &m))
		if m.Finding != nil && m.Finding.Subject.Comm == comm && m.Finding.Container != nil {
			require.NoError(a.t, json.Unmarshal(m.Finding.Container, &c))
		}
	}
	return c
}

// userCgroup is where a user's container of an ID is.
func userCgroup(id string) string {
	return fmt.Sprintf("/user.slice/user-%d.slice/docker-%s.scope", attacker, id)
}

// A user's program that is called like a runtime, with a command line like one's, is
// not believed: neither their own, nor a setuid program of root's.
func TestAttackRuntimeForged(t *testing.T) {
	a := newAttack(t)
	dir, err := os.MkdirTemp("", "whydenied-attack")
	require.NoError(t, err)
	a.home(dir)
	// The control: a runtime that root starts is believed, and says the same.
	for _, name := range []string{"su", "own", "control"} {
		cgroup := fmt.Sprintf("/attack-%s-%d", name, os.Getpid())
		a.file(filepath.Join(dir, name, "config.json"), `{"ociVersion":"1.0.2","process":{"args":["/x"]},"annotations":{"io.kubernetes.cri.image-name":"forged"},"linux":{"cgroupsPath":"`+cgroup+`"}}`)
	}
	start := func(name, program string, attr *syscall.SysProcAttr) {
		bundle := filepath.Join(dir, name)
		cmd := exec.Command(program, "root", "create", "bundle", bundle, "victim-"+name)
		cmd.Args[0] = "./runc"
		cmd.SysProcAttr = attr
		in, err := cmd.StdinPipe()
		require.NoError(t, err)
		t.Cleanup(func() { in.Close() })
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	}
	su, err := exec.LookPath("su")
	require.NoError(t, err)
	require.NoError(t, os.Symlink(su, filepath.Join(dir, "runc")))
	start("su", filepath.Join(dir, "runc"), asAttacker)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "bin"), 0o755))
	waits := []byte("#!/bin/sh\nread line\n")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bin/runc"), waits, 0o755))
	start("own", filepath.Join(dir, "bin/runc"), asAttacker)
	// Root's, in root's folder.
	busybox, err := os.ReadFile(tool(t, "busybox", "busybox-static"))
	require.NoError(t, err)
	safe, err := os.MkdirTemp("", "whydenied-runtime")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(safe) })
	require.NoError(t, os.WriteFile(filepath.Join(safe, "runc"), busybox, 0o755))
	control := exec.Command(filepath.Join(safe, "runc"))
	control.Args = []string{"sh", "-c", "read line; exit", "create", "--bundle", filepath.Join(dir, "control"), "victim-control"}
	in, err := control.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, control.Start())
	t.Cleanup(func() { in.Close(); control.Wait() })

	time.Sleep(time.Second) // runtimes live as long, and what they do comes later
	for _, name := range []string{"su", "own", "control"} {
		a.refuse(fmt.Sprintf("/attack-%s-%d", name, os.Getpid()), "by-"+name)
	}
	c := a.container("by-control")
	assert.Equal(t, "victim-control", c.ID)
	for _, name := range []string{"su", "own"} {
		assert.Empty(t, a.container("by-"+name).ID, name)
	}
	assert.Equal(t, 3, a.w.end(os.Interrupt))
}

// Files that become FIFOs while they are looked at keep nobody waiting, and links to
// root's files tell nothing of these.
func TestAttackRuntimeFiles(t *testing.T) {
	a := newAttack(t)
	home := fmt.Sprintf("/run/user/%d", attacker)
	a.home(home)
	id := func(i int) string { return fmt.Sprintf("%064x", 0xa77ac4000+i) }
	const containers = 40
	for i := range containers {
		dir := filepath.Join(home, "runc", id(i))
		a.file(filepath.Join(dir, "state.json"), `{"id":"`+id(i)+`","init_process_pid":1,"config":{}}`)
		require.NoError(t, unix.Mkfifo(filepath.Join(dir, "other"), 0o666))
	}
	asMyself(t, "swap", filepath.Join(home, "runc"))
	secret := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(secret, []byte(`{"ociVersion":"1.0.2","process":{"args":["/x"]},"annotations":{"io.kubernetes.cri.image-name":"of-root"},"linux":{}}`), 0o600))
	linked, parent := strings.Repeat("b", 64), strings.Repeat("c", 64)
	place := func(id string) string {
		return filepath.Join(home, "containers/overlay-containers", id, "userdata")
	}
	a.file(place(linked)+"/x", "")
	require.NoError(t, os.Symlink(secret, place(linked)+"/config.json"))
	a.file(filepath.Dir(place(parent))+"/x", "")
	require.NoError(t, os.Symlink(filepath.Dir(secret), place(parent)))
	own := strings.Repeat("d", 64)
	a.file(place(own)+"/config.json", `{"ociVersion":"1.0.2","process":{"args":["/x"]},"annotations":{"io.kubernetes.cri.image-name":"their-own"},"linux":{}}`)

	for i := range containers {
		a.refuse(userCgroup(id(i)), fmt.Sprint("swapped-", i))
	}
	a.refuse(userCgroup(linked), "linked")
	a.refuse(userCgroup(parent), "parent")
	a.refuse(userCgroup(own), "own")
	a.refuse("/", "on-the-host")
	assert.Empty(t, a.container("on-the-host").ID)
	for i := range containers {
		assert.Equal(t, id(i), a.container(fmt.Sprint("swapped-", i)).ID)
	}
	assert.Equal(t, linked, a.container("linked").ID)
	assert.Equal(t, parent, a.container("parent").ID)
	assert.Equal(t, "their-own", a.container("own").Image)
	assert.NotContains(t, a.w.stdout.String(), "of-root")
	assert.Equal(t, 3, a.w.end(os.Interrupt))
}

// An engine of a user's that never comes to the end of its answer costs others
// little, however many containers there are to be asked for.
func TestAttackRuntimeEngine(t *testing.T) {
	a := newAttack(t)
	home := fmt.Sprintf("/run/user/%d", attacker)
	a.home(home)
	asMyself(t, "engine", home)
	require.Eventually(t, func() bool { _, err := os.Stat(home + "/docker.sock"); return err == nil }, 10*time.Second, 10*time.Millisecond)
	for i := range 60 {
		a.refuse(userCgroup(fmt.Sprintf("%064x", 0xe9191e000+i)), fmt.Sprint("asked-", i))
	}
	a.refuse("/", "on-the-host")
	assert.Empty(t, a.container("on-the-host").ID)
	assert.NotEmpty(t, a.container("asked-59").ID)
	assert.Equal(t, 3, a.w.end(os.Interrupt))
}
