package patch

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/library"
)

// ruleSets returns the sets of a log, with no profile at hand.
func ruleSets(t testing.TB, log string) []RuleSet {
	t.Helper()
	x := explain.New(library.New(t.TempDir(), nil))
	group := explain.NewGroup(nil, explain.Filter{})
	for _, d := range denials(t, log) {
		group.Add(d)
	}
	findings := x.DiagnoseAll(group.Findings())
	p := Make(x, findings)
	assert.Empty(t, p.Changes, "what is not known is not written")
	assert.Empty(t, p.Remedies)
	return RuleSets(x, findings, p)
}

// refusal is a record of an unknown profile.
func refusal(serial int, body string) string {
	return fmt.Sprintf("type=AVC msg=audit(1795427169.844:%d): apparmor=\"DENIED\" %s\n", serial, body)
}

// TestUnknownProfile holds that each class of record has the rule that grants it to an
// otherwise empty profile.
func TestUnknownProfile(t *testing.T) {
	for body, want := range map[string]string{
		`operation="open" class="file" profile="q" name="/srv/a b" pid=7 comm="a" requested_mask="wrc" denied_mask="wrc" fsuid=0 ouid=1`:                                                `"/srv/a b" rw,`,
		`operation="exec" profile="q" name="/usr/bin/id" pid=7 comm="a" requested_mask="x" denied_mask="x" fsuid=5 ouid=0`:                                                              `/usr/bin/id rix,`,
		`operation="link" profile="q" name="/srv/n" pid=7 comm="a" requested_mask="l" denied_mask="l" fsuid=0 ouid=1 target="/srv/o"`:                                                   `link subset /srv/n -> /srv/o,`,
		`operation="file_lock" profile="q" name="/run/l" pid=7 comm="a" requested_mask="k" denied_mask="k" fsuid=0 ouid=0`:                                                              `owner /run/l k,`,
		`operation="capable" class="cap" profile="q" pid=7 comm="a" capability=21  capname="sys_admin"`:                                                                                 `capability sys_admin,`,
		`operation="create" class="net" profile="q" pid=7 comm="a" family="inet6" sock_type="dgram" protocol=17 requested="create" denied="create"`:                                     `network inet6 dgram,`,
		`operation="connect" class="net" profile="q" pid=7 comm="a" family="unix" sock_type="stream" protocol=0 requested="connect" denied="connect" addr=none peer_addr="@x" peer="z"`: `unix (connect) type=stream peer=(label=z, addr=@x),`,
		`operation="mount" class="mount" profile="q" name="/mnt/" pid=7 comm="a" fstype="tmpfs" srcname="none" flags="rw, nosuid"`:                                                      `mount fstype=tmpfs options=(rw, nosuid) none -> /mnt/,`,
		`operation="umount" class="mount" profile="q" name="/mnt/" pid=7 comm="a"`:                                                                                                      `umount /mnt/,`,
		`operation="pivotroot" class="mount" profile="q" name="/new/" srcname="/new/old/" pid=7 comm="a"`:                                                                               `pivot_root oldroot=/new/old/ /new/,`,
		`operation="ptrace" class="ptrace" profile="q" pid=7 comm="a" requested_mask="read" denied_mask="read" peer="unconfined"`:                                                       `ptrace (read) peer=unconfined,`,
		`operation="signal" class="signal" profile="q" pid=7 comm="a" requested_mask="send" denied_mask="send" signal=term peer="z"`:                                                    `signal (send) set=(term) peer=z,`,
		`operation="dbus_method_call" bus="system" path="/o" interface="i.I" member="M" mask="send" name=":1.6" pid=7 profile="q" peer_pid=9 peer_label="unconfined"`:                   `dbus (send) bus=system path=/o interface=i.I member=M peer=(label=unconfined),`,
		`operation="change_onexec" class="file" profile="q" pid=7 comm="a" target="z"`:                                                                                                  `change_profile -> z,`,
		`operation="userns_create" class="namespace" profile="q" pid=7 comm="a" requested="userns_create" denied="userns_create"`:                                                       `userns create,`,
		`operation="open" class="posix_mqueue" profile="q" name="/q" pid=7 comm="a" requested="create" denied="create"`:                                                                 `mqueue (create) type=posix /q,`,
		`operation="uring_sqpoll" class="io_uring" profile="q" pid=7 comm="a" requested="sqpoll" denied="sqpoll"`:                                                                       `io_uring (sqpoll),`,
		`operation="setrlimit" class="rlimits" profile="q" pid=7 comm="a" rlimit=nofile value=4096`:                                                                                     `set rlimit nofile <= 4096,`,
	} {
		sets := ruleSets(t, refusal(1, body))
		require.Len(t, sets, 1, body)
		assert.Equal(t, "q", sets[0].Name)
		assert.Empty(t, sets[0].Left, body)
		assert.Equal(t, []string{want}, sets[0].Rules, body)
		assert.NotEmpty(t, sets[0].Unproved)
		compiles(t, sets[0])
	}
}

