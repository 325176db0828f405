package seccomp

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a call answers that is newer than every one of the profile, by what loaded the
// filter: each was seen with runc 1.1.5, runc 1.5.2 and crun.
func TestDecideLoader(t *testing.T) {
	const syscalls = `"syscalls":[{"names":["read","write","stat"],"action":"SCMP_ACT_ALLOW"}]}`
	bare := parse(t, "bare.json", `{"defaultAction":"SCMP_ACT_ERRNO",`+syscalls)
	listed := parse(t, "listed.json", `{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],`+syscalls)
	mapped := parse(t, "mapped.json", `{"defaultAction":"SCMP_ACT_ERRNO","archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]}],`+syscalls)
	other := parse(t, "other.json", `{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86"],`+syscalls)
	trace := parse(t, "trace.json", `{"defaultAction":"SCMP_ACT_TRACE",`+syscalls)
	tests := []struct {
		why    string
		p      *Profile
		loader Loader
		want   []string
	}{
		{"no architectures, before 1.1.15", bare, Loader{Runtime: Runc, Version: "1.1.5"}, []string{"errno 1 (EPERM)"}},
		{"as Debian has it", bare, Loader{Runtime: Runc, Version: "1.1.5+ds1"}, []string{"errno 1 (EPERM)"}},
		{"no architectures, later", bare, Loader{Runtime: Runc, Version: "1.1.15"}, []string{"errno 38 (ENOSYS)"}},
		{"1.2", bare, Loader{Runtime: Runc, Version: "1.2.0-rc.1"}, []string{"errno 38 (ENOSYS)"}},
		{"another architecture", other, Loader{Runtime: Runc, Version: "1.1.5"}, []string{"errno 1 (EPERM)"}},
		{"listed", listed, Loader{Runtime: Runc, Version: "1.1.5"}, []string{"errno 38 (ENOSYS)"}},
		{"listed by archMap", mapped, Loader{Runtime: Runc, Version: "1.1.5"}, []string{"errno 38 (ENOSYS)"}},
		{"before there was a stub", listed, Loader{Runtime: Runc, Version: "1.0.0-rc92"}, []string{"errno 1 (EPERM)"}},
		{"the first with one", listed, Loader{Runtime: Runc, Version: "1.0.0~rc93+ds1"}, []string{"errno 38 (ENOSYS)"}},
		{"crun", listed, Loader{Runtime: Crun, Version: "1.8.1"}, []string{"errno 1 (EPERM)"}},
		{"nothing known", bare, Loader{}, []string{"the filter was loaded by crun, or by runc older than 1.1.15: errno 1 (EPERM)", "errno 38 (ENOSYS)"}},
		{"nothing known", listed, Loader{}, []string{"the filter was loaded by crun, or by runc older than 1.0.0-rc93: errno 1 (EPERM)", "errno 38 (ENOSYS)"}},
		{"some runc", bare, Loader{Runtime: Runc}, []string{"the filter was loaded by runc older than 1.1.15: errno 1 (EPERM)", "errno 38 (ENOSYS)"}},
		{"trace", trace, Loader{}, []string{"trace (ENOSYS without a tracer)"}},
	}
	for _, test := range tests {
		assert.Equal(t, test.want, answersTo(test.p, Call{Arch: X86_64, Name: "statx", Loader: test.loader}), test.why)
	}
	assert.Equal(t, []string{"errno 1 (EPERM)"}, answersTo(bare, Call{Arch: X86_64, Name: "open", Loader: runc15}), "not newer than stat")
}

// answersTo returns the answers to a call with their conditions.
func answersTo(p *Profile, c Call) (answers []string) {
	d := p.Decide(c)
	for _, o := range d.Whens {
		answers = append(answers, o.When+": "+o.String())
	}
	return append(answers, d.Outcome.String())
}

