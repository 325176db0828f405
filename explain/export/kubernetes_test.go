package export

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
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
	refuse  func(w http.ResponseWriter, r *http.Request) bool // whether it answered otherwise
	objects map[string]map[string]any
	writes  int
	asked   int // requests in all
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := s.t
	assert.Equal(t, "Bearer pod-token", r.Header.Get("Authorization"))
	if s.asked++; s.refuse != nil && s.refuse(w, r) {
		return
	}
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
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return clusterAt(t, server.URL, "pod-token\n", ca)
}

// clusterAt returns the cluster at an address, of which a pod has a token and the authority.
func clusterAt(t *testing.T, address, token string, ca []byte) *Cluster {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "token"), []byte(token), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ca.crt"), ca, 0o600))
	api, err := newAPI(address, dir)
	require.NoError(t, err)
	return newCluster(api, "node-1", NewMetrics("v"))
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

// status answers a request as the API does: with a Status (meta/v1).
func status(w http.ResponseWriter, code int, message string) bool {
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code})
	return true
}

// A pod has the UID that the kubelet says: `kubectl describe` asks for Events by it, and the
// cluster removes reports with the pod that has it. One of the same name later is another.
func TestClusterKnowsPodsByUID(t *testing.T) {
	const uid, next, static = "0b3c8a1e-5f8b-4f3c-9a61-2f1d2c3b4a59", "77777777-5f8b-4f3c-9a61-2f1d2c3b4a59", "5c7d0f3b2a5c7d0f3b2a5c7d0f3b2a00"
	s := apiServer{groups: []string{"openreports.io/v1alpha1"}}
	c := s.start(t)
	f := podFinding()
	f.Containers = []report.Counted{
		{Name: "shop/web-0/app", Count: 3, PodUID: uid}, {Name: "shop/web-0/side", Count: 1, PodUID: uid}, {Name: "shop/web-0/app", Count: 9, PodUID: next},
		{Name: "kube-system/etcd/etcd", Count: 1, PodUID: static}, {Name: "shop/web-1/app", Count: 1, PodUID: "../../x\n"},
	}
	require.NoError(t, take(t, c, f, noon))
	require.Len(t, s.objects, 8)
	event := s.objects["/api/v1/namespaces/shop/events/web-0.whydenied-0b3c8a1e-0123456789ab"]
	assert.Equal(t, map[string]any{"apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": "web-0", "uid": uid}, event["involvedObject"])
	assert.Equal(t, 4.0, event["count"])
	found := s.objects["/apis/openreports.io/v1alpha1/namespaces/shop/reports/web-0.whydenied-0b3c8a1e"]
	assert.Equal(t, []any{map[string]any{"apiVersion": "v1", "kind": "Pod", "name": "web-0", "uid": uid}}, found["metadata"].(map[string]any)["ownerReferences"])
	assert.Contains(t, s.objects, "/api/v1/namespaces/shop/events/web-0.whydenied-77777777-0123456789ab")
	found = s.objects["/apis/openreports.io/v1alpha1/namespaces/kube-system/reports/etcd.whydenied-5c7d0f3b"]
	assert.NotContains(t, found["metadata"], "ownerReferences", "the API knows a static pod by another UID, and would remove this at once")
	event = s.objects["/api/v1/namespaces/shop/events/web-1.whydenied-0123456789ab"]
	assert.NotContains(t, event["involvedObject"], "uid")
}

// What the API cannot take now is written when it can, also if it does not come again.
func TestClusterTriesAgain(t *testing.T) {
	s := apiServer{groups: []string{"openreports.io/v1alpha1"}}
	c := s.start(t)
	code, after := http.StatusServiceUnavailable, ""
	s.refuse = func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", after)
		return status(w, code, "etcd is away")
	}
	assert.ErrorContains(t, take(t, c, podFinding(), noon), "tried again: the Kubernetes API answers 503 Service Unavailable to GET /apis/openreports.io/v1alpha1: etcd is away")
	assert.NoError(t, c.Write(t.Context(), noon), "it is not asked yet")
	assert.Equal(t, 1, s.asked)
	now := noon.Add(time.Minute)
	s.refuse = nil
	require.NoError(t, c.Write(t.Context(), now))
	assert.Len(t, s.objects, 4)

	other := podFinding()
	other.ID = "ba9876543210"
	s.asked = 0
	for _, code = range []int{http.StatusTooManyRequests, http.StatusUnauthorized, http.StatusConflict, http.StatusInternalServerError} {
		s.refuse = func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Retry-After", "300")
			return status(w, code, "later")
		}
		assert.ErrorContains(t, take(t, c, other, now), fmt.Sprint("not written, and tried again: the Kubernetes API answers ", code))
		assert.NoError(t, take(t, c, other, now.Add(299*time.Second)), "which is too early")
		now = now.Add(300 * time.Second)
	}
	assert.Equal(t, 4, s.asked, "one of each pass, and none too early")
	s.refuse = nil
	require.NoError(t, c.Write(t.Context(), now))
	assert.Len(t, s.objects, 6)
	assert.Equal(t, 8, s.writes, "though it came in four passes")
	assert.Zero(t, c.Waiting())
}

