package track

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/container"
)

func TestGatherFromDisk(t *testing.T) {
	id := strings.Repeat("a", 64)
	d := place(t, map[string]string{
		"/run/runc/web-1/state.json": `{"id":"web-1","init_process_pid":7,"config":{"labels":["bundle=/srv/web"]}}`,
		"/srv/web/config.json":       `{"ociVersion":"1.0.2","process":{"args":["nginx"]},"linux":{"seccomp":{"defaultAction":"SCMP_ACT_ERRNO"}}}`,
		"/var/lib/containers/storage/overlay-containers/" + id + "/userdata/config.json": `{"ociVersion":"1.0.2","process":{"args":["sh"]}}`,
		"/var/lib/containers/storage/overlay-containers/containers.json":                 `[{"id":"` + id + `","layer":"x","names":["db"],"metadata":"{\"image-name\":\"postgres\"}"},{"id":"other","layer":"y","names":["no"]}]`,
	})
	g := gathering{ids: map[string]bool{}, names: map[string]bool{}}
	g.fromDisk(d)
	assert.Empty(t, g.problems)
	var inventory container.Inventory
	var names []string
	for _, m := range g.found {
		names = append(names, m.Name)
		found, err := m.Containers()
		require.NoError(t, err, m.Name)
		inventory.Add(found...)
	}
	assert.Equal(t, []string{
		"/var/lib/containers/storage/overlay-containers/" + id + "/userdata/config.json", "/srv/web/config.json", "/run/runc/web-1/state.json",
		"/var/lib/containers/storage/overlay-containers/containers.json#" + id,
	}, names)
	require.Len(t, inventory.Containers, 2)
	db, web := inventory.Containers[0], inventory.Containers[1]
	assert.Equal(t, []string{"db", "postgres"}, []string{db.Name, db.Image})
	assert.Equal(t, "web-1", web.ID)
	assert.Equal(t, 7, web.PID)
	assert.Equal(t, "/srv/web/config.json", web.SeccompFile)
}

func TestGatherFromEngine(t *testing.T) {
	id := strings.Repeat("b", 64)
	socket := engine(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/version":
			fmt.Fprint(w, `{"Components":[{"Name":"Engine","Version":"28.1.0"}]}`)
		case "/containers/json":
			assert.Equal(t, "all=1", r.URL.RawQuery)
			fmt.Fprintf(w, `[{"Id":%q},{"Id":"../x"},{"Id":"gone"}]`, id)
		case "/containers/" + id + "/json":
			fmt.Fprintf(w, `{"Id":%q,"Name":"/web","State":{},"Config":{"Image":"nginx"}}`, id)
		default:
			http.NotFound(w, r)
		}
	})
	g := gathering{ids: map[string]bool{}, names: map[string]bool{}}
	g.fromEngine(context.Background(), dockerAPI(socket))
	require.Len(t, g.found, 2)
	hosts := container.ReadHosts(g.found[0].Text)
	require.Len(t, hosts, 1)
	assert.Equal(t, []string{"docker", "28.1.0"}, []string{hosts[0].Engine, hosts[0].Version})
	found, err := g.found[1].Containers()
	require.NoError(t, err)
	assert.Equal(t, "web", found[0].Name)
	require.Len(t, g.problems, 1)
	assert.ErrorContains(t, g.problems[0], "404 Not Found to a question for container gone")
}

func TestGatherIsBounded(t *testing.T) {
	g := gathering{ids: map[string]bool{}, names: map[string]bool{}}
	for i := range maxGathered + 10 {
		g.take(container.Metadata{Container: fmt.Sprint("c", i), Name: fmt.Sprint("/f", i)})
	}
	assert.Len(t, g.found, maxGathered)
	assert.Len(t, g.problems, 1)
}
