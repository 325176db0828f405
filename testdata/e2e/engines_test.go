//go:build e2e && linux && amd64

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/whydenied/whydenied/rules/seccomp"
	"github.com/whydenied/whydenied/testdata/e2e/kernel"
)

// What query says that a call answers is what it answers in a container of each engine
// that the machine has, and of those of E2E_DEBIAN, under what people say on its command
// line; and explain names the container and the policy that was in force.
func TestEngines(t *testing.T) {
	if os.Geteuid() != 0 {
		missing(t, "root")
	}
	dir := t.TempDir()
	whydenied := filepath.Join(dir, "whydenied")
	run(t, "go", "build", "-o", whydenied, "../../cmd/whydenied")
	buildAnswers(t, filepath.Join(dir, "answers"))
	image := writeImage(t, filepath.Join(dir, "answers"))
	for of, root := range map[string]string{"this machine": "/", "E2E_DEBIAN": os.Getenv("E2E_DEBIAN")} {
		for _, kind := range engineKinds {
			t.Run(kind.name+" of "+of, func(t *testing.T) {
				switch has := root != "" && found(root, kind.program) && found(root, kind.below); {
				case has:
				case of == "this machine" && kind.installed:
					missing(t, "%s (Debian's %s, %s)", kind.program, kind.debian, kind.below)
				default:
					t.Skipf("not tested: %s of %s (%s, what newer.sh builds)", kind.program, of, root)
				}
				e := newEngine(t, kind.name, kind.program, root, image)
				kind.start(t, e)
				calls, differences := 0, 0
				for _, c := range newConfinements(t, e) {
					n, wrong := e.compare(t, whydenied, c)
					calls, differences = calls+n, differences+wrong
				}
				t.Logf("%s %s, libseccomp %s: %d calls, %d differences", e.name, e.version, e.library, calls, differences)
				assert.GreaterOrEqual(t, calls, 2000)
			})
		}
	}
}

// found reports whether a program is below a root.
func found(root, program string) bool {
	for _, dir := range []string{"usr/bin", "usr/sbin"} {
		if _, err := os.Stat(filepath.Join(root, dir, program)); err == nil {
			return true
		}
	}
	return false
}

// A confinement is what a user asks an engine for.
type confinement struct {
	name       string
	profile    string // file of a seccomp profile, "" for the default, or "unconfined"
	privileged bool
	add, drop  []string // capabilities, without CAP_
}

// newConfinements returns those that are tried, in -short a few.
func newConfinements(t *testing.T, e *engine) []confinement {
	list := []confinement{
		{name: "default"},
		{name: "default with SYS_ADMIN", add: []string{"SYS_ADMIN"}},
		{name: "own 0", profile: ownProfile(t, e, 0), add: []string{"SYS_PTRACE"}},
	}
	if testing.Short() {
		return list
	}
	// Docker and old Podmans give a privileged container capabilities that this machine may
	// withhold from all, which is no matter of seccomp.
	if e.name == "containerd" || holdsAll(t) {
		list = append(list, confinement{name: "privileged", privileged: true})
	}
	for _, add := range []string{"SYS_PTRACE", "SYS_NICE", "BPF"} {
		list = append(list, confinement{name: "default with " + add, add: []string{add}})
	}
	list = append(list,
		confinement{name: "unconfined", profile: "unconfined"},
		confinement{name: "default without SYS_CHROOT and MKNOD", drop: []string{"SYS_CHROOT", "MKNOD"}},
		confinement{name: "default with two", add: []string{"SYS_ADMIN", "SYS_BOOT"}, drop: []string{"CHOWN"}},
	)
	for seed := range uint64(6) {
		c := confinement{name: fmt.Sprint("own ", seed+1), profile: ownProfile(t, e, seed+1)}
		if seed%2 == 0 {
			c.add = []string{"SYS_ADMIN"}
		}
		list = append(list, c)
	}
	return list
}

// holdsAll reports whether the machine withholds no capability.
func holdsAll(t *testing.T) bool {
	for c := range unix.CAP_LAST_CAP + 1 {
		if held, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0); err == nil && held == 0 {
			t.Logf("not tested: privileged (this machine withholds capability %d from all)", c)
			return false
		}
	}
	return true
}

// ownProfile writes a random profile in Docker's form, of which each engine takes what it
// does. No two entries are for one call, as libseccomp refuses those that disagree.
func ownProfile(t *testing.T, e *engine, seed uint64) string {
	r := rand.New(rand.NewPCG(seed, 4))
	p := randomFilter(r, false)
	for p.DefaultAction == "SCMP_ACT_KILL" { // with which an engine's own process may end
		p = randomFilter(r, false)
	}
	eacces := uint(13)
	p.Syscalls = append([]syscalls{{Names: []string{"kexec_load"}, Action: "SCMP_ACT_ERRNO", ErrnoRet: &eacces}}, p.Syscalls...)
	named := map[string]bool{}
	for i := range p.Syscalls {
		s := &p.Syscalls[i]
		s.Names = slices.DeleteFunc(s.Names, func(name string) bool {
			again := named[name]
			named[name] = true
			return again
		})
		if i > 0 && i < len(p.Syscalls)-1 && r.IntN(2) == 0 { // neither kexec_load nor what is needed
			s.Includes, s.Excludes = randomGate(r), randomGate(r)
		}
	}
	p.Syscalls = slices.DeleteFunc(p.Syscalls, func(s syscalls) bool { return len(s.Names) == 0 })
	text, err := json.Marshal(p)
	require.NoError(t, err)
	name := filepath.Join(e.dir, fmt.Sprintf("own-%d.json", seed))
	require.NoError(t, os.WriteFile(name, text, 0o644))
	return name
}