// What the API does not take of one namespace keeps nothing of another from it, and is not asked
// for again until it comes again in an hour.
func TestClusterIsForbiddenOneNamespace(t *testing.T) {
	s := apiServer{groups: []string{"openreports.io/v1alpha1"}}
	c := s.start(t)
	s.refuse = func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.Contains(r.URL.Path, "/namespaces/gone/"):
			return status(w, http.StatusNotFound, `namespaces "gone" not found`)
		case strings.Contains(r.URL.Path, "/namespaces/ending/"):
			return status(w, http.StatusForbidden, "unable to create new content in namespace ending because it is being terminated")
		}
		return false
	}
	f := podFinding()
	f.Containers = []report.Counted{{Name: "gone/web-0/app", Count: 1}, {Name: "ending/web-0/app", Count: 1}, {Name: "shop/web-0/app", Count: 1}}
	assert.ErrorContains(t, take(t, c, f, noon), "the Kubernetes API answers 40")
	assert.Len(t, s.objects, 2)
	asked := s.asked
	require.NoError(t, take(t, c, f, noon.Add(59*time.Minute)))
	assert.Equal(t, asked+1, s.asked, "which reports there are, as these may have been gone")
	var text strings.Builder
	require.NoError(t, c.metrics.Write(&text))
	assert.Contains(t, text.String(), "whydenied_kubernetes_objects_total{outcome=\"rejected\"} 4\n")
	assert.Contains(t, text.String(), "whydenied_kubernetes_objects_total{outcome=\"sent\"} 2\n")
}

// Who may not ask which reports there are writes Events.
func TestClusterMayNotAskForReports(t *testing.T) {
	s := apiServer{}
	c := s.start(t)
	s.refuse = func(w http.ResponseWriter, r *http.Request) bool {
		return r.Method == http.MethodGet && status(w, http.StatusForbidden, "no")
	}
	assert.ErrorContains(t, take(t, c, podFinding(), noon), "answers 403 Forbidden to GET /apis/openreports.io/v1alpha1: no")
	assert.Len(t, s.objects, 2)
}

// A storm of findings asks no more of the API than a node may, and loses none of them.
func TestClusterIsPaced(t *testing.T) {
	s := apiServer{groups: []string{"openreports.io/v1alpha1"}}
	c := s.start(t)
	for i := range 120 {
		f := podFinding()
		f.ID = fmt.Sprintf("%012d", i)
		f.Containers = f.Containers[:1]
		c.Take(report.Message{Finding: f})
	}
	for _, writes := range []int{50, 100, 121, 121} { // one report of all
		require.NoError(t, c.Write(t.Context(), noon))
		assert.Equal(t, writes, s.writes)
	}
	found := s.objects["/apis/openreports.io/v1alpha1/namespaces/shop/reports/web-0.whydenied"]
	assert.Len(t, found["results"], maxResults)
}

// A server whose certificate is of another authority gets no token.
func TestClusterOfAnotherAuthority(t *testing.T) {
	s := apiServer{}
	c := s.start(t)
	other := httptest.NewUnstartedServer(&s)
	other.Config.ErrorLog = log.New(io.Discard, "", 0)
	other.TLS = &tls.Config{Certificates: []tls.Certificate{otherCertificate(t)}}
	other.StartTLS()
	defer other.Close()
	c.api.url = other.URL
	assert.ErrorContains(t, take(t, c, podFinding(), noon), "certificate")
	assert.Zero(t, s.asked)
}

// otherCertificate is one that signs itself.
func otherCertificate(t *testing.T) tls.Certificate {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
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
	_, err := InCluster("node-1", NewMetrics("v"))
	assert.ErrorContains(t, err, "this is no pod")
}