// parserTools are the versions of apparmor_parser that are asked, the first that knows
// classes of 4.0 last.
func parserTools(t testing.TB) (tools []string) {
	t.Helper()
	for _, name := range []string{"apparmor_parser", "/sbin/apparmor_parser", "/usr/sbin/apparmor_parser"} {
		if path, err := exec.LookPath(name); err == nil {
			tools = append(tools, path)
			break
		}
	}
	cache, err := os.UserCacheDir()
	if err == nil {
		if newer := filepath.Join(cache, "whydenied", "parsers", "trixie", "apparmor_parser"); exec.Command(newer, "--version").Run() == nil {
			tools = append(tools, newer)
		}
	}
	if len(tools) < 2 && os.Getenv("REQUIRE_TOOLS") == "1" {
		t.Fatal("apparmor_parser 3.0 and 4.1 are needed; .ci/parsers gets the second")
	}
	return tools
}

// compiles holds that the rules can be pasted into the body of a profile, for an
// apparmor_parser that has their class.
func compiles(t *testing.T, s RuleSet) {
	t.Helper()
	tools := parserTools(t)
	if len(tools) < 2 {
		t.Log("NOT RUN: apparmor_parser 4.1 is missing; .ci/parsers gets it")
		return
	}
	flags := ""
	if len(s.Flags) > 0 {
		flags = "flags=(" + strings.Join(s.Flags, ", ") + ") "
	}
	text := "profile q " + flags + "{\n" + strings.Join(s.Rules, "\n") + "\n}\n"
	if len(s.Head) == 0 {
		tools = tools[:1] // every version takes them
	} else {
		tools = tools[1:]
	}
	for _, tool := range tools {
		cmd := exec.Command(tool, "-Q", "-K", "-S", "--config-file", os.DevNull)
		cmd.Stdin = strings.NewReader(text)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		assert.NoError(t, cmd.Run(), "%s: %s\n%s", tool, stderr.String(), text)
	}
}

// TestUnknownProfilesTogether holds that accesses to one file are one rule, that what
// varies is a glob, and that what is asked for in vain is left out.
func TestUnknownProfilesTogether(t *testing.T) {
	const file = `operation="%s" profile="%s" name="%s" pid=7 comm="a" requested_mask="%s" denied_mask="%[4]s" fsuid=0 ouid=0`
	var log strings.Builder
	for i, a := range []struct{ operation, profile, name, mask string }{
		{"open", "q", "/srv/a", "r"}, {"open", "q", "/srv/a", "w"}, {"open", "q//kid", "/srv/b", "r"},
		{"open", "q", "/proc/7/stat", "r"}, {"mknod", "q", "/tmp/tmp.Xb3kQ9zL1p", "c"},
		{"open", "one//&other", "/srv/c", "r"}, {"open", "q//null-/usr/bin/x", "/srv/d", "r"},
	} {
		log.WriteString(refusal(10*i, fmt.Sprintf(file, a.operation, a.profile, a.name, a.mask)))
	}
	log.WriteString(refusal(90, `operation="open" info="Failed name lookup - disconnected path" error=-13 profile="q" name="run/x" pid=7 comm="a" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`))
	sets := ruleSets(t, log.String())
	require.Len(t, sets, 3)
	assert.Equal(t, "q", sets[0].Name)
	assert.Equal(t, []string{"owner /proc/[0-9]*/stat r,", "owner /run/x r,", "owner /srv/a rw,", "owner /srv/d r,", "owner /tmp/tmp.?????????? w,"}, sets[0].Rules)
	assert.Equal(t, []string{"attach_disconnected"}, sets[0].Flags)
	assert.Contains(t, sets[0].Proof, "the access is now allowed")
	compiles(t, sets[0])
	assert.Equal(t, []string{"owner /srv/b r,"}, sets[1].Rules)
	assert.Equal(t, "one//&other", sets[2].Name)
}

