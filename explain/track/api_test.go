package track

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/container"
)

// listenUnix listens on a unix socket.
func listenUnix(t *testing.T) net.Listener {
	t.Helper()
	dir, err := os.MkdirTemp("", "whydenied") // t.TempDir's can be too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	listener, err := net.Listen("unix", filepath.Join(dir, "s"))
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	return listener
}

// engine serves an API on a unix socket.
func engine(t *testing.T, handler http.HandlerFunc) (socket string) {
	t.Helper()
	listener := listenUnix(t)
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: handler}}
	server.Start()
	t.Cleanup(server.Close)
	return listener.Addr().String()
}

func TestInspect(t *testing.T) {
	id := strings.Repeat("a", 64)
	answer := fmt.Sprintf(`{"Id":%q,"Name":"/web","State":{"Pid":7,"Running":true,"Status":"running"},"AppArmorProfile":"docker-default","Config":{"Image":"nginx"},"HostConfig":{"CapAdd":["NET_ADMIN"]}}`, id)
	var asked string
	socket := engine(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.URL.EscapedPath()
		fmt.Fprint(w, answer)
	})
	c, err := inspect(context.Background(), dockerAPI(socket), id)
	require.NoError(t, err)
	assert.Equal(t, "GET /containers/"+id+"/json", asked)
	assert.Equal(t, "web", c.Name)
	assert.Equal(t, "docker", c.Runtime)
	assert.Equal(t, 7, c.PID)
	assert.Contains(t, c.Caps, "CAP_NET_ADMIN")

	_, err = inspect(context.Background(), dockerAPI(socket), "b/../c?x")
	assert.ErrorContains(t, err, "answers for another container than b/../c?x")
	assert.Equal(t, "GET /containers/b%2F..%2Fc%3Fx/json", asked)
}

func TestInspectFails(t *testing.T) {
	tests := map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"not found": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, "answers 404 Not Found to a question for container aaaaaaaaaaaa"},
		"no JSON":   {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }, "not JSON"},
		"a list":    {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "[]") }, "answers for another container"},
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			for w != nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}, "answers with more than"},
		"silent": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "context deadline exceeded"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if name == "silent" {
				ctx, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
				defer cancel()
			}
			_, err := inspect(ctx, dockerAPI(engine(t, test.handler)), strings.Repeat("a", 64))
			assert.ErrorContains(t, err, test.want)
		})
	}
	_, err := inspect(context.Background(), dockerAPI(filepath.Join(t.TempDir(), "none")), "a")
	assert.ErrorContains(t, err, "cannot ask the engine at")
}

func TestEngines(t *testing.T) {
	t.Setenv("DOCKER_HOST", "tcp://localhost:1")
	assert.Equal(t, []api{dockerAPI("/run/docker.sock")}, engines(0, "docker"))
	assert.Equal(t, []api{dockerAPI("/run/podman/podman.sock")}, engines(0, "podman"))
	assert.Equal(t, []api{dockerAPI("/run/user/1000/docker.sock"), dockerAPI("/run/user/1000/podman/podman.sock")}, engines(1000, ""))
	t.Setenv("DOCKER_HOST", "unix:///x/s")
	assert.Equal(t, []api{dockerAPI("/x/s")}, engines(0, "docker"))
	assert.Equal(t, []api{dockerAPI("/run/user/1000/docker.sock")}, engines(1000, "docker"), "it is not that user's")

	// The CRI is the system's, and its socket is there.
	there := filepath.Join(t.TempDir(), "s")
	t.Setenv("CONTAINER_RUNTIME_ENDPOINT", "unix://"+there)
	assert.Empty(t, engines(0, "containerd"))
	require.NoError(t, os.WriteFile(there, nil, 0o600))
	assert.Equal(t, []api{criAPI(there)}, engines(0, "containerd"))
	assert.Equal(t, []api{criAPI(there)}, engines(0, "cri-o"))
	assert.Equal(t, []api{dockerAPI("/x/s"), dockerAPI("/run/podman/podman.sock"), criAPI(there)}, engines(0, ""))
	assert.Empty(t, engines(0, "lxc"))
	assert.Empty(t, engines(1000, "containerd"))
}

// The cache asks what disk does not tell, rarely where there is no answer, and
// keeps containers that are gone.
func TestCacheAsks(t *testing.T) {
	id := identity{key: key{id: strings.Repeat("a", 64)}, runtime: "docker", path: "/docker/a"}
	k := newCache()
	k.disk.root = t.TempDir()
	var asked atomic.Int32
	answers := false
	k.inspect = func(context.Context, api, string) (container.Container, error) {
		asked.Add(1)
		if !answers {
			return container.Container{}, os.ErrNotExist
		}
		return container.Container{ID: id.id, Name: "web", Runtime: "docker", Image: "nginx"}, nil
	}
	ask := func() container.Container { return k.container(context.Background(), id, true) }
	c := ask()
	assert.Equal(t, container.Container{ID: id.id, Runtime: "docker", CgroupPath: "/docker/a"}, c)
	ask()
	assert.EqualValues(t, 1, asked.Load(), "a moment ago it had no answer")
	assert.Empty(t, k.inventory(nil).Containers, "nothing but its ID is known")
	answers = true
	k.entries[id.key].asked = time.Time{}
	assert.Equal(t, "web", ask().Name)
	answers = false
	k.entries[id.key].asked = time.Time{}
	assert.Equal(t, "nginx", ask().Image)
	assert.EqualValues(t, 2, asked.Load(), "complete")
	assert.Len(t, k.inventory(nil).Containers, 1)
}

func TestCacheIsBounded(t *testing.T) {
	k := newCache()
	k.disk.root = t.TempDir()
	k.inspect = func(_ context.Context, _ api, id string) (container.Container, error) {
		return container.Container{ID: id, Name: id, SeccompProfile: strings.Repeat("x", maxText/100)}, nil
	}
	for i := range 2 * maxContainers {
		id := fmt.Sprintf("%064d", i)
		c := k.container(context.Background(), identity{key: key{id: id}, runtime: "docker"}, true)
		require.Equal(t, id, c.Name)
		k.container(context.Background(), identity{key: key{id: fmt.Sprintf("%064d", 0)}, runtime: "docker"}, true)
	}
	assert.LessOrEqual(t, k.text, maxText)
	assert.LessOrEqual(t, len(k.entries), 100)
	assert.Contains(t, k.entries, key{id: fmt.Sprintf("%064d", 0)}, "it was used last")
}
