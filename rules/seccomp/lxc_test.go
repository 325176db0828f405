package seccomp

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

const lxcDeny = "2\ndenylist\nreject_force_umount  # umount -f\n[all]\nkexec_load errno 1\nopen_by_handle_at errno 1\n[x86_64]\ninit_module kill\n"

// TestLXC holds what policies of LXC answer, at which place, and how they are changed.
func TestLXC(t *testing.T) {
	applied := func(edits []rules.Edit) string {
		changes, err := rules.Apply(edits)
		require.NoError(t, err)
		require.Len(t, changes, 1)
		return changes[0].New
	}
	read := func(text string) *Profile {
		require.True(t, IsProfile(text))
		p, diagnostics, err := Parse(rules.NewFile("common.seccomp", text))
		require.NoError(t, err)
		require.Empty(t, diagnostics)
		return p
	}
	p := read(lxcDeny)
	ask := func(p *Profile, arch Arch, name string) Decision { return p.Decide(Call{Arch: arch, Name: name}) }
	d := ask(p, X86_64, "open_by_handle_at")
	assert.Equal(t, Errno, d.Action)
	assert.Equal(t, "common.seccomp:6:1", d.Entry.At.String())
	assert.Equal(t, Errno, ask(p, I386, "open_by_handle_at").Action)
	assert.Equal(t, Allow, ask(p, X86_64, "mount").Action)
	assert.True(t, ask(p, X86_64, "init_module").Action == KillThread)
	assert.Equal(t, Allow, ask(p, AARCH64, "init_module").Action)

	edits, err := p.Allow("open_by_handle_at")
	require.NoError(t, err)
	changed := applied(edits)
	assert.NotContains(t, changed, "open_by_handle_at")
	assert.Contains(t, changed, "kexec_load errno 1\n[x86_64]\n")
	_, err = p.Allow("mount")
	assert.Error(t, err)
	_, err = p.AnswerENOSYS("mount")
	assert.Error(t, err)
	_, err = p.Observe(false)
	assert.Error(t, err)
	removed, err := p.Remove(d.Entry, "open_by_handle_at")
	require.NoError(t, err)
	assert.Equal(t, changed, applied([]rules.Edit{removed}))

	allow := read("2\nallowlist\nread\nwrite")
	assert.True(t, ask(allow, X86_64, "mount").Action == KillThread)
	edits, err = allow.Allow("mount")
	require.NoError(t, err)
	changed = applied(edits)
	assert.Equal(t, Allow, ask(read(changed), X86_64, "mount").Action)

	for _, bad := range []string{"2\ndenylist\n[mips]\n", "2\ndenylist\nmount perhaps\n", "2\ndenylist\nioctl notify [1,2,SCMP_CMP_EQ]\n"} {
		_, _, err := Parse(rules.NewFile("p", bad))
		assert.Error(t, err, bad)
	}
}
