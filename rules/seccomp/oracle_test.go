//go:build linux && amd64

package seccomp

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/bits"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

// An oracle is testdata/oracle.c at work: libseccomp, driven as runc drives it.
type oracle struct {
	t      *testing.T
	loader Loader // what its filters are made by
	in     io.WriteCloser
	out    *bufio.Reader
}

// needTool skips a test that lacks a tool, or fails it where all are required.
func needTool(t *testing.T, missing string) {
	t.Helper()
	if os.Getenv("REQUIRE_TOOLS") == "1" {
		t.Fatalf("%s is missing and REQUIRE_TOOLS=1", missing)
	}
	t.Skipf("%s is missing", missing)
}

func newOracle(t *testing.T) *oracle {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		needTool(t, "gcc")
	}
	program := filepath.Join(t.TempDir(), "oracle")
	if out, err := exec.Command("gcc", "-o", program, "testdata/oracle.c", "-lseccomp").CombinedOutput(); err != nil {
		t.Logf("%s", out)
		needTool(t, "libseccomp (libseccomp-dev)")
	}
	cmd := exec.Command(program)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	version, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", "libseccomp2").Output()
	if err != nil {
		version, err = exec.Command("pkg-config", "--modversion", "libseccomp").Output()
	}
	require.NoError(t, err)
	loader := Loader{Runtime: Runc, Version: "1.5.2", Libseccomp: strings.TrimSpace(string(version))}
	return &oracle{t, loader, in, bufio.NewReaderSize(out, 1<<20)}
}

// send sends a line that has no answer.
func (o *oracle) send(format string, args ...any) {
	_, err := fmt.Fprintf(o.in, format+"\n", args...)
	require.NoError(o.t, err)
}

// ask sends a line and returns the answer.
func (o *oracle) ask(format string, args ...any) string {
	o.send(format, args...)
	line, err := o.out.ReadString('\n')
	require.NoError(o.t, err)
	return strings.TrimSpace(line)
}

// number sends a line and returns the answer, a number.
func (o *oracle) number(format string, args ...any) int {
	n, err := strconv.Atoi(o.ask(format, args...))
	require.NoError(o.t, err)
	return n
}

// The parts of a profile as runc and moby's loader see them, read apart from
// the package under test.
type ociProfile struct {
	DefaultAction   string
	DefaultErrnoRet *uint32
	DefaultErrno    string
	Architectures   []string
	ArchMap         []struct {
		Architecture     string
		SubArchitectures []string
	}
	Syscalls []ociEntry
}

type ociEntry struct {
	Names    []string
	Action   string
	ErrnoRet *uint32
	Args     []struct {
		Index           int
		Value, ValueTwo uint64
		Op              string
	}
	Includes, Excludes struct {
		Caps, Arches []string
		MinKernel    string `json:",omitempty"` // an empty one is any kernel
	}
}

// A host is where a filter is built.
type host struct {
	arch   Arch
	goarch string // as includes.arches has it
	caps   []string
	kernel [2]int
}

// inForce is moby's loader in short.
func (e *ociEntry) inForce(h host) bool {
	atLeast := func(v string) bool {
		var a, b int
		_, err := fmt.Sscanf(v, "%d.%d", &a, &b)
		return err == nil && (h.kernel[0] > a || h.kernel[0] == a && h.kernel[1] >= b)
	}
	has := func(c string) bool { return slices.Contains(h.caps, c) }
	in, ex := e.Includes, e.Excludes
	switch {
	case slices.Contains(ex.Arches, h.goarch),
		slices.ContainsFunc(ex.Caps, has),
		ex.MinKernel != "" && atLeast(ex.MinKernel),
		len(in.Arches) > 0 && !slices.Contains(in.Arches, h.goarch),
		slices.ContainsFunc(in.Caps, func(c string) bool { return !has(c) }),
		in.MinKernel != "" && !atLeast(in.MinKernel):
		return false
	}
	return true
}

// archWords are libseccomp's names of the architectures.
var archWords = map[string]string{
	"SCMP_ARCH_X86_64": "x86_64", "SCMP_ARCH_X86": "x86", "SCMP_ARCH_X32": "x32",
	"SCMP_ARCH_AARCH64": "aarch64", "SCMP_ARCH_ARM": "arm", "SCMP_ARCH_S390X": "s390x", "SCMP_ARCH_S390": "s390",
	"SCMP_ARCH_PPC64LE": "ppc64le", "SCMP_ARCH_MIPS": "mips", "SCMP_ARCH_MIPS64": "mips64", "SCMP_ARCH_MIPS64N32": "mips64n32",
	"SCMP_ARCH_RISCV64": "riscv64",
}

