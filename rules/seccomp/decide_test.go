package seccomp

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// runc15 is a loader of which all is known, and which knows every call.
var runc15 = Loader{Runtime: Runc, Version: "1.5.2", Libseccomp: "2.6.1"}

func docker(t testing.TB) *Profile {
	return builtin("moby-v0.2.4")
}

func TestDecideDocker(t *testing.T) {
	p := docker(t)
	tests := []struct {
		why  string
		call Call
		want Outcome
	}{
		{"listed", Call{Arch: X86_64, Name: "read"}, Outcome{Action: Allow}},
		{"not listed", Call{Arch: X86_64, Name: "io_uring_setup"}, Outcome{Action: Errno, Errno: 1}},
		{"needs a capability", Call{Arch: X86_64, Name: "mount", Caps: []string{}}, Outcome{Action: Errno, Errno: 1}},
		{"has the capability", Call{Arch: X86_64, Name: "mount", Caps: []string{"CAP_SYS_ADMIN"}}, Outcome{Action: Allow}},
		{"one of two entries", Call{Arch: X86_64, Name: "bpf", Caps: []string{"CAP_BPF"}}, Outcome{Action: Allow}},
		{"answered with ENOSYS", Call{Arch: X86_64, Name: "clone3", Caps: []string{}}, Outcome{Action: Errno, Errno: 38}},
		{"newer than all", Call{Arch: X86_64, Syscall: 471}, Outcome{Action: Errno, Errno: 38}},
		{"newer than all, under crun", Call{Arch: X86_64, Syscall: 471, Loader: Loader{Crun, "1.8.1", "2.5.4"}}, Outcome{Action: Errno, Errno: 1}},
		{"arguments", Call{Arch: X86_64, Name: "socket", Args: []uint64{2}}, Outcome{Action: Allow}},
		{"AF_VSOCK", Call{Arch: X86_64, Name: "socket", Args: []uint64{40, 1, 0}}, Outcome{Action: Errno, Errno: 1}},
		{"x32", Call{Arch: X86_64, Syscall: x32Bit | 520}, Outcome{Action: Allow}},
		{"i386", Call{Arch: I386, Name: "socketcall", Args: []uint64{1}}, Outcome{Action: Allow}},
		{"only by socketcall", Call{Arch: I386, Name: "accept"}, Outcome{Action: Allow}},
		{"other architecture", Call{Arch: AARCH64, Name: "read", Host: X86_64}, Outcome{Action: KillThread}},
		{"ARM's own", Call{Arch: ARM, Syscall: 0xf0005}, Outcome{Action: Allow}},
		{"old kernel", Call{Arch: X86_64, Name: "ptrace", Caps: []string{}, Kernel: "4.7.10"}, Outcome{Action: Errno, Errno: 1}},
		{"new kernel", Call{Arch: X86_64, Name: "ptrace", Caps: []string{}, Kernel: "4.8.0-rc1"}, Outcome{Action: Allow}},
		{"s390x order of arguments", Call{Arch: S390X, Name: "clone", Args: []uint64{0x10000000, 0}, Caps: []string{}}, Outcome{Action: Allow}},
	}
	for _, test := range tests {
		if test.call.Loader == (Loader{}) {
			test.call.Loader = runc15
		}
		d := p.Decide(test.call)
		assert.Equal(t, test.want, Outcome{Action: d.Action, Errno: d.Errno}, test.why)
		assert.False(t, d.Undecidable, test.why)
		if d.Action == Allow {
			require.NotNil(t, d.Entry, test.why)
			assert.Contains(t, d.Entry.Names[d.Name].At.Text(), d.Entry.Names[d.Name].Text)
		}
	}
}

