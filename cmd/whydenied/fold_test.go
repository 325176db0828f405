package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/parser/source"
)

// A session is all that a Session has of logs, in JSON.
func sessionJSON(t *testing.T, batches iter.Seq2[source.Batch, error], find func(container.Subject) container.Container, filter explain.Filter) (string, int) {
	t.Helper()
	s := explain.NewSession(find, filter)
	repeats := 0
	for batch, err := range batches {
		require.NoError(t, err)
		s.Count(batch.Stats, batch.TooLong)
		for d, r := range batch.All() {
			if r != nil {
				repeats++
				s.AddRepeat(r)
			} else {
				s.Add(*d)
			}
		}
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetIndent("", " ")
	for _, f := range s.Findings() {
		require.NoError(t, encoder.Encode(report.NewFinding(explain.Explained{Finding: f})))
		require.NoError(t, encoder.Encode(f.Denial.Subject))
		for _, r := range f.Denial.Event.Records {
			require.NoError(t, encoder.Encode(r))
		}
	}
	require.NoError(t, encoder.Encode(report.NewSummary(s, nil)))
	return out.String(), repeats
}

var (
	serialInTest = regexp.MustCompile(`audit\((\d+)\.(\d+):(\d+)\)`)
	pidInTest    = regexp.MustCompile(`pid=\d+`)
)

// later is a log as it would go on: each line again, some seconds later or as it was, of
// other processes, and some lines in another order or torn.
func later(log []byte, rng *rand.Rand) []byte {
	var out [][]byte
	for n := range 3 {
		for line := range bytes.Lines(log) {
			line = append(bytes.TrimRight(line, "\n"), '\n')
			if n > 0 && rng.Intn(6) > 0 {
				line = serialInTest.ReplaceAllFunc(line, func(stamp []byte) []byte {
					m := serialInTest.FindSubmatch(stamp)
					return fmt.Appendf(nil, "audit(%s.%s:%s%d)", m[1], m[2], m[3], n)
				})
				line = pidInTest.ReplaceAll(line, fmt.Appendf(nil, "pid=%d", 1+rng.Intn(50)))
			}
			if rng.Intn(100) == 0 {
				line = append(line[:rng.Intn(len(line)):len(line)], '\n')
			}
			out = append(out, line)
			if k := len(out) - 1 - rng.Intn(min(len(out), 20)); rng.Intn(30) == 0 {
				out[k], out[len(out)-1] = out[len(out)-1], out[k]
			}
		}
	}
	return bytes.Join(out, nil)
}

// Findings and counts of logs that are folded before they are parsed are those of logs
// that are not, whoever asks for whom.
func TestFoldedFindings(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	generated, err := exec.Command("go", "run", "../../testdata/loggen", "-lines", "20000").Output()
	require.NoError(t, err)
	logs := map[string][][]byte{
		"generated":           {generated},
		"the newer one first": {generated[len(generated)/2:], generated[:len(generated)/2]},
	}
	files, err := filepath.Glob(corpus + "/*/*")
	require.NoError(t, err)
	journals, err := filepath.Glob("../../parser/testdata/journal/*")
	require.NoError(t, err)
	scenarios, err := filepath.Glob(corpus + "/linux-6.1-auditd/*/*")
	require.NoError(t, err)
	for _, file := range append(append(files, journals...), scenarios...) {
		if info, err := os.Stat(file); err != nil || info.IsDir() || strings.HasSuffix(file, ".json") {
			continue
		}
		log, err := os.ReadFile(file)
		require.NoError(t, err)
		log = log[:min(len(log), 100<<10)]
		logs[file] = [][]byte{later(log, rng), log}
	}
	inventory := &container.Inventory{Containers: []container.Container{
		{ID: strings.Repeat("a", 64), Name: "one", PID: 7, AppArmorProfile: "web", Command: []string{"/usr/sbin/nginx"}},
		{ID: strings.Repeat("b", 64), Name: "two", PID: 11, AppArmorProfile: "web", Command: []string{"/usr/bin/redis-server"}},
		{ID: strings.Repeat("c", 64), Name: "three", PID: 13, AppArmorProfile: "docker-default", Command: []string{"/usr/bin/java"}},
	}}
	total := 0
	for name, parts := range logs {
		t.Run(filepath.Base(name), func(t *testing.T) {
			for i, filter := range []explain.Filter{
				{}, {Comms: []string{"nginx", "java", "aaop"}}, {Profiles: []string{"web", "docker-default"}},
				{Since: time.Unix(1_760_000_100, 0), Until: time.Unix(1_760_000_300, 0)}, {Containers: []string{"two", "three"}},
				{Keep: func(s container.Subject, _ container.Container) bool { return len(s.Exe)%2 == 0 }},
			} {
				var find func(container.Subject) container.Container
				if i%2 == 0 || len(filter.Containers) > 0 || filter.Keep != nil {
					find = inventory.Find
				}
				want, _ := sessionJSON(t, source.Scan(t.Context(), inputsOf(parts)), find, filter)
				got, repeats := sessionJSON(t, source.Fold(t.Context(), inputsOf(parts), find != nil), find, filter)
				require.Equal(t, want, got, "filter %d", i)
				total += repeats
			}
		})
	}
	assert.Greater(t, total, 10_000)
}

func inputsOf(texts [][]byte) (inputs []source.Input) {
	for i, text := range texts {
		inputs = append(inputs, source.Input{Name: fmt.Sprint("log", i), Open: func(context.Context) (io.ReadCloser, time.Time, error) {
			return io.NopCloser(bytes.NewReader(text)), time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), nil
		}})
	}
	return inputs
}
