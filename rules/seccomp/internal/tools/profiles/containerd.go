package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/whydenied/whydenied/rules/seccomp/internal/tools/upstream"
)

// What containerd's default distinguishes, besides capabilities.
var (
	goarches = []string{"amd64", "arm64", "386", "arm", "ppc64le", "s390x", "riscv64", "loong64"}
	natives  = map[string]string{"386": "x86", "loong64": "loongarch64"}
	capName  = regexp.MustCompile(`"(CAP_[A-Z_]+)"`)
)

// A containerds asks containerd's functions.
type containerds struct{ program string }

func newContainerds() containerds {
	dir, err := os.MkdirTemp("", "upstream")
	check(err)
	program, err := upstream.Build(dir)
	check(err)
	return containerds{program}
}

// capsOf returns the capabilities that the source of a text speaks of.
func capsOf(t upstream.Text) (caps []string) {
	dir, err := upstream.ModuleDir(t.Module)
	check(err)
	text, err := os.ReadFile(filepath.Join(dir, "contrib/seccomp/seccomp_default.go"))
	check(err)
	for _, m := range capName.FindAllStringSubmatch(string(text), -1) {
		if !slices.Contains(caps, m[1]) {
			caps = append(caps, m[1])
		}
	}
	return caps
}

// ask returns a text of containerd for each architecture, then for each
// capability, then for an old kernel.
func (c containerds) ask(t upstream.Text, caps []string) []*specs.LinuxSeccomp {
	var requests []upstream.Request
	for _, a := range goarches {
		requests = append(requests, upstream.Request{Text: t.Name, GOARCH: a, Kernel: "6.1"})
	}
	for _, c := range caps {
		requests = append(requests, upstream.Request{Text: t.Name, GOARCH: "amd64", Kernel: "6.1", Caps: []string{c}})
	}
	requests = append(requests, upstream.Request{Text: t.Name, GOARCH: "amd64", Kernel: "4.7"})
	answers, err := upstream.Ask(c.program, requests)
	check(err)
	return answers
}

// profile returns a text of containerd as a profile with conditions: its
// module has a function instead, which is asked for each architecture,
// capability and kernel that it distinguishes. An architecture for which it
// lists none is not in archMap.
func (c containerds) profile(t upstream.Text) *profile {
	caps := capsOf(t)
	answers := c.ask(t, caps)
	plain := answers[0]
	old := answers[len(answers)-1]
	admin := answers[len(goarches)+slices.Index(caps, "CAP_SYS_ADMIN")]
	p := &profile{DefaultAction: string(plain.DefaultAction), DefaultErrnoRet: plain.DefaultErrnoRet}
	for i, a := range goarches {
		sub := slices.DeleteFunc(slices.Clone(answers[i].Architectures), func(s specs.Arch) bool { return s == scmp[a] })
		if len(answers[i].Architectures) > 0 {
			p.ArchMap = append(p.ArchMap, archMap{string(scmp[a]), strs(sub)})
		}
		for _, s := range answers[i].Syscalls {
			e := convert(s)
			if slices.ContainsFunc(p.Syscalls, func(o entry) bool { return sameRule(o, e) }) {
				continue
			}
			var have []string
			for j, b := range goarches {
				if contains(answers[j], s) {
					name := b
					if n := natives[b]; n != "" {
						name = n
					}
					have = append(have, name)
				}
			}
			e.Includes, e.Excludes = &filter{}, &filter{}
			if len(have) < len(goarches) {
				e.Includes.Arches = have
			}
			if i == 0 && !contains(old, s) {
				e.Includes.MinKernel = "4.8"
			}
			if !contains(admin, s) && (i == 0 || strings.Contains(strings.Join(e.Names, " "), "clone")) {
				e.Excludes.Caps = []string{"CAP_SYS_ADMIN"}
			}
			p.Syscalls = append(p.Syscalls, e)
		}
	}
	for i, c := range caps {
		for _, s := range answers[len(goarches)+i].Syscalls {
			if !contains(plain, s) {
				e := convert(s)
				e.Includes = &filter{Caps: []string{c}}
				p.Syscalls = append(p.Syscalls, e)
			}
		}
	}
	return p
}

var scmp = map[string]specs.Arch{
	"amd64": specs.ArchX86_64, "arm64": specs.ArchAARCH64, "386": specs.ArchX86, "arm": specs.ArchARM,
	"ppc64le": specs.ArchPPC64LE, "s390x": specs.ArchS390X, "riscv64": specs.ArchRISCV64,
	"loong64": specs.ArchLOONGARCH64,
}

func strs(archs []specs.Arch) []string {
	out := []string{}
	for _, a := range archs {
		out = append(out, string(a))
	}
	return out
}

// contains reports whether a resolved profile has a rule.
func contains(p *specs.LinuxSeccomp, s specs.LinuxSyscall) bool {
	return slices.ContainsFunc(p.Syscalls, func(o specs.LinuxSyscall) bool { return reflect.DeepEqual(o, s) })
}

// convert returns a resolved rule as an entry.
func convert(s specs.LinuxSyscall) entry {
	e := entry{Names: s.Names, Action: string(s.Action), ErrnoRet: s.ErrnoRet}
	for _, a := range s.Args {
		e.Args = append(e.Args, arg{a.Index, a.Value, a.ValueTwo, string(a.Op)})
	}
	return e
}

// sameRule compares entries but for their conditions.
func sameRule(a, b entry) bool {
	a.Includes, a.Excludes, b.Includes, b.Excludes = nil, nil, nil, nil
	return reflect.DeepEqual(a, b)
}