// A filter is a BPF program with what runc's stub adds.
type filter struct {
	program []uint64
	stub    bool
	newest  map[string]int // by libseccomp's name of the architecture
	failed  bool           // libseccomp refuses a rule
}

func answer(action string, errno *uint32) uint32 {
	a, ok := ParseAction(action)
	if !ok {
		panic("unknown action " + action)
	}
	if a != Errno && a != Trace {
		return uint32(a)
	}
	if errno == nil {
		return uint32(a) | 1
	}
	return uint32(a) | *errno&0xffff
}

var scmpOps = map[string]int{"SCMP_CMP_NE": 1, "SCMP_CMP_LT": 2, "SCMP_CMP_LE": 3, "SCMP_CMP_EQ": 4, "SCMP_CMP_GE": 5, "SCMP_CMP_GT": 6, "SCMP_CMP_MASKED_EQ": 7}

// build builds the filter of a profile on a host as runc 1.5 does.
func (o *oracle) build(p *ociProfile, h host) filter {
	def := answer(p.DefaultAction, p.DefaultErrnoRet)
	o.send("init %#x", def)
	native := archWords[h.arch.SCMP()]
	archs := slices.Clone(p.Architectures)
	for _, m := range p.ArchMap {
		if m.Architecture == h.arch.SCMP() {
			archs = append(append(archs, m.Architecture), m.SubArchitectures...)
			break
		}
	}
	if native != "x86_64" {
		o.send("noarch") // first: a filter has architectures of one endianness only
		o.send("arch %s", native)
	}
	words := []string{native}
	for _, a := range archs {
		w, ok := archWords[a]
		require.True(o.t, ok, a)
		o.send("arch %s", w)
		if !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	f := filter{newest: map[string]int{}}
	a, _ := ParseAction(p.DefaultAction)
	f.stub = a != Allow && a != Log && a != Trace
	var names []string
	count := 0
	for _, e := range p.Syscalls {
		if e.inForce(h) {
			count += len(e.Names)
		}
	}
	if count > 32 {
		o.send("optimize")
	}
	for _, e := range p.Syscalls {
		if !e.inForce(h) {
			continue
		}
		names = append(names, e.Names...)
		act := answer(e.Action, e.ErrnoRet)
		if act == def {
			continue
		}
		shared := false
		var conds []string
		for i, arg := range e.Args {
			for _, other := range e.Args[:i] {
				shared = shared || arg.Index == other.Index
			}
			conds = append(conds, fmt.Sprintf(" %d %d %d %d", arg.Index, scmpOps[arg.Op], arg.Value, arg.ValueTwo))
		}
		if !shared {
			conds = []string{strings.Join(conds, "")}
		}
		for _, name := range e.Names {
			for _, cond := range conds {
				if o.number("rule %#x %s%s", act, name, cond) != 0 {
					f.failed = true
				}
			}
		}
	}
	for _, w := range words {
		if len(names) > 0 {
			f.newest[w] = o.number("newest %s %s", w, strings.Join(names, " "))
		}
	}
	text := o.ask("export")
	for i := 0; i < len(text); i += 16 {
		insn, err := strconv.ParseUint(text[i:i+16], 16, 64)
		require.NoError(o.t, err)
		if h.arch == S390X { // exported in the byte order of the architecture
			b := bits.ReverseBytes64(insn)
			insn = uint64(uint32(b))<<32 | (b>>32&0xff)<<24 | (b>>40&0xff)<<16 | b>>48
		}
		f.program = append(f.program, insn)
	}
	return f
}

// run answers a call: the stub first, then the program.
func (f *filter) run(t *testing.T, arch Arch, nr uint32, args [6]uint64) uint32 {
	word := archWords[arch.SCMP()]
	if arch == X86_64 && nr&x32Bit != 0 {
		word = "x32"
	}
	if newest := f.newest[word]; f.stub && newest > 0 && (nr > uint32(newest) || word == "s390x" && nr == 0) {
		return uint32(Errno) | enosys
	}
	data := [16]uint32{nr, uint32(arch)}
	for i, a := range args {
		data[4+2*i], data[5+2*i] = uint32(a), uint32(a>>32)
		if arch == S390X || arch == MIPS || arch == MIPS64 {
			data[4+2*i], data[5+2*i] = uint32(a>>32), uint32(a)
		}
	}
	var acc uint32
	for pc := 0; pc < len(f.program); pc++ {
		insn := f.program[pc]
		code, jt, jf, k := uint16(insn), int(insn>>16&0xff), int(insn>>24&0xff), uint32(insn>>32)
		jump := func(c bool) {
			if c {
				pc += jt
			} else {
				pc += jf
			}
		}
		switch code {
		case 0x20:
			acc = data[k/4]
		case 0x05:
			pc += int(k)
		case 0x15:
			jump(acc == k)
		case 0x25:
			jump(acc > k)
		case 0x35:
			jump(acc >= k)
		case 0x45:
			jump(acc&k != 0)
		case 0x54:
			acc &= k
		case 0x06:
			if arch == S390X && (strings.HasPrefix(Action(k).String(), "0x") || k&0xffff > 4095) {
				return bits.ReverseBytes32(k) // libseccomp swaps some of these
			}
			return k
		default:
			t.Fatalf("unknown BPF instruction %#x", code)
		}
	}
	t.Fatal("the BPF program has no end")
	return 0
}

// compare decides one call in both ways.
func (o *oracle) compare(f *filter, p *Profile, h host, arch Arch, nr uint32, args [6]uint64) {
	t := o.t
	t.Helper()
	want := f.run(t, arch, nr, args)
	kernel := fmt.Sprintf("%d.%d", h.kernel[0], h.kernel[1])
	d := p.Decide(Call{Arch: arch, Syscall: nr, Args: args[:], Caps: append([]string{}, h.caps...), Kernel: kernel, Host: h.arch, Loader: o.loader})
	got := uint32(d.Action)
	if d.Action == Errno || d.Action == Trace {
		got |= uint32(d.Errno) & 0xffff
	}
	if got != want || d.Undecidable {
		if t.Failed() && !testing.Verbose() {
			t.FailNow()
		}
		t.Errorf("%s, host %s %s caps %v: %s (%d) args %#x: got %#x (undecidable %v), want %#x",
			p.File.Name, h.arch, kernel, h.caps, syscallLabel(arch, nr), nr, args, got, d.Undecidable, want)
		if len(p.File.Text) < 5000 && os.Getenv("SHOW") != "" {
			t.Log(p.File.Text)
		}
	}
}

// known drops from a profile the names that this libseccomp does not know: runc
// ignores them.
func (o *oracle) known(p *ociProfile, cache map[string]bool) {
	for i := range p.Syscalls {
		p.Syscalls[i].Names = slices.DeleteFunc(p.Syscalls[i].Names, func(name string) bool {
			k, ok := cache[name]
			if !ok {
				k = o.number("known %s", name) != -1
				cache[name] = k
			}
			return !k
		})
	}
}

// both returns a profile as both sides read it.
func (o *oracle) both(name, text string, cache map[string]bool) (*ociProfile, *Profile) {
	var oci ociProfile
	require.NoError(o.t, json.Unmarshal([]byte(text), &oci))
	if oci.DefaultErrno == "ENOSYS" {
		n := uint32(enosys)
		oci.DefaultErrnoRet = &n
	}
	whole, err := json.Marshal(oci)
	require.NoError(o.t, err)
	o.known(&oci, cache)
	p, diagnostics, err := Parse(rules.NewFile(name, string(whole)))
	require.NoError(o.t, err)
	require.Empty(o.t, diagnostics)
	return &oci, p
}

var (
	hosts = []struct {
		arch   Arch
		goarch string
	}{{X86_64, "amd64"}, {AARCH64, "arm64"}, {S390X, "s390x"}, {PPC64LE, "ppc64le"}, {RISCV64, "riscv64"}}
	allCapNames = strings.Fields(`CAP_SYS_ADMIN CAP_SYS_PTRACE CAP_SYS_CHROOT CAP_SYS_NICE CAP_BPF CAP_PERFMON CAP_SYSLOG
		CAP_AUDIT_WRITE CAP_DAC_READ_SEARCH CAP_SYS_MODULE CAP_SYS_TIME CAP_SYS_RAWIO CAP_SYS_BOOT CAP_SYS_PACCT CAP_SYS_TTY_CONFIG`)
	interesting = []uint64{0, 1, 2, 3, 5, 8, 9, 16, 37, 38, 39, 40, 41, 45, 46, 131072, 0xffffffff, 0x7e020000, 0x10000000, 1 << 32, 1<<32 | 40, 1<<63 | 16, ^uint64(0)}
)

func randomArgs(r *rand.Rand) (args [6]uint64) {
	for i := range args {
		args[i] = interesting[r.IntN(len(interesting))]
		if r.IntN(8) == 0 {
			args[i] = r.Uint64()
		}
	}
	return args
}

func randomCaps(r *rand.Rand) []string {
	var caps []string
	for _, c := range allCapNames {
		if r.IntN(3) == 0 {
			caps = append(caps, c)
		}
	}
	return caps
}

// archsOn are the architectures of calls tried on a host: its own, those that
// it can run, and one that it cannot.
func archsOn(a Arch) []Arch {
	switch a {
	case X86_64:
		return []Arch{X86_64, I386, AARCH64}
	case AARCH64:
		return []Arch{AARCH64, ARM, X86_64}
	}
	return []Arch{a}
}
