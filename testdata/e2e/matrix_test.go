//go:build e2e && linux && amd64

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules/seccomp"
	"github.com/whydenied/whydenied/testdata/e2e/kernel"
)

// A loader is a runtime with a libseccomp.
type loader struct {
	command    []string // given "run ID" in a bundle
	runtime    string   // as --runtime has it: "runc@1.1.5+ds1"
	libseccomp string   // as --libseccomp has it
}

// The size of the matrix: for each loader.
const (
	matrixProfiles = 40  // a quarter of them with -short
	matrixCalls    = 100 // of each profile
)

// What query says that a call answers is what the filter answers that the runtime has
// loaded, for each runtime and libseccomp that the machine has, for random profiles,
// calls and arguments. E2E_RUNC names another runc than that of the path, and E2E_DEBIAN
// a Debian that newer.sh built, whose libseccomp each runc is tried with as well.
func TestMatrix(t *testing.T) {
	if os.Geteuid() != 0 {
		missing(t, "root")
	}
	dir := t.TempDir()
	whydenied, answers := filepath.Join(dir, "whydenied"), filepath.Join(dir, "answers")
	run(t, "go", "build", "-o", whydenied, "../../cmd/whydenied")
	buildAnswers(t, answers)
	has32 := kernel.I386(t)
	profiles := matrixProfiles
	if testing.Short() {
		profiles /= 4
	}
	for _, l := range newLoaders(t) {
		t.Run(l.runtime+" libseccomp "+l.libseccomp, func(t *testing.T) {
			cases, ambiguous, refused, outcomes := 0, 0, 0, map[string]int{}
			for seed := range uint64(profiles) {
				r := rand.New(rand.NewPCG(seed, 18))
				p := randomFilter(r, strings.HasPrefix(l.runtime, "runc"))
				calls := randomCalls(r, p, has32)
				ran, refusal := l.answered(t, answers, p, calls)
				if refusal != "" { // entries for one call that disagree
					require.Regexp(t, "seccomp.*rule", refusal)
					refused++
					continue
				}
				said := l.decided(t, whydenied, p, calls)
				for i, c := range calls {
					if said[i] == "ambiguous" {
						ambiguous++
						continue
					}
					cases++
					outcomes[ran[i]]++
					if said[i] != ran[i] {
						text, _ := json.Marshal(p)
						t.Errorf("%s: query says %s, and the kernel %s\n%s", c, said[i], ran[i], text)
					}
				}
			}
			t.Logf("%d calls of %d profiles; besides, %d calls whose answer libseccomp does not define, and %d profiles that it refuses; answers: %v",
				cases, profiles-refused, ambiguous, refused, outcomes)
			assert.GreaterOrEqual(t, cases, 50*profiles)
		})
	}
}

var libseccompVersion = regexp.MustCompile(`libseccomp: (\S+)`)

// newLoaders returns the runtimes of the machine, and says which are not there.
func newLoaders(t *testing.T) (loaders []loader) {
	debian, found := os.Getenv("E2E_DEBIAN"), []string{}
	if debian != "" {
		found, _ = filepath.Glob(debian + "/usr/lib/x86_64-linux-gnu/libseccomp.so.2.*")
	}
	if len(found) == 0 {
		t.Log("not tested: another libseccomp, and crun (E2E_DEBIAN, what newer.sh builds)")
	}
	for _, runc := range []string{"runc", os.Getenv("E2E_RUNC")} {
		path, err := exec.LookPath(runc)
		if err != nil {
			t.Logf("not tested: runc %q (E2E_RUNC)", runc)
			continue
		}
		l := loader{command: []string{path, "--root", filepath.Join(t.TempDir(), "runc")}}
		version := l.version(t)
		l.runtime = "runc@" + strings.TrimPrefix(strings.Fields(version)[2], "v")
		l.libseccomp = libseccompVersion.FindStringSubmatch(version)[1]
		loaders = append(loaders, l.packaged())
		for _, library := range found {
			loaders = append(loaders, l.with(t, library))
		}
	}
	if len(found) > 0 {
		script, err := filepath.Abs("enter.sh")
		require.NoError(t, err)
		l := loader{command: []string{script, debian, "crun", "--cgroup-manager=disabled"}}
		l.runtime = "crun@" + strings.Fields(l.version(t))[2]
		_, l.libseccomp, _ = strings.Cut(found[0], ".so.")
		loaders = append(loaders, l)
	}
	return loaders
}

