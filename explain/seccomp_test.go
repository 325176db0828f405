package explain_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/explain/patch"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// seccompFinding explains one SECCOMP record under a profile, or under what the
// label and the inventory give away if the profile is empty.
func seccompFinding(t *testing.T, label string, arch uint32, syscall int, code uint32, profile string, inventory *container.Inventory) *explain.Explained {
	t.Helper()
	explainer := explain.New(library.New(t.TempDir(), nil))
	if profile != "" {
		name := filepath.Join(t.TempDir(), "seccomp.json")
		require.NoError(t, os.WriteFile(name, []byte(profile), 0o600))
		_, err := explainer.Library.AddSeccomp(name)
		require.NoError(t, err)
	}
	var find func(container.Subject) container.Container
	if inventory != nil {
		find = inventory.Find
	}
	g := explain.NewGroup(find, explain.Filter{})
	for _, d := range denials(t, fmt.Sprintf("type=SECCOMP msg=audit(1795427689.211:1270): auid=4294967295 uid=0 gid=0 ses=4294967295 subj=%s pid=3246 comm=\"x\" exe=\"/x\" sig=0 arch=%x syscall=%d compat=0 ip=0x401007 code=0x%x\n", label, arch, syscall, code)) {
		g.Add(d)
	}
	findings := explainer.ExplainAll(g.Findings())
	require.Len(t, findings, 1)
	if profile != "" {
		fixed := len(findings[0].Fixes) > 0
		change := patch.Make(explainer, findings)
		assert.Equal(t, fixed, len(change.Remedies) > 0, "what is proposed is in the patch")
		assert.Equal(t, fixed, len(change.Changes) > 0, "and changes the profile")
	}
	return findings[0]
}

func TestSeccompCauses(t *testing.T) {
	const (
		amd64, i386     = 0xc000003e, 0x40000003
		errno, kill     = 0x50000, 0x80000000
		threadKill, log = 0, 0x7ffc0000
		mkdir, getpid   = 83, 39
		unshare, socket = 272, 41
	)
	const allowList = `{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],"syscalls":[` +
		`{"names":["read","write"],"action":"SCMP_ACT_ALLOW"},` +
		`{"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]},` +
		`{"names":["unshare"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}},` +
		`{"names":["getpid"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"99.0"}},` +
		`{"names":["statx"],"action":"SCMP_ACT_ALLOW"}]}`
	const denyList = `{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_KILL_PROCESS"}]}`
	const conditional = `{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],"syscalls":[` +
		`{"names":["personality"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":8,"op":"SCMP_CMP_EQ"}]},` +
		`{"names":["mkdir"],"action":"SCMP_ACT_ERRNO","excludes":{"caps":["CAP_SYS_ADMIN"]}}]}`
	noCaps := new(container.Inventory)
	noCaps.Add(container.Container{ID: "c1", Name: "c1", AppArmorProfile: "lab", Caps: []string{}, SeccompProfile: allowList})
	for _, c := range []struct {
		name      string
		label     string
		arch      uint32
		syscall   int
		code      uint32
		profile   string
		inventory *container.Inventory
		cause     explain.Cause
		decision  explain.Decision
		fixed     bool
	}{
		{"not listed", "lab", amd64, mkdir, errno, allowList, nil, explain.SyscallNotListed, explain.Refused, true},
		{"denied", "lab", amd64, mkdir, kill, denyList, nil, explain.SyscallDenied, explain.Refused, true},
		{"arguments unknown", "lab", amd64, socket, errno, allowList, nil, explain.UndecidableArguments, explain.Undecidable, true},
		{"capability", "lab", amd64, unshare, errno, "", noCaps, explain.CapabilityGated, explain.Refused, true},
		{"architecture", "lab", i386, mkdir, threadKill, allowList, nil, explain.ArchNotListed, explain.Refused, true},
		{"a condition that held", "lab", amd64, 135, kill, `{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["personality"],"action":"SCMP_ACT_KILL_PROCESS","args":[{"index":0,"value":8,"op":"SCMP_CMP_EQ"}]}]}`, nil, explain.SyscallDenied, explain.Refused, true},
		{"x32", "lab", amd64, 1<<30 | mkdir, threadKill, allowList, nil, explain.ArchNotListed, explain.Refused, false},
		{"logged only", "lab", amd64, mkdir, log, allowList, nil, explain.LoggedOnly, explain.Refused, true},
		{"logged only, and allowed", "lab", amd64, 332, log, allowList, nil, explain.LoggedOnly, explain.Granted, false},
		{"logged only, under a condition that refuses", "lab", amd64, 135, log, conditional, nil, explain.LoggedOnly, explain.Refused, true},
		{"logged only, without a capability", "lab", amd64, mkdir, log, conditional, nil, explain.LoggedOnly, explain.Refused, true},
		{"another filter", "lab", amd64, mkdir, kill, allowList, nil, explain.FlagsMismatch, explain.Refused, false},
		{"no profile", "lab", amd64, mkdir, errno, "", nil, explain.ProfileNotFound, explain.Undecidable, false},
		{"Docker's default", "docker-default", amd64, unshare, errno, "", nil, explain.CapabilityGated, explain.Refused, true},
		{"listed nowhere in Docker's default", "docker-default", amd64, 246, errno, "", nil, explain.SyscallNotListed, explain.Refused, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := seccompFinding(t, c.label, c.arch, c.syscall, c.code, c.profile, c.inventory)
			assert.Equal(t, c.cause, f.Cause, f.Why)
			assert.Equal(t, c.decision, f.Decision)
			assert.Equal(t, c.fixed, len(f.Fixes) > 0, "%+v", f.Fixes)
			assert.NotEmpty(t, f.Why)
		})
	}
}

