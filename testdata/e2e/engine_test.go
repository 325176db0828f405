//go:build e2e && linux && amd64

package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/whydenied/whydenied/rules/seccomp"
)

// An engine is one with its data in a folder of its own.
type engine struct {
	name    string   // docker, containerd or podman, as builtin: has it
	root    string   // of its programs: /, or a Debian that newer.sh built
	dir     string   // its own
	client  []string // the command, up to its verb
	hosts   []string // files: what it and its runtime say of themselves
	version string
	library string // version of the package of libseccomp
}

// engineKinds are the engines that are tried.
var engineKinds = []struct {
	name, program, debian string
	below                 string // the runtime
	installed             bool   // by .ci/kernel
	start                 func(t *testing.T, e *engine)
}{
	{"docker", "dockerd", "docker.io", "runc", true, startDocker},
	{"containerd", "containerd", "containerd", "runc", true, startContainerd},
	{"podman", "podman", "podman", "crun", false, startPodman},
}

// The image of all containers, and where engines have their cgroups.
const (
	imageName     = "localhost/answers:1"
	enginesCgroup = "whydenied-engines"
)

var versionWord = regexp.MustCompile(`\bv?(\d+\.\d+\.[^\s,]+)`)

// newEngine returns an engine's base: a folder, and what does not depend on which it is.
func newEngine(t *testing.T, name, program, root, image string) *engine {
	e := &engine{name: name, root: root}
	dir, err := os.MkdirTemp("", "whydenied") // short, as a socket's name must be
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	e.dir = dir
	require.NoError(t, os.Link(image, e.path("image.tar")))
	version := versionWord.FindSubmatch(e.enter(t, program, "--version"))
	require.NotNil(t, version)
	e.version = string(version[1])
	e.library = string(e.enter(t, "dpkg-query", "-W", "-f", "${Version}", "libseccomp2"))
	return e
}

func startDocker(t *testing.T, e *engine) {
	socket := "unix://" + e.path("s")
	e.client = []string{tool(t, "docker", "docker.io"), "-H", socket}
	e.daemon(t, "dockerd", "-H", socket, "--data-root", e.path("data"), "--exec-root", e.path("exec"), "--pidfile", e.path("pid"),
		"--bridge=none", "--iptables=false", "--ip6tables=false", "--cgroup-parent", "/"+enginesCgroup)
	e.run(t, "load", "-i", e.path("image.tar"))
	e.says(t, e.run(t, "version", "--format", "{{json .}}"))
	e.says(t, e.enter(t, "runc", "--version"))
}

func startContainerd(t *testing.T, e *engine) {
	e.client = e.entered("ctr", "-a", e.path("s"))
	config := fmt.Sprintf(`version = 2
root = %q
state = %q
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.grpc.v1.cri"]
[grpc]
address = %q
`, e.path("root"), e.path("state"), e.path("s"))
	require.NoError(t, os.WriteFile(e.path("config.toml"), []byte(config), 0o600))
	e.daemon(t, "containerd", "-c", e.path("config.toml"))
	load := []string{"images", "import", "--snapshotter", "native", e.path("image.tar")}
	if !strings.HasPrefix(e.version, "1.") { // whose transfer service knows no platform for that snapshotter
		load = slices.Insert(load, 2, "--local")
	}
	e.run(t, load...)
	e.says(t, e.enter(t, "containerd", "--version"))
	e.says(t, e.enter(t, "runc", "--version"))
}

func startPodman(t *testing.T, e *engine) {
	// It asks for more files and processes than the machine may have, and each command is
	// in a mount namespace of its own.
	config := fmt.Sprintf(`[containers]
cgroups = "disabled"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
netns = "none"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
tmp_dir = %q
`, e.path("tmp"))
	require.NoError(t, os.WriteFile(e.path("containers.conf"), []byte(config), 0o600))
	require.NoError(t, os.WriteFile(e.path("policy.json"), []byte(`{"default":[{"type":"insecureAcceptAnything"}]}`), 0o600))
	e.client = e.entered("env", "CONTAINERS_CONF="+e.path("containers.conf"), "podman", "--root", e.path("root"), "--runroot", e.path("run"), "--storage-driver=vfs")
	e.run(t, "load", "--signature-policy", e.path("policy.json"), "-i", e.path("image.tar"))
	e.says(t, e.run(t, "version", "--format", "json"))
	e.says(t, e.run(t, "info", "--format", "json"))
}

// policy returns how explain calls the policy of a container, or the beginning of it.
func (e *engine) policy(c confinement, name string) string {
	switch {
	case e.name == "podman" && c.profile == "": // a file of Debian's, which is not this machine's
		return "Podman's default seccomp profile of containers-common"
	case e.name == "podman":
		return c.profile
	case c.profile != "":
		return "seccomp profile of container " + name
	}
	_, title, _ := seccomp.Builtin(e.name, e.version)
	return title
}

// path returns the name of a file of the engine's.
func (e *engine) path(name string) string { return filepath.Join(e.dir, name) }

