package report

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSentences words every record of testdata/records.txt, each a line as the
// kernel or a user-space mediator writes it, and compares with
// testdata/sentences.txt.
func TestSentences(t *testing.T) {
	records, err := os.ReadFile("testdata/records.txt")
	require.NoError(t, err)
	var got strings.Builder
	for line := range strings.Lines(string(records)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			got.WriteString(line + "\n")
			continue
		}
		d := wireFields(t, line)
		f := Finding{Denial: d, Mode: d.Get("apparmor"), Subject: Subject{Comm: d.Get("comm"), Label: d.Get("profile", "label")}}
		got.WriteString(sentenceOf(&f).String() + "\n")
	}
	golden(t, "sentences.txt", got.String())
}

// TestSeccompSentences does the same for what a filter can answer.
func TestSeccompSentences(t *testing.T) {
	var got strings.Builder
	for _, name := range []string{"mkdir", ""} {
		for _, action := range []string{"errno", "kill_process", "kill_thread", "trap", "log", "trace", "user_notif", "allow", "0x1"} {
			f := Finding{
				Denial:  Fields{{Key: "syscall", Value: "83"}},
				Subject: Subject{Exe: "/usr/bin/busybox", Label: "unconfined"},
				Seccomp: &Seccomp{SyscallName: name, ArchName: "x86_64", Action: action},
			}
			got.WriteString(action + ": " + sentenceOf(&f).String() + "\n")
		}
	}
	golden(t, "seccomp-sentences.txt", got.String())
}

// TestWho covers what can be known of a process and its container.
func TestWho(t *testing.T) {
	var got strings.Builder
	full := Container{
		ID: strings.Repeat("3f9c1d2a7b41", 6)[:64], Name: "web-1", Image: "nginx:1.27", Runtime: "docker",
		Confidence: "high",
	}
	free, nameless, bare, low, pod := full, full, full, full, full
	free.ID = "a job"
	nameless.Name = ""
	bare = Container{Confidence: "high"}
	low.Confidence = "low"
	pod.Pod, pod.Namespace = "web-7d9", "shop"
	for _, c := range []*Container{nil, &full, &free, &nameless, &bare, &low, &pod} {
		for _, s := range []Subject{{Comm: "nginx", Label: "web"}, {Exe: "/usr/sbin/nginx"}, {Label: "a//b"}, {Comm: "my proc", Label: "unconfined"}} {
			f := Finding{Container: c, Subject: s, Mode: "DENIED", Denial: wireFields(t, `operation="unlink" name="/x"`)}
			got.WriteString(sentenceOf(&f).String() + "\n")
		}
	}
	golden(t, "who.txt", got.String())
}

// A pod of which the kubelet started a container several times is one pod.
func TestStartsOfOnePod(t *testing.T) {
	f := &Finding{Workload: "pod prod/shop container web", Count: 2, Container: &Container{Name: "web", Pod: "shop-0", Namespace: "prod"},
		Containers: []Counted{{Name: "prod/shop-0/web", ID: "1", Count: 1}, {Name: "prod/shop-0/web", ID: "2", Count: 1}}}
	joined := func() string {
		var words []string
		for _, w := range containers(f, nil) {
			words = append(words, string(w))
		}
		return strings.Join(words, " ")
	}
	assert.Equal(t, "in 2 starts of container web of pod prod/shop-0", joined())
	f.Containers[1].Name = "prod/shop-1/web"
	assert.Equal(t, "in container web of 2 pods of prod/shop", joined())
}
