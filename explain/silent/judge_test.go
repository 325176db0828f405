package silent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/layer"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/explain/message"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// denials parses the records of a log.
func denials(t testing.TB, log string) []parser.Denial {
	t.Helper()
	found, stats := parser.Scan(nil, parser.Block{File: "log", Body: []byte(log)})
	require.Zero(t, stats.Unparsed)
	return found
}

// policyOf returns a policy with a profile p of these rules and a seccomp
// profile, either of which may be "".
func policyOf(t *testing.T, rules, seccomp string) *explain.Explainer {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		return name
	}
	explainer := explain.New(library.New(filepath.Join(dir, "none"), nil))
	if rules != "" {
		_, _, err := explainer.Library.AddProfile(write("p", "profile p {\n"+rules+"\n}\n"))
		require.NoError(t, err)
	}
	if seccomp != "" {
		_, err := explainer.Library.AddSeccomp(write("s.json", seccomp))
		require.NoError(t, err)
	}
	return explainer
}

// traced returns what strace says of a call that failed.
func traced(t *testing.T, line string) parser.Attempt {
	t.Helper()
	a, failed := (&parser.Strace{}).Line("7 " + line)
	require.True(t, failed, line)
	return a
}

func TestJudgeAppArmor(t *testing.T) {
	const all = "file, network, capability, mount, umount, pivot_root, ptrace, signal,"
	for _, c := range []struct {
		line, rules string
		want        string // words of the record that would be logged; "" if the profile does not refuse
	}{
		{`openat(AT_FDCWD, "/srv/a", O_RDONLY|O_CLOEXEC) = -1 EACCES (P)`, "deny /srv/a r,", "open /srv/a r"},
		{`openat(AT_FDCWD, "/srv/a", O_RDONLY|O_CLOEXEC) = -1 EACCES (P)`, "deny /srv/a w,", ""},
		{`openat(AT_FDCWD, "/srv/a", O_RDONLY|O_CLOEXEC) = -1 EPERM (P)`, "deny /srv/a r,", ""}, // AppArmor answers EACCES
		{`openat(3</srv>, "a", O_WRONLY|O_CREAT|O_TRUNC, 0644) = -1 EACCES (P)`, "deny /srv/a w,", "open /srv/a wc"},
		{`openat(3, "a", O_RDONLY) = -1 EACCES (P)`, "deny /srv/a r,", ""}, // of what directory is not known
		{`openat(AT_FDCWD</srv/b>, "../a", O_RDONLY) = -1 EACCES (P)`, "deny /srv/a r,", "open /srv/a r"},
		{`open("/srv/a"..., O_RDONLY) = -1 EACCES (P)`, "deny /srv/** r,", ""}, // cut off
		{`open("/srv/d", O_RDONLY|O_DIRECTORY) = -1 EACCES (P)`, "deny /srv/d/ r,", "open /srv/d/ r"},
		{`open("/srv/log", O_WRONLY|O_APPEND) = -1 EACCES (P)`, "deny /srv/log a,", "open /srv/log a"},
		{`mkdir("/srv/d", 0777) = -1 EACCES (P)`, "deny /srv/d/ w,", "mkdir /srv/d/ c"},
		{`unlinkat(AT_FDCWD, "/srv/d", AT_REMOVEDIR) = -1 EACCES (P)`, "deny /srv/d/ w,", "rmdir /srv/d/ d"},
		{`rename("/srv/a", "/srv/b") = -1 EACCES (P)`, "deny /srv/b w,", "rename_dest /srv/b wc"},
		{`linkat(AT_FDCWD, "/srv/a", AT_FDCWD, "/srv/b", 0) = -1 EACCES (P)`, "deny /srv/b l,", "link /srv/b l"},
		{`execve("/srv/tool", ["/srv/tool"], 0x7ffd /* 3 vars */) = -1 EACCES (P)`, "deny /srv/tool x,", "exec /srv/tool x"},
		{`execve("/bin/tool", ["tool"], 0x7ffd /* 3 vars */) = -1 EACCES (P)`, "deny /usr/bin/tool x,", "exec /usr/bin/tool x"}, // a merged /usr
		{`mmap(NULL, 4096, PROT_READ|PROT_EXEC, MAP_PRIVATE, 3</srv/l.so>, 0) = -1 EACCES (P)`, "deny /srv/l.so m,", "file_mmap /srv/l.so m"},
		{`fchown(3</srv/a>, 1, 1) = -1 EACCES (P)`, "deny /srv/a w,", "chown /srv/a w"},
		{`socket(AF_INET, SOCK_RAW|SOCK_CLOEXEC, IPPROTO_ICMP) = -1 EACCES (P)`, "deny network inet raw,", "create inet raw"},
		{`socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)) = -1 EPERM (P)`, "deny capability net_raw,", "capable net_raw"},
		{`connect(3, {sa_family=AF_UNIX, sun_path="/run/x.sock"}, 110) = -1 EACCES (P)`, "deny /run/x.sock rw,", "connect /run/x.sock wr"},
		{`mount("none", "/mnt", "tmpfs", MS_RDONLY|MS_NOSUID, NULL) = -1 EACCES (P)`, "deny mount fstype=tmpfs,", "mount /mnt/ ro, nosuid none tmpfs"},
		{`mount("/a", "/b", NULL, MS_BIND|MS_REC, NULL) = -1 EACCES (P)`, "deny mount options=(rw, rbind) /a/ -> /b/,", "mount /b/ rw, rbind /a/"},
		{`umount2("/mnt", MNT_DETACH) = -1 EACCES (P)`, "deny umount /mnt/,", "umount /mnt/"},
		{`unshare(CLONE_NEWNET) = -1 EPERM (P)`, "deny capability sys_admin,", "capable sys_admin"},
		{`unshare(CLONE_NEWUSER) = -1 EPERM (P)`, "deny capability sys_admin,", ""},
		{`kill(9, SIGTERM) = -1 EACCES (P)`, "deny signal send set=term peer=p,", "signal term p"},
		{`ptrace(PTRACE_ATTACH, 9) = -1 EACCES (P)`, "deny ptrace trace peer=p,", "ptrace p"},
		{`openat(AT_FDCWD, "/proc/self/attr/current", O_WRONLY) = -1 EACCES (P)`, "deny /proc/[0-9]*/attr/current w,", "open /proc/7/attr/current w"},
	} {
		explainer := policyOf(t, all+c.rules, "")
		d, refused := Judge(explainer.Library, traced(t, c.line), Target{Profile: "p"})
		if c.want == "" {
			assert.False(t, refused, c.line)
			continue
		}
		require.True(t, refused, "%s\n%s", c.line, c.rules)
		a := d.AppArmor
		mask := a.Denied
		switch a.Operation {
		case "create", "signal", "ptrace":
			mask = ""
		}
		got := strings.Join(strings.Fields(strings.Join([]string{a.Operation, a.Name, mask, a.CapName, a.Family, a.SockType, a.Flags, a.SrcName, a.FSType, a.Signal, a.Peer}, " ")), " ")
		assert.Equal(t, c.want, got, c.line)
		g := explain.NewGroup(nil, explain.Filter{})
		found, _ := g.AddClaim(d, container.Container{})
		f := explainer.Explain(*found)
		assert.Equal(t, explain.DenyRule, f.Cause, c.line)
		assert.Equal(t, explain.Quiet, f.Decision, c.line)
		assert.True(t, found.IsClaim())
	}
}

