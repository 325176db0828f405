// Package tools holds the generators of rules/seccomp, and the test of its
// decisions against the loaders of the engines themselves.
package tools

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/seccomp"
	"github.com/whydenied/whydenied/rules/seccomp/internal/tools/upstream"
)

// capNames are all capabilities that some text speaks of.
var capNames = strings.Fields(`CAP_SYS_ADMIN CAP_SYS_PTRACE CAP_SYS_CHROOT CAP_SYS_NICE CAP_BPF CAP_PERFMON CAP_SYSLOG
	CAP_AUDIT_WRITE CAP_DAC_READ_SEARCH CAP_SYS_MODULE CAP_SYS_TIME CAP_SYS_RAWIO CAP_SYS_BOOT CAP_SYS_PACCT CAP_SYS_TTY_CONFIG`)

// capSets are the sets of none, one and two capabilities, and of all. An entry speaks of
// two at most (TestCapabilities), so that they tell all sets apart.
func capSets() [][]string {
	sets := [][]string{{}, capNames}
	for i, a := range capNames {
		sets = append(sets, []string{a})
		for _, b := range capNames[i+1:] {
			sets = append(sets, []string{a, b})
		}
	}
	return sets
}

// No entry of a text speaks of a capability that is not in capNames, or of more than two.
func TestCapabilities(t *testing.T) {
	for _, text := range upstream.Texts {
		p := ours(t, text)
		for _, e := range p.Entries {
			caps := slices.Concat(e.Includes.Caps, e.Excludes.Caps)
			if len(caps) > 2 {
				t.Errorf("%s: an entry speaks of %v", text.Name, caps)
			}
			for _, c := range caps {
				if !slices.Contains(capNames, c) {
					t.Errorf("%s: an entry speaks of %s", text.Name, c)
				}
			}
		}
	}
}

// ours returns the text as the product has it.
func ours(t *testing.T, text upstream.Text) *seccomp.Profile {
	t.Helper()
	for engine := range rules.EngineTitles {
		all, _ := rules.FindReleases(engine, "")
		for _, r := range all.All {
			if r.Seccomp != text.Name {
				continue
			}
			p, _, _ := seccomp.Builtin(engine, r.From)
			if r.From != "" {
				return p
			}
			for _, o := range p.Others { // of a release that is not known
				if o.File.Name == text.Name+".json" {
					return o.Profile
				}
			}
		}
	}
	t.Fatalf("no release has %s", text.Name)
	return nil
}