// TestUnknownFilter holds that calls of which no profile is known are the entry to add, by
// the container or the program.
func TestUnknownFilter(t *testing.T) {
	const call = `type=SECCOMP msg=audit(1795427169.844:%d): auid=0 uid=0 gid=0 ses=1 pid=%[1]d comm="x" exe="%s" sig=%d arch=%s syscall=%d compat=0 ip=0x1 code=%s` + "\n"
	log := fmt.Sprintf(call, 1, "/a", 31, "c000003e", 141, "0x80000000") + fmt.Sprintf(call, 2, "/a", 0, "c00000b7", 17, "0x7ffc0000") +
		fmt.Sprintf(call, 3, "/b", 0, "40000003", 221, "0x50000") + fmt.Sprintf(call, 4, "/b", 31, "c000003e", 900, "0x0")
	sets := ruleSets(t, log)
	require.Len(t, sets, 2)
	assert.Equal(t, "program /a", sets[0].Name)
	assert.Equal(t, []string{`{"names": ["getcwd", "setpriority"], "action": "SCMP_ACT_ALLOW"}`}, sets[0].Rules)
	assert.Equal(t, []string{`{"names": ["fcntl64"], "action": "SCMP_ACT_ALLOW"}`}, sets[1].Rules)
	assert.Len(t, sets[1].Left, 1, "a number that no call has")
}

// TestRuleSetsOfKnownProfiles holds that the rules of a profile that is known are those of
// its patch.
func TestRuleSetsOfKnownProfiles(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "p")
	require.NoError(t, os.WriteFile(file, []byte("profile p {\n  /srv/a r,\n}\n"), 0o600))
	x := explain.New(library.New(dir, nil))
	_, _, err := x.Library.AddProfile(file)
	require.NoError(t, err)
	group := explain.NewGroup(nil, explain.Filter{})
	for _, d := range denials(t, opened(1, "/srv/a", "w", 0)+opened(2, "/srv/b", "r", 0)) {
		group.Add(d)
	}
	findings := x.DiagnoseAll(group.Findings())
	sets := RuleSets(x, findings, Make(x, findings))
	require.Len(t, sets, 1)
	assert.Equal(t, file, sets[0].File)
	assert.ElementsMatch(t, []string{"/srv/a rw,", "owner /srv/b r,"}, sets[0].Rules)
	assert.Empty(t, sets[0].Unproved)
}

// TestRuleSetsLeave holds that what did no harm, and what is remedied elsewhere, has no rule.
func TestRuleSetsLeave(t *testing.T) {
	const capable = `operation="capable" class="cap" profile="%s" pid=7 comm="git" capability=21 capname="%s"`
	sets := ruleSets(t, refusal(1, fmt.Sprintf(capable, "q", "sys_resource"))+refusal(2, fmt.Sprintf(capable, "q", "sys_admin"))+
		refusal(3, `operation="open" class="file" profile="lxc-101_</var/lib/lxc>" name="/sys/net/ipv4/ip_forward" pid=9 comm="runc:[2:INIT]" requested_mask="w" denied_mask="w" fsuid=0 ouid=0`))
	require.Len(t, sets, 2)
	for _, s := range sets {
		assert.Empty(t, s.Rules, s.Name)
		assert.Len(t, s.Left, len(s.Findings), s.Name)
	}
	assert.Contains(t, sets[0].Left[0].Reason, "harmless as far as seen")
	assert.Contains(t, sets[1].Left[0].Reason, "the remedy is no rule of this profile (runc-in-lxc)")
}
