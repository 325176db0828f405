package container

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestFindCall holds which container a record of seccomp without a label is of, how sure
// that is, and that two which are as likely are named.
func TestFindCall(t *testing.T) {
	const killed = 0x80000000
	call := Call{Arch: 0xc000003e, Number: 141, Code: killed}
	answer := func(c *Container, _ Call) Answer {
		switch what, known := strings.CutPrefix(c.SeccompProfile, "known:"); {
		case c.SeccompProfile == "unconfined":
			return Answer{Known: true, What: "has no seccomp filter"}
		case known:
			return Answer{Known: true, Fits: what == "kill", What: "answers " + what}
		}
		return Answer{}
	}
	kills := Container{Name: "job", SeccompProfile: "known:kill"}
	errno := Container{Name: "web", SeccompProfile: "known:errno"}
	bare := Container{Name: "bare", SeccompProfile: "unconfined"}
	other := Container{Name: "other", SeccompProfile: "known:kill", Command: []string{"/app/server"}}
	ended := Container{Name: "ended", SeccompProfile: "known:kill", ExitCode: 159, Started: at("2026-03-01T09:00:00Z"), Finished: at("2026-03-01T09:00:05Z"), Command: []string{"/opt/pyzor"}}
	envoy := Container{Name: "envoy", Pod: "web-0", Namespace: "prod", Image: "docker.io/envoyproxy/envoy:v1.31@sha256:00"}
	app := Container{Name: "app", Pod: "web-0", Namespace: "prod", Image: "example.org/shop:2"}
	s := Subject{Call: call, Signal: 31, Exe: "/usr/bin/pyzor", Comm: "pyzor", Time: at("2026-03-01T09:00:04Z")}
	with := func(change func(*Subject)) Subject { c := s; change(&c); return c }
	for name, test := range map[string]struct {
		containers []Container
		subject    Subject
		want       string
		confidence Confidence
		evidence   string
	}{
		"its filter alone":        {[]Container{kills, errno, bare}, s, "job", Low, "its seccomp filter answers kill, as the record says; web answers errno; bare has no seccomp filter"},
		"all that there is":       {[]Container{ended, errno}, s, "ended", High, "it ended at that moment, with exit code 159, as of signal 31; it runs pyzor"},
		"filter and exit code":    {[]Container{ended, errno}, with(func(s *Subject) { s.Exe, s.Comm = "/x", "x" }), "ended", Medium, "exit code 159"},
		"ended long after":        {[]Container{{Name: "late", ExitCode: 159, Finished: at("2026-03-01T10:00:00Z")}}, s, "", Unknown, ""},
		"ended before":            {[]Container{ended, errno}, with(func(s *Subject) { s.Time = at("2026-03-01T11:00:00Z") }), "", Unknown, "it is of no container of the inventory: ended did not exist then; web answers errno"},
		"two, one runs it":        {[]Container{kills, other}, with(func(s *Subject) { s.Exe = "/app/server" }), "other", Low, "less speaks for job"},
		"two alike":               {[]Container{kills, other}, s, "", Unknown, "it can be of job or other, and nothing tells them apart"},
		"none answers so":         {[]Container{errno, bare}, s, "", Unknown, "it is of no container of the inventory"},
		"nothing speaks for it":   {[]Container{{Name: "any"}}, s, "", Unknown, ""},
		"another node":            {[]Container{{Name: "job", SeccompProfile: "known:kill", Node: "b"}}, with(func(s *Subject) { s.Node = "a" }), "", Unknown, ""},
		"the label says not":      {[]Container{{Name: "job", SeccompProfile: "known:kill", AppArmorProfile: "p"}}, with(func(s *Subject) { s.Label = "unconfined" }), "", Unknown, ""},
		"a pod's containers":      {[]Container{envoy, app}, with(func(s *Subject) { s.Exe, s.Comm = "/usr/local/bin/envoy", "envoy" }), "envoy", Low, "its image is named as the program, envoy; less speaks for prod/web-0/app"},
		"SIGKILL":                 {[]Container{{Name: "k", ExitCode: 137}}, with(func(s *Subject) { s.Signal, s.Call = 9, Call{} }), "k", Low, "its last run ended with exit code 137, as of signal 9"},
		"no signal, no exit code": {[]Container{{Name: "k", ExitCode: 128}}, Subject{Call: call}, "", Unknown, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inv := Inventory{Containers: test.containers}
			found := inv.FindCall(test.subject, answer)
			assert.Equal(t, test.want, found.Name)
			assert.Equal(t, test.confidence, found.Confidence)
			assert.Contains(t, strings.Join(found.Evidence, "; "), test.evidence)
		})
	}
}

func TestIsNamed(t *testing.T) {
	c := Container{ID: strings.Repeat("ab", 32), Name: "envoy", Pod: "web-0", Namespace: "prod"}
	for name, want := range map[string]bool{
		"envoy": true, "abab": true, "web-0": true, "prod/web-0": true, "prod/web-0/envoy": true, "web-0/envoy": true,
		"env": false, "web": false, "dev/web-0": false, "prod/web-0/app": false, "prod": false,
	} {
		assert.Equal(t, want, c.IsNamed(name), name)
	}
	for text, want := range map[string]bool{"env": true, "web-": true, "prod/we": true, "prod/web-0/en": true, "x": false, "dev/": false} {
		assert.Equal(t, want, c.HasPrefix(text), text)
	}
	assert.False(t, (&Container{Name: "a"}).IsNamed("/"), "no pod")
}

// Of a pod that the kubelet starts again and again, the container that an earlier start was in is gone: what it
// did is of the same pod where nothing else fits.
func TestEarlierStart(t *testing.T) {
	at := time.Date(2026, 12, 1, 18, 0, 0, 0, time.UTC)
	s := Subject{Label: "cri-containerd.apparmor.d", Time: at, Call: Call{Arch: 1, Number: 83, Code: 0x80000000}, Signal: 31}
	killed := func(*Container, Call) Answer { return Answer{Known: true, Fits: true, What: "answers kill"} }
	again := Container{ID: "2", Name: "web", Pod: "shop-0", AppArmorProfile: "cri-containerd.apparmor.d", Created: at.Add(time.Minute), Restarts: 1}
	inv := &Inventory{Containers: []Container{again}}
	found := inv.FindCall(s, killed)
	assert.Equal(t, "shop-0", found.Pod)
	assert.Equal(t, Low, found.Confidence)
	assert.Contains(t, strings.Join(found.Evidence, "; "), "an earlier start of it")

	inv.Containers[0].Restarts = 0
	assert.Equal(t, Unknown, inv.FindCall(s, killed).Confidence, "the first of a pod")
	inv.Containers[0].Restarts = 1
	inv.Containers = append(inv.Containers, Container{ID: "1", Name: "db", Pod: "db-0", AppArmorProfile: "cri-containerd.apparmor.d", Created: at.Add(-time.Minute)})
	assert.Equal(t, "db-0", inv.FindCall(s, killed).Pod, "one that ran then fits better")

	own := Container{ID: "3", Name: "web", Pod: "shop-0", AppArmorProfile: "shop", Created: at.Add(time.Minute), Restarts: 4}
	found = (&Inventory{Containers: []Container{own}}).Find(Subject{Label: "shop", Time: at})
	assert.Equal(t, Low, found.Confidence)
}