// All answers of each text, as its own functions and loaders resolve it,
// are ours: every system call on two architectures and kernels with all sets of
// capabilities that it tells apart, for arguments on either side of every condition.
func TestDifferential(t *testing.T) {
	program, err := upstream.Build(t.TempDir())
	if err != nil {
		if os.Getenv("REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skipf("the engines' modules cannot be built: %v", err)
	}
	resolved := map[string]bool{} // texts of CRI-O by its own code
	for _, text := range upstream.CRIO {
		resolved[text.Name] = true
	}
	cases, answers := 0, 0
	for _, text := range upstream.Texts {
		p := ours(t, text)
		asked := requests(t, text, resolved[text.Name])
		profiles, err := upstream.Ask(program, asked)
		if err != nil {
			t.Fatal(err)
		}
		answers += len(profiles)
		for i, theirs := range profiles {
			cases += compare(t, text.Name, p, asked[i], theirs)
		}
	}
	t.Logf("%d texts, %d of them resolved, %d cases", len(upstream.Texts), answers, cases)
}

// requests asks for a text in every case. What CRI-O made of a text is loaded by
// Docker's loader if its own code is not to be had.
func requests(t *testing.T, text upstream.Text, resolved bool) []upstream.Request {
	file := ""
	switch project := text.Project(); {
	case project == "docker" || project == "moby":
		dir, err := upstream.ModuleDir(text.Module)
		if err != nil {
			t.Fatal(err)
		}
		file = filepath.Join(dir, text.File())
	case project == "crio" && !resolved:
		file = filepath.Join(t.TempDir(), "profile.json")
		if err := os.WriteFile(file, []byte(ours(t, text).File.Text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var all []upstream.Request
	for _, goarch := range []string{"amd64", "arm64"} {
		for _, kernel := range []string{"6.1", "4.7"} {
			if kernel == "4.7" && (text.Project() == "common" || text.Project() == "crio" && resolved) {
				continue // whose loader does not look
			}
			for _, caps := range capSets() {
				all = append(all, upstream.Request{Text: text.Name, GOARCH: goarch, Kernel: kernel, Caps: caps, File: file})
			}
		}
	}
	return all
}

// compare decides every call by our profile and by the resolved one.
func compare(t *testing.T, name string, ours *seccomp.Profile, r upstream.Request, theirs *specs.LinuxSeccomp) int {
	arch := map[string]seccomp.Arch{"amd64": seccomp.X86_64, "arm64": seccomp.AARCH64}[r.GOARCH]
	conditional := map[string]bool{}
	for _, e := range ours.Entries {
		for _, n := range e.Names {
			conditional[n.Text] = conditional[n.Text] || len(e.Args) > 0
		}
	}
	filter := newResolved(theirs, arch)
	cases := 0
	for nr := range uint32(480) {
		call, ok := seccomp.SyscallName(arch, nr)
		if !ok {
			continue
		}
		all := [][]uint64{{0, 0, 0}}
		if conditional[call] || filter.conditional[call] {
			all = append(all, [][]uint64{{40, 1, 0}, {41, 0, 0}, {37, 0, 0}, {16, 3, 9}, {16, 3, 8}, {2, 1, 9}, {0x10000000, 0x10000000, 0}, {0x11, 0, 0}, {38, 0, 0}, {39, 0, 0}, {131072, 0, 0}, {8, 0, 0}, {0xffffffff, 0, 0}}...)
		}
		for _, args := range all {
			d := ours.Decide(seccomp.Call{Arch: arch, Syscall: nr, Args: args, Caps: r.Caps, Kernel: r.Kernel, Loader: seccomp.Loader{Runtime: seccomp.Runc, Version: "1.5.2", Libseccomp: "2.6.0"}})
			got := fmt.Sprintf("%s %d", d.Action.SCMP(), d.Errno)
			if want := filter.resolve(nr, call, args); !slices.Contains(want, got) || d.Undecidable || len(want) > 1 && !d.Ambiguous {
				t.Errorf("%s: %s %s %s caps %v args %v: got %s, want %v", name, r.GOARCH, r.Kernel, call, r.Caps, args, got, want)
			}
			cases++
		}
	}
	return cases
}

// A resolved is a resolved profile by the names of calls.
type resolved struct {
	rules       map[string][]specs.LinuxSyscall
	conditional map[string]bool
	byDefault   string
	newest      uint32
}

func newResolved(p *specs.LinuxSeccomp, arch seccomp.Arch) *resolved {
	r := &resolved{rules: map[string][]specs.LinuxSyscall{}, conditional: map[string]bool{}, byDefault: answer(p.DefaultAction, p.DefaultErrnoRet)}
	for _, s := range p.Syscalls {
		for _, n := range s.Names {
			if number, ok := seccomp.SyscallNumber(arch, n); ok {
				r.newest = max(r.newest, number)
			}
			r.rules[n] = append(r.rules[n], s)
			r.conditional[n] = r.conditional[n] || len(s.Args) > 0
		}
	}
	return r
}

func answer(a specs.LinuxSeccompAction, errno *uint) string {
	if a != specs.ActErrno {
		return string(a) + " 0"
	}
	if errno == nil {
		return string(a) + " 1"
	}
	return fmt.Sprintf("%s %d", a, *errno)
}

// resolve answers a call: the first rule without conditions, then any with, then the
// default. Where rules disagree, it is the order in which libseccomp asks that decides.
func (r *resolved) resolve(nr uint32, call string, args []uint64) []string {
	if nr > r.newest {
		return []string{"SCMP_ACT_ERRNO 38"}
	}
	var matched []string
	for _, s := range r.rules[call] {
		rule := answer(s.Action, s.ErrnoRet)
		if rule == r.byDefault {
			continue
		}
		if len(s.Args) == 0 {
			return []string{rule}
		}
		if holds(s.Args, args) && !slices.Contains(matched, rule) {
			matched = append(matched, rule)
		}
	}
	if matched == nil {
		return []string{r.byDefault}
	}
	return matched
}

// holds reports whether a rule's conditions hold: all of them, or any as soon as two
// are on the same argument, as runc makes rules of them.
func holds(conditions []specs.LinuxSeccompArg, args []uint64) bool {
	count := map[uint]int{}
	any, all := false, true
	for _, c := range conditions {
		v := args[c.Index]
		ok := false
		switch c.Op {
		case specs.OpEqualTo:
			ok = v == c.Value
		case specs.OpNotEqual:
			ok = v != c.Value
		case specs.OpLessThan:
			ok = v < c.Value
		case specs.OpGreaterThan:
			ok = v > c.Value
		case specs.OpMaskedEqual:
			ok = v&c.Value == c.ValueTwo
		}
		count[c.Index]++
		any, all = any || ok, all && ok
	}
	for _, n := range count {
		if n > 1 {
			return any
		}
	}
	return all
}
