package track

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/whydenied/whydenied/explain/container"
)

// criEngine serves the CRI on a unix socket.
func criEngine(t *testing.T, handler http.HandlerFunc) criAPI {
	t.Helper()
	listener := listenUnix(t)
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: handler, Protocols: &protocols}
	t.Cleanup(func() { server.Close() })
	go server.Serve(listener)
	return criAPI(listener.Addr().String())
}

// reply answers as gRPC does.
func reply(w http.ResponseWriter, body []byte, status string) {
	w.Header().Set("Content-Type", "application/grpc")
	w.Write(body)
	w.Header().Set(http.TrailerPrefix+"Grpc-Status", status)
}

// framed puts what gRPC has before a message.
func framed(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

// nested is a field of bytes.
func nested(field protowire.Number, value string) string {
	return string(protowire.AppendString(protowire.AppendTag(nil, field, protowire.BytesType), value))
}

// The messages are those of crictl-*.json, made with k8s.io/cri-api v0.37.2.
func TestInspectCRI(t *testing.T) {
	for _, name := range []string{"containerd", "crio"} {
		message, err := os.ReadFile("testdata/cri-" + name + ".pb")
		require.NoError(t, err)
		text, err := os.ReadFile(fixtures + "crictl-" + name + ".json")
		require.NoError(t, err)
		want, err := container.Read("crictl", text)
		require.NoError(t, err)
		var asked []byte
		socket := criEngine(t, func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, "POST /runtime.v1.RuntimeService/ContainerStatus HTTP/2.0", r.Method+" "+r.URL.Path+" "+r.Proto)
			assert.Equal(t, "application/grpc", r.Header.Get("Content-Type"))
			asked, _ = io.ReadAll(r.Body)
			reply(w, framed(message), "0")
		})
		id := want[0].ID
		got, err := inspect(context.Background(), socket, id)
		require.NoError(t, err)
		assert.Equal(t, framed([]byte(nested(1, id)+"\x10\x01")), asked)
		assert.JSONEq(t, want[0].SeccompProfile, got.SeccompProfile)
		got.SeccompProfile = want[0].SeccompProfile
		for _, at := range []*time.Time{&want[0].Created, &want[0].Started, &want[0].Finished, &want[0].Ended} {
			*at = at.UTC()
		}
		assert.Equal(t, want[0], got)
	}
}

// What ctr has containerd run, the CRI does not know: containerd is asked in each of its namespaces.
func TestInspectContainerd(t *testing.T) {
	spec := `{"ociVersion":"1.0.2","process":{"args":["/usr/bin/busybox"],"apparmorProfile":"shop"},"linux":{"seccomp":{"defaultAction":"SCMP_ACT_ALLOW"}}}`
	web := nested(1, "web") + nested(2, nested(1, "nerdctl/name")+nested(2, "shop")) + nested(3, "localhost/shop:1") +
		nested(5, nested(1, "types.containerd.io/opencontainers/runtime-spec/1/Spec")+nested(2, spec)) + nested(7, "web") + nested(8, "\x08\x80\x80\x80\xd8\x06")
	var asked []string
	serve := func(container string) criAPI {
		return criEngine(t, func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, r.Header.Get("Containerd-Namespace")+r.URL.Path)
			switch {
			case r.URL.Path == "/containerd.services.namespaces.v1.Namespaces/List":
				reply(w, framed([]byte(nested(1, nested(1, "moby"))+nested(1, nested(1, "a\nb"))+nested(1, nested(1, "prod")))), "0")
			case r.Header.Get("Containerd-Namespace") == "prod":
				reply(w, framed([]byte(nested(1, container))), "0")
			default:
				w.Header().Set("Grpc-Status", "5")
			}
		})
	}
	got, err := inspect(t.Context(), serve(web), "web")
	require.NoError(t, err)
	assert.Equal(t, []string{"web", "shop", "localhost/shop:1", "containerd", "shop"}, []string{got.ID, got.Name, got.Image, got.Runtime, got.AppArmorProfile})
	assert.JSONEq(t, spec, got.SeccompProfile)
	assert.Equal(t, int64(1795162112), got.Created.Unix())
	assert.Equal(t, []string{"/runtime.v1.RuntimeService/ContainerStatus", "/containerd.services.namespaces.v1.Namespaces/List",
		"moby/containerd.services.containers.v1.Containers/Get", "prod/containerd.services.containers.v1.Containers/Get"}, asked)

	for name, broken := range map[string]string{"another's": nested(1, "other"), "no protobuf": "\xff\xff", "none": ""} {
		_, err := inspect(t.Context(), serve(broken), "web")
		assert.Error(t, err, name)
	}
	got, err = inspect(t.Context(), serve(nested(1, "web")+nested(3, "shop")+nested(5, nested(2, "{"))), "web")
	require.NoError(t, err)
	assert.Equal(t, []string{"shop", ""}, []string{got.Image, got.SeccompProfile})
}

