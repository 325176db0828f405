package export

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/whydenied/whydenied/explain/report"
)

// A Cluster is the Kubernetes cluster that this process runs in a pod of. What is
// refused to a pod becomes an Event on it and a report about it. Take and Write may be
// called by two goroutines.
type Cluster struct {
	api     *api
	node    string
	metrics *Metrics

	asked   time.Time           // when the cluster was asked for its group
	group   string              // of reports, "" if the cluster has none
	shown   map[about]time.Time // when the event of a finding was written, zero while it waits
	events  []about             // that are to be written, in order
	reports map[pod]*podReport

	mu       sync.Mutex
	findings map[string]*report.Finding // by ID
	changed  map[string]bool            // which of them came, or came again, and were not looked at since
}

// An about is a finding of a pod.
type about struct {
	pod
	id string
}

// InCluster returns the cluster of this process, as its environment and service account
// say; node is the name of the node, and metrics are told what becomes of what is written. The
// API is not asked yet.
func InCluster(node string, metrics *Metrics) (*Cluster, error) {
	api, err := apiOfPod()
	if err != nil {
		return nil, err
	}
	return newCluster(api, node, metrics), nil
}

func newCluster(api *api, node string, metrics *Metrics) *Cluster {
	return &Cluster{api: api, node: node, metrics: metrics, shown: map[about]time.Time{}, reports: map[pod]*podReport{}, findings: map[string]*report.Finding{}, changed: map[string]bool{}}
}

// A pod is one to which something was refused. Another pod of the same name has another uid, which
// is "" if it is not known.
type pod struct{ namespace, name, uid string }

