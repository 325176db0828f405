package expect

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// recordOf is the record that the kernel writes with some fields.
func recordOf(fields string) string {
	return `type=AVC msg=audit(1700000001.000:1): apparmor="DENIED" profile="web" ` + fields
}

func TestPropose(t *testing.T) {
	policy, diagnostics := (&apparmor.Loader{}).Load(rules.NewFile("policy", `profile web {
  /srv/** r,
  owner /home/** rw,
  deny /etc/shadow r,
  /usr/bin/php Px -> php,
  /usr/bin/id ix,
  /usr/bin/gone Px -> gone,
  network inet stream,
}
profile php { }
`))
	require.Empty(t, diagnostics)
	for fields, want := range map[string]string{
		`operation="open" class="file" name="/srv/a" requested_mask="r" denied_mask="r" fsuid=33 ouid=0`:        "allow open /srv/a r",
		`operation="open" class="file" name="/srv/a" requested_mask="rw" denied_mask="w" fsuid=33 ouid=0`:       "logged open /srv/a w|allow open /srv/a r",
		`operation="open" class="file" name="/etc/shadow" requested_mask="rw" denied_mask="rw" fsuid=33 ouid=0`: "deny open /etc/shadow rw",
		`operation="open" class="file" name="/home/a" requested_mask="wc" denied_mask="wc" fsuid=1 ouid=1`:      "allow owner open /home/a w",
		`operation="open" class="file" name="/etc/shadow" requested_mask="r" denied_mask="r"`:                   "silent open /etc/shadow r",
		`operation="open" class="file" name=2F737276206223 requested_mask="r" denied_mask="r"`:                  `logged open "/srv b#" r`,
		`operation="open" class="file" name=2F7372762F0A requested_mask="r" denied_mask="r"`:                    "! its names cannot be written on a line",
		`operation="exec" class="file" name="/usr/bin/php" requested_mask="x" denied_mask="x"`:                  "exec /usr/bin/php -> php",
		`operation="exec" class="file" name="/usr/bin/id" requested_mask="x" denied_mask="x"`:                   "exec /usr/bin/id -> web",
		`operation="exec" class="file" name="/usr/bin/gone" requested_mask="x" denied_mask="x"`:                 "allow exec /usr/bin/gone",
		`operation="exec" class="file" name="/bin/sh" requested_mask="x" denied_mask="x"`:                       "logged exec /bin/sh",
		`operation="create" class="net" family="inet" sock_type="stream" requested_mask="create"`:               "allow network inet stream create",
		`operation="capable" class="cap" capname="kill"`:                                                        "logged capability kill",
		`operation="change_hat" class="file" name="h"`:                                                          `! no rule decides on class "file"`,
		`operation="link" class="file" name="/srv/l" target="/srv/t" requested_mask="l" denied_mask="l"`:        "logged link /srv/l -> /srv/t",
		`operation="file_perm" class="file" name="/srv/x" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`:    "allow owner open /srv/x r",
	} {
		d, err := parser.Parse(recordOf(fields))
		require.NoError(t, err, fields)
		list, err := Propose(&d, policy.Profiles[0])
		if why, none := strings.CutPrefix(want, "! "); none {
			assert.ErrorContains(t, err, why, fields)
			continue
		}
		require.NoError(t, err, fields)
		var texts []string
		for i, e := range list {
			texts = append(texts, e.Text)
			assert.Equal(t, i > 0, e.Beside)
			assert.Equal(t, "web", e.Profile)
		}
		assert.Equal(t, want, strings.Join(texts, "|"), fields)
	}
}

func TestProposeCall(t *testing.T) {
	profile, _, err := seccomp.Parse(rules.NewFile("seccomp.json", `{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X32"], "syscalls": [
		{"names": ["read", "openat2"], "action": "SCMP_ACT_ALLOW"}, {"names": ["reboot"], "action": "SCMP_ACT_KILL_PROCESS"},
		{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 16, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]}]}`))
	require.NoError(t, err)
	known := seccomp.Call{Arch: seccomp.X86_64, Caps: []string{}}
	for _, c := range []struct {
		call parser.Seccomp
		want string
	}{
		{parser.Seccomp{Arch: 0xc000003e, Syscall: 0}, "allow syscall read"},
		{parser.Seccomp{Arch: 0xc000003e, Syscall: 83}, "silent syscall mkdir"},
		{parser.Seccomp{Arch: 0xc000003e, Syscall: 169}, "logged syscall reboot"},
		{parser.Seccomp{Arch: 0xc000003e, Syscall: 1<<30 | 83}, "silent syscall mkdir arch=x32"},
		{parser.Seccomp{Arch: 0xc000003e, Syscall: 5555}, "silent syscall 5555"},
		{parser.Seccomp{Arch: 0xc000003e, SyscallName: "clone", Args: []uint64{0}}, "allow syscall clone 0x0"},
		{parser.Seccomp{Arch: 0xc000003e, SyscallName: "clone"}, "! it depends on what is not known"},
		{parser.Seccomp{Suspected: true}, "! no record has the call"},
	} {
		e, err := ProposeCall(&c.call, profile, known)
		if why, none := strings.CutPrefix(c.want, "! "); none {
			assert.ErrorContains(t, err, why)
			continue
		}
		require.NoError(t, err, c.want)
		assert.Equal(t, c.want, e.Text)
	}
}

// What is proposed is read again as it is, and holds.
func FuzzPropose(f *testing.F) {
	f.Add(`operation="open" class="file" name="/srv/a" requested_mask="rw" denied_mask="w"`)
	f.Add(`operation="exec" class="file" name="/usr/bin/php" requested_mask="x" denied_mask="x" fsuid=0 ouid=0`)
	f.Add(`operation="open" class="file" name=2F0A23225C requested_mask="r"`)
	policy, _ := (&apparmor.Loader{}).Load(rules.NewFile("policy", "profile web { /srv/** r, deny /etc/** w, /usr/** Px -> php, }\nprofile php { }"))
	f.Fuzz(func(t *testing.T, fields string) {
		d, err := parser.Parse(recordOf(fields))
		if err != nil || d.AppArmor == nil {
			return
		}
		list, err := Propose(&d, policy.Profiles[0])
		if err != nil {
			return
		}
		for _, e := range list {
			again, err := Parse("x", "profile web\n"+e.Text+"  # as it was recorded\n")
			require.NoError(t, err, "%q", e.Text)
			require.Equal(t, []Expectation{e.Expectation}, again.Expectations)
			r, err := Check(e.Expectation, policy.Profiles[0])
			require.NoError(t, err, "%q", e.Text)
			assert.True(t, r.Holds, "%q", e.Text)
		}
	})
}
