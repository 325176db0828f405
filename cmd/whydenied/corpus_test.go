package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files")

const corpus = "../../testdata/corpus"

// A manifest is what the lab expected and observed of a scenario.
type manifest struct {
	Expect map[string]string
	Before struct{ Records int }
}

// A finding is what these tests read of a finding in JSON.
type finding struct {
	ID, Cause, Decision, Mode string
	Count                     int
	Denial                    map[string]any
	Rules                     []struct{ File, Text string }
	Fixes                     []struct{ Rule, Diff string }
	Seccomp                   *struct {
		SyscallName string `json:"syscall_name"`
		Action      string
		Suspected   bool
	}
}

// An answer is the whole JSON answer of explain.
type answer struct {
	findings []finding
	summary  struct{ Records, Denials, Complain, Audited, Status, Unparsed int }
	code     int
	stderr   string
}

// explainJSON runs explain and reads its JSON answer.
func explainJSON(t *testing.T, args ...string) answer {
	t.Helper()
	var stdout, stderr bytes.Buffer
	a := answer{code: run(context.Background(), append([]string{"explain", "--format", "json"}, args...), strings.NewReader(""), &stdout, &stderr)}
	a.stderr = stderr.String()
	for decoder := json.NewDecoder(&stdout); decoder.More(); {
		var m struct {
			Finding *finding
			Summary json.RawMessage
		}
		require.NoError(t, decoder.Decode(&m), a.stderr)
		if m.Finding != nil {
			a.findings = append(a.findings, *m.Finding)
		}
		if m.Summary != nil {
			require.NoError(t, json.Unmarshal(m.Summary, &a.summary))
		}
	}
	return a
}

// TestCorpus explains the log of every scenario of the lab with its profile: all
// records are understood, the finding that the scenario expects is there, and
// the text is that of the golden file.
func TestCorpus(t *testing.T) {
	manifests, err := filepath.Glob(corpus + "/*/*/manifest.json")
	require.NoError(t, err)
	require.NotEmpty(t, manifests)
	root, err := os.Getwd()
	require.NoError(t, err)
	for i, name := range manifests {
		dir := filepath.Dir(name)
		t.Run(filepath.Base(filepath.Dir(dir))+"/"+filepath.Base(dir), func(t *testing.T) {
			t.Chdir(filepath.Join(root, dir))
			text, err := os.ReadFile("manifest.json")
			require.NoError(t, err)
			var want manifest
			require.NoError(t, json.Unmarshal(text, &want))
			args := []string{"before.log", "--profile-dir", "../../../../cmd/whydenied/testdata/apparmor.d"}
			for flag, file := range map[string]string{"--profile": "profile", "--seccomp": "seccomp.json"} {
				if _, err := os.Stat(file); err == nil {
					args = append(args, flag, file)
				}
			}
			checkScenario(t, want, explainJSON(t, args...))

			var stdout, stderr bytes.Buffer
			run(context.Background(), append([]string{"explain"}, args...), strings.NewReader(""), &stdout, &stderr)
			golden(t, "explain.txt", stdout.Bytes())
			if i%12 == 0 {
				checkFirstScreen(t, args)
			}
		})
	}
}

// checkFirstScreen holds that who reads no further than 24 lines of 80 columns, of which the
// last is for the prompt, has the cause and knows what to type next.
func checkFirstScreen(t *testing.T, args []string) {
	t.Helper()
	t.Setenv("COLUMNS", "80")
	t.Setenv("LINES", "24")
	var stdout, stderr bytes.Buffer
	run(context.Background(), append([]string{"explain"}, args...), strings.NewReader(""), &stdout, &stderr)
	text := stdout.String()
	lines := strings.Split(text, "\n")
	first := strings.Join(lines[:min(len(lines), 23)], "\n")
	if strings.Contains(text, "\n  cause: ") {
		assert.Regexp(t, `(?m)^  cause: |^ +count .* cause `, first)
	}
	if strings.Contains(text, "\nnext: ") {
		assert.Regexp(t, `(?m)^ *next: `, first)
	}
}

// checkScenario compares an answer with what the lab saw.
func checkScenario(t *testing.T, want manifest, got answer) {
	t.Helper()
	assert.Zero(t, got.summary.Unparsed)
	seen := got.summary.Denials + got.summary.Complain + got.summary.Audited
	suspected := 0 // of the end of a process, which is no record about an access
	for i := range got.findings {
		if got.findings[i].Seccomp != nil && got.findings[i].Seccomp.Suspected {
			suspected++
		}
	}
	assert.Equal(t, want.Before.Records, seen-suspected, "records about an access")
	if want.Expect["log"] == "none" {
		assert.Len(t, got.findings, suspected)
		if suspected == 0 {
			assert.Equal(t, exitClean, got.code)
		}
		return
	}
	if want.Before.Records == got.summary.Audited {
		return
	}
	assert.Equal(t, exitFound, got.code)
	for i := range got.findings {
		if meets(&got.findings[i], want.Expect) {
			return
		}
	}
	assert.Fail(t, "no finding is as expected", "want %v in %+v", want.Expect, got.findings)
}

// meets reports whether the record of a finding has all values that a scenario
// expects. A name in hex is compared decoded.
func meets(f *finding, expect map[string]string) bool {
	for key, want := range expect {
		if name, err := hex.DecodeString(want); key == "name" && err == nil && !strings.HasPrefix(want, "/") {
			want = string(name)
		}
		value, ok := f.Denial[key]
		if number, isNumber := value.(float64); isNumber {
			value = strconv.FormatFloat(number, 'f', -1, 64)
		}
		if !ok || value != want {
			return false
		}
	}
	return true
}

// golden compares text with a golden file, or writes it with -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(name, got, 0o644))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got))
}

// TestShapesAgree explains the same events in every shape that a host logs them
// in: the findings are those of audit.log, or the part of them that got through.
func TestShapesAgree(t *testing.T) {
	for shape, findings := range map[string]int{
		"journald/journal/auditd.audit.log": 6, "journald/journal/auditd.all.json": 6, "journald/journal/auditd.audit.json": 6,
		"journald/journal/auditd.audit.export": 6, "journald/journal/auditd.short": 6,
		"journald/journal/noauditd.all.json": 6, "journald/journal/noauditd.short": 6,
		"journald/journal/noauditd.audit.json": 5, "journald/journal/noauditd.audit.export": 5,
		"journald/journal/noauditd.kernel.json": 2, "journald/journal/noauditd.k.short": 2, "journald/journal/noauditd.dmesg": 2,
		"journald/journal/noauditd.dmesg-T": 2, "journald/journal/noauditd.dmesg-x": 2, "journald/journal/noauditd.dmesg.json": 2,
	} {
		ids := func(names ...string) map[string]int {
			found := map[string]int{}
			for i, name := range names {
				names[i] = filepath.Join(corpus, name)
			}
			for _, f := range explainJSON(t, names...).findings {
				found[f.ID] = f.Count
			}
			return found
		}
		want := ids("journald/final.audit.log")
		require.Len(t, want, 6)
		got := ids(shape)
		assert.Len(t, got, findings, shape)
		for id, count := range got {
			assert.Equal(t, want[id], count, "%s: finding %s", shape, id)
		}
	}
}