func TestParseRuntime(t *testing.T) {
	l, err := ParseRuntime("runc@1.1.5+ds1")
	require.NoError(t, err)
	assert.Equal(t, Loader{Runtime: Runc, Version: "1.1.5+ds1"}, l)
	l, err = ParseRuntime("crun")
	require.NoError(t, err)
	assert.Equal(t, Loader{Runtime: Crun}, l)
	for _, bad := range []string{"", "docker", "runc@", "runc@new", "runc 1.1.5", "@1.1"} {
		_, err := ParseRuntime(bad)
		assert.Error(t, err, bad)
	}
}

func TestRuntimeVersion(t *testing.T) {
	order := []string{"0.1.1", "1.0.0-rc1", "1.0.0~rc6+dfsg1", "1.0.0-rc93", "1.0.0", "1.0.2", "1.1.5+ds1", "1.1.15", "1.2.0-rc.1", "1.2.0-rc.3", "v1.2.0", "1.5.2"}
	for i := range order[1:] {
		assert.Negative(t, compareVersions(order[i], order[i+1]), "%s %s", order[i], order[i+1])
	}
	assert.Zero(t, compareVersions("1.2", "1.2.0"))
}

// The calls of famous reports, which a profile allowed and libseccomp dropped.
func TestDecideLibseccomp(t *testing.T) {
	p := docker(t)
	const allow, enosys, eperm = "allow", "errno 38 (ENOSYS)", "errno 1 (EPERM)"
	tests := []struct {
		arch           Arch
		name           string
		before, from   string // the last release that drops the name, and the first that knows it
		runc, runcFrom string // the answers under runc
	}{
		{X86_64, "statx", "2.3.2", "2.3.3", enosys, allow},
		{X86_64, "faccessat2", "2.4.3", "2.4.4", enosys, allow},
		{X86_64, "openat2", "2.4.3", "2.5.0", enosys, allow},
		{X86_64, "close_range", "2.5.1", "2.5.2", eperm, allow},
		{X86_64, "mseal", "2.5.5", "2.5.6", enosys, allow},
		{AARCH64, "clone3", "2.4.3", "2.4.4", enosys, enosys},
		{AARCH64, "getrlimit", "2.4.3", "2.4.4", eperm, allow},
		{ARM, "clock_gettime64", "2.4.1", "2.4.2", eperm, allow}, // ARM's private calls have higher numbers: no stub
		{ARM, "futex_time64", "2.4.1", "2.4.2", eperm, allow},
		{I386, "clock_gettime64", "2.4.1", "2.4.2", enosys, allow},
	}
	for _, test := range tests {
		call := Call{Arch: test.arch, Name: test.name, Caps: []string{}, Kernel: "6.1", Loader: Loader{Runc, "1.1.5", test.before}}
		assert.Equal(t, []string{test.runc}, answersTo(p, call), "%s under %s", test.name, test.before)
		call.Loader.Libseccomp = test.from
		assert.Equal(t, []string{test.runcFrom}, answersTo(p, call), "%s under %s", test.name, test.from)
		call.Loader.Libseccomp = "9.9"
		assert.Equal(t, []string{test.runcFrom}, answersTo(p, call), "%s under one that is newer than the table", test.name)
		call.Loader = Loader{Crun, "1.8.1", test.before}
		assert.Equal(t, []string{"errno 1 (EPERM)"}, answersTo(p, call), "%s under crun and %s", test.name, test.before)
	}
	old := Loader{Runc, "1.1.5", "2.4.1"}
	assert.Equal(t, []string{allow}, answersTo(p, Call{Arch: AARCH64, Name: "getrlimit", Loader: old}), "2.4.2 lost it")

	d := p.Decide(Call{Arch: X86_64, Name: "statx", Loader: Loader{Runc, "1.1.5", "2.3.2"}})
	require.Len(t, d.Dropped, 1)
	assert.Equal(t, LibseccompGate, d.Dropped[0].Gate)
	assert.Equal(t, "needs libseccomp 2.3.3 or newer, this is 2.3.2", d.Dropped[0].Why)
}