// with returns the loader with another libseccomp in the place of the machine's, in a
// mount namespace of its own, as runc gives no LD_LIBRARY_PATH to what loads the filter.
func (l loader) with(t *testing.T, library string) loader {
	own, err := filepath.EvalSymlinks("/usr/lib/x86_64-linux-gnu/libseccomp.so.2")
	require.NoError(t, err)
	script := `mount --bind "$0" "$1" && shift && exec "$@"`
	l.command = append([]string{"unshare", "--mount", "sh", "-c", script, library, own}, l.command...)
	_, l.libseccomp, _ = strings.Cut(library, ".so.")
	return l
}

func (l loader) version(t *testing.T) string {
	cmd := exec.Command(l.command[0], append(slices.Clone(l.command[1:]), "--version")...)
	out, err := cmd.Output()
	require.NoError(t, err, l.command)
	return string(out)
}

// packaged returns the loader with the version of Debian's package of libseccomp, where
// that is the library which is used: it only says which release it was made of.
func (l loader) packaged() loader {
	version, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", "libseccomp2").Output()
	if err == nil && strings.HasPrefix(string(version), l.libseccomp+"-") {
		l.libseccomp = string(version)
	}
	return l
}

// A request is a call that is asked about, on one of the entries into an x86-64 kernel.
type request struct {
	arch string // x86_64 or i386
	nr   uint32
	args [6]uint64
}

func (c request) String() string {
	return fmt.Sprintf("%s %d %#x", c.arch, c.nr, c.args)
}

// decided returns what query says to calls under a profile.
func (l loader) decided(t *testing.T, whydenied string, p *profile, calls []request) []string {
	text, err := json.Marshal(p)
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "profile.json")
	require.NoError(t, os.WriteFile(name, text, 0o600))
	return decided(t, whydenied, calls, "--seccomp", name, "--caps", "", "--arch", "x86_64", "--runtime", l.runtime, "--libseccomp", l.libseccomp)
}

// decided returns what query says to calls with some flags: as answers.c prints it,
// "ambiguous" where libseccomp does not define it, or "undecided".
func decided(t *testing.T, whydenied string, calls []request, flags ...string) (said []string) {
	var batch bytes.Buffer
	for _, c := range calls {
		var args []string
		for _, a := range c.args {
			args = append(args, fmt.Sprintf("%#x", a))
		}
		line, err := json.Marshal(map[string]any{"syscall": fmt.Sprint(c.nr), "arch": c.arch, "args": args})
		require.NoError(t, err)
		batch.Write(append(line, '\n'))
	}
	var stderr bytes.Buffer
	cmd := exec.Command(whydenied, append([]string{"query"}, flags...)...)
	cmd.Stdin, cmd.Stderr = &batch, &stderr
	out, err := cmd.Output()
	if code := cmd.ProcessState.ExitCode(); code != 0 && code != 3 {
		require.NoError(t, err, "%s%s", out, &stderr)
	}
	for line := range bytes.Lines(out) {
		var a struct {
			Action string
			Errno  int
			When   []any
			Notes  []string
		}
		require.NoError(t, json.Unmarshal(line, &a))
		said = append(said, a.Action)
		last := &said[len(said)-1]
		switch {
		case slices.ContainsFunc(a.Notes, func(n string) bool { return strings.Contains(n, "is not defined") }):
			*last = "ambiguous"
		case len(a.When) > 0:
			*last = "undecided"
		case a.Action == "errno":
			*last = fmt.Sprint(a.Errno)
		case a.Action == "allow" || a.Action == "log" || a.Action == "trace":
			*last = "passes" // are weaker than the notification of answers.c
		case strings.HasPrefix(a.Action, "kill"):
			*last = "killed"
		}
	}
	require.Len(t, said, len(calls))
	return said
}

