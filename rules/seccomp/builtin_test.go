package seccomp

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

// Each row of releases has its text, and each text a row.
func TestBuiltinTexts(t *testing.T) {
	named := map[string]bool{}
	for _, name := range builtinNames() {
		assert.NotEmpty(t, builtin(name).Entries, name)
		named[name] = true
	}
	for name := range builtinTexts() {
		assert.True(t, named[name], "no release has %s", name)
	}
	for _, engine := range []string{"podman", "cri-o", "containers-common"} {
		all, _ := rules.FindReleases(engine, "")
		for _, r := range all.All {
			assert.True(t, named[r.Seccomp], r)
		}
	}
}

func TestBuiltin(t *testing.T) {
	for _, test := range []struct{ engine, version, want string }{
		{"docker", "20.10.24+dfsg1", "Docker's default seccomp profile of moby v20.10.18"},
		{"dockerd", "v20.10.22", "Docker's default seccomp profile of moby v20.10.22"},
		{"docker", "23.0.9", "Docker's default seccomp profile of moby v23.0.7"},
		{"docker", "24.0.2", "Docker's default seccomp profile of moby v23.0.0"},
		{"docker", "28.5.2", "Docker's default seccomp profile of moby v28.2.0"},
		{"docker", "29.4.1", "Docker's default seccomp profile of moby v28.2.0"},
		{"docker", "29.4.2", "Docker's default seccomp profile of moby/profiles seccomp v0.2.2"},
		{"docker", "29.5.0", "Docker's default seccomp profile of moby/profiles seccomp v0.2.3"},
		{"Docker", "", "Docker's default seccomp profile of moby/profiles seccomp v0.2.3; the version of Docker is not known"},
		{"docker", "99.1.0", "Docker's default seccomp profile of moby/profiles seccomp v0.2.3; Docker 99.1.0 is not known, newer than 29.7.2"},
		{"docker", "1.13.1", "Docker's default seccomp profile of moby v20.10.0; Docker 1.13.1 is not known, older than 20.10.0"},
		{"containerd", "v2.4.2", "containerd's default seccomp profile of containerd v2.3.7"},
		{"containerd", "1.7.2", "containerd's default seccomp profile of containerd v1.7.0"},
		{"podman", "4.3.1", "Podman's default seccomp profile of containers-common v0.49.0"},
		{"cri-o", "1.31.0", "CRI-O's default seccomp profile of CRI-O v1.31.0"},
		{"cri-o", "1.23.0", "Podman's default seccomp profile of containers-common v0.44.0"},
	} {
		p, name, ok := Builtin(test.engine, test.version)
		require.True(t, ok)
		assert.Equal(t, test.want, name)
		assert.True(t, strings.HasPrefix(name, p.File.Builtin))
		again, _, _ := Builtin(test.engine, test.version)
		assert.Same(t, p, again)
	}
	_, _, ok := Builtin("lxc", "1")
	assert.False(t, ok)
}

// What answers differently in the texts that may be in force is undecided, and what does
// not is not.
func TestUnknownVersion(t *testing.T) {
	ask := func(engine, version, call string, args ...uint64) Decision {
		p, _, ok := Builtin(engine, version)
		require.True(t, ok)
		return p.Decide(Call{Arch: X86_64, Name: call, Args: args, Caps: []string{}, Kernel: "6.1", Loader: Loader{Runtime: Runc, Version: "1.2.0", Libseccomp: "2.6.0"}})
	}
	d := ask("docker", "", "mount")
	assert.False(t, d.Undecidable)
	assert.Equal(t, 1, d.Errno)

	d = ask("docker", "", "clone3")
	assert.True(t, d.Undecidable)
	assert.Equal(t, 38, d.Errno)
	require.Len(t, d.Whens, 1)
	assert.Equal(t, "the text is that of Docker 20.10.0 to 20.10.9", d.Whens[0].When)
	assert.Equal(t, Outcome{Action: Errno, Errno: 1}, Outcome{Action: d.Whens[0].Action, Errno: d.Whens[0].Errno})

	d = ask("docker", "20.10.9", "clone3")
	assert.False(t, d.Undecidable)
	assert.Equal(t, 1, d.Errno)

	d = ask("docker", "", "socket", 40, 1, 0) // AF_VSOCK, refused for a while in 20.10.22
	assert.Equal(t, "the text is that of Docker 20.10.0 to 20.10.21 or 20.10.23 to 20.10.27", d.Whens[0].When)

	d = ask("containerd", "1.6.50", "mseal")
	assert.True(t, d.Undecidable)
	assert.Equal(t, "the text is that of containerd 1.6.32 to 1.6.39 or 1.7.0 to 1.7.2", d.Whens[0].When)

	d = ask("cri-o", "1.30.0", "unshare") // taken from what containers-common allows
	assert.Equal(t, "errno 38 (ENOSYS)", d.Outcome.String())
	d = ask("podman", "4.9.0", "unshare")
	assert.Equal(t, Allow, d.Action)
}

