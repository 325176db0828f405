package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/parser/source"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// TestQueryAgrees asks each record of each corpus again, as parse prints it: query
// decides as explain does, by the same profile.
func TestQueryAgrees(t *testing.T) {
	if testing.Short() {
		t.Skip("asks one thing after the other, and takes long under the race detector")
	}
	logs, err := filepath.Glob(corpus + "/*/*/before.log")
	require.NoError(t, err)
	mixed, err := filepath.Glob(corpus + "/*/final.audit.log")
	require.NoError(t, err)
	require.NotEmpty(t, mixed)
	asked := map[string]int{}
	for _, log := range append(logs, mixed...) {
		t.Run(strings.TrimPrefix(log, corpus+"/"), func(t *testing.T) {
			inputs := source.Inputs([]string{log}, nil)
			agree(t, inputs, policyOf(t, filepath.Dir(log)), asked)
		})
	}
	for _, operation := range []string{"link", "setrlimit", "exec", "change_profile", "change_onexec", "capable", "mount", "ptrace", ""} {
		assert.NotZero(t, asked[operation], "no record of %q", operation)
	}
}

// TestQueryAgreesOnRare does so with records that no scenario of the lab made.
func TestQueryAgreesOnRare(t *testing.T) {
	for i, body := range []string{
		`operation="open" profile="lab_stack_both//&lab_stack_c" name="/srv/lab/r" requested_mask="r" denied_mask="r"`,
		`operation="exec" profile="lab_stack_c//&lab_stack_both" name="/srv/labbin/tool" requested_mask="x" denied_mask="x"`,
		`operation="open" profile="lab_stack_c//&lab_stack_both" name="/proc/1/attr/current" requested_mask="w" denied_mask="w"`,
		`operation="open" profile="nowhere//&lab_stack_both" name="/proc/1/attr/current" requested_mask="w" denied_mask="w"`,
		`operation="change_profile" label="lab_stack_both//&lab_stack_c" name="lab_stack_c" target="lab_stack_c"`,
		`operation="setrlimit" profile="lab_rlimit" info="cap_sys_resource" rlimit=nofile value=100`,
		`operation="setrlimit" profile="lab_file_link" info="cap_sys_resource" rlimit=nofile value=100`,
		`operation="setrlimit" profile="lab_rlimit" rlimit=nofile value=18446744073709551615`,
		`operation="link" profile="lab_file_link" info="link not subset of target" name="/srv/lab/hard" requested_mask="l" denied_mask="l" fsuid=0 ouid=0 target="/srv/lab/l"`,
		`operation="link" profile="lab_file_link" name="/srv/lab/l" requested_mask="wracd" denied_mask="wracd" fsuid=0 ouid=0 target="/srv/lab/x"`,
		`operation="change_hat" profile="lab_rlimit" info="hat not found" error=-2 name="no_hat"`,
		`operation="change_profile" profile="lab_rlimit" info="label not found" error=-2 name="other"`,
		`operation="getattr" profile="lab_rlimit//null-/bin/x" name="/bin/x" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`,
		`operation="open" profile="lab_rlimit" name="/srv/lab/r" requested_mask="rQ" denied_mask="rQ"`,
		`operation="capable" profile="lab_rlimit" capability=99 capname="new_one"`,
		`operation="create" profile="lab_rlimit" family="new_one" sock_type="stream" requested_mask="create" denied_mask="create"`,
		`operation="userns_create" profile="unconfined" requested="userns_create" denied="userns_create"`,
		`operation="open" class="posix_mqueue" profile="lab_rlimit" name="/q" requested="open" denied="open"`,
		`operation="uring_override" class="io_uring" profile="docker-default" requested="override_creds" denied="override_creds" tcontext="docker-default"`,
		`operation="sendmsg" profile="lab_rlimit" saddr=1.1.1.1 src=53 daddr=2.2.2.2 dest=5353 family="inet" sock_type="dgram" protocol=17 requested_mask="send" denied_mask="send"`,
		`operation="dbus_signal" profile="lab_rlimit" bus="system" path="/x" interface="i" member="m" mask="receive" peer_profile="docker-default"`,
		`operation="mount" profile="lab_rlimit" name="/mnt/" flags="ro, remount, bind"`,
		`operation="open" profile="docker-default" info="Failed name lookup - disconnected path" error=-13 name="f" requested_mask="r" denied_mask="r"`,
		`operation="open" profile="lab_rlimit" info="Failed name lookup - deleted entry" error=-2 name="/srv/f" requested_mask="r" denied_mask="r"`,
	} {
		text := fmt.Sprintf("type=AVC msg=audit(1795427373.296:%d): apparmor=\"DENIED\" %s pid=5 comm=\"x\"\n", i+1, body)
		agree(t, source.Inputs([]string{"-"}, strings.NewReader(text)), policyOf(t, corpus), map[string]int{})
	}
	forged := `12,1,1,-;audit: type=1400 audit(1795427373.296:9): apparmor="DENIED" operation="open" profile="lab_rlimit" name="/x" pid=5 comm="x" requested_mask="r" denied_mask="r"`
	agree(t, source.Inputs([]string{"-"}, strings.NewReader(forged+"\n")), policyOf(t, corpus), map[string]int{})
	for _, args := range []string{"a0=7f a1=0 a2=0 a3=0", "a0=7f a1=1ff a2=0 a3=0"} {
		for _, code := range []string{"0x7ffc0000", "0x50000", "0x80000000"} {
			text := fmt.Sprintf("type=SECCOMP msg=audit(1795427373.296:9): subj=x pid=5 comm=\"x\" sig=0 arch=c000003e syscall=83 compat=0 ip=0x1 code=%s\n"+
				"type=SYSCALL msg=audit(1795427373.296:9): arch=c000003e syscall=83 success=yes exit=0 %s pid=5 comm=\"x\"\n", code, args)
			agree(t, source.Inputs([]string{"-"}, strings.NewReader(text)), policyOf(t, corpus), map[string]int{})
		}
	}
}