// Where one of several conditions refused a call, that one is dropped, and the others
// stay.
func TestOneCondition(t *testing.T) {
	const kill, log = 0x80000000, 0x7ffc0000
	const head = `{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],"syscalls":[`
	const with32 = `{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86"],"syscalls":[`
	const alg = `{"names":["socket"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":38,"op":"SCMP_CMP_EQ"}]}`
	const netlink = `{"names":["socket"],"action":"SCMP_ACT_KILL_PROCESS","args":[{"index":0,"value":16,"op":"SCMP_CMP_EQ"},{"index":2,"value":9,"op":"SCMP_CMP_EQ"}]}`
	for _, c := range []struct {
		name, head, entries string
		code                uint32
		fixes               []string
		kept                string // what the first leaves
		grants              string // besides
	}{
		{"a killing one of two", head, alg + "," + netlink, kill, []string{"allow socket when a0 == 16 and a2 == 9", "allow socket whatever its arguments, which the record does not say"}, alg, ""},
		{"one of two, and socketcall", with32, alg + "," + netlink, kill, []string{"allow socket when a0 == 16 and a2 == 9", "allow socket whatever its arguments, which the record does not say"}, alg, ""},
		{"a silent one of two", head, alg + "," + netlink, log, []string{"allow socket when a0 == 38", "allow socket whatever its arguments, which the record does not say"}, netlink, ""},
		{"the only one", head, alg, log, []string{"allow socket when a0 == 38"}, "", ""},
		{"either of two", head, alg + "," + strings.Replace(alg, "38", "40", 1), log, []string{"allow socket whatever its arguments, which the record does not say"}, "", "socket(AF_ALG)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := seccompFinding(t, "lab", 0xc000003e, 41, c.code, c.head+c.entries+"]}", nil)
			var fixes []string
			for _, fix := range f.Fixes {
				fixes = append(fixes, fix.Message)
			}
			require.Equal(t, c.fixes, fixes)
			assert.Contains(t, f.Fixes[0].Grants, c.grants)
			if c.grants == "" {
				assert.Empty(t, f.Fixes[0].Grants)
			}
			changes, err := rules.Apply(f.Fixes[0].Edits)
			require.NoError(t, err)
			assert.JSONEq(t, c.head+c.kept+"]}", changes[0].New)
		})
	}
}

