package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/deploy"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/testdata/secrets"
)

// plant writes a log, a profile, a seccomp profile and an inspect output to the working
// directory that have each secret in all places where they can have it.
func plant(t *testing.T, all []secrets.Secret) (flags []string) {
	var log, profile strings.Builder
	labels := map[string]string{}
	args, env := []string{}, []string{}
	profile.WriteString("abi <abi/3.0>,\n# begin\nprofile web flags=(attach_disconnected) {\n")
	var bare []string // tokens that the next name has, three at a time
	for i, s := range all {
		text := strings.ReplaceAll(s.Text, "\n", " ")
		name := "/srv/x"
		if s.IsBare() {
			bare = append(bare, s.Text)
		}
		if len(bare) == 3 || i == len(all)-1 {
			name, bare = fmt.Sprintf("/srv/%d/%s", i, strings.Join(bare, "/")), nil
		}
		stamp := fmt.Sprintf("audit(1763891171.%03d:%d)", i%1000, i+10)
		fmt.Fprintf(&log, "type=AVC msg=%s: apparmor=\"DENIED\" operation=\"open\" profile=\"web\" name=%X pid=%d comm=\"app%d\" requested_mask=\"r\" denied_mask=\"r\" fsuid=0 ouid=0\n", stamp, name, 1000+i, i)
		fmt.Fprintf(&log, "type=SYSCALL msg=%s: arch=c000003e syscall=257 success=no exit=-13 a0=0 a1=0 a2=0 a3=0 items=1 ppid=1 pid=%d auid=0 uid=0 gid=0 comm=\"app\" exe=\"/usr/bin/app\"\n", stamp, 1000+i)
		fmt.Fprintf(&log, "type=EXECVE msg=%s: argc=3 a0=\"sh\" a1=\"-c\" a2_len=%d a2[0]=%X a2[1]=%X\n", stamp, 2*len(text), text[:len(text)/2], text[len(text)/2:])
		if i%2 == 0 {
			fmt.Fprintf(&log, "type=PROCTITLE msg=%s: proctitle=%s\n", stamp, hex.EncodeToString([]byte("sh\x00-c\x00"+text)))
		}
		if i%10 == 0 {
			fmt.Fprintf(&log, "type=AVC msg=audit(1763891171.%03d:%d): apparmor=\"DENIED\" operation=\"open\" info=\"%s\"\n", i%1000, i+5000, strings.ReplaceAll(text, `"`, "'")) // of no profile
		}
		fmt.Fprintf(&profile, "  /srv/known%d w, # %s\n", i, text)
		labels[fmt.Sprint("l", i)] = s.Text
		args, env = append(args, "-c", s.Text), append(env, fmt.Sprintf("V%d=%s", i, s.Text))
	}
	profile.WriteString("}\n")
	inspect, err := json.Marshal([]any{map[string]any{
		"Id": strings.Repeat("3f9c", 16), "Name": "/web-1", "Path": "sh", "Args": args, "AppArmorProfile": "web", "State": map[string]any{"Pid": 1},
		"Created": "2025-01-01T00:00:00Z", "Config": map[string]any{"Image": "web:1", "Env": env, "Labels": labels},
	}})
	require.NoError(t, err)
	for name, text := range map[string]string{"audit.log": log.String(), "web": profile.String(), "inspect.json": string(inspect)} {
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	}
	require.NoError(t, os.Mkdir("empty", 0o700))
	return []string{"audit.log", "--profile", "web", "--profile-dir", "empty", "--inventory", "inspect.json"}
}

// TestSecrets runs the commands on what has 300 kinds of secrets in all places: no
// format has any of them.
func TestSecrets(t *testing.T) {
	all := secrets.All()
	t.Chdir(t.TempDir())
	flags := plant(t, all)
	check := func(what, shown string) {
		leaks := 0
		for _, s := range all {
			if piece := s.Leaked(shown); piece != "" {
				if leaks++; leaks <= 3 {
					at := strings.Index(shown, piece)
					t.Errorf("%s: %s leaks in %.300q", what, s.Kind, shown[max(at-100, 0):])
				}
			}
		}
		t.Logf("%-20s %d kinds, %d leaks, %d KiB", what, len(all), leaks, len(shown)>>10)
	}
	runs := [][]string{append([]string{"parse"}, flags[0])}
	for _, format := range report.FormatNames() {
		runs = append(runs, slices.Concat([]string{"explain"}, formatFlags(format), flags), slices.Concat([]string{"patch"}, formatFlags(format), flags))
	}
	for _, format := range append([]string{"diff", "files"}, deployNames()...) {
		runs = append(runs, append([]string{"patch", "--format", format}, flags...))
	}
	runs = append(runs, append([]string{"collect", "-o", "bundle.tar.zst"}, flags...))
	for _, args := range runs {
		var stdout, stderr bytes.Buffer
		code := run(context.Background(), args, strings.NewReader(""), &stdout, &stderr)
		assert.NotEqual(t, exitFailed, code, stderr.String())
		check(strings.Join(args[:min(3, len(args))], " "), stdout.String()+stderr.String())
		assert.Greater(t, stdout.Len(), 100)
	}
	file, err := os.Open("bundle.tar.zst")
	require.NoError(t, err)
	defer file.Close()
	z, err := zstd.NewReader(file)
	require.NoError(t, err)
	defer z.Close()
	text, err := io.ReadAll(z)
	require.NoError(t, err)
	check("the bundle", string(text)+decoded(string(text)))
}

// decoded returns what is in hexadecimal in the records of a text.
func decoded(text string) string {
	var out strings.Builder
	for word := range strings.FieldsSeq(text) {
		_, value, _ := strings.Cut(word, "=")
		if b, err := hex.DecodeString(value); err == nil {
			out.Write(append(b, ' '))
		}
	}
	return out.String()
}

func deployNames() (names []string) {
	for _, f := range deploy.Formats {
		names = append(names, f.Name)
	}
	return names
}