// dnsName is what names of pods and namespaces are (RFC 1123, as Kubernetes has it), up to
// maxName characters.
var dnsName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`)

const maxName = 253

// podUID is what the kubelet knows a pod by: the UID of the API server (RFC 4122), or of a
// static pod the hash of its manifest.
var podUID = regexp.MustCompile(`^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$|^[0-9a-f]{32}$`)

// isName reports whether a text is a name of a pod or a namespace.
func isName(s string) bool { return len(s) <= maxName && dnsName.MatchString(s) }

// podsOf are the pods of a finding, with the denials that were theirs. What is no name of
// a pod is none: metadata of containers can be made by others than the kubelet.
func podsOf(containers []report.Counted) map[pod]int {
	pods := map[pod]int{}
	for _, c := range containers {
		parts := strings.Split(c.Name, "/")
		if len(parts) == 3 && isName(parts[0]) && isName(parts[1]) {
			uid := ""
			if podUID.MatchString(c.PodUID) {
				uid = c.PodUID
			}
			pods[pod{parts[0], parts[1], uid}] += c.Count
		}
	}
	return pods
}

// The bounds of what is written.
const (
	eventEvery = time.Hour // for each finding of a pod; it is also how long an API server keeps an event
	maxShown   = 10000     // events within that time
	maxAtOnce  = 50        // requests of one Write, as a kubelet makes events a second
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

// Write writes what was entered since, as far as that is no more than a node may ask of the API
// at once; what is left waits for the next time. It waits too while the API does not answer or
// wants no more; what the API does not take is counted, and not written before the finding comes again
// in an hour. The error is the first of these.
func (c *Cluster) Write(ctx context.Context, now time.Time) error {
	if !c.api.backoff.Over(now) {
		return nil
	}
	refused := c.askGroup(ctx, now)
	if again(refused) {
		c.metrics.Writing(Failed, c.Waiting())
		return later(refused)
	}
	c.queue(now)
	for range maxAtOnce {
		some, err := c.writeOne(ctx, now)
		if !some || ctx.Err() != nil {
			break
		}
		c.api.answered(err, now)
		if again(err) {
			c.metrics.Writing(Failed, c.Waiting())
			return later(err)
		}
		outcome := Sent
		if err != nil {
			outcome, refused = Rejected, cmp.Or(refused, err)
		}
		c.metrics.Writing(outcome, c.Waiting())
	}
	return refused
}

func later(err error) error { return fmt.Errorf("not written, and tried again: %w", err) }

// askGroup asks each hour which kind of reports the cluster has. Without an answer there are none,
// but of before.
func (c *Cluster) askGroup(ctx context.Context, now time.Time) error {
	if !c.asked.IsZero() && now.Sub(c.asked) < eventEvery {
		return nil
	}
	group, err := c.api.reportGroup(ctx)
	if c.api.answered(err, now); again(err) {
		return err
	}
	c.asked, c.group = now, group
	return err
}

// Waiting is how many objects are to be written.
func (c *Cluster) Waiting() int {
	n := len(c.events)
	for _, r := range c.reports {
		if r.changed {
			n++
		}
	}
	return n
}

// queue has findings be written that came to pods of which they were not within the hour.
func (c *Cluster) queue(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.shown) >= maxShown {
		maps.DeleteFunc(c.shown, func(_ about, at time.Time) bool { return !at.IsZero() && now.Sub(at) >= eventEvery })
	}
	for _, id := range slices.Sorted(maps.Keys(c.changed)) {
		if len(c.shown) >= maxShown {
			return // the rest is looked at when there is room
		}
		delete(c.changed, id)
		for p := range podsOf(c.findings[id].Containers) {
			key := about{p, id}
			if at, known := c.shown[key]; known && (at.IsZero() || now.Sub(at) < eventEvery) {
				continue
			}
			c.shown[key] = time.Time{}
			c.events = append(c.events, key)
			c.report(key)
		}
	}
}

// report adds a finding to the report of a pod, if the cluster knows reports.
func (c *Cluster) report(of about) {
	if c.group == "" {
		return
	}
	r := c.reports[of.pod]
	if r == nil {
		if len(c.reports) >= maxReports {
			maps.DeleteFunc(c.reports, func(_ pod, r *podReport) bool { return !r.changed }) // these begin anew then
		}
		r = &podReport{}
		c.reports[of.pod] = r
	}
	if !slices.Contains(r.ids, of.id) && len(r.ids) < maxResults {
		r.ids = append(r.ids, of.id)
	}
	r.changed = true
}

// writeOne writes an object that is to be written, and reports whether there was one. One that
// may be written later comes after the others.
func (c *Cluster) writeOne(ctx context.Context, now time.Time) (some bool, err error) {
	if len(c.events) > 0 {
		next := c.events[0]
		c.events = c.events[1:]
		if err = c.writeEvent(ctx, next); again(err) {
			c.events = append(c.events, next)
		} else {
			c.shown[next] = now
		}
		return true, err
	}
	for p, r := range c.reports {
		if r.changed {
			err = c.writeReport(ctx, p, r)
			r.changed = again(err)
			return true, err
		}
	}
	return false, nil
}

// finding returns a finding as it is by now, and how many of its denials were a pod's.
func (c *Cluster) finding(of about) (f *report.Finding, count int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f = c.findings[of.id]
	return f, podsOf(f.Containers)[of.pod]
}

// writeEvent writes an Event (core/v1), which `kubectl describe pod` shows if it has the UID.
func (c *Cluster) writeEvent(ctx context.Context, of about) error {
	f, count := c.finding(of)
	name := objectName(of.pod, of.id)
	event := map[string]any{
		"apiVersion": "v1", "kind": "Event",
		"metadata":       map[string]any{"name": name, "namespace": of.namespace},
		"involvedObject": of.reference(),
		"type":           "Warning",
		"reason":         "AccessDenied",
		"message":        cut(f.Message+": "+f.Why, maxMessage),
		"source":         map[string]any{"component": "whydenied", "host": c.node},
		"count":          count,
		// The same again, where newer tools look for it.
		"reportingComponent": "whydenied", "reportingInstance": c.node,
	}
	for name, text := range map[string]string{"firstTimestamp": f.First, "lastTimestamp": f.Last} {
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			event[name] = at.UTC().Format(time.RFC3339) // of metav1.Time
		}
	}
	return c.api.apply(ctx, "v1", of.namespace, "events", name, event)
}

// reference names the pod, as an ObjectReference (core/v1).
func (p pod) reference() map[string]any {
	to := map[string]any{"apiVersion": "v1", "kind": "Pod", "namespace": p.namespace, "name": p.name}
	if p.uid != "" {
		to["uid"] = p.uid
	}
	return to
}

// A podReport is what was refused to a pod.
type podReport struct {
	ids     []string // of the findings
	changed bool     // since it was written
}

// writeReport writes the report of a pod. The cluster removes it with the pod that owns it; of a
// static pod, which has another UID there, it would at once.
func (c *Cluster) writeReport(ctx context.Context, p pod, r *podReport) error {
	var results []map[string]any
	fails := 0
	for _, id := range r.ids {
		entry := c.result(about{p, id})
		results = append(results, entry)
		if entry["result"] == "fail" {
			fails++
		}
	}
	kind, resource := "Report", "reports"
	if strings.HasPrefix(c.group, "wgpolicyk8s.io/") {
		kind, resource = "PolicyReport", "policyreports"
	}
	name := objectName(p, "")
	metadata := map[string]any{"name": name, "namespace": p.namespace, "labels": map[string]any{"app.kubernetes.io/managed-by": "whydenied"}}
	if strings.Contains(p.uid, "-") {
		metadata["ownerReferences"] = []any{map[string]any{"apiVersion": "v1", "kind": "Pod", "name": p.name, "uid": p.uid}}
	}
	err := c.api.apply(ctx, c.group, p.namespace, resource, name, map[string]any{
		"apiVersion": c.group, "kind": kind, "metadata": metadata,
		"scope":   p.reference(),
		"summary": map[string]any{"pass": 0, "fail": fails, "warn": len(results) - fails, "error": 0, "skip": 0},
		"results": results,
	})
	if is(err, http.StatusNotFound) {
		c.asked = time.Time{} // it may be the group that is gone
	}
	return err
}

// result is a finding of a pod as reports have it.
func (c *Cluster) result(of about) map[string]any {
	f, count := c.finding(of)
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
		"properties": map[string]any{"id": f.ID, "count": fmt.Sprint(count), "why": cut(f.Why, maxMessage)},
	}
	if at, err := time.Parse(time.RFC3339, f.Last); err == nil {
		entry["timestamp"] = map[string]any{"seconds": at.Unix(), "nanos": at.Nanosecond()}
	}
	return entry
}

// objectName is the name of what is written about a pod: the same in each run.
func objectName(p pod, id string) string {
	name, end := p.name, ".whydenied"
	if p.uid != "" {
		end += "-" + p.uid[:8]
	}
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
