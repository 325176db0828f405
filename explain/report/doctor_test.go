package report

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/host"
)

func doctorMessages() []DoctorMessage {
	quiet := NewHostAnswer(host.Answer{Name: "quiet-denies", Status: host.Hides, Found: `AppArmor's parameters/audit is "normal"`,
		Why: "what a deny rule without audit refuses leaves no record", Lever: &host.Noquiet,
		Do: host.Noquiet.Command("noquiet"), Undo: host.Noquiet.Command("normal")})
	hostile := NewHostAnswer(host.Answer{Name: "policy", Status: host.Unknown, Found: "loaded from no file: \x1b[2J\n\u202eweb\xff"})
	applied := NewApplied(host.Change{Lever: host.Noquiet, Previous: "normal"})
	undone := NewUndone(host.Change{Lever: host.Noquiet, Previous: "normal"})
	left := NewUndone(host.Change{Lever: host.Noquiet, Previous: "normal", Left: "all"})
	return []DoctorMessage{
		{Answer: &quiet}, {Answer: &hostile}, {Summary: &DoctorSummary{SchemaVersion: SchemaVersion, OK: 12, Hides: 1, Unknown: 1}},
		{Change: &applied}, {Change: &undone}, {Change: &left},
	}
}

func TestDoctorText(t *testing.T) {
	var out strings.Builder
	print := NewDoctorText(&out, TextOptions{Width: 70})
	for _, m := range doctorMessages() {
		require.NoError(t, print(m))
	}
	assert.Equal(t, `hides    AppArmor's parameters/audit is "normal"
         what a deny rule without audit refuses leaves no record
         do    printf %s noquiet >/sys/module/apparmor/parameters/audit
         undo  printf %s normal >/sys/module/apparmor/parameters/audit
unknown  loaded from no file: \x1b[2J\n\u202eweb\xff
12 ok, 1 would hide denials, 1 unknown
set /sys/module/apparmor/parameters/audit to "noquiet"; it was
         "normal"
         undo  printf %s normal >/sys/module/apparmor/parameters/audit
undone /sys/module/apparmor/parameters/audit to "normal"; it was
         "noquiet"
left /sys/module/apparmor/parameters/audit is "all" by now, which
         whydenied did not set; it was "normal" before
`, out.String())
}

func TestDoctorJSON(t *testing.T) {
	var out strings.Builder
	print := NewJSONLines[DoctorMessage](&out)
	for _, m := range doctorMessages() {
		require.NoError(t, print(m))
	}
	lines := strings.Split(out.String(), "\n")
	assert.Contains(t, lines[0], `{"check":{"check":"quiet-denies","status":"hides","found":"AppArmor's parameters/audit is \"normal\"",`)
	assert.Contains(t, lines[0], `"lever":"apparmor-audit"}}`)
	assert.Contains(t, lines[1], `\u001b[2J\n\u202eweb\\xff`)
	assert.Equal(t, `{"change":{"lever":"apparmor-audit","target":"/sys/module/apparmor/parameters/audit","from":"noquiet","to":"normal","left":"all"}}`, lines[5])
}

// TestDoctorDocumented holds that docs/doctor.md names every check and lever.
func TestDoctorDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/doctor.md")
	require.NoError(t, err)
	for _, a := range host.Answers((host.Host{Root: t.TempDir()}).Read(t.Context())) {
		assert.Contains(t, string(page), "`"+a.Name+"`")
	}
}
