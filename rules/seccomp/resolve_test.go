package seccomp

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What an engine reads from a file that was made of its default answers each call as the default
// does, though containerd passes over conditions in a file.
func TestReadable(t *testing.T) {
	for _, in := range []Call{
		{Arch: X86_64, Caps: []string{}, Kernel: "6.1", Engine: Engine{Name: "containerd"}},
		{Arch: X86_64, Caps: []string{"CAP_SYS_ADMIN", "CAP_BPF"}, Kernel: "6.1", Engine: Engine{Name: "containerd"}},
		{Arch: I386, Caps: []string{"CAP_SYS_PTRACE"}, Kernel: "4.4", Engine: Engine{Name: "containerd"}},
		{Arch: AARCH64, Caps: []string{}, Kernel: "6.1", Engine: Engine{Name: "containerd"}},
		{Arch: X86_64, Caps: []string{}, Kernel: "6.1", Engine: Engine{Name: "docker"}},
	} {
		engine, _, ok := Builtin(in.Engine.Name, "")
		require.True(t, ok)
		engine = engine.Alone()
		file, err := engine.Readable("file.json", in)
		require.NoError(t, err)
		in.Loader.Libseccomp = "2.6.0"
		for nr := range uint32(470) {
			call := in
			call.Syscall = nr
			before, after := engine.Decide(call), file.Decide(call)
			assert.Equal(t, [2]any{before.Action, before.Errno}, [2]any{after.Action, after.Errno}, "%v %s", in.Engine, before.Syscall)
			assert.Len(t, after.Whens, len(before.Whens), before.Syscall)
		}
	}
}

// A condition that hangs on what is not known cannot be written down.
func TestReadableUnknown(t *testing.T) {
	p, _, _ := Builtin("containerd", "")
	_, err := p.Readable("file.json", Call{Arch: X86_64, Kernel: "6.1", Engine: Engine{Name: "containerd"}})
	assert.ErrorContains(t, err, "CAP_SYS_ADMIN not held")
	_, err = p.Readable("file.json", Call{Arch: X86_64, Caps: []string{}, Engine: Engine{Name: "containerd"}})
	assert.ErrorContains(t, err, "kernel 4.8 or newer")
	_, err = p.Readable("file.json", Call{Arch: X86_64, Engine: Engine{Name: "podman"}})
	assert.NoError(t, err)
}
