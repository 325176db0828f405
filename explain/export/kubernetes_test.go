package export

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/report"
)

// An apiServer is as much of the Kubernetes API as the writer needs: discovery of groups,
// and server-side apply as its documentation has it (kubernetes.io/docs/reference/
// using-api/server-side-apply): PATCH of the object's own path, application/apply-patch,
// a field manager, and a body with apiVersion, kind and the name of the path.
type apiServer struct {
	t       *testing.T
	groups  []string
	status  int // of a PATCH, 200 if it is not set
	objects map[string]map[string]any
	writes  int
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := s.t
	assert.Equal(t, "Bearer pod-token", r.Header.Get("Authorization"))
	if r.Method == http.MethodGet {
		for _, group := range s.groups {
			if r.URL.Path == "/apis/"+group {
				io.WriteString(w, `{"kind":"APIResourceList"}`)
				return
			}
		}
		w.WriteHeader(http.StatusNotFound)
		return
	}
	assert.Equal(t, http.MethodPatch, r.Method)
	assert.Equal(t, "application/apply-patch+yaml", r.Header.Get("Content-Type"))
	assert.Equal(t, "whydenied", r.URL.Query().Get("fieldManager"))
	if s.status != 0 {
		w.WriteHeader(s.status)
		return
	}
	var object map[string]any
	assert.NoError(t, json.NewDecoder(r.Body).Decode(&object))
	metadata := object["metadata"].(map[string]any)
	plural := map[string]string{"Event": "events", "Report": "reports", "PolicyReport": "policyreports"}[object["kind"].(string)]
	prefix := "/apis/"
	if object["apiVersion"] == "v1" {
		prefix = "/api/"
	}
	path := fmt.Sprint(prefix, object["apiVersion"], "/namespaces/", metadata["namespace"], "/", plural, "/", metadata["name"])
	assert.Equal(t, path, r.URL.Path)
	s.objects[path] = object
	s.writes++
}

// take enters a finding and writes it.
func take(t *testing.T, c *Cluster, f *report.Finding, now time.Time) error {
	t.Helper()
	c.Take(report.Message{Finding: f})
	return c.Write(t.Context(), now)
}

// start returns the cluster of a server.
func (s *apiServer) start(t *testing.T) *Cluster {
	t.Helper()
	s.t, s.objects = t, map[string]map[string]any{}
	server := httptest.NewTLSServer(s)
	t.Cleanup(server.Close)
	token := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(token, []byte("pod-token\n"), 0o600))
	c, err := newCluster(t.Context(), server.URL, token, "node-1", server.Client())
	require.NoError(t, err)
	return c
}

func podFinding() *report.Finding {
	return &report.Finding{
		ID: "0123456789ab", Message: "app may not write /x", Why: "no rule names it", Cause: "no-matching-rule", Mode: "DENIED",
		Policy: "/etc/apparmor.d/web", First: "2026-03-01T09:00:00.123Z", Last: "2026-03-01T09:05:00.000Z",
		Containers: []report.Counted{{Name: "shop/web-0/app", Count: 3}, {Name: "shop/web-0/side", Count: 1}, {Name: "shop/web-1/app", Count: 2}, {Name: "c1", Count: 9}},
	}
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestCluster(t *testing.T) {
	s := apiServer{groups: []string{"openreports.io/v1alpha1", "wgpolicyk8s.io/v1alpha2"}}
	c := s.start(t)
	require.NoError(t, take(t, c, podFinding(), noon))
	require.Len(t, s.objects, 4, "an event and a report for each of two pods")
	event := s.objects["/api/v1/namespaces/shop/events/web-0.whydenied-0123456789ab"]
	assert.Equal(t, map[string]any{"apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": "web-0"}, event["involvedObject"])
	assert.Equal(t, "app may not write /x: no rule names it", event["message"])
	assert.Equal(t, 4.0, event["count"], "of both containers")
	assert.Equal(t, "2026-03-01T09:00:00Z", event["firstTimestamp"])
	found := s.objects["/apis/openreports.io/v1alpha1/namespaces/shop/reports/web-0.whydenied"]
	assert.Equal(t, map[string]any{"pass": 0.0, "fail": 1.0, "warn": 0.0, "error": 0.0, "skip": 0.0}, found["summary"])
	assert.Len(t, found["results"], 1)

	// No more than once an hour for each finding, though it goes on.
	for minutes := range 59 {
		require.NoError(t, take(t, c, podFinding(), noon.Add(time.Duration(minutes)*time.Minute)))
	}
	assert.Equal(t, 4, s.writes)
	again, other := podFinding(), podFinding()
	other.Containers = other.Containers[:1]
	c.Take(report.Message{Repeat: &report.Repeat{ID: again.ID, Containers: []report.Counted{{Name: "shop/web-0/app", Count: 400}}}})
	c.Take(report.Message{Repeat: &report.Repeat{ID: "unknown"}})
	require.NoError(t, c.Write(t.Context(), noon.Add(time.Hour)))
	assert.Equal(t, 6, s.writes)
	assert.Equal(t, 400.0, s.objects["/api/v1/namespaces/shop/events/web-0.whydenied-0123456789ab"]["count"])
	other.ID, other.Mode = "ba9876543210", "ALLOWED"
	require.NoError(t, take(t, c, other, noon))
	found = s.objects["/apis/openreports.io/v1alpha1/namespaces/shop/reports/web-0.whydenied"]
	assert.Equal(t, map[string]any{"pass": 0.0, "fail": 1.0, "warn": 1.0, "error": 0.0, "skip": 0.0}, found["summary"])
	assert.Len(t, found["results"], 2)
}

func TestClusterWithOtherReports(t *testing.T) {
	s := apiServer{groups: []string{"wgpolicyk8s.io/v1alpha2"}}
	require.NoError(t, take(t, s.start(t), podFinding(), noon))
	assert.Contains(t, s.objects, "/apis/wgpolicyk8s.io/v1alpha2/namespaces/shop/policyreports/web-1.whydenied")
	s = apiServer{}
	require.NoError(t, take(t, s.start(t), podFinding(), noon))
	assert.Len(t, s.objects, 2, "events alone")
}

// What could not be written is said, and tried again when the finding comes again.
func TestClusterRefuses(t *testing.T) {
	s := apiServer{status: http.StatusForbidden}
	c := s.start(t)
	err := take(t, c, podFinding(), noon)
	assert.ErrorContains(t, err, "403 Forbidden")
	s.status = 0
	require.NoError(t, take(t, c, podFinding(), noon.Add(time.Second)))
	assert.Equal(t, 2, s.writes)
}

// Names that no pod can have reach no path of the API.
func TestClusterTakesNoOtherNames(t *testing.T) {
	var s apiServer
	c := s.start(t)
	f := podFinding()
	f.Containers = nil
	for _, name := range []string{"../../x/y", "a/b/c/d", "shop/../app", "shop/web?x/app", "Shop/web/app", "shop/web%2f/app", "shop//app", "/web/app", "shop/web\n/app"} {
		f.Containers = append(f.Containers, report.Counted{Name: name, Count: 1})
	}
	require.NoError(t, take(t, c, f, noon))
	assert.Empty(t, s.objects)
	f.Containers = []report.Counted{{Name: "shop/" + strings.Repeat("a.", 120) + "b/app", Count: 1}}
	require.NoError(t, take(t, c, f, noon))
	require.Len(t, s.objects, 1)
	for path := range s.objects {
		assert.True(t, isName(filepath.Base(path)), path)
	}
}

func TestInClusterOnly(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	_, err := InCluster(t.Context(), "node-1")
	assert.ErrorContains(t, err, "this is no pod")
}