// policyOf returns the flags that name the policy of a scenario, or that of all
// scenarios for a log of many.
func policyOf(t *testing.T, dir string) []string {
	t.Helper()
	flags := []string{"--profile-dir", "testdata/apparmor.d"}
	profiles, err := filepath.Glob(filepath.Join(dir, "profile"))
	require.NoError(t, err)
	filter := filepath.Join(dir, "seccomp.json")
	if _, err := os.Stat(filter); err != nil {
		filter = filepath.Join(t.TempDir(), "seccomp.json")
		require.NoError(t, os.WriteFile(filter, []byte(gated), 0o600))
	}
	if _, err := os.Stat(filepath.Join(dir, "manifest.json")); err != nil {
		profiles, err = filepath.Glob(corpus + "/linux-6.1-auditd/*/profile")
		require.NoError(t, err)
	}
	for _, name := range profiles {
		flags = append(flags, "--profile", name)
	}
	return append(flags, "--seccomp", filter)
}

// gated is a filter with an answer of each kind to the calls of the corpora.
const gated = `{
  "defaultAction": "SCMP_ACT_ERRNO",
  "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
  "syscalls": [
    {"names": ["sethostname"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
    {"names": ["mkdir"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 1, "value": 0, "op": "SCMP_CMP_EQ"}]},
    {"names": ["personality"], "action": "SCMP_ACT_LOG"}
  ]
}`

// agree compares explain and query about each record of a log by itself, and counts
// those of each operation.
func agree(t *testing.T, inputs []source.Input, flags []string, asked map[string]int) {
	t.Helper()
	for batch, err := range source.Scan(context.Background(), inputs) {
		require.NoError(t, err)
		for _, d := range batch.Denials {
			if d.Mode == parser.Status || d.Mode == parser.Audited {
				continue // explain says nothing of what was not refused
			}
			var text []byte
			for _, r := range d.Event.Records[d.Record:] {
				text = r.AppendLine(text)
			}
			operation := ""
			if d.AppArmor != nil {
				operation = d.AppArmor.Operation
			}
			asked[operation]++
			want := explained(t, text, flags)
			line := output(t, text, "parse", "-")
			got := queried(t, line, flags)
			assert.Equal(t, want.decision, got.decision, "%s\n%s", text, line)
			if want.profile != "" && got.profile != "" {
				assert.Equal(t, want.profile, got.profile, "%s", text)
			}
		}
	}
}

// A ruling is what a command says of a record: its decision, and the profile that
// it asked, or "" if it does not say.
type ruling struct{ decision, profile string }

// output is what a command prints.
func output(t *testing.T, stdin []byte, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	run(context.Background(), args, bytes.NewReader(stdin), &stdout, &stderr)
	return stdout.String()
}

// explained is what explain says of the only record of a log. Its profile is the one
// that holds the first of the rules.
func explained(t *testing.T, text []byte, flags []string) ruling {
	t.Helper()
	var m struct {
		Finding struct {
			Decision string
			Denial   map[string]any
			Rules    []struct {
				File string
				Line int
			}
		}
	}
	answer := output(t, text, append([]string{"explain", "--format", "json", "-"}, flags...)...)
	for line := range strings.Lines(answer) {
		if m.Finding.Decision == "" {
			require.NoError(t, json.Unmarshal([]byte(line), &m), "%s", text)
		}
	}
	v := ruling{decision: m.Finding.Decision}
	if m.Finding.Denial["syscall"] != nil {
		return v
	}
	for _, rule := range m.Finding.Rules {
		if !slices.Contains(flags, rule.File) {
			continue
		}
		policy, _, err := (&apparmor.Loader{Include: []string{"testdata/apparmor.d"}}).LoadFile(rule.File)
		require.NoError(t, err)
		for _, p := range policy.Profiles {
			if line, _ := p.At.File.Position(p.At.Span.Start); line <= rule.Line && p.At.File.Name == rule.File {
				v.profile = p.FullName()
			}
		}
		break
	}
	return v
}

// queried is what query answers to a line of parse. A line that has no answer is
// undecidable; of seccomp, explain does not say whether a refusal is quiet, as it has
// a record.
func queried(t *testing.T, line string, flags []string) ruling {
	t.Helper()
	var a struct {
		Decision, Profile, Error, Syscall string
		Quiet                             bool
	}
	require.NoError(t, json.Unmarshal([]byte(output(t, []byte(line), append([]string{"query", "--profile", "builtin:docker-default"}, flags...)...)), &a), line)
	switch {
	case a.Error != "":
		return ruling{decision: "undecidable"}
	case a.Syscall == "" && a.Decision == "refused" && a.Quiet:
		a.Decision = "quiet"
	}
	return ruling{a.Decision, a.Profile}
}
