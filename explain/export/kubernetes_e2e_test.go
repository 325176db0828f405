//go:build e2e

package export

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/report"
)

// A realServer is a kube-apiserver with an etcd of its own, and the test its administrator.
type realServer struct {
	t    *testing.T
	url  string
	dir  string // of its certificate
	http *http.Client
}

// startServer starts the API server that KUBE_APISERVER names.
func startServer(t *testing.T) *realServer {
	program := os.Getenv("KUBE_APISERVER")
	etcd, err := exec.LookPath("etcd")
	if program == "" || err != nil {
		message := "KUBE_APISERVER names no kube-apiserver, or there is no etcd (Debian's etcd-server)"
		if os.Getenv("REQUIRE_KERNEL") == "1" && program != "" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	s := &realServer{t: t, dir: t.TempDir(), http: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}}
	store, peers, port := freeAddress(t), freeAddress(t), freeAddress(t)
	s.run(etcd, "--data-dir="+filepath.Join(s.dir, "etcd"), "--listen-client-urls=http://"+store, "--advertise-client-urls=http://"+store,
		"--listen-peer-urls=http://"+peers, "--initial-advertise-peer-urls=http://"+peers, "--initial-cluster=default=http://"+peers)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	keyFile, tokens := filepath.Join(s.dir, "sa.key"), filepath.Join(s.dir, "tokens.csv")
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), 0o600))
	require.NoError(t, os.WriteFile(tokens, []byte("admin,admin,1,system:masters\n"), 0o600))
	_, number, _ := net.SplitHostPort(port)
	s.url = "https://" + port
	s.run(program, "--etcd-servers=http://"+store, "--cert-dir="+s.dir, "--bind-address=127.0.0.1", "--secure-port="+number,
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+keyFile, "--service-account-signing-key-file="+keyFile,
		"--authorization-mode=RBAC", "--token-auth-file="+tokens, "--service-cluster-ip-range=10.9.0.0/24",
		"--disable-admission-plugins=ServiceAccount") // whose controller is not there
	require.Eventually(t, func() bool { code, _ := s.ask(http.MethodGet, "/readyz", "", nil); return code == 200 }, 3*time.Minute, time.Second, "see %s", s.dir)
	return s
}

// run starts a program until the test ends.
func (s *realServer) run(program string, args ...string) {
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(s.t, cmd.Start())
	s.t.Cleanup(func() {
		stop()
		cmd.Wait()
		if s.t.Failed() {
			text := out.String()
			s.t.Logf("%s: %s", filepath.Base(program), text[max(0, len(text)-4000):])
		}
	})
}

func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// ask is a request of the administrator.
func (s *realServer) ask(method, path, kind string, body []byte) (code int, answer map[string]any) {
	r, err := http.NewRequest(method, s.url+path, bytes.NewReader(body))
	require.NoError(s.t, err)
	r.Header.Set("Authorization", "Bearer admin")
	r.Header.Set("Content-Type", kind)
	resp, err := s.http.Do(r)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	json.Unmarshal(text, &answer)
	return resp.StatusCode, answer
}

// places are the groups and resources of kinds.
var places = map[string]string{
	"Namespace": "api/v1 namespaces", "ServiceAccount": "api/v1 serviceaccounts", "Pod": "api/v1 pods", "DaemonSet": "apis/apps/v1 daemonsets",
	"ClusterRole": "apis/rbac.authorization.k8s.io/v1 clusterroles", "ClusterRoleBinding": "apis/rbac.authorization.k8s.io/v1 clusterrolebindings",
	"CustomResourceDefinition": "apis/apiextensions.k8s.io/v1 customresourcedefinitions",
}

// apply applies each object of a file of YAML, and no field may be unknown.
func (s *realServer) apply(file string) {
	text, err := os.ReadFile(file)
	require.NoError(s.t, err)
	for _, document := range strings.Split("\n"+string(text), "\n---") {
		var object struct {
			Kind     string
			Metadata struct{ Name, Namespace string }
		}
		require.NoError(s.t, yaml.Unmarshal([]byte(document), &object))
		if object.Kind == "" {
			continue
		}
		group, resource, ok := strings.Cut(places[object.Kind], " ")
		require.True(s.t, ok, object.Kind)
		if object.Metadata.Namespace != "" {
			group += "/namespaces/" + object.Metadata.Namespace
		}
		code, answer := s.ask(http.MethodPatch, fmt.Sprintf("/%s/%s/%s?fieldManager=test&fieldValidation=Strict", group, resource, object.Metadata.Name), "application/apply-patch+yaml", []byte(document))
		require.Equal(s.t, 2, code/100, "%s %s: %d %v", object.Kind, object.Metadata.Name, code, answer["message"])
	}
}