// runc itself calls statx under a container's filter, and has no other way: where it does, ENOSYS is no remedy, also
// where that is one for a program of the container.
func TestNoFallback(t *testing.T) {
	const record = `type=SECCOMP msg=audit(1795427689.211:SERIAL): auid=0 uid=0 gid=0 ses=1 subj=unconfined pid=3246 comm="COMM" exe="/x" sig=31 arch=c000003e syscall=332 compat=0 ip=0x401007 code=0x80000000` + "\n"
	for _, c := range []struct {
		comms []string
		fix   string
		left  string
	}{
		{[]string{"ls"}, "answer ENOSYS, on which glibc, musl and language runtimes turn to newfstatat", "SCMP_ACT_ERRNO"},
		{[]string{"runc:[2:INIT]"}, "allow statx", ""},
		{[]string{"ls", "runc:[2:INIT]"}, "allow statx", ""},
	} {
		name := filepath.Join(t.TempDir(), "seccomp.json")
		require.NoError(t, os.WriteFile(name, []byte(`{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["statx","rmdir"],"action":"SCMP_ACT_KILL_PROCESS"}]}`), 0o600))
		explainer := explain.New(library.New(t.TempDir(), nil))
		_, err := explainer.Library.AddSeccomp(name)
		require.NoError(t, err)
		g := explain.NewGroup(nil, explain.Filter{})
		for i, comm := range c.comms {
			for _, d := range denials(t, strings.NewReplacer("COMM", comm, "SERIAL", fmt.Sprint(i+1)).Replace(record)) {
				g.Add(d)
			}
		}
		findings := explainer.ExplainAll(g.Findings())
		require.NotEmpty(t, findings[0].Fixes)
		assert.Equal(t, c.fix, findings[0].Fixes[0].Message)
		change := patch.Make(explainer, findings)
		require.Len(t, change.Changes, 1)
		if c.left == "" {
			assert.NotContains(t, change.Changes[0].New, "statx", "%v: it is allowed", c.comms)
		}
		assert.Contains(t, change.Changes[0].New, c.left)
	}
}

// Where one thread was killed the others go on, and those of a runtime that starts a container wait for it.
func TestKilledThread(t *testing.T) {
	const log = `type=SECCOMP msg=audit(1795427689.211:1270): auid=0 uid=0 gid=0 ses=1 subj=unconfined pid=3246 comm="COMM" exe="/usr/sbin/runc" sig=0 arch=c000003e syscall=332 compat=0 ip=0x401007 code=CODE` + "\n"
	for _, c := range []struct{ comm, code, note string }{
		{"runc:[2:INIT]", "0x0", "the container neither starts nor can be removed until the process is killed (`ps -C 'runc:[2:INIT]'` shows it)"},
		{"java", "0x0", "a program of several goes on without it, and may wait for it for ever"},
		{"java", "0x80000000", ""},
	} {
		g := explain.NewGroup(nil, explain.Filter{})
		for _, d := range denials(t, strings.NewReplacer("COMM", c.comm, "CODE", c.code).Replace(log)) {
			g.Add(d)
		}
		notes := strings.Join(explain.New(library.New(t.TempDir(), nil)).ExplainAll(g.Findings())[0].Notes, " ")
		assert.Contains(t, notes, c.note)
		assert.Equal(t, c.note != "", strings.Contains(notes, "Only the thread was killed"))
	}
}

// ENOSYS is no remedy where the call that programs fall back to is refused, too.
func TestFallback(t *testing.T) {
	for _, c := range []struct{ allowed, fix string }{
		{`"read","newfstatat","clone3"`, "answer ENOSYS, on which glibc, musl and language runtimes turn to newfstatat"},
		{`"read","stat","clone3"`, "allow statx"},
	} {
		f := seccompFinding(t, "lab", 0xc000003e, 332, 0x80000000, `{"defaultAction":"SCMP_ACT_KILL_PROCESS","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":[`+c.allowed+`],"action":"SCMP_ACT_ALLOW"}]}`, nil)
		require.NotEmpty(t, f.Fixes)
		assert.Equal(t, c.fix, f.Fixes[0].Message)
	}
}