// What no kubelet made has no labels.
func TestPodWithoutLabels(t *testing.T) {
	found, err := container.Read("crictl", []byte(`{"status":{"id":"a"},"info":{"runtimeSpec":{"ociVersion":"1.0.2","process":{},
		"annotations":{"io.kubernetes.cri.sandbox-name":"shop-1","io.kubernetes.cri.sandbox-namespace":"prod"}}}}`))
	require.NoError(t, err)
	assert.Equal(t, []string{"shop-1", "prod"}, []string{found[0].Pod, found[0].Namespace})
}

func TestInspectCRIFails(t *testing.T) {
	id := strings.Repeat("a", 64)
	say := func(body []byte, status string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { reply(w, body, status) }
	}
	good := framed([]byte(nested(1, nested(1, id))))
	tests := map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"no CRI": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Grpc-Status", "12")
			w.Header().Set("Grpc-Message", "unknown service runtime.v1.RuntimeService")
		}, "has no CRI"},
		"not found": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Grpc-Status", "5")
			w.Header().Set("Grpc-Message", "no %1Bsuch")
		}, `answers "no %1Bsuch" (gRPC status "5") to a question for container aaaaaaaaaaaa`},
		"another's":        {say(framed([]byte(nested(1, nested(1, id+"b")))), "0"), "answers for another container than aaaaaaaaaaaa"},
		"nothing":          {say(nil, "0"), "something else than one whole gRPC message"},
		"empty":            {say(framed(nil), "0"), "answers for another container"},
		"truncated":        {say(good[:len(good)-1], "0"), "something else than one whole gRPC message"},
		"two":              {say(append(good, good...), "0"), "something else than one whole gRPC message"},
		"compressed":       {say(append([]byte{1}, good[1:]...), "0"), "something else than one whole gRPC message"},
		"no status":        {func(w http.ResponseWriter, _ *http.Request) { w.Write(good) }, "which is not gRPC"},
		"an error of HTTP": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, "answers 503 Service Unavailable, which is not gRPC"},
		"no protobuf":      {say(framed([]byte("\xff\xff\xff")), "0"), "broken message"},
		"broken within":    {say(framed([]byte(nested(1, nested(1, id)+nested(2, "\x0a\x7f")))), "0"), "broken message"},
		"no JSON":          {say(framed([]byte(nested(1, nested(1, id))+nested(2, nested(1, "info")+nested(2, "{")))), "0"), "broken message"},
		"JSON of another shape": {say(framed([]byte(nested(1, nested(1, id))+nested(2, nested(1, "info")+nested(2, `{"pid":"x"}`)))), "0"),
			"broken message"},
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			for w != nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}, "answers with more than"},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Write(good[:9])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, "cannot read the answer"},
		"silent": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "context deadline exceeded"},
		"silent in middle": {func(w http.ResponseWriter, r *http.Request) {
			w.Write(good[:9])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "context deadline exceeded"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if strings.HasPrefix(name, "silent") {
				ctx, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
				defer cancel()
			}
			_, err := inspect(ctx, criEngine(t, test.handler), id)
			require.ErrorContains(t, err, test.want)
			assert.Equal(t, name == "no CRI", errors.Is(err, errors.ErrUnsupported))
		})
	}
	_, err := inspect(context.Background(), criAPI(engine(t, http.NotFound)), id)
	assert.ErrorContains(t, err, "cannot ask the engine at", "it speaks HTTP/1 alone")
	_, err = inspect(context.Background(), criAPI(filepath.Join(t.TempDir(), "none")), id)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// A connection that nobody answers is not left behind.