func TestDecideExplains(t *testing.T) {
	p := docker(t)
	d := p.Decide(Call{Arch: X86_64, Name: "unshare", Caps: []string{}, Kernel: "6.1"})
	require.Len(t, d.Dropped, 1)
	assert.Equal(t, "needs CAP_SYS_ADMIN", d.Dropped[0].Why)
	assert.Equal(t, CapGate, d.Dropped[0].Gate)
	assert.Equal(t, "unshare", d.Dropped[0].Entry.Names[d.Dropped[0].Name].Text)

	d = p.Decide(Call{Arch: X86_64, Name: "clone", Args: []uint64{0x10000000}, Caps: []string{}})
	assert.Equal(t, Errno, d.Action)
	require.NotEmpty(t, d.Near)
	assert.Equal(t, "a0 & 0x7e020000 == 0", d.Near[0].Args[0].String())

	d = p.Decide(Call{Arch: X86_64, Name: "ptrace", Caps: []string{}, Kernel: "4.4"})
	gates := []Gate{d.Dropped[0].Gate, d.Dropped[1].Gate}
	assert.ElementsMatch(t, []Gate{KernelGate, CapGate}, gates)

	d = p.Decide(Call{Arch: AARCH64, Host: X86_64, Syscall: 1})
	assert.False(t, d.ArchListed)

	d = p.Decide(Call{Arch: X86_64, Name: "openat2x", Loader: Loader{Runtime: Runc, Version: "1.1.5"}})
	assert.True(t, d.Stub)
}

func TestDecideUndecidable(t *testing.T) {
	p := docker(t)
	whens := func(c Call) (list []string) {
		c.Loader = runc15
		d := p.Decide(c)
		for _, o := range d.Whens {
			list = append(list, o.When+": "+o.Action.String())
		}
		assert.Equal(t, len(list) > 0, d.Undecidable)
		return append(list, "else: "+d.Action.String()+" "+ErrnoName(d.Errno))
	}
	assert.Equal(t, []string{"a0 & 0x7e020000 == 0: allow", "else: errno EPERM"}, whens(Call{Arch: X86_64, Name: "clone", Caps: []string{}}))
	assert.Equal(t, []string{"CAP_SYS_ADMIN held: allow", "a0 & 0x7e020000 == 0: allow", "else: errno EPERM"}, whens(Call{Arch: X86_64, Name: "clone"}))
	assert.Equal(t, []string{"CAP_SYS_ADMIN held: allow", "else: errno ENOSYS"}, whens(Call{Arch: X86_64, Name: "clone3"}))
	assert.Equal(t, []string{"kernel 4.8 or newer: allow", "else: errno EPERM"}, whens(Call{Arch: X86_64, Name: "ptrace", Caps: []string{}}))
	assert.Equal(t, []string{"else: allow 0"}, whens(Call{Arch: X86_64, Name: "clone", Args: []uint64{17}}), "either way")
}

func TestDecideCorpus(t *testing.T) {
	p := parse(t, "errno.json", `{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86","SCMP_ARCH_X32"],"syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_KILL_PROCESS"}]}`)
	d := p.Decide(Call{Arch: X86_64, Syscall: 83})
	assert.Equal(t, KillProcess, d.Action, "code=0x80000000 of the record")
	assert.Equal(t, "errno.json:1:126", d.Entry.Names[d.Name].At.String())
	assert.Equal(t, "mkdir", d.Syscall)
}

func BenchmarkDecide(b *testing.B) {
	p := docker(b)
	calls := []Call{
		{Arch: X86_64, Syscall: 0, Caps: dockerCaps, Kernel: "6.1"},
		{Arch: X86_64, Syscall: 257, Caps: dockerCaps, Kernel: "6.1"},
		{Arch: X86_64, Syscall: 41, Args: []uint64{40, 1, 0, 0}, Caps: dockerCaps, Kernel: "6.1"},
		{Arch: I386, Syscall: 5, Caps: dockerCaps, Kernel: "6.1"},
		{Arch: X86_64, Syscall: 425, Caps: dockerCaps, Kernel: "6.1"},
	}
	for b.Loop() {
		for _, c := range calls {
			p.Decide(c)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(calls)), "ns/decision")
}

func BenchmarkDecideRefusedByCapability(b *testing.B) {
	p := docker(b)
	for b.Loop() {
		p.Decide(Call{Arch: X86_64, Syscall: 165, Caps: dockerCaps, Kernel: "6.1"})
	}
}

func BenchmarkLoadDocker(b *testing.B) {
	file := docker(b).File
	for b.Loop() {
		p, _, err := Parse(file)
		if err != nil {
			b.Fatal(err)
		}
		p.Decide(Call{Arch: X86_64})
	}
}