// answered returns what a container's filter answers to calls, or the runtime's own
// words if it refuses the profile.
func (l loader) answered(t *testing.T, answers string, p *profile, calls []request) (ran []string, refusal string) {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	for _, d := range []string{"bin", "proc", "dev"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "rootfs", d), 0o755))
	}
	text, err := os.ReadFile(answers)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "rootfs/bin/answers"), text, 0o755))
	argv := append([]string{"/bin/answers"}, arguments(calls)...)
	type object = map[string]any
	config, err := json.Marshal(object{
		"ociVersion": "1.0.2",
		"process":    object{"user": object{"uid": 0, "gid": 0}, "args": argv, "cwd": "/", "noNewPrivileges": true},
		"root":       object{"path": "rootfs"},
		"mounts": []object{
			{"destination": "/proc", "type": "proc", "source": "proc"},
			{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": []string{"mode=755"}},
		},
		"linux": object{"namespaces": []object{{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}}, "seccomp": p},
	})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600))
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, l.command[0], append(slices.Clone(l.command[1:]), "run", fmt.Sprintf("matrix-%d", time.Now().UnixNano()))...)
	cmd.Dir, cmd.WaitDelay = dir, time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, stderr.String() + err.Error()
	}
	ran = strings.Fields(string(out))
	require.Len(t, ran, len(calls), "%s", stderr.String())
	return ran, ""
}

// arguments returns calls as answers.c takes them.
func arguments(calls []request) (argv []string) {
	for _, c := range calls {
		entry := map[string]string{"x86_64": "6", "i386": "3"}[c.arch]
		argv = append(argv, fmt.Sprintf("%s:%x:%x:%x:%x:%x:%x:%x", entry, c.nr, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], c.args[5]))
	}
	return argv
}

// buildAnswers compiles answers.c.
func buildAnswers(t *testing.T, name string) {
	run(t, tool(t, "gcc", "gcc"), "-Wall", "-Werror", "-O1", "-mno-red-zone", "-static", "-nostdlib", "-ffreestanding", "-fno-pie", "-no-pie",
		"-fno-stack-protector", "-o", name, "programs/answers.c")
}

// needed are the calls that answers.c and the runtimes make themselves.
var needed = strings.Fields(`write poll mmap rt_sigaction ioctl clone wait4 prctl exit_group seccomp execve rt_sigreturn
	rt_sigprocmask sigaltstack futex read close fcntl fstat newfstatat openat getdents64 capget capset setuid setgid setgroups
	setresuid setresgid getppid getpid gettid tgkill chdir getcwd statfs fstatfs epoll_ctl epoll_pwait epoll_create1 eventfd2 pipe2 nanosleep sched_yield
	madvise munmap mprotect brk getuid geteuid getgid getegid umask dup3 faccessat faccessat2 access readlinkat sendmsg recvmsg sendto
	recvfrom socket connect lseek stat lstat open clock_gettime uname arch_prctl set_tid_address set_robust_list rseq prlimit64 getrandom
	keyctl exit kill setsid waitid close_range openat2 statx clone3 dup dup2 writev readv pread64 pwrite64 getxattr sigaltstack`)