// entered returns a command of the engine's root.
func (e *engine) entered(command ...string) []string {
	script, _ := filepath.Abs("enter.sh")
	return append([]string{script, e.root}, command...)
}

// enter runs a command of the engine's root.
func (e *engine) enter(t *testing.T, command ...string) []byte {
	t.Helper()
	return e.exec(t, e.entered(command...))
}

// run runs the engine's client.
func (e *engine) run(t *testing.T, args ...string) []byte {
	t.Helper()
	return e.exec(t, slices.Concat(e.client, args))
}

func (e *engine) exec(t *testing.T, command []string) []byte {
	t.Helper()
	out, err := e.command(t, command)
	require.NoError(t, err)
	return out
}

// command runs a command in the engine's folder, and returns what it printed.
func (e *engine) command(t *testing.T, command []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir, cmd.Stderr, cmd.WaitDelay = e.dir, &stderr, time.Second
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(command[:min(len(command), 8)], " "), err, &stderr)
	}
	return out, nil
}

// says keeps what the engine or its runtime says of itself.
func (e *engine) says(t *testing.T, text []byte) {
	name := e.path(fmt.Sprintf("host-%d", len(e.hosts)))
	require.NoError(t, os.WriteFile(name, text, 0o600))
	e.hosts = append(e.hosts, name)
}

// daemon starts the engine's daemon, and waits until it answers.
func (e *engine) daemon(t *testing.T, command ...string) {
	command = e.entered(command...)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = e.dir
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(unix.SIGTERM)
		_ = cmd.Wait()
		left, _ := filepath.Glob("/sys/fs/cgroup/*/" + enginesCgroup)
		for _, dir := range append(left, "/sys/fs/cgroup/"+enginesCgroup) {
			_ = os.Remove(dir)
		}
	})
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		_, err := e.command(t, slices.Concat(e.client, []string{"version"}))
		if err == nil {
			return
		}
		require.True(t, time.Now().Before(deadline), "%v", err)
	}
}

// answered returns what the filter of a container answers to calls.
func (e *engine) answered(t *testing.T, name string, c confinement, calls []request) ([]string, error) {
	command := slices.Concat(e.client, []string{"run"}, e.flags(c))
	switch e.name {
	case "containerd":
		command = append(command, "--snapshotter", "native", "--fifo-dir", e.path("fifo"), "--cpu-shares", "0", "--cgroup", "/"+enginesCgroup+"/"+name, imageName, name)
	default: // else crun makes more calls under the filter than its own last
		command = append(command, "--name", name, "--network=none", "--security-opt", "no-new-privileges", imageName)
	}
	out, err := e.command(t, slices.Concat(command, []string{"/answers"}, arguments(calls)))
	ran := strings.Fields(string(out))
	if err == nil && len(ran) != len(calls) {
		err = fmt.Errorf("%d answers to %d calls", len(ran), len(calls))
	}
	return ran, err
}

// flags returns a confinement as the engine's command line has it.
func (e *engine) flags(c confinement) (flags []string) {
	prefix := ""
	switch {
	case e.name != "containerd":
		if c.profile != "" {
			flags = []string{"--security-opt", "seccomp=" + c.profile}
		}
	case c.profile == "":
		prefix, flags = "CAP_", []string{"--seccomp"}
	case c.profile == "unconfined":
		prefix = "CAP_"
	default:
		prefix, flags = "CAP_", []string{"--seccomp", "--seccomp-profile", c.profile}
	}
	for _, a := range c.add {
		flags = append(flags, "--cap-add", prefix+a)
	}
	for _, d := range c.drop {
		flags = append(flags, "--cap-drop", prefix+d)
	}
	if c.privileged {
		flags = append(flags, "--privileged")
	}
	return flags
}

// inspect returns what the engine says of a container, as people save it.
func (e *engine) inspect(t *testing.T, name string) []byte {
	if e.name == "containerd" {
		return e.run(t, "containers", "info", name)
	}
	return e.run(t, "inspect", name)
}

// writeImage writes an image of one program, as docker save does.
func writeImage(t *testing.T, program string) string {
	pack := func(files ...string) string { // names and contents in turn
		var text bytes.Buffer
		w := tar.NewWriter(&text)
		for i := 0; i < len(files); i += 2 {
			require.NoError(t, w.WriteHeader(&tar.Header{Name: files[i], Mode: 0o755, Size: int64(len(files[i+1]))}))
			_, err := io.WriteString(w, files[i+1])
			require.NoError(t, err)
		}
		require.NoError(t, w.Close())
		return text.String()
	}
	text, err := os.ReadFile(program)
	require.NoError(t, err)
	layer := pack(filepath.Base(program), string(text))
	config := fmt.Sprintf(`{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%x"]}}`, sha256.Sum256([]byte(layer)))
	image := pack("manifest.json", `[{"Config":"config.json","RepoTags":["`+imageName+`"],"Layers":["layer.tar"]}]`, "config.json", config, "layer.tar", layer)
	name := filepath.Join(t.TempDir(), "image.tar")
	require.NoError(t, os.WriteFile(name, []byte(image), 0o600))
	return name
}
