//go:build e2e && linux && amd64

package track

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/whydenied/whydenied/explain/container"
)

// A real containerd tells of a pod's container what its bundle told, which is gone
// with it; the kubelet's part is this test's.
func TestContainerdCRI(t *testing.T) {
	for _, need := range []string{"containerd", "ctr", "runc", "gcc", "busybox"} {
		if _, err := exec.LookPath(need); err != nil {
			missing(t, "%s (Debian's containerd, runc, gcc, busybox-static)", need)
		}
	}
	socket := startContainerd(t, true)
	t.Setenv("CONTAINER_RUNTIME_ENDPOINT", "unix://"+string(socket))
	dir := filepath.Dir(string(socket))
	image := filepath.Join(dir, "image.tar")
	require.NoError(t, os.WriteFile(image, makeImage(t), 0o600))
	out, err := exec.Command("ctr", "-a", string(socket), "-n", "k8s.io", "images", "import", image).CombinedOutput()
	require.NoError(t, err, "%s", out)
	profile := filepath.Join(dir, "profile.json") // of the OCI's form
	require.NoError(t, os.WriteFile(profile, []byte(`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_KILL_PROCESS"}]}`), 0o600))

	trackers := map[string]*Tracker{TierBPF: track(t, TierBPF)}
	stop := listen(t, trackers)
	id := runPod(t, socket, "/kubepods/burstable/pod0b3c8a1e-5f8b-4f3c-9a61-2f1d2c3b4a59", profile)
	known := identity{key: key{id: id}}
	var late container.Container
	require.Eventually(t, func() bool { // its bundle is in no place that is known
		late, err = inspect(t.Context(), engines(0, "")[2], id)
		return err == nil && late.State == "CONTAINER_EXITED"
	}, 30*time.Second, 100*time.Millisecond)

	records := stop()
	require.Len(t, records, 1)
	cached := newCache().container(t.Context(), known, true)
	for how, c := range map[string]container.Container{"live": records[0].found[TierBPF], "asked": late, "cached": cached} {
		assert.Equal(t, id, c.ID, how)
		assert.Equal(t, []string{"web", "localhost/churn:1", "containerd", "shop-1", "prod"}, []string{c.Name, c.Image, c.Runtime, c.Pod, c.Namespace}, how)
		assert.Contains(t, c.SeccompProfile, `"mkdir"`, how)
		assert.Contains(t, c.Caps, "CAP_CHOWN", how)
		assert.Equal(t, []string{"/" + churnName, "-83"}, c.Command, how)
	}
	assert.Equal(t, 128+int(syscall.SIGSYS), late.ExitCode)
	assert.WithinDuration(t, records[0].time, late.Finished, 5*time.Second)
	assert.False(t, late.Created.IsZero() || late.Started.Before(late.Created)) // the start can be noticed after the end

	g := gathering{ids: map[string]bool{}, names: map[string]bool{}}
	g.fromEngine(t.Context(), socket)
	require.Empty(t, g.problems)
	require.Len(t, g.found, 2)
	hosts := container.ReadHosts(g.found[0].Text)
	require.Len(t, hosts, 1)
	assert.Equal(t, "containerd", hosts[0].Engine)
	out, err = exec.Command("containerd", "--version").Output()
	require.NoError(t, err)
	assert.Contains(t, string(out), hosts[0].Version)
	assert.Equal(t, id, g.found[1].Container)

	_, err = socket.inspect(t.Context(), strings.Repeat("f", 64))
	assert.ErrorContains(t, err, `gRPC status "5"`)
	_, err = inspect(t.Context(), socket, id[:12])
	assert.ErrorContains(t, err, "answers for another container", "containerd takes a prefix")
}

// A containerd that dockerd starts, or that Docker's packages set up, has no CRI.
func TestContainerdWithoutCRI(t *testing.T) {
	if _, err := exec.LookPath("containerd"); err != nil {
		missing(t, "containerd")
	}
	_, err := startContainerd(t, false).version(t.Context())
	assert.ErrorIs(t, err, errors.ErrUnsupported)
}

