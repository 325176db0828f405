package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/deploy"
	"github.com/whydenied/whydenied/explain/report"
)

// private are words of a config.json beside its filter, of which most do not look like
// secrets.
var private = []string{"s3cr3t-Pa55w0rd-1", "words-of-somebody", "PATH=/bin", "private-argument", "private-annotation", "private-mount", "private-mask", "private-host"}

// plantConfig writes a log and a config.json, one line or indented, that has more than policy.
func plantConfig(t *testing.T, indented bool) {
	t.Helper()
	config := map[string]any{
		"ociVersion": "1.0.2", "hostname": "private-host", "annotations": map[string]any{"note": "private-annotation"},
		"process": map[string]any{"args": []string{"/bin/app", "private-argument"}, "env": []string{"PATH=/bin", "DB_PASSWORD=s3cr3t-Pa55w0rd-1", "GREETING=words-of-somebody"}},
		"mounts":  []any{map[string]any{"source": "private-mount", "destination": "/x"}},
		"linux": map[string]any{
			"cgroupsPath": "/c1", "readonlyPaths": []string{"private-mask"}, "sysctl": map[string]any{"x": "private-mask"},
			"seccomp": map[string]any{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []any{map[string]any{"names": []string{"mkdir", "mkdirat", "nonsense"}, "action": "SCMP_ACT_KILL_PROCESS"}}},
		},
	}
	text, err := json.Marshal(config)
	if indented {
		text, err = json.MarshalIndent(config, "", "  ")
	}
	require.NoError(t, err)
	require.NoError(t, os.WriteFile("config.json", text, 0o600))
	require.NoError(t, os.WriteFile("other.json", bytes.Replace(text, []byte(`"mkdir"`), []byte(`"rmdir"`), 1), 0o600))
	const log = `type=SECCOMP msg=audit(1795427172.956:1): auid=0 uid=0 gid=0 ses=1 subj=unconfined pid=77 comm="sh" exe="/bin/sh" sig=31 arch=c000003e syscall=83 compat=0 ip=0x7f code=0x80000000` + "\n"
	require.NoError(t, os.WriteFile("s.log", []byte(log), 0o600))
}

// TestConfigSecrets runs each command with each format on a config.json: what is no policy
// in it is told by none.
func TestConfigSecrets(t *testing.T) {
	t.Cleanup(func() { endsItself.Store(false) }) // which watch and run set
	for _, indented := range []bool{false, true} {
		t.Run(fmt.Sprint("indented=", indented), func(t *testing.T) {
			t.Chdir(t.TempDir())
			plantConfig(t, indented)
			for _, args := range configRuns() {
				var stdout, stderr shared
				code := run(context.Background(), args, strings.NewReader(""), &stdout, &stderr)
				assert.NotEqual(t, exitUsage, code, "%s: %s", args, stderr.String())
				assert.NotEmpty(t, stdout.String()+stderr.String(), args)
				for _, word := range private {
					assert.NotContains(t, stdout.String()+stderr.String(), word, args)
				}
			}
			for _, name := range []string{"out/config.json", "out/whydenied.patch", "out/report.html"} {
				text, _ := os.ReadFile(name)
				for _, word := range private {
					assert.NotContains(t, string(text), word, name)
				}
			}
		})
	}
}

// A shared buffer is written by run and by what copies the output of its command at once,
// as the file of a terminal is.
type shared struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *shared) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// formatFlags choose a format; the template prints all that there is.
func formatFlags(name string) []string {
	if name == "template" {
		return []string{"--format", name, "--template", "{{.}}"}
	}
	return []string{"--format", name}
}

// configRuns are the commands with their formats.
func configRuns() (runs [][]string) {
	for i, name := range report.FormatNames() {
		live, format := fmt.Sprintf("live%d.log", i), formatFlags(name)
		for _, input := range []string{"--seccomp", "--inventory"} {
			runs = append(runs, slices.Concat([]string{"explain", "s.log", input, "config.json"}, format), slices.Concat([]string{"patch", "s.log", input, "config.json"}, format))
		}
		runs = append(runs, slices.Concat([]string{"check", "config.json"}, format),
			slices.Concat([]string{"watch", "--for", "100ms", "--source", "s.log", "--last", "9", "--seccomp", "config.json"}, format),
			slices.Concat([]string{"run", "--all", "--source", live, "--seccomp", "config.json", "--patch-dir", "out"}, format, []string{"--", "sh", "-c", "cat s.log >>" + live}))
	}
	patchFormats := []string{"diff", "files"}
	for _, f := range deploy.Formats {
		patchFormats = append(patchFormats, f.Name)
	}
	for _, format := range patchFormats {
		runs = append(runs, []string{"patch", "s.log", "--seccomp", "config.json", "--format", format})
	}
	for _, format := range []string{"text", "json"} {
		runs = append(runs, []string{"query", "--seccomp", "config.json", "--syscall", "mkdir", "--format", format})
	}
	for _, format := range []string{"text", "json", "markdown"} {
		runs = append(runs, []string{"diff", "config.json", "other.json", "--format", format})
	}
	for _, format := range []string{"text", "json"} {
		runs = append(runs, []string{"summary", "s.log", "--seccomp", "config.json", "--format", format},
			[]string{"compare", "s.log", "s.log", "--seccomp", "config.json", "--format", format})
	}
	runs = append(runs, []string{"report", "-o", "-", "s.log", "--seccomp", "config.json"}, []string{"report", "-o", "out/report.html", "s.log", "--inventory", "config.json"})
	for _, format := range []string{"diff", "profile"} {
		runs = append(runs, []string{"observe", "--seccomp", "config.json", "--format", format})
	}
	return append(runs,
		[]string{"explain", "--exit-code", "159", "--inventory", "config.json", "--stderr", "s.log"},
		[]string{"observe", "--seccomp", "config.json", "--log-action"})
}