// TestJudgeComplain holds that a profile in complain mode explains nothing but
// what it denies.
func TestJudgeComplain(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "p")
	require.NoError(t, os.WriteFile(name, []byte("profile p flags=(complain) {\ndeny /srv/a r,\n}\n"), 0o600))
	explainer := explain.New(library.New(filepath.Join(dir, "none"), nil))
	_, _, err := explainer.Library.AddProfile(name)
	require.NoError(t, err)
	for path, want := range map[string]bool{"/srv/a": true, "/srv/b": false} {
		_, refused := Judge(explainer.Library, traced(t, `open("`+path+`", O_RDONLY) = -1 EACCES (P)`), Target{Profile: "p"})
		assert.Equal(t, want, refused, path)
	}
}

// TestJudgeSeccomp holds that a filter is asked with the arguments that strace
// prints, and that its answer must be the one that was got.
func TestJudgeSeccomp(t *testing.T) {
	const profile = `{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
 {"names": ["mkdir", "setns"], "action": "SCMP_ACT_ALLOW"},
 {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 2114060288, "op": "SCMP_CMP_MASKED_EQ"}]},
 {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_NE"}]},
 {"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]},
 {"names": ["bpf"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}, {"names": ["acct"], "action": "SCMP_ACT_TRAP"}]}`
	for line, want := range map[string]explain.Cause{
		`unshare(CLONE_NEWNET) = -1 EPERM (P)`:                                        explain.SyscallNotListed,
		`unshare(CLONE_NEWNET) = -1 EACCES (P)`:                                       "",
		`mkdir("/a", 0777) = -1 EPERM (P)`:                                            "",
		`clone(child_stack=NULL, flags=CLONE_NEWUSER|SIGCHLD) = -1 EPERM (P)`:         explain.ArgumentMismatch,
		`clone(child_stack=NULL, flags=CLONE_VM|CLONE_THREAD|SIGCHLD) = -1 EPERM (`:   "",
		`clone(child_stack=NULL, flags=CLONE_UNHEARD_OF|SIGCHLD) = -1 EPERM (P)`:      explain.UndecidableArguments,
		`socket(AF_VSOCK, SOCK_STREAM, 0) = -1 EPERM (P)`:                             explain.ArgumentMismatch,
		`socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP) = -1 EPERM (P)`:       "",
		`socket(0x28 /* AF_??? */, SOCK_STREAM, 0) = -1 EPERM (P)`:                    explain.ArgumentMismatch,
		`personality(PER_LINUX32) = -1 EPERM (P)`:                                     "",
		`personality(PER_LINUX|ADDR_NO_RANDOMIZE) = -1 EPERM (P)`:                     explain.ArgumentMismatch,
		`bpf(BPF_PROG_LOAD, {}, 120) = -1 ENOSYS (F)`:                                 explain.SyscallDenied,
		`bpf(BPF_PROG_LOAD, {}, 120) = -1 EPERM (P)`:                                  "",
		`--- SIGSYS {si_signo=SIGSYS, si_code=SYS_SECCOMP, si_syscall=__NR_acct} ---`: explain.SyscallDenied,
	} {
		explainer := policyOf(t, "", profile)
		d, refused := Judge(explainer.Library, traced(t, line), Target{})
		if want == "" {
			assert.False(t, refused, line)
			continue
		}
		require.True(t, refused, line)
		found, _ := explain.NewGroup(nil, explain.Filter{}).AddClaim(d, container.Container{})
		f := explainer.Explain(*found)
		assert.Equal(t, want, f.Cause, "%s: %s", line, f.Why)
		if want != explain.UndecidableArguments {
			assert.Equal(t, explain.Quiet, f.Decision, line)
			assert.NotEmpty(t, f.Fixes, line)
		}
	}
}

