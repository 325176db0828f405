package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

func verdict(p *apparmor.Profile, req apparmor.Request) access.Verdict {
	return access.Verdict{Profile: p, Request: req, Decision: p.Decide(req)}
}

// TestNewAnswer asks for what is granted, denied, unmatched and logged of one
// access.
func TestNewAnswer(t *testing.T) {
	policy, problems := (&apparmor.Loader{}).Load(rules.NewFile("p", `profile p {
  /a rk,
  deny /a w,
  audit deny /a k,
  audit /b r,
  /prog px -> other,
}`))
	require.Empty(t, problems)
	p := policy.Profile("p")
	for _, test := range []struct {
		path                                string
		perms                               apparmor.Perms
		decision                            string
		quiet                               bool
		granted, refused, unmatched, logged string
		effects                             string
	}{
		{"/a", apparmor.Read, "granted", false, "r", "", "", "", "allow"},
		{"/a", apparmor.Read | apparmor.Write, "refused", true, "r", "w", "", "", "deny allow"},
		{"/a", apparmor.Lock, "refused", false, "", "k", "", "k", "deny allow"},
		{"/a", apparmor.Write | apparmor.Mmap, "refused", false, "", "w", "m", "m", "deny"},
		{"/b", apparmor.Read, "granted", false, "r", "", "", "r", "allow"},
		{"/c", apparmor.Read, "refused", false, "", "", "r", "r", ""},
		{"/prog", apparmor.Exec, "granted", false, "x", "", "", "", "allow"},
	} {
		a := NewAnswer(verdict(p, apparmor.FileRequest{Path: test.path, Perms: test.perms}), true)
		assert.Equal(t, test.decision, a.Decision, test)
		assert.Equal(t, test.quiet, a.Quiet, test)
		assert.Equal(t, []string{test.granted, test.refused, test.unmatched, test.logged}, []string{a.Granted, a.Refused, a.Unmatched, a.Logged}, test)
		var effects []string
		for _, r := range a.Rules {
			effects = append(effects, r.Effect)
		}
		assert.Equal(t, test.effects, strings.Join(effects, " "), test)
		if test.path == "/prog" {
			assert.Equal(t, &Exec{Mode: "px", Missing: true}, a.Exec)
		}
	}
}

// TestAskCall asks for the record that each action leaves: seccomp_log() of the
// kernel.
func TestAskCall(t *testing.T) {
	for _, test := range []struct {
		action   string
		decision string
		quiet    bool // without the log flag; with it nothing is
	}{
		{"ERRNO", "refused", true},
		{"TRAP", "refused", true},
		{"TRACE", "refused", true},
		{"NOTIFY", "refused", true},
		{"KILL", "refused", false},
		{"KILL_PROCESS", "refused", false},
		{"LOG", "granted", false},
		{"ALLOW", "granted", false},
	} {
		for _, flags := range []string{`[]`, `["SECCOMP_FILTER_FLAG_LOG"]`} {
			p, _, err := seccomp.Parse(rules.NewFile("s", `{"defaultAction":"SCMP_ACT_`+test.action+`","flags":`+flags+`}`))
			require.NoError(t, err)
			a := AskCall(p, seccomp.Call{Arch: seccomp.X86_64, Name: "read"}, nil, true)
			assert.Equal(t, test.decision, a.Decision, test.action)
			assert.Equal(t, test.quiet && flags == `[]`, a.Quiet, test.action+flags)
		}
	}
}

// TestHostileAnswer holds that names of a policy come out visible only.
func TestHostileAnswer(t *testing.T) {
	policy, _ := (&apparmor.Loader{}).Load(rules.NewFile("p\x1b", "profile \"a\x1b]0;x\u202e\xff\" {\n  \"/\x07\xff\" r,\n}"))
	a := NewAnswer(verdict(policy.Profiles[0], apparmor.FileRequest{Path: "/\x07\xff", Perms: apparmor.Read | apparmor.Write}), true)
	a.Asked = "open /\x07\xff rw"
	var out bytes.Buffer
	require.NoError(t, NewJSONLines[Answer](&out)(a))
	require.NoError(t, WriteAnswerError(&out, 1, assert.AnError))
	require.NoError(t, NewAnswerText(&out, TextOptions{})(a))
	for line := range strings.Lines(out.String()) {
		assertPrintable(t, line)
	}
}