func TestPossible(t *testing.T) {
	p, _, _ := Builtin("docker", "")
	answers := func(errno int) func(*Profile) bool {
		return func(p *Profile) bool {
			return p.Decide(Call{Arch: X86_64, Name: "clone3", Caps: []string{}, Kernel: "6.1"}).Errno == errno
		}
	}
	old := p.Possible(answers(1))
	assert.Equal(t, "Docker 20.10.4 to 20.10.9", old.Releases.String())
	assert.Len(t, old.Others, 1)
	assert.Equal(t, p.Unknown, old.Unknown)
	assert.Len(t, p.Possible(answers(38)).Others, len(p.Others)-2)
	assert.Same(t, p, p.Possible(answers(99)))
	assert.Same(t, p, p.Possible(func(*Profile) bool { return true }))
	assert.Nil(t, old.Alone().Others)
}

// Architectures that old texts do not list, and those whose calls are made otherwise.
func TestBuiltinArchitectures(t *testing.T) {
	runc := Loader{Runtime: Runc, Version: "1.1.5", Libseccomp: "2.5.4"}
	for _, test := range []struct {
		why, engine, version string
		call                 Call
		want                 string
	}{
		{"riscv64 is not in archMap before 23.0, and the filter is of the host's own", "docker", "20.10.24", Call{Arch: RISCV64, Name: "read"}, "allow"},
		{"and there is no stub for it", "docker", "20.10.24", Call{Arch: RISCV64, Name: "cachestat"}, "errno 1 (EPERM)"},
		{"riscv64 is in the text since 23.0, and the loader knows it since 23.0.16,", "docker", "23.0.0", Call{Arch: RISCV64, Name: "riscv_flush_icache"}, "errno 1 (EPERM)"},
		{"", "docker", "23.0.16", Call{Arch: RISCV64, Name: "riscv_flush_icache"}, "allow"},
		{"not in 24.0,", "docker", "24.0.7", Call{Arch: RISCV64, Name: "riscv_flush_icache"}, "errno 1 (EPERM)"},
		{"and since 25.0.7 and 27.3.0", "docker", "27.2.1", Call{Arch: RISCV64, Name: "riscv_flush_icache"}, "errno 1 (EPERM)"},
		{"", "docker", "27.3.0", Call{Arch: RISCV64, Name: "riscv_flush_icache"}, "allow"},
		{"which is no call that the older text names", "docker", "20.10.24", Call{Arch: RISCV64, Name: "riscv_flush_icache"}, "errno 1 (EPERM)"},
		{"the flags of clone are the second argument on s390x", "docker", "28.5.2", Call{Arch: S390X, Name: "clone", Args: []uint64{0, 0x10000000, 0}}, "errno 1 (EPERM)"},
		{"and not the first", "docker", "28.5.2", Call{Arch: S390X, Name: "clone", Args: []uint64{0x10000000, 17, 0}}, "allow"},
		{"as CRI-O has it", "cri-o", "1.32.0", Call{Arch: S390X, Name: "clone", Args: []uint64{0, 0x10000000, 0}}, "errno 1 (EPERM)"},
		{"", "cri-o", "1.32.0", Call{Arch: S390X, Name: "clone", Args: []uint64{0x10000000, 17, 0}}, "allow"},
		{"and else the first", "cri-o", "1.32.0", Call{Arch: AARCH64, Name: "clone", Args: []uint64{0x10000000, 17, 0}}, "errno 1 (EPERM)"},
		{"containerd", "containerd", "1.7.2", Call{Arch: S390X, Name: "clone", Args: []uint64{0, 0x10000000, 0}}, "errno 1 (EPERM)"},
		{"0 stands for calls that the kernel does not know, which the stub answers since 1.1.3", "docker", "28.5.2", Call{Arch: S390X, Syscall: 0}, "errno 38 (ENOSYS)"},
	} {
		p, _, ok := Builtin(test.engine, test.version)
		require.True(t, ok)
		test.call.Caps, test.call.Kernel, test.call.Loader = []string{}, "6.1", runc
		d := p.Decide(test.call)
		assert.Equal(t, test.want, d.Outcome.String(), "%s: %+v", test.why, test.call)
	}
}
