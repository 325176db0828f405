package export

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/rules/disk"
)

// A Cluster is the Kubernetes cluster that this process runs in a pod of. What is
// refused to a pod becomes an Event on it and a report about it. Take and Write may be
// called by two goroutines.
type Cluster struct {
	api       string // https://HOST:PORT
	tokenFile string
	client    *http.Client
	node      string

	group  string               // of reports, "" if the cluster has none
	shown  map[string]time.Time // when the event of a pod and a finding was written
	report map[string]*podReport

	mu       sync.Mutex
	findings map[string]*report.Finding // by ID
	changed  map[string]bool            // which of them came, or came again, since they were written
}

// serviceAccount is where a pod finds what it may say to the API
// (kubernetes.io/docs/tasks/run-application/access-api-from-pod).
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

// maxFile bounds a file of a service account, in bytes.
const maxFile = 1 << 20

// InCluster returns the cluster of this process, as its environment and service account
// say; node is the name of the node. It asks which kind of reports there is, and the
// error is why that could not be asked.
func InCluster(ctx context.Context, node string) (*Cluster, error) {
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return nil, errors.New("this is no pod of a Kubernetes cluster: KUBERNETES_SERVICE_HOST is not set")
	}
	ca, err := disk.ReadNamed(filepath.Join(serviceAccount, "ca.crt"), maxFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s/ca.crt holds no certificate", serviceAccount)
	}
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	return newCluster(ctx, "https://"+net.JoinHostPort(host, port), filepath.Join(serviceAccount, "token"), node, client)
}

func newCluster(ctx context.Context, api, tokenFile, node string, client *http.Client) (*Cluster, error) {
	c := &Cluster{api: api, tokenFile: tokenFile, client: client, node: node, shown: map[string]time.Time{}, report: map[string]*podReport{}, findings: map[string]*report.Finding{}, changed: map[string]bool{}}
	for _, group := range []string{"openreports.io/v1alpha1", "wgpolicyk8s.io/v1alpha2"} {
		err := c.ask(ctx, http.MethodGet, "/apis/"+group, nil)
		var status *statusError
		switch {
		case err == nil:
			c.group = group
			return c, nil
		case !errors.As(err, &status) || status.code != http.StatusNotFound:
			return nil, err
		}
	}
	return c, nil
}

// A statusError is an answer of the API that is no success.
type statusError struct {
	code int
	what string
}

func (e *statusError) Error() string { return e.what }

// ask makes a request of the API. The body of a PATCH is applied: the fields that it has
// become ours, and the object is made if it is not there (server-side apply).
func (c *Cluster) ask(ctx context.Context, method, path string, object any) error {
	body, err := escape.Encode(object)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, c.api+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if err := authorize(request, c.tokenFile); err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/apply-patch+yaml") // of which JSON is a part
	}
	answer, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, _ = io.ReadAll(io.LimitReader(answer.Body, maxAnswer)) // so that the connection can be used again
	if answer.StatusCode/100 != 2 {
		return &statusError{answer.StatusCode, fmt.Sprintf("the Kubernetes API answers %s to %s %s", answer.Status, method, path)}
	}
	return nil
}

// apply writes an object of a pod's namespace.
func (c *Cluster) apply(ctx context.Context, group, namespace, resource, name string, object any) error {
	path := "/apis/" + group
	if group == "v1" {
		path = "/api/v1"
	}
	path += "/namespaces/" + url.PathEscape(namespace) + "/" + resource + "/" + url.PathEscape(name)
	return c.ask(ctx, http.MethodPatch, path+"?fieldManager=whydenied&force=true", object)
}

// A pod is one to which something was refused.
type pod struct{ namespace, name string }