// TestJudgeMessages holds what is made of error output, which says less.
func TestJudgeMessages(t *testing.T) {
	for _, c := range []struct{ line, rules, want string }{
		{`nginx: [emerg] open() "/var/run/nginx.pid" failed (13: Permission denied)`, "file, deny /run/** w,", "open /run/nginx.pid w"},
		{`cat: /srv/a: Permission denied`, "file, deny /srv/** rwx,", "open /srv/a rw"},
		{`cat: /srv/a: Permission denied`, "file, audit deny /srv/** rwx,", "open /srv/a r"}, // whatever it was opened for
		{`cat: /srv/a: Permission denied`, "file, audit deny /srv/** w,", ""},                // it may have been opened to be read
		{`exec /app/server: permission denied`, "file, deny /app/** x,", ""},                 // the runtime's, which is unconfined
		{`panic: fork/exec /app/server: permission denied`, "file, deny /app/** x,", "exec /app/server x"},
		{`sh: 1: ping: Permission denied`, "file, deny /usr/bin/** x,", "exec /usr/bin/ping x"},
		{`/docker-entrypoint.sh: 47: exec: nginx: Permission denied`, "file, /opt/nginx ix, deny /opt/** x, deny /usr/bin/** x,", "exec /opt/nginx x"},
		{`mkdir: cannot create directory ‘/srv/d’: Permission denied`, "file, deny /srv/** w,", "mkdir /srv/d/ c"},
		{`touch: cannot touch '/srv/a': Read-only file system`, "file, deny /srv/** w,", ""},
	} {
		a, ok := message.Read(parser.Origin{File: "f", Line: 1}, c.line, seccomp.X86_64)
		require.True(t, ok, c.line)
		d, refused := Judge(policyOf(t, c.rules, "").Library, a, Target{Profile: "p"})
		require.Equal(t, c.want != "", refused, c.line)
		if refused {
			assert.Equal(t, c.want, strings.Join([]string{d.AppArmor.Operation, d.AppArmor.Name, d.AppArmor.Denied}, " "), c.line)
		} else {
			assert.NotEmpty(t, otherReasons(&a))
		}
	}
	// A library can have made another call than the one that is named.
	both := `{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["openat"], "action": "SCMP_ACT_ALLOW"}]}`
	a, _ := message.Read(parser.Origin{}, "cat: can't open '/srv/a': Operation not permitted", seccomp.X86_64)
	_, refused := Judge(policyOf(t, "", both).Library, a, Target{})
	assert.False(t, refused)
	_, refused = Judge(policyOf(t, "", strings.Replace(both, "openat", "read", 1)).Library, a, Target{})
	assert.True(t, refused)
}