// randomGate returns a condition, mostly none.
func randomGate(r *rand.Rand) *gate {
	switch r.IntN(6) {
	case 0:
		return &gate{Caps: []string{"CAP_SYS_ADMIN"}}
	case 1:
		return &gate{Caps: []string{"CAP_SYS_PTRACE"}}
	case 2:
		return &gate{Arches: []string{[]string{"amd64", "arm64"}[r.IntN(2)]}}
	case 3:
		return &gate{MinKernel: []string{"4.8", "99.0"}[r.IntN(2)]}
	}
	return nil
}

// compare runs answers.c in a container and asks about the same calls.
func (e *engine) compare(t *testing.T, whydenied string, c confinement) (calls, differences int) {
	name := "whydenied-" + strings.ReplaceAll(c.name, " ", "-")
	asked := allCalls(kernel.I386(t))
	ran, err := e.answered(t, name, c, asked)
	if err != nil { // entries for one call that disagree, and what is newer than the engine
		assert.Regexp(t, "(?i)seccomp.*rule.*file exists|unknown capability", err.Error(), c.name)
		t.Logf("%s: refused", c.name)
		return 0, 0
	}
	inspected := filepath.Join(t.TempDir(), "inspect.json")
	require.NoError(t, os.WriteFile(inspected, e.inspect(t, name), 0o600))
	e.explains(t, whydenied, c, name, inspected, ran[slices.IndexFunc(asked, func(c request) bool { return c.nr == kexecLoad })])
	var said []string
	if c.profile == "unconfined" || c.privileged && e.name != "containerd" { // to ctr these are two things
		said = slices.Repeat([]string{"passes"}, len(asked))
	} else {
		policy := c.profile
		if policy == "" {
			policy = "builtin:" + e.name
		}
		flags := []string{"--seccomp", policy, "--libseccomp", e.library, "--kernel", kernelRelease(t)}
		for _, file := range append([]string{inspected}, e.hosts...) {
			flags = append(flags, "--inventory", file)
		}
		said = decided(t, whydenied, asked, flags...)
	}
	for i, r := range asked {
		if said[i] == "ambiguous" {
			continue
		}
		calls++
		if said[i] != ran[i] {
			if differences++; differences > 5 {
				continue
			}
			t.Errorf("%s: %s: query says %s, and the kernel %s", c.name, r, said[i], ran[i])
		}
	}
	return calls, differences
}

// kexecLoad is refused by all defaults and by the own profiles.
const kexecLoad = unix.SYS_KEXEC_LOAD

// allCalls returns all calls of x86-64, some of x32, those of i386 if the kernel has the
// entry, and those that defaults answer by their arguments.
func allCalls(has32 bool) (calls []request) {
	add := func(arch string, nr uint32, args ...uint64) {
		a, err := seccomp.ParseArch(arch)
		if err == nil && answerable(a, nr) && (has32 || a != seccomp.I386) {
			c := request{arch: arch, nr: nr}
			copy(c.args[:], args)
			calls = append(calls, c)
		}
	}
	for nr := range uint32(500) {
		add("x86_64", nr)
		add("i386", nr)
		if nr%10 == 0 {
			add("x86_64", nr|1<<30)
		}
	}
	for nr := range uint32(40) {
		add("x86_64", 512+nr)
		add("x86_64", (512+nr)|1<<30)
	}
	for _, v := range []uint64{1, 2, 8, 0x20000, 0x20008, 0xffffffff, 0x7e020000, 0x10000000, 0x10020000, 16, 38, 40} {
		for _, nr := range []uint32{unix.SYS_PERSONALITY, unix.SYS_CLONE, unix.SYS_SOCKET, unix.SYS_UNSHARE, unix.SYS_SETNS} {
			add("x86_64", nr, v)
		}
		for _, nr := range []uint32{136, 120, 359, 102} { // personality, clone, socket, socketcall
			add("i386", nr, v)
		}
	}
	return calls
}

// explains checks that explain names the container, and the policy that answered a call
// with an errno or none at all.
func (e *engine) explains(t *testing.T, whydenied string, c confinement, name, inspected, answer string) {
	errno := "EPERM"
	if answer == "13" {
		errno = "EACCES"
	}
	dir := t.TempDir()
	trace, log := filepath.Join(dir, "strace"), filepath.Join(dir, "log")
	require.NoError(t, os.WriteFile(trace, fmt.Appendf(nil, "1 kexec_load(0, 0, NULL, 0) = -1 %s (refused)\n", errno), 0o600))
	require.NoError(t, os.WriteFile(log, nil, 0o600))
	args := []string{"explain", log, "--format", "json", "--strace", trace, "--inventory", inspected}
	for _, file := range e.hosts {
		args = append(args, "--inventory", file)
	}
	out, err := exec.Command(whydenied, args...).Output()
	if err != nil {
		require.IsType(t, new(exec.ExitError), err)
	}
	var f *explained
	for line := range bytes.Lines(out) {
		var m struct{ Finding *explained }
		require.NoError(t, json.Unmarshal(line, &m))
		if m.Finding != nil {
			f = m.Finding
		}
	}
	if answer == "passes" {
		assert.Nil(t, f, "%s: %s", c.name, out)
		return
	}
	require.NotNil(t, f, "%s: %s", c.name, out)
	require.NotNil(t, f.Container, c.name)
	assert.Equal(t, []string{e.name, imageName, "high"}, []string{f.Container.Runtime, f.Container.Image, f.Container.Confidence}, c.name)
	assert.Contains(t, []string{f.Container.Name, f.Container.ID}, name)
	policy := e.policy(c, name)
	assert.True(t, strings.HasPrefix(f.Policy, policy), "%s: %s, not %s", c.name, f.Policy, policy)
}