// dnsName is what names of pods and namespaces are (RFC 1123, as Kubernetes has it), up to
// maxName characters.
var dnsName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`)

const maxName = 253

// isName reports whether a text is a name of a pod or a namespace.
func isName(s string) bool { return len(s) <= maxName && dnsName.MatchString(s) }

// podsOf are the pods of a finding, with the denials that were theirs. What is no name of
// a pod is none: metadata of containers can be made by others than the kubelet.
func podsOf(containers []report.Counted) map[pod]int {
	pods := map[pod]int{}
	for _, c := range containers {
		parts := strings.Split(c.Name, "/")
		if len(parts) == 3 && isName(parts[0]) && isName(parts[1]) {
			pods[pod{parts[0], parts[1]}] += c.Count
		}
	}
	return pods
}

// The bounds of what is written.
const (
	eventEvery = time.Hour // for each finding of a pod; it is also how long an API server keeps an event
	maxShown   = 10000     // events that are remembered
	maxReports = 1000      // pods that have a report
	maxResults = 100       // findings in a report
	maxMessage = 1024      // bytes, as the kubelet's and others' events have
)

// Take enters a message of a watch: a finding, or how often it came again.
func (c *Cluster) Take(message report.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case message.Finding != nil:
		f := slim(message.Finding)
		f.Containers = message.Finding.Containers
		c.findings[f.ID], c.changed[f.ID] = f, true
	case message.Repeat != nil && c.findings[message.Repeat.ID] != nil:
		f := *c.findings[message.Repeat.ID]
		f.Last, f.Containers = message.Repeat.Last, message.Repeat.Containers
		c.findings[f.ID], c.changed[f.ID] = &f, true
	}
}

// Write writes what was entered since. The error is of the first that could not be
// written; the rest was written all the same, and what was not is when it comes again.
func (c *Cluster) Write(ctx context.Context, now time.Time) error {
	c.mu.Lock()
	var list []*report.Finding
	for _, id := range slices.Sorted(maps.Keys(c.changed)) {
		list = append(list, c.findings[id])
	}
	clear(c.changed)
	c.mu.Unlock()
	var errs error
	for _, f := range list {
		for p, count := range podsOf(f.Containers) {
			errs = cmp.Or(errs, c.write(ctx, p, f, count, now))
		}
	}
	return errs
}

// write writes a finding to a pod, unless that was done within the hour.
func (c *Cluster) write(ctx context.Context, p pod, f *report.Finding, count int, now time.Time) error {
	key := p.namespace + "/" + p.name + " " + f.ID
	if at, known := c.shown[key]; known && now.Sub(at) < eventEvery {
		return nil
	}
	if err := cmp.Or(c.writeEvent(ctx, p, f, count), c.writeReport(ctx, p, f, count, now)); err != nil {
		return err
	}
	if len(c.shown) >= maxShown {
		clear(c.shown)
	}
	c.shown[key] = now
	return nil
}

// writeEvent writes an Event (core/v1), which `kubectl describe pod` shows.
func (c *Cluster) writeEvent(ctx context.Context, p pod, f *report.Finding, count int) error {
	name := objectName(p, f.ID)
	return c.apply(ctx, "v1", p.namespace, "events", name, map[string]any{
		"apiVersion": "v1", "kind": "Event",
		"metadata":       map[string]any{"name": name, "namespace": p.namespace},
		"involvedObject": map[string]any{"apiVersion": "v1", "kind": "Pod", "namespace": p.namespace, "name": p.name},
		"type":           "Warning",
		"reason":         "AccessDenied",
		"message":        cut(f.Message+": "+f.Why, maxMessage),
		"source":         map[string]any{"component": "whydenied", "host": c.node},
		"firstTimestamp": seconds(f.First),
		"lastTimestamp":  seconds(f.Last),
		"count":          count,
	})
}

// A podReport is what was refused to a pod.
type podReport struct {
	ids     []string // of the results
	results []map[string]any
	fails   int
}

// writeReport adds a finding to the report of a pod, if the cluster knows reports.
func (c *Cluster) writeReport(ctx context.Context, p pod, f *report.Finding, count int, now time.Time) error {
	if c.group == "" {
		return nil
	}
	key := p.namespace + "/" + p.name
	r := c.report[key]
	if r == nil {
		if len(c.report) >= maxReports {
			clear(c.report) // a report begins anew then
		}
		r = &podReport{}
		c.report[key] = r
	}
	r.add(f, count, now)
	kind, resource := "Report", "reports"
	if strings.HasPrefix(c.group, "wgpolicyk8s.io/") {
		kind, resource = "PolicyReport", "policyreports"
	}
	name := objectName(p, "")
	return c.apply(ctx, c.group, p.namespace, resource, name, map[string]any{
		"apiVersion": c.group, "kind": kind,
		"metadata": map[string]any{"name": name, "namespace": p.namespace, "labels": map[string]any{"app.kubernetes.io/managed-by": "whydenied"}},
		"scope":    map[string]any{"apiVersion": "v1", "kind": "Pod", "namespace": p.namespace, "name": p.name},
		"summary":  map[string]any{"pass": 0, "fail": r.fails, "warn": len(r.results) - r.fails, "error": 0, "skip": 0},
		"results":  r.results,
	})
}

// add adds a finding, or what it is by now.
func (r *podReport) add(f *report.Finding, count int, now time.Time) {
	result, severity := "fail", "medium"
	switch {
	case f.Mode == "ALLOWED": // logged and permitted
		result, severity = "warn", "info"
	case f.Investigate != "":
		severity = "high"
	}
	entry := map[string]any{
		"source": "whydenied", "policy": f.Policy, "rule": f.Cause, "category": layerOf(f),
		"severity": severity, "result": result, "message": cut(f.Message, maxMessage),
		"timestamp":  map[string]any{"seconds": now.Unix(), "nanos": 0},
		"properties": map[string]any{"id": f.ID, "count": fmt.Sprint(count), "why": cut(f.Why, maxMessage)},
	}
	for i, id := range r.ids {
		if id == f.ID {
			r.results[i] = entry
			return
		}
	}
	if len(r.ids) >= maxResults {
		return
	}
	r.ids, r.results = append(r.ids, f.ID), append(r.results, entry)
	if result == "fail" {
		r.fails++
	}
}

// objectName is the name of what is written about a pod: the same in each run.
func objectName(p pod, id string) string {
	name, end := p.name, ".whydenied"
	if id != "" {
		end += "-" + id
	}
	if len(name)+len(end) > maxName {
		sum := sha256.Sum256([]byte(name))
		name = strings.TrimRight(name[:200], "-.") + "-" + hex.EncodeToString(sum[:6])
	}
	return name + end
}

// cut returns as much of a text as max bytes have of whole characters.
func cut(text string, max int) string {
	if len(text) <= max {
		return text
	}
	return strings.ToValidUTF8(text[:max-len("…")], "") + "…"
}

// seconds is a time of a finding as metav1.Time has it, nil if it has none.
func seconds(text string) any {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil
	}
	return at.UTC().Format(time.RFC3339)
}