func TestTargets(t *testing.T) {
	explainer := policyOf(t, "file,", "")
	names := func(targets []Target) (names []string) {
		for _, target := range targets {
			names = append(names, target.Name()+" "+target.Profile)
		}
		return names
	}
	assert.Equal(t, []string{"profile p p"}, names(Targets(explainer.Library, nil, explain.Filter{})))
	assert.Empty(t, Targets(explainer.Library, nil, explain.Filter{Containers: []string{"web"}}))
	assert.Equal(t, []string{"profile docker-default docker-default"}, names(Targets(policyOf(t, "", "").Library, nil, explain.Filter{Profiles: []string{"docker-default"}})))
	inventory := &container.Inventory{Containers: []container.Container{{Name: "web", AppArmorProfile: "p"}, {Name: "db", AppArmorProfile: "unconfined"}}}
	assert.Equal(t, []string{"container web p", "container db "}, names(Targets(explainer.Library, inventory, explain.Filter{})))
	assert.Equal(t, []string{"container db "}, names(Targets(explainer.Library, inventory, explain.Filter{Containers: []string{"db"}})))
}

// TestSilent holds which rules stand out, and that what is logged is not listed.
func TestSilent(t *testing.T) {
	explainer := policyOf(t, "file,\n/usr/sbin/nginx ix,\ndeny /tmp/** w,\naudit deny /etc/** w,\ndeny /usr/sbin/** x,\ndeny /usr/lib/** m,", "")
	texts := func(status int) (likely, others []string) {
		list := Of(explainer.Library, Target{Profile: "p"}, status)
		require.Len(t, list, 2)
		assert.Contains(t, list[1].Why, "which one is in force is not known")
		for _, r := range list[0].Refusals {
			if r.Likely {
				likely = append(likely, r.Place.At.Text())
			} else {
				others = append(others, r.Place.At.Text())
			}
		}
		return likely, others
	}
	likely, others := texts(0)
	assert.Equal(t, []string{"deny /usr/sbin/** x,", "deny /usr/lib/** m,"}, likely)
	assert.Equal(t, []string{"deny /tmp/** w,"}, others)
	likely, _ = texts(139)
	assert.Equal(t, []string{"deny /usr/lib/** m,"}, likely)

	suspects := Suspects(explainer.Library, Target{Profile: "p"}, 126)
	require.Len(t, suspects, 1)
	assert.Equal(t, "/usr/sbin/nginx", suspects[0].AppArmor.Name)
	assert.Equal(t, "x", suspects[0].AppArmor.Denied)
	assert.Empty(t, Suspects(explainer.Library, Target{Profile: "p"}, 0))
	assert.Empty(t, Suspects(explainer.Library, Target{Profile: "p"}, 139))
	assert.Empty(t, Suspects(explainer.Library, Target{Profile: "unheard-of"}, 126))

	for profile, want := range map[string]int{
		`{"defaultAction": "SCMP_ACT_ERRNO"}`:                                                               1,
		`{"defaultAction": "SCMP_ACT_ERRNO", "flags": ["SECCOMP_FILTER_FLAG_LOG"]}`:                         0,
		`{"defaultAction": "SCMP_ACT_KILL"}`:                                                                0,
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["acct"], "action": "SCMP_ACT_TRAP"}]}`: 1,
	} {
		list := Of(policyOf(t, "", profile).Library, Target{}, 159)
		require.Len(t, list, 1)
		assert.Len(t, list[0].Refusals, want, profile)
		assert.NotEmpty(t, list[0].Why)
	}
}

// An entry whose condition the container does not meet refuses it nothing.
func TestSilentInForce(t *testing.T) {
	explainer := policyOf(t, "", `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
		{"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
		{"names": ["acct"], "action": "SCMP_ACT_ERRNO", "includes": {"arches": ["arm64"]}}]}`)
	for caps, want := range map[string]int{"CAP_SYS_ADMIN": 0, "CAP_CHOWN": 1} {
		list := Of(explainer.Library, Target{Container: container.Container{Caps: []string{caps}}}, 0)
		require.Len(t, list, 1)
		assert.Len(t, list[0].Refusals, want, caps)
	}
	list := Of(explainer.Library, Target{}, 0)
	assert.Len(t, list[0].Refusals, 1, "it may hold none")
}

// TestNamelessProfile holds that a record without a profile, or with one that ends
// in a slash, is looked for in the directory without end.
func TestNamelessProfile(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), []byte("profile a {\n}\nprofile /x/ {\n}\n"), 0o600))
	explainer := explain.New(library.New(dir, nil))
	assert.Nil(t, explainer.Library.Profile(container.Container{}, ""))
	assert.Nil(t, explainer.Library.Profile(container.Container{}, "//b"))
	assert.NotNil(t, explainer.Library.Profile(container.Container{}, "/x/"))
}

// TestClaimInLog holds that what the log has is not claimed besides.
func TestClaimInLog(t *testing.T) {
	explainer := policyOf(t, "file, audit deny /srv/a r,", "")
	d, refused := Judge(explainer.Library, traced(t, `openat(AT_FDCWD, "/srv/a", O_RDONLY) = -1 EACCES (P)`), Target{Profile: "p"})
	require.True(t, refused)
	g := explain.NewGroup(nil, explain.Filter{})
	for _, logged := range denials(t, "type=AVC msg=audit(1795427169.844:13): "+`apparmor="DENIED" operation="open" profile="p" name="/srv/a" pid=7 comm="cat" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`+"\n") {
		g.Add(logged)
	}
	f, _ := g.AddClaim(d, container.Container{})
	assert.Nil(t, f)
	assert.Len(t, g.Findings(), 1)
	f, isNew := explain.NewGroup(nil, explain.Filter{}).AddClaim(d, container.Container{})
	assert.True(t, isNew)
	guess := d
	guess.Event.Records = []parser.Record{d.Event.Records[0]}
	guess.Event.Records[0].Origin.Transport = parser.ExitStatus
	guess.Subject.Comm = "another"
	again := explain.NewGroup(nil, explain.Filter{})
	again.AddClaim(d, container.Container{})
	again.AddClaim(guess, container.Container{})
	assert.Len(t, again.Findings(), 1)
	e := explainer.Explain(*f)
	assert.Equal(t, explain.Refused, e.Decision)
	assert.Contains(t, e.Notes[len(e.Notes)-1], "whydenied doctor")
}

// A capability that the container does not hold is looked at before AppArmor is asked:
// the verdict is that, and what AppArmor answers is said besides.
func TestLackedCapability(t *testing.T) {
	lib := policyOf(t, "capability chown,", "").Library
	held := func(caps ...string) []Unexplained {
		c := container.Container{Name: "web", AppArmorProfile: "p", SeccompProfile: "unconfined", Limits: &container.Limits{Effective: caps}}
		attempts := NewAttempts(lib, Target{Container: c, Profile: "p"}, explain.NewGroup(nil, explain.Filter{}))
		attempts.Add(parser.Attempt{Origin: parser.Origin{Transport: parser.StraceOutput}, Syscall: "sethostname", Args: []string{`"x"`, "1"}, Errno: "EPERM", Text: "sethostname"})
		return attempts.Unexplained
	}
	lacked := held("CAP_CHOWN")
	require.Len(t, lacked, 1)
	assert.Equal(t, layer.Capability, lacked[0].Verdict.Layer)
	assert.Contains(t, lacked[0].Next, "profile p refuses it, too")
	assert.Empty(t, held("CAP_SYS_ADMIN"), "then it is AppArmor's")
}
