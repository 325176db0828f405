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

	"github.com/whydenied/whydenied/rules/seccomp"
	"github.com/whydenied/whydenied/rules/seccomp/internal/tools/upstream"
)

var capNames = strings.Fields(`CAP_SYS_ADMIN CAP_SYS_PTRACE CAP_SYS_CHROOT CAP_SYS_NICE CAP_BPF CAP_PERFMON CAP_SYSLOG
	CAP_AUDIT_WRITE CAP_DAC_READ_SEARCH CAP_SYS_MODULE CAP_SYS_TIME CAP_SYS_RAWIO CAP_SYS_BOOT CAP_SYS_PACCT CAP_SYS_TTY_CONFIG`)

// capSets are twenty sets of capabilities: none, all, each alone, and some mixed.
func capSets() [][]string {
	sets := [][]string{{}, capNames, capNames[:5], capNames[5:], capNames[3:9]}
	for _, c := range capNames {
		sets = append(sets, []string{c})
	}
	return sets
}

// All answers of the three engines' defaults, as their own loaders resolve them,
// are ours: every system call on two architectures with twenty sets of
// capabilities, for arguments on either side of every condition.
func TestDifferential(t *testing.T) {
	dir := t.TempDir()
	program, err := upstream.Build(dir)
	if err != nil {
		if os.Getenv("REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skipf("the engines' modules cannot be built: %v", err)
	}
	mobyOld := []string{"20.10.0", "20.10.24", "23.0.6", "25.0.6", "28.3.3"}
	type subject struct{ engine, version, file string }
	subjects := []subject{{"moby", "", ""}, {"containerd", "2.4.2", ""}, {"podman", "", ""}}
	for _, v := range mobyOld {
		module, err := upstream.ModuleDir("github.com/docker/docker@v" + v + "+incompatible")
		if err != nil {
			t.Fatal(err)
		}
		subjects = append(subjects, subject{"moby", v, filepath.Join(module, "profiles/seccomp/default.json")})
	}
	cases := 0
	for _, s := range subjects {
		ours, name, ok := seccomp.Builtin(s.engine, s.version)
		if !ok {
			t.Fatal(s)
		}
		var requests []upstream.Request
		for _, goarch := range []string{"amd64", "arm64"} {
			for i, caps := range capSets() {
				kernel := []string{"6.1", "4.7"}[i%2]
				requests = append(requests, upstream.Request{Engine: s.engine, GOARCH: goarch, Kernel: kernel, Caps: caps, File: s.file})
			}
		}
		answers, err := upstream.Ask(program, requests)
		if err != nil {
			t.Fatal(err)
		}
		for i, answer := range answers {
			cases += compare(t, name, ours, requests[i], answer)
		}
	}
	t.Logf("%d cases", cases)
}

// compare decides every call by our profile and by the resolved one.
func compare(t *testing.T, name string, ours *seccomp.Profile, r upstream.Request, theirs *specs.LinuxSeccomp) int {
	arch := map[string]seccomp.Arch{"amd64": seccomp.X86_64, "arm64": seccomp.AARCH64}[r.GOARCH]
	kernel := r.Kernel
	if r.Engine == "podman" {
		kernel = "6.1" // its loader does not look
	}
	cases := 0
	for nr := range uint32(480) {
		call, ok := seccomp.SyscallName(arch, nr)
		if !ok {
			continue
		}
		for _, args := range [][]uint64{{0, 0, 0}, {40, 1, 0}, {16, 3, 9}, {16, 3, 8}, {2, 1, 9}, {0x10000000, 0x10000000, 0}, {38, 0, 0}, {131072, 0, 0}} {
			d := ours.Decide(seccomp.Call{Arch: arch, Syscall: nr, Args: args, Caps: r.Caps, Kernel: kernel, Loader: seccomp.Loader{Runtime: seccomp.Runc, Version: "1.5.2"}})
			got := fmt.Sprintf("%s %d", d.Action.SCMP(), d.Errno)
			if want := resolve(theirs, arch, nr, call, args); got != want || d.Undecidable {
				t.Errorf("%s: %s %s %s caps %v args %v: got %s, want %s", name, r.GOARCH, r.Kernel, call, r.Caps, args, got, want)
			}
			cases++
		}
	}
	return cases
}

// resolve answers a call by a resolved profile: the first rule without
// conditions, then any with, then the default.
func resolve(p *specs.LinuxSeccomp, arch seccomp.Arch, nr uint32, call string, args []uint64) string {
	answer := func(a specs.LinuxSeccompAction, errno *uint) string {
		if a != specs.ActErrno {
			return string(a) + " 0"
		}
		if errno == nil {
			return string(a) + " 1"
		}
		return fmt.Sprintf("%s %d", a, *errno)
	}
	newest := uint32(0)
	matched := ""
	always := false
	for _, s := range p.Syscalls {
		for _, n := range s.Names {
			if number, ok := seccomp.SyscallNumber(arch, n); ok {
				newest = max(newest, number)
			}
		}
		rule := answer(s.Action, s.ErrnoRet)
		if !slices.Contains(s.Names, call) || rule == answer(p.DefaultAction, p.DefaultErrnoRet) || always {
			continue
		}
		if len(s.Args) == 0 {
			matched, always = rule, true
		} else if holds(s.Args, args) {
			matched = rule
		}
	}
	if nr > newest {
		return "SCMP_ACT_ERRNO 38"
	}
	if matched == "" {
		return answer(p.DefaultAction, p.DefaultErrnoRet)
	}
	return matched
}

func holds(conditions []specs.LinuxSeccompArg, args []uint64) bool {
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
		if !ok {
			return false
		}
	}
	return true
}