// Where it is open which names libseccomp knows, each answer has its condition.
func TestDecideLibseccompUnknown(t *testing.T) {
	p := docker(t)
	runc := Loader{Runtime: Runc, Version: "1.1.5"}
	assert.Equal(t, []string{"libseccomp is older than 2.3.3: errno 38 (ENOSYS)", "allow"}, answersTo(p, Call{Arch: X86_64, Name: "statx", Loader: runc}))
	assert.Equal(t, []string{"libseccomp is older than 2.5.6: errno 1 (EPERM)", "allow"}, answersTo(p, Call{Arch: X86_64, Name: "mseal", Loader: Loader{Runtime: Crun}}))
	assert.Equal(t, []string{"allow"}, answersTo(p, Call{Arch: X86_64, Name: "openat", Loader: Loader{}}), "every libseccomp knows it")
	assert.Equal(t, []string{"errno 1 (EPERM)"}, answersTo(p, Call{Arch: X86_64, Name: "kexec_load", Loader: Loader{}, Caps: []string{}}))

	debian := Loader{Runc, "1.1.5", "2.5.4-1+deb12u1"}
	assert.Equal(t, []string{"allow"}, answersTo(p, Call{Arch: X86_64, Name: "cachestat", Caps: []string{}, Loader: debian}))
	assert.Equal(t, []string{"errno 38 (ENOSYS)"}, answersTo(p, Call{Arch: X86_64, Name: "mseal", Caps: []string{}, Loader: debian}))
	debian.Libseccomp = "2.5.4" // as runc names it
	assert.Equal(t, []string{"libseccomp is 2.5.4 as released, and not 2.5.4-1+deb12u1: errno 38 (ENOSYS)", "allow"}, answersTo(p, Call{Arch: X86_64, Name: "cachestat", Caps: []string{}, Loader: debian}))
	assert.Equal(t, []string{"errno 38 (ENOSYS)"}, answersTo(p, Call{Arch: X86_64, Name: "mseal", Caps: []string{}, Loader: debian}), "neither knows it")
}

func TestLibseccompFor(t *testing.T) {
	since, known := LibseccompFor(Call{Arch: X86_64, Name: "mseal", Loader: Loader{Libseccomp: "2.5.4"}})
	assert.Equal(t, "2.5.6", since)
	assert.False(t, known)
	since, known = LibseccompFor(Call{Arch: X86_64, Syscall: 462, Loader: Loader{}})
	assert.Equal(t, "2.5.6", since)
	assert.True(t, known, "as far as is known")
	since, known = LibseccompFor(Call{Arch: X86_64, Name: "read", Loader: Loader{Libseccomp: "2.3.1"}})
	assert.Empty(t, since)
	assert.True(t, known)
}

// The calls of a base profile are allowed besides, if it is known which those are.
func TestDecideBase(t *testing.T) {
	resource := func(base string) *Profile {
		return parse(t, "p.yaml", `{"apiVersion":"security-profiles-operator.x-k8s.io/v1beta1","kind":"SeccompProfile","metadata":{"name":"p"},`+
			`"spec":{"baseProfileName":"`+base+`","defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ALLOW"}]}}`)
	}
	p := resource("runc-v1.4.2")
	for name, want := range map[string]string{"mkdir": "allow", "close_range": "allow", "rmdir": "errno 1 (EPERM)", "fchmodat2": "errno 38 (ENOSYS)"} {
		assert.Equal(t, []string{want}, answersTo(p, Call{Arch: X86_64, Name: name, Loader: runc15}), name)
	}
	assert.Equal(t, "p.yaml:1:135", p.Decide(Call{Arch: X86_64, Name: "execve"}).Entry.At.String(), "the base profile's name")
	assert.Len(t, p.Entries, 1, "its own")

	p = resource("house-base")
	assert.Equal(t, []string{"allow"}, answersTo(p, Call{Arch: X86_64, Name: "mkdir", Loader: runc15}))
	assert.Equal(t, []string{`the base profile "house-base" allows it: allow`, "errno 1 (EPERM)"}, answersTo(p, Call{Arch: X86_64, Name: "read", Loader: runc15}))
}