func TestSilentConnection(t *testing.T) {
	listener := listenUnix(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := inspect(ctx, criAPI(listener.Addr().String()), "a")
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	connection, err := listener.Accept()
	require.NoError(t, err)
	defer connection.Close()
	require.NoError(t, connection.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, err = io.Copy(io.Discard, connection)
	assert.NoError(t, err, "it is closed")
}

func TestGatherFromCRI(t *testing.T) {
	id, gone := strings.Repeat("b", 64), strings.Repeat("c", 64)
	info := `{"pid":7,"config":{"envs":[{"key":"TOKEN","value":"hush"}]},"runtimeSpec":{"ociVersion":"1.0.2","process":{"args":["nginx"]},"linux":{}}}`
	socket := criEngine(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case strings.HasSuffix(r.URL.Path, "/Version"):
			reply(w, framed([]byte(nested(1, "0.1.0")+nested(2, "containerd")+nested(3, "v1.7.2"))), "0")
		case strings.HasSuffix(r.URL.Path, "/ListContainers"):
			reply(w, framed([]byte(nested(1, nested(1, id)+nested(2, "sandbox"))+nested(1, nested(1, "../x"))+nested(1, nested(1, gone)))), "0")
		case strings.Contains(string(body), id):
			reply(w, framed([]byte(nested(1, nested(1, id)+nested(2, nested(1, "web")))+nested(2, nested(1, "info")+nested(2, info)))), "0")
		default:
			reply(w, nil, "5")
		}
	})
	g := gathering{ids: map[string]bool{}, names: map[string]bool{}}
	g.fromEngine(context.Background(), socket)
	require.Len(t, g.found, 2)
	hosts := container.ReadHosts(g.found[0].Text)
	require.Len(t, hosts, 1)
	assert.Equal(t, []string{"containerd", "1.7.2"}, []string{hosts[0].Engine, hosts[0].Version})
	found, err := g.found[1].Containers()
	require.NoError(t, err)
	assert.Equal(t, []string{"web", "nginx", id}, []string{found[0].Name, found[0].Command[0], g.found[1].Container})
	assert.Equal(t, fmt.Sprintf("%s/ContainerStatus/%s", socket, id), g.found[1].Name)
	assert.NotContains(t, string(g.found[1].Text), "hush", "only what is read is taken")
	require.Len(t, g.problems, 1)
	assert.ErrorContains(t, g.problems[0], `gRPC status "5"`)

	// Docker's containerd has no CRI, and that is no problem.
	g = gathering{ids: map[string]bool{}, names: map[string]bool{}}
	g.fromEngine(context.Background(), criEngine(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, nil, "12") }))
	g.fromEngine(context.Background(), criAPI(filepath.Join(t.TempDir(), "none")))
	assert.Empty(t, g.found)
	assert.Empty(t, g.problems)
}

// A container whose bundle tells all is not asked for.
func TestCacheAsksCRI(t *testing.T) {
	t.Setenv("CONTAINER_RUNTIME_ENDPOINT", "unix:///")
	named, plain, ours := strings.Repeat("a", 64), strings.Repeat("b", 64), strings.Repeat("c", 64)
	k := newCache()
	k.disk = place(t, map[string]string{
		"/run/containerd/io.containerd.runtime.v2.task/k8s.io/" + named + "/config.json": `{"ociVersion":"1.0.2","process":{"args":["nginx"]},"linux":{},
			"annotations":{"io.kubernetes.cri.container-type":"container","io.kubernetes.cri.container-name":"web"}}`,
		"/run/containerd/io.containerd.runtime.v2.task/k8s.io/" + ours + "/config.json": `{"ociVersion":"1.0.2","process":{"args":["/pause"]},"linux":{},
			"annotations":{"io.kubernetes.cri.container-type":"sandbox","io.kubernetes.cri.sandbox-id":"` + ours + `"}}`,
		"/run/containerd/io.containerd.runtime.v2.task/k8s.io/" + plain + "/config.json": `{"ociVersion":"1.0.2","process":{"args":["nginx"]},"linux":{}}`,
	})
	var asked []string
	k.inspect = func(_ context.Context, engine api, id string) (container.Container, error) {
		asked = append(asked, fmt.Sprint(engine, " ", id))
		return container.Container{ID: id, Name: "of the CRI"}, nil
	}
	for id, want := range map[string]string{named: "web", ours: "sandbox", plain: "of the CRI"} {
		for range 2 {
			c := k.container(context.Background(), identity{key: key{id: id}, runtime: "containerd"}, true)
			assert.Equal(t, want, c.Name)
			assert.Equal(t, "unconfined", c.SeccompProfile)
		}
	}
	assert.Equal(t, []string{"/ " + plain}, asked)
}

func FuzzCRI(f *testing.F) {
	for _, name := range []string{"containerd", "crio"} {
		message, err := os.ReadFile("testdata/cri-" + name + ".pb")
		require.NoError(f, err)
		f.Add(message)
	}
	f.Add([]byte(nested(1, nested(1, "a")+"\x18\x09\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01") + nested(2, nested(1, "info")+nested(2, `{"runtimeSpec":[]}`))))
	f.Fuzz(func(t *testing.T, message []byte) {
		var d decoder
		c := d.container(message)
		if d.err != nil {
			return
		}
		answer, err := criAPI("/s").answer("a", "/q", c, nil)
		require.NoError(t, err)
		all, err := container.Read("s", answer.Text)
		if err != nil {
			return // the bundle in it is none
		}
		require.Len(t, all, 1)
		// encoding/json makes each byte that is not UTF-8 a character of its own.
		assert.Equal(t, string([]rune(c.Status.ID)), all[0].ID)
	})
}