// agent is the agent's cluster, by the token of its service account.
func (s *realServer) agent() *Cluster {
	code, answer := s.ask(http.MethodPost, "/api/v1/namespaces/whydenied/serviceaccounts/whydenied-agent/token", "application/json", []byte(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}`))
	require.Equal(s.t, http.StatusCreated, code, answer["message"])
	ca, err := os.ReadFile(filepath.Join(s.dir, "apiserver.crt"))
	require.NoError(s.t, err)
	return clusterAt(s.t, s.url, answer["status"].(map[string]any)["token"].(string), ca)
}

// list returns the objects of a list.
func (s *realServer) list(path string) (items []map[string]any) {
	code, answer := s.ask(http.MethodGet, path, "", nil)
	require.Equal(s.t, http.StatusOK, code, answer["message"])
	for _, item := range answer["items"].([]any) {
		items = append(items, item.(map[string]any))
	}
	return items
}

// TestRealCluster holds against a real API server that it takes the objects of deploy/kubernetes,
// that the roles there are what the agent needs, and what it writes. KUBE_APISERVER is the program;
// the definitions of both kinds of reports, of which their projects have the files, are in KUBE_CRDS.
func TestRealCluster(t *testing.T) {
	s := startServer(t)
	s.apply("../../deploy/kubernetes/agent.yaml")
	file := filepath.Join(t.TempDir(), "pod.yaml")
	require.NoError(t, os.WriteFile(file, []byte("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: web-0, namespace: shop}\nspec: {nodeName: node-1, containers: [{name: app, image: web}]}\n"), 0o600))
	s.apply(file)
	_, web := s.ask(http.MethodGet, "/api/v1/namespaces/shop/pods/web-0", "", nil)
	uid := web["metadata"].(map[string]any)["uid"].(string)
	finding := func(pod string) *report.Finding {
		f := podFinding()
		f.Containers = []report.Counted{{Name: pod + "/app", PodUID: uid, Count: 3}}
		return f
	}
	events := "/api/v1/namespaces/shop/events?fieldSelector=" + url.QueryEscape("involvedObject.name=web-0,involvedObject.uid="+uid) // as kubectl describe asks

	c := s.agent()
	require.NoError(t, take(t, c, finding("shop/web-0"), noon))
	found := s.list(events)
	require.Len(t, found, 1)
	assert.Equal(t, "app may not write /x: no rule names it", found[0]["message"])
	assert.Equal(t, 3.0, found[0]["count"])
	assert.Equal(t, "node-1", found[0]["reportingInstance"])
	f := finding("shop/web-0")
	f.Containers[0].Count = 400
	require.NoError(t, take(t, c, f, noon.Add(time.Hour)))
	found = s.list(events)
	require.Len(t, found, 1, "the same Event")
	assert.Equal(t, 400.0, found[0]["count"])

	require.Error(t, take(t, c, finding("gone/web-0"), noon.Add(time.Hour)), "of a namespace that is not there")
	assert.Zero(t, c.Waiting())

	definitions := os.Getenv("KUBE_CRDS")
	if definitions == "" {
		t.Skip("KUBE_CRDS names no directory with the definitions of reports")
	}
	for _, kind := range []struct{ file, path string }{
		{"wgpolicyk8s.io_policyreports.yaml", "/apis/wgpolicyk8s.io/v1alpha2/namespaces/shop/policyreports"},
		{"openreports.io_reports.yaml", "/apis/openreports.io/v1alpha1/namespaces/shop/reports"}, // which is preferred
	} {
		s.apply(filepath.Join(definitions, kind.file))
		require.Eventually(t, func() bool { code, _ := s.ask(http.MethodGet, kind.path, "", nil); return code == 200 }, time.Minute, time.Second)
		c := s.agent()
		require.NoError(t, take(t, c, finding("shop/web-0"), noon))
		reports := s.list(kind.path)
		require.Len(t, reports, 1)
		assert.Equal(t, uid, reports[0]["metadata"].(map[string]any)["ownerReferences"].([]any)[0].(map[string]any)["uid"])
		result := reports[0]["results"].([]any)[0].(map[string]any)
		assert.Equal(t, "no-matching-rule", result["rule"])
		assert.Equal(t, "app may not write /x", result["message"])
		assert.Equal(t, uid, reports[0]["scope"].(map[string]any)["uid"])
		other := finding("shop/web-0")
		other.ID = "ba9876543210"
		require.NoError(t, take(t, c, other, noon.Add(time.Minute)))
		assert.Len(t, s.list(kind.path)[0]["results"], 2)
	}
}