// randomFilter returns a profile as an engine gives it to a runtime. It allows what is
// needed, and answers some of the rest with errnos that tell its entries apart; under a
// runtime with a stub it does not name all new calls.
func randomFilter(r *rand.Rand, stub bool) *profile {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	p := &profile{DefaultAction: pick("SCMP_ACT_ERRNO", "SCMP_ACT_ERRNO", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP", "SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE")}
	if r.IntN(2) == 0 {
		errno := uint(60 + r.IntN(3))
		p.DefaultErrnoRet = &errno
		if p.DefaultAction != "SCMP_ACT_ERRNO" && p.DefaultAction != "SCMP_ACT_TRACE" {
			p.DefaultErrnoRet = nil // crun refuses it
		}
	}
	archs := []string{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"}
	p.Architectures = [][]string{nil, archs[:1], archs[1:2], archs[:2], archs}[r.IntN(5)]
	rest := matrixNames()
	// Some profiles name few new calls, and some many, so that the stub has work.
	newest := []int{len(rest), len(rest) - 30, len(rest) - 60, len(rest) - 90}[r.IntN(4)]
	for range 3 + r.IntN(25) {
		s := syscalls{Action: pick("SCMP_ACT_ALLOW", "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP", "SCMP_ACT_LOG", "SCMP_ACT_KILL")}
		if errno := uint(70 + r.IntN(30)); s.Action == "SCMP_ACT_ERRNO" && r.IntN(2) == 0 {
			s.ErrnoRet = &errno
		}
		for range 1 + r.IntN(12) {
			if name := rest[r.IntN(newest)]; !slices.Contains(s.Names, name) {
				s.Names = append(s.Names, name)
			}
		}
		s.Args = randomConditions(r)
		p.Syscalls = append(p.Syscalls, s)
	}
	names := slices.Clone(needed)
	if stub && newest <= len(rest)-60 { // it answers those so that the runtime turns to others
		names = slices.DeleteFunc(names, func(name string) bool {
			return slices.Contains([]string{"clone3", "openat2", "faccessat2", "close_range", "rseq"}, name)
		})
	}
	p.Syscalls = append(p.Syscalls, syscalls{Names: names, Action: "SCMP_ACT_ALLOW"})
	return p
}

// matrixNames are the calls of x86-64 that are not needed, in the order of their numbers.
func matrixNames() (names []string) {
	for nr := range uint32(470) {
		if name, ok := seccomp.SyscallName(seccomp.X86_64, nr); ok && !slices.Contains(needed, name) {
			names = append(names, name)
		}
	}
	return names
}

// Values that conditions have and arguments take.
var matrixValues = []uint64{0, 1, 2, 5, 8, 16, 40, 0x7e020000, 0xffffffff, 1 << 32, 1<<32 | 40, ^uint64(0)}

// randomConditions returns the conditions of an entry, mostly none.
func randomConditions(r *rand.Rand) json.RawMessage {
	if r.IntN(3) > 0 {
		return nil
	}
	var args []map[string]any
	for range 1 + r.IntN(2) {
		op := []string{"SCMP_CMP_EQ", "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_GE", "SCMP_CMP_MASKED_EQ"}[r.IntN(5)]
		value := matrixValues[r.IntN(len(matrixValues))]
		if op != "SCMP_CMP_EQ" {
			value &= 1<<32 - 1
		}
		args = append(args, map[string]any{"index": r.IntN(3), "value": value, "valueTwo": matrixValues[r.IntN(len(matrixValues))], "op": op})
	}
	text, _ := json.Marshal(args)
	return text
}

// randomCalls returns calls of all entries into the kernel, that of i386 if it has it,
// most of which the profile names, and numbers that no call has.
func randomCalls(r *rand.Rand, p *profile, has32 bool) (calls []request) {
	var named []string
	for _, s := range p.Syscalls[:len(p.Syscalls)-1] {
		named = append(named, s.Names...)
	}
	for len(calls) < matrixCalls {
		c := request{arch: "x86_64"}
		arch := seccomp.X86_64
		if r.IntN(6) == 0 && has32 {
			c.arch, arch = "i386", seccomp.I386
		}
		switch r.IntN(4) {
		case 0:
			c.nr = 300 + uint32(r.IntN(200))
		case 1:
			c.nr = uint32(r.IntN(480))
		default:
			nr, ok := seccomp.SyscallNumber(arch, named[r.IntN(len(named))])
			if !ok {
				continue
			}
			c.nr = nr
		}
		if arch == seccomp.X86_64 && r.IntN(10) == 0 {
			c.nr |= 1 << 30 // x32
		}
		if !answerable(arch, c.nr) {
			continue
		}
		for i := range c.args {
			c.args[i] = matrixValues[r.IntN(len(matrixValues))]
			if arch == seccomp.I386 {
				c.args[i] &= 1<<32 - 1
			}
		}
		calls = append(calls, c)
	}
	return calls
}

// answerable reports whether answers.c can ask about a call: it ends by exit_group, and
// Linux 6.18 asks no filter about the probes of its own.
func answerable(arch seccomp.Arch, nr uint32) bool {
	name, _ := seccomp.SyscallName(arch, nr)
	return !slices.Contains([]string{"exit_group", "uretprobe", "uprobe"}, name)
}