// What `whydenied observe --log-action` brought to light is explained as what the
// profile itself refuses: with the entries that allow the call in other cases.
func TestObservedCalls(t *testing.T) {
	const head = `{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["read","statx"],"action":"SCMP_ACT_ALLOW"},`
	for _, c := range []struct {
		name, entries string
		why           string
		place         string // note of the second place
	}{
		{"not listed", `{"names":["write"],"action":"SCMP_ACT_ALLOW"}`, "no entry of the profile names mkdir", ""},
		{"denied", `{"names":["mkdir"],"action":"SCMP_ACT_ERRNO","errnoRet":13}`, "an entry names mkdir and answers errno 13 (EACCES)", ""},
		{"tracer", `{"names":["mkdir"],"action":"SCMP_ACT_TRACE"}`, "answers trace (ENOSYS without a tracer)", ""},
		{"capability", `{"names":["mkdir"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}}`,
			"an entry that allows mkdir is not in force: it needs CAP_SYS_ADMIN held", "not in force: needs CAP_SYS_ADMIN held"},
		{"kernel", `{"names":["mkdir"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"99.5"}}`,
			"an entry that allows mkdir is not in force: it needs kernel 99.5 or newer", "not in force: needs kernel 99.5 or newer"},
		{"arguments", `{"names":["mkdir"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,"value":448,"op":"SCMP_CMP_EQ"}]}`,
			"the profile allows mkdir only with other arguments", "applies to other arguments only"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := seccompFinding(t, "lab", 0xc000003e, 83, 0x7ffc0000, head+c.entries+"]}", nil)
			assert.Equal(t, explain.LoggedOnly, f.Cause)
			assert.Contains(t, f.Why, c.why)
			if c.place != "" {
				require.Len(t, f.Rules, 2)
				assert.Equal(t, c.place, f.Rules[1].Note)
			}
		})
	}
}

// tracedDenial returns a call as tracing gives it.
func tracedDenial(syscall uint32, code uint32, errno int, args ...uint64) parser.Denial {
	at := time.Date(2026, 11, 25, 1, 2, 3, 0, time.UTC)
	return parser.Denial{
		Event:   parser.Event{Records: []parser.Record{{Type: parser.TRACE, Time: at}}},
		Time:    at,
		Subject: parser.Subject{PID: 1, Comm: "x", UID: -1},
		Seccomp: &parser.Seccomp{Arch: 0xc000003e, Syscall: syscall, Code: code, Errno: errno, Args: append(args, make([]uint64, 6-len(args))...), Traced: true},
	}
}

// What a traced call returned must be what the profile answers, or what another
// part of its answer can come to.
func TestTracedCauses(t *testing.T) {
	const (
		errno, trap                         = 0x50000, 0x30000
		socket, mkdir, symlink, link, mknod = 41, 83, 88, 86, 133
		eperm, eacces, enosys               = 1, 13, 38
	)
	const profile = `{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],"syscalls":[` +
		`{"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":40,"op":"SCMP_CMP_NE"}]},` +
		`{"names":["symlink"],"action":"SCMP_ACT_NOTIFY"},{"names":["link"],"action":"SCMP_ACT_TRACE"},{"names":["mknod"],"action":"SCMP_ACT_TRAP"},` +
		`{"names":["statx"],"action":"SCMP_ACT_ALLOW"}]}`
	for _, c := range []struct {
		name     string
		denial   parser.Denial
		cause    explain.Cause
		decision explain.Decision
		note     string
		fix      string // rule of the first
	}{
		{"argument", tracedDenial(socket, errno, eperm, 40, 1), explain.ArgumentMismatch, explain.Refused, "socket(AF_VSOCK) returned EPERM", `"socket" when a0 == 40`},
		{"argument that is allowed", tracedDenial(socket, errno, eperm, 2, 1), explain.FlagsMismatch, explain.Granted, "socket(AF_INET) returned EPERM", ""},
		{"not listed", tracedDenial(mkdir, errno, eperm), explain.SyscallNotListed, explain.Refused, "mkdir returned EPERM", `"mkdir"`},
		{"another errno", tracedDenial(mkdir, errno, eacces), explain.FlagsMismatch, explain.Refused, "mkdir returned EACCES", ""},
		{"supervisor", tracedDenial(symlink, errno, eacces), explain.SyscallDenied, explain.Refused, "symlink returned EACCES", ""},
		{"no tracer", tracedDenial(link, errno, enosys), explain.SyscallDenied, explain.Refused, "link returned ENOSYS", ""},
		{"no tracer, another errno", tracedDenial(link, errno, eperm), explain.FlagsMismatch, explain.Refused, "link returned EPERM", ""},
		{"trap", tracedDenial(mknod, trap, 0), explain.SyscallDenied, explain.Refused, "mknod raised SIGSYS", ""},
		{"no such call", tracedDenial(4000, errno, enosys), explain.SyscallNotListed, explain.Refused, "the call returned ENOSYS", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			explainer := explain.New(library.New(t.TempDir(), nil))
			name := filepath.Join(t.TempDir(), "seccomp.json")
			require.NoError(t, os.WriteFile(name, []byte(profile), 0o600))
			_, err := explainer.Library.AddSeccomp(name)
			require.NoError(t, err)
			found, _ := explain.NewGroup(nil, explain.Filter{}).Add(c.denial)
			f := explainer.Explain(*found)
			assert.Equal(t, c.cause, f.Cause, f.Why)
			assert.Equal(t, c.decision, f.Decision)
			require.NotEmpty(t, f.Notes)
			assert.Contains(t, f.Notes[0], "Seen by tracing, not in a log: "+c.note)
			if c.fix != "" {
				require.NotEmpty(t, f.Fixes)
				assert.Equal(t, c.fix, f.Fixes[0].Rule)
			}
		})
	}
}