// startContainerd starts a daemon with a folder of its own.
func startContainerd(t *testing.T, cri bool) criAPI {
	dir, err := os.MkdirTemp("", "whydenied")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	disabled := `"io.containerd.grpc.v1.cri"`
	if cri {
		disabled = ""
	}
	config := fmt.Sprintf(`version = 2
root = %[1]q
state = %[2]q
disabled_plugins = ["io.containerd.internal.v1.opt", %[4]s]
[grpc]
address = %[3]q
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "localhost/churn:1"
restrict_oom_score_adj = true
disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".cni]
conf_dir = %[1]q
bin_dir = %[1]q
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
`, filepath.Join(dir, "root"), filepath.Join(dir, "state"), filepath.Join(dir, "s"), disabled)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.toml"), []byte(config), 0o600))
	var said bytes.Buffer
	daemon := exec.Command("containerd", "-c", filepath.Join(dir, "config.toml"))
	daemon.Stdout, daemon.Stderr = &said, &said
	require.NoError(t, daemon.Start())
	t.Cleanup(func() {
		_ = daemon.Process.Signal(syscall.SIGTERM)
		_ = daemon.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	socket := criAPI(filepath.Join(dir, "s"))
	require.Eventually(t, func() bool {
		_, err := socket.version(t.Context())
		return err == nil || !cri && errors.Is(err, errors.ErrUnsupported)
	}, 30*time.Second, 100*time.Millisecond)
	return socket
}

// makeImage makes an image as docker save does, of churn and busybox, whose own
// command waits.
func makeImage(t *testing.T) []byte {
	dir := t.TempDir()
	churn := filepath.Join(dir, "churn")
	out, err := exec.Command("gcc", "-O1", "-static", "-o", churn, "testdata/live/churn.c").CombinedOutput()
	require.NoError(t, err, "%s", out)
	busybox, err := exec.LookPath("busybox")
	require.NoError(t, err)
	pack := func(files ...string) []byte { // names and contents in turn
		var text bytes.Buffer
		w := tar.NewWriter(&text)
		for i := 0; i < len(files); i += 2 {
			require.NoError(t, w.WriteHeader(&tar.Header{Name: files[i], Mode: 0o755, Size: int64(len(files[i+1]))}))
			_, err := io.WriteString(w, files[i+1])
			require.NoError(t, err)
		}
		require.NoError(t, w.Close())
		return text.Bytes()
	}
	read := func(name string) string {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		return string(text)
	}
	layer := pack(churnName, read(churn), "busybox", read(busybox))
	config := fmt.Sprintf(`{"architecture":"amd64","os":"linux","config":{"Cmd":["/busybox","sleep","600"]},"rootfs":{"type":"layers","diff_ids":["sha256:%x"]}}`, sha256.Sum256(layer))
	return pack("manifest.json", `[{"Config":"config.json","RepoTags":["localhost/churn:1"],"Layers":["layer.tar"]}]`, "config.json", config, "layer.tar", string(layer))
}

// runPod runs a pod in the host's network whose container is refused mkdir, and
// returns the container's ID.
func runPod(t *testing.T, socket criAPI, cgroup, profile string) string {
	number := func(field protowire.Number, value uint64) string {
		return string(protowire.AppendVarint(protowire.AppendTag(nil, field, protowire.VarintType), value))
	}
	const node, unconfined, localhost = 2, 1, 2
	onHost := number(1, node)
	pod := nested(1, nested(1, "shop-1")+nested(2, "0b3c8a1e-5f8b-4f3c-9a61-2f1d2c3b4a59")+nested(3, "prod")) +
		nested(8, nested(1, cgroup)+nested(2, nested(1, onHost)+nested(9, number(1, unconfined))))
	sandbox := runtimeCall(t, socket, "RunPodSandbox", nested(1, pod))
	t.Cleanup(func() {
		runtimeCall(t, socket, "StopPodSandbox", nested(1, sandbox))
		runtimeCall(t, socket, "RemovePodSandbox", nested(1, sandbox))
		for dir := cgroup; len(dir) > 1; dir = filepath.Dir(dir) {
			left, _ := filepath.Glob("/sys/fs/cgroup/*" + dir)
			for _, d := range append(left, "/sys/fs/cgroup"+dir) {
				_ = os.Remove(d) // others may use it
			}
		}
	})
	config := nested(1, nested(1, "web")) + nested(2, nested(1, "localhost/churn:1")) + nested(3, "/"+churnName) + nested(4, "-83") +
		nested(15, nested(2, nested(3, onHost)+nested(15, number(1, localhost)+nested(2, profile))))
	id := runtimeCall(t, socket, "CreateContainer", nested(1, sandbox)+nested(2, config)+nested(3, pod))
	runtimeCall(t, socket, "StartContainer", nested(1, id))
	return id
}

// runtimeCall calls a method that takes its time, and returns the first string of the answer.
func runtimeCall(t *testing.T, socket criAPI, method, message string) string {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DisableKeepAlives: true, Protocols: &protocols,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", string(socket)) },
	}}
	response, err := client.Post("http://localhost/runtime.v1.RuntimeService/"+method, "application/grpc", bytes.NewReader(framed([]byte(message))))
	require.NoError(t, err, method)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err, method)
	require.Equal(t, "0", response.Trailer.Get("Grpc-Status"), "%s: %v %v", method, response.Header, response.Trailer)
	var d decoder
	return d.text(body[5:], 1)
}
