package coverage_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/coverage"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
)

const profile = `abi <abi/3.0>,
profile web %s {
  capability chown kill,
  network inet,
  network inet stream,
  /etc/** r,
  /etc/hosts r,
  /srv/** rw,
  owner /home/** rw,
  /run/*.pid w,
  audit /opt/** r,
  deny /etc/shadow r,
}
`

// collector returns one that is asked about the profile with flags.
func collector(t *testing.T, flags string) *coverage.Collector {
	t.Helper()
	lib := library.New("none", nil)
	policy, problems := lib.UseProfile(rules.NewFile("web", fmt.Sprintf(profile, flags)))
	require.Empty(t, rules.Errors(problems))
	c := coverage.New(lib)
	c.Use(policy.Profiles[0])
	return c
}

// read gives a collector records, of which each is the part after the stamp.
func read(t *testing.T, c *coverage.Collector, records ...string) {
	t.Helper()
	var log strings.Builder
	for i, r := range records {
		fmt.Fprintf(&log, "type=AVC msg=audit(%d.000:%d): %s profile=\"web\" pid=7 comm=\"web\" fsuid=0 ouid=0\n", 1700000000+3600*i, i+1, r)
	}
	forms := parser.NewForms(false)
	denials, repeats, stats := forms.Scan(nil, nil, &parser.Block{Body: []byte(log.String())})
	require.Equal(t, len(records), len(denials)+len(repeats), "%+v", stats)
	for i := range denials {
		c.Add(&denials[i])
	}
	for i := range repeats {
		c.AddRepeat(&repeats[i])
	}
}

// told is what is known of rules: state, how often, and what they are.
func told(p coverage.Profile) (list []string) {
	for _, r := range p.Rules {
		text := fmt.Sprintf("%s %d: %s", r.State, r.Count, strings.TrimSpace(r.At.Text()))
		if r.Dead {
			text += " dead"
		}
		if r.Narrower != "" {
			text += " narrower " + strings.ReplaceAll(r.Narrower, "\n", " ")
		}
		list = append(list, text)
	}
	return list
}

const (
	opened = `apparmor="AUDIT" operation="open" name="%s" requested_mask="%s"`
	denied = `apparmor="DENIED" operation="open" name="%s" requested_mask="%s" denied_mask="%s"`
)

func TestRecords(t *testing.T) {
	c := collector(t, "flags=(audit)")
	read(t, c, fmt.Sprintf(opened, "/etc/hosts", "r"), fmt.Sprintf(opened, "/srv/a", "r"), fmt.Sprintf(opened, "/srv/a", "r"), fmt.Sprintf(opened, "/srv/b", "wr"),
		fmt.Sprintf(opened, "/run/x.pid", "w"), fmt.Sprintf(denied, "/etc/shadow", "r", "r"), fmt.Sprintf(denied, "/srv/c", "rx", "x"),
		`apparmor="AUDIT" operation="capable" capability=0 capname="chown"`, `apparmor="AUDIT" operation="create" family="inet" sock_type="dgram" requested_mask="create"`)
	p := c.Profiles()[0]
	assert.Equal(t, []string{
		"used 1: capability chown kill, narrower capability chown,",
		"used 1: network inet, narrower network inet dgram,",
		"not-observed 0: network inet stream, dead",
		"used 1: /etc/** r, narrower /etc/hosts r,",
		"used 1: /etc/hosts r, dead",
		"used 4: /srv/** rw, narrower /srv/a r, /srv/b rw, /srv/c r,",
		"not-observed 0: owner /home/** rw,",
		"used 1: /run/*.pid w, narrower /run/x.pid w,",
		"not-observed 0: audit /opt/** r,",
		"used 1: deny /etc/shadow r,",
	}, told(p))
	assert.Equal(t, "9 records of 8.0 hours", p.Evidence.Seen())
	assert.Equal(t, 2, p.Evidence.Ungranted)
}

// What leaves no record is not said to be not observed.
func TestUnrecorded(t *testing.T) {
	c := collector(t, "")
	read(t, c, fmt.Sprintf(opened, "/opt/x", "r"), fmt.Sprintf(denied, "/x", "r", "r"))
	states := map[coverage.State]int{}
	p := c.Profiles()[0]
	for _, r := range p.Rules {
		states[r.State]++
	}
	assert.Equal(t, map[coverage.State]int{coverage.Used: 1, coverage.Unrecorded: 9}, states)

	// With audit=all there are records of rules that ask for none.
	read(t, c, fmt.Sprintf(opened, "/srv/x", "r"))
	p = c.Profiles()[0]
	assert.True(t, p.Evidence.All)
	assert.Equal(t, 8, p.Count(func(r *coverage.Rule) bool { return r.State == coverage.Unobserved }))
}