// denials parses the records of a log.
func denials(t testing.TB, log string) []parser.Denial {
	t.Helper()
	found, stats := parser.Scan(nil, parser.Block{File: "log", Body: []byte(log)})
	require.Zero(t, stats.Unparsed)
	return found
}

// A call that the profile allows and libseccomp dropped is no matter of the profile.
func TestLibseccompTooOld(t *testing.T) {
	const allows = `{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["read","stat","statx"],"action":"SCMP_ACT_ALLOW"}]}`
	const lacks = `{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["read","stat"],"action":"SCMP_ACT_ALLOW"}]}`
	const statx, errno, eperm, enosys = 332, 0x50000, 1, 38
	explained := func(profile string, answer int, loader seccomp.Loader) explain.Explanation {
		explainer := explain.New(library.New(t.TempDir(), nil))
		explainer.Library.SeccompLoader = loader
		name := filepath.Join(t.TempDir(), "seccomp.json")
		require.NoError(t, os.WriteFile(name, []byte(profile), 0o600))
		_, err := explainer.Library.AddSeccomp(name)
		require.NoError(t, err)
		found, _ := explain.NewGroup(nil, explain.Filter{}).Add(tracedDenial(statx, errno, answer))
		return explainer.Explain(*found)
	}
	notes := func(f explain.Explanation) string { return strings.Join(f.Notes, "\n") }
	for _, loader := range []seccomp.Loader{{Runtime: "runc", Version: "1.1.5", Libseccomp: "2.3.2"}, {Runtime: "runc", Version: "1.1.5"}, {}} {
		f := explained(allows, enosys, loader)
		assert.Equal(t, explain.LibseccompTooOld, f.Cause, f.Why)
		assert.Equal(t, explain.Refused, f.Decision)
		assert.Empty(t, f.Fixes)
		assert.Contains(t, notes(f), "is right already. The remedy is libseccomp 2.3.3 or newer on the host")
		assert.Equal(t, loader.Libseccomp == "", strings.Contains(f.Why, "or another filter is in force"), f.Why)
	}
	f := explained(allows, eperm, seccomp.Loader{Runtime: "crun", Libseccomp: "2.3.2"})
	assert.Equal(t, explain.LibseccompTooOld, f.Cause, f.Why)

	f = explained(lacks, enosys, seccomp.Loader{Runtime: "runc", Version: "1.1.5", Libseccomp: "2.3.2"})
	assert.Equal(t, explain.SyscallNotListed, f.Cause, f.Why)
	assert.Empty(t, f.Fixes, "the name would be dropped")
	assert.Contains(t, notes(f), "The remedy is libseccomp 2.3.3 or newer on the host")

	f = explained(lacks, enosys, seccomp.Loader{})
	require.NotEmpty(t, f.Fixes)
	assert.Contains(t, strings.Join(f.Fixes[0].Proof, "\n"), "the call is now allowed (with libseccomp 2.3.3 or newer on the host; older ones drop the name)")
	f = explained(lacks, enosys, seccomp.Loader{Runtime: "runc", Version: "1.1.5", Libseccomp: "2.5.4"})
	require.NotEmpty(t, f.Fixes)
	assert.NotContains(t, strings.Join(f.Fixes[0].Proof, "\n"), "libseccomp")
}