// What a process wrote, and what was logged twice, does not count.
func TestNotCounted(t *testing.T) {
	c := collector(t, "flags=(audit)")
	line := `type=AVC msg=audit(1700000000.000:9): apparmor="AUDIT" operation="open" name="/srv/a" requested_mask="r" profile="web" pid=7 comm="web" fsuid=0 ouid=0`
	for range 2 {
		denials, _ := parser.Scan(nil, parser.Block{Body: []byte(line + "\n")})
		require.Len(t, denials, 1)
		c.Add(&denials[0])
	}
	forged := strings.Replace(line, "type=AVC", "type=USER_AVC", 1)
	denials, _ := parser.Scan(nil, parser.Block{Body: []byte(forged + "\n")})
	for i := range denials {
		c.Add(&denials[i])
	}
	assert.Equal(t, 1, c.Profiles()[0].Evidence.Records)
}

func TestStrace(t *testing.T) {
	c := collector(t, "")
	trace := &parser.Strace{All: true}
	for _, line := range []string{
		`7 openat(AT_FDCWD, "/etc/hosts", O_RDONLY) = 3`,
		`7 openat(AT_FDCWD, "/home/me/x", O_RDWR) = 3`,
		`7 openat(AT_FDCWD, "/srv/none", O_RDONLY) = -1 ENOENT (No such file or directory)`,
		`7 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 4`,
		`7 openat(AT_FDCWD, "/etc/shadow", O_RDONLY) = -1 EACCES (Permission denied)`,
		`7 openat(AT_FDCWD, "/var/run/x.pid", O_WRONLY) = 3`,
		`7 exit_group(0) = ?`,
	} {
		if a, ok := trace.Line(line); ok {
			c.Call(&a)
		}
	}
	p := c.Profiles()[0]
	assert.Equal(t, []string{
		"not-recorded 0: capability chown kill,",
		"used 1: network inet, narrower network inet stream,",
		"used 1: network inet stream, dead",
		"used 1: /etc/** r, narrower /etc/hosts r,",
		"used 1: /etc/hosts r, dead",
		"not-observed 0: /srv/** rw,",
		"used 1: owner /home/** rw, narrower owner /home/me/x rw,",
		"used 1: /run/*.pid w, narrower /run/x.pid w,",
		"not-observed 0: audit /opt/** r,",
		"used 1: deny /etc/shadow r,",
	}, told(p))
	assert.Equal(t, "7 traced calls", p.Evidence.Seen())
}

func TestSeccomp(t *testing.T) {
	lib := library.New("none", nil)
	_, err := lib.UseSeccomp(rules.NewFile("seccomp.json", `{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [
		{"names": ["read", "mount", "openat2", "read"], "action": "SCMP_ACT_ALLOW"},
		{"names": ["ptrace"], "action": "SCMP_ACT_LOG"},
		{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_NE"}]},
		{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_EQ"}]}]}`))
	require.NoError(t, err)
	c := coverage.New(lib)
	c.UseSeccomp()
	denials, _ := parser.Scan(nil, parser.Block{Body: []byte(`type=SECCOMP msg=audit(1700000000.000:9): auid=0 uid=0 gid=0 ses=1 pid=7 comm="x" exe="/x" sig=0 arch=c000003e syscall=101 compat=0 ip=0x7f code=0x7ffc0000` + "\n")})
	require.Len(t, denials, 1)
	c.Add(&denials[0])
	p := c.Profiles()[0]
	assert.Equal(t, []string{`not-recorded 0: "read"`, `not-recorded 0: "mount"`, `not-recorded 0: "openat2"`, `not-recorded 0: "read" dead`, `used 1: "ptrace"`, `not-recorded 0: "socket"`, `not-recorded 0: "socket"`}, told(p))

	trace := &parser.Strace{All: true}
	for _, line := range []string{`7 read(3, "", 1) = 0`, `7 socket(AF_INET, SOCK_STREAM, 0) = 3`, `7 socket(0x7f00aabbccdd, SOCK_STREAM, 0) = 3`, `7 nosuchcall() = 0`} {
		a, ok := trace.Line(line)
		require.True(t, ok)
		c.Call(&a)
	}
	p = c.Profiles()[0]
	assert.Equal(t, []string{`used 1: "read"`, `not-observed 0: "mount"`, `not-observed 0: "openat2"`, `not-observed 0: "read" dead`, `used 1: "ptrace"`, `used 1: "socket"`, `not-recorded 0: "socket"`}, told(p))
	assert.Equal(t, 1, p.Rules[6].Possible)
}
