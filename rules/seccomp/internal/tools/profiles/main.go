// Command profiles writes the built-in default profiles, builtin/*.json, from
// the modules that hold them. Run it in rules/seccomp with go generate.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/whydenied/whydenied/rules/seccomp/internal/tools/upstream"
)

// docker lists the first releases of Docker with each text of the profile, and
// from 29 on the releases of moby/profiles.
var docker = []string{
	"20.10.0", "20.10.4", "20.10.10", "20.10.18", "20.10.22", "20.10.26",
	"23.0.0", "23.0.7", "23.0.10", "25.0.0", "25.0.3", "28.2.0",
}

func main() {
	log.SetFlags(0)
	out := flag.String("o", "builtin", "directory to write to")
	flag.Parse()
	for _, v := range docker {
		copyProfile("github.com/docker/docker@v"+v+"+incompatible", "profiles/seccomp/default.json", filepath.Join(*out, "docker-"+v+".json"))
	}
	for _, v := range []string{"v0.2.3", upstream.Moby} {
		copyProfile("github.com/moby/profiles/seccomp@"+v, "default.json", filepath.Join(*out, "moby-"+v+".json"))
	}
	copyProfile("go.podman.io/common@"+upstream.Podman, "pkg/seccomp/seccomp.json", filepath.Join(*out, "podman-common-"+upstream.Podman+".json"))
	save(filepath.Join(*out, "containerd-"+upstream.Containerd+".json"), containerd())
}

// copyProfile writes the profile of a module.
func copyProfile(module, file, out string) {
	dir, err := upstream.ModuleDir(module)
	check(err)
	text, err := os.ReadFile(filepath.Join(dir, file))
	check(err)
	var p profile
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	check(d.Decode(&p))
	save(out, &p)
}

// The parts of a profile, in the order in which they are written.
type profile struct {
	DefaultAction   string `json:"defaultAction"`
	DefaultErrnoRet *uint  `json:"defaultErrnoRet,omitempty"`
	DefaultErrno    string `json:"defaultErrno,omitempty"`
	ArchMap         []struct {
		Architecture     string   `json:"architecture"`
		SubArchitectures []string `json:"subArchitectures"`
	} `json:"archMap"`
	Syscalls []entry `json:"syscalls"`
}

type entry struct {
	Names    []string `json:"names"`
	Action   string   `json:"action"`
	ErrnoRet *uint    `json:"errnoRet,omitempty"`
	Errno    string   `json:"errno,omitempty"`
	Args     []arg    `json:"args,omitempty"`
	Comment  string   `json:"comment,omitempty"`
	Includes *filter  `json:"includes,omitempty"`
	Excludes *filter  `json:"excludes,omitempty"`
}

type arg struct {
	Index    uint   `json:"index"`
	Value    uint64 `json:"value"`
	ValueTwo uint64 `json:"valueTwo"`
	Op       string `json:"op"`
}

type filter struct {
	Caps      []string `json:"caps,omitempty"`
	Arches    []string `json:"arches,omitempty"`
	MinKernel string   `json:"minKernel,omitempty"`
}

// save writes a profile with its lists of names wrapped.
func save(path string, p *profile) {
	var b strings.Builder
	fmt.Fprintf(&b, "{\n\t\"defaultAction\": %q,\n", p.DefaultAction)
	if p.DefaultErrnoRet != nil {
		fmt.Fprintf(&b, "\t\"defaultErrnoRet\": %d,\n", *p.DefaultErrnoRet)
	}
	if p.DefaultErrno != "" {
		fmt.Fprintf(&b, "\t\"defaultErrno\": %q,\n", p.DefaultErrno)
	}
	b.WriteString("\t\"archMap\": [\n")
	for i, m := range p.ArchMap {
		fmt.Fprintf(&b, "\t\t{\"architecture\": %q, \"subArchitectures\": %s}%s\n", m.Architecture, list(m.SubArchitectures), comma(i, len(p.ArchMap)))
	}
	b.WriteString("\t],\n\t\"syscalls\": [\n")
	for i, e := range p.Syscalls {
		fmt.Fprintf(&b, "\t\t{\n\t\t\t\"names\": [%s],\n", wrap(e.Names))
		e.Names = nil
		var rest []string
		for _, f := range fields(e) {
			rest = append(rest, "\t\t\t"+f)
		}
		fmt.Fprintf(&b, "%s\n\t\t}%s\n", strings.Join(rest, ",\n"), comma(i, len(p.Syscalls)))
	}
	b.WriteString("\t]\n}\n")
	check(os.WriteFile(path, []byte(b.String()), 0o644))
}

// fields returns the fields of an entry but for its names, as JSON.
func fields(e entry) []string {
	out := []string{fmt.Sprintf("\"action\": %q", e.Action)}
	if e.ErrnoRet != nil {
		out = append(out, fmt.Sprintf("\"errnoRet\": %d", *e.ErrnoRet))
	}
	if e.Errno != "" {
		out = append(out, fmt.Sprintf("\"errno\": %q", e.Errno))
	}
	if len(e.Args) > 0 {
		var args []string
		for _, a := range e.Args {
			two := ""
			if a.ValueTwo != 0 {
				two = fmt.Sprintf("\"valueTwo\": %d, ", a.ValueTwo)
			}
			args = append(args, fmt.Sprintf("{\"index\": %d, \"value\": %d, %s\"op\": %q}", a.Index, a.Value, two, a.Op))
		}
		out = append(out, "\"args\": ["+strings.Join(args, ", ")+"]")
	}
	if e.Comment != "" {
		out = append(out, fmt.Sprintf("\"comment\": %q", e.Comment))
	}
	for _, f := range []struct {
		key string
		*filter
	}{{"includes", e.Includes}, {"excludes", e.Excludes}} {
		if f.filter == nil || reflect.DeepEqual(*f.filter, filter{}) {
			continue
		}
		var parts []string
		if len(f.Caps) > 0 {
			parts = append(parts, "\"caps\": "+list(f.Caps))
		}
		if len(f.Arches) > 0 {
			parts = append(parts, "\"arches\": "+list(f.Arches))
		}
		if f.MinKernel != "" {
			parts = append(parts, fmt.Sprintf("\"minKernel\": %q", f.MinKernel))
		}
		out = append(out, fmt.Sprintf("%q: {%s}", f.key, strings.Join(parts, ", ")))
	}
	return out
}

// list writes a list of strings on one line.
func list(items []string) string {
	quoted := make([]string, len(items))
	for i, s := range items {
		quoted[i] = fmt.Sprintf("%q", s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// wrap writes strings in lines of about a hundred columns.
func wrap(items []string) string {
	one := list(items)
	if len(one) < 90 {
		return one[1 : len(one)-1]
	}
	var b strings.Builder
	width := 1000
	for i, s := range items {
		if width+len(s) > 90 {
			b.WriteString("\n\t\t\t\t")
			width = 16
		} else {
			b.WriteString(" ")
		}
		n, _ := fmt.Fprintf(&b, "%q%s", s, comma(i, len(items)))
		width += n + 1
	}
	return b.String() + "\n\t\t\t"
}

func comma(i, n int) string {
	if i == n-1 {
		return ""
	}
	return ","
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// What containerd's default distinguishes.
var (
	goarches = []string{"amd64", "arm64", "386", "arm", "ppc64le", "s390x", "riscv64", "loong64"}
	natives  = map[string]string{"386": "x86", "loong64": "loongarch64"}
	caps     = strings.Fields(`CAP_DAC_READ_SEARCH CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_CHROOT CAP_SYS_MODULE CAP_SYS_PACCT
		CAP_SYS_PTRACE CAP_SYS_RAWIO CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_SYS_NICE CAP_SYSLOG CAP_BPF CAP_PERFMON`)
)

// askContainerd returns containerd's default for each architecture, then for each
// capability, then for an old kernel.
func askContainerd() []*specs.LinuxSeccomp {
	var requests []upstream.Request
	for _, a := range goarches {
		requests = append(requests, upstream.Request{Engine: "containerd", GOARCH: a, Kernel: "6.1"})
	}
	for _, c := range caps {
		requests = append(requests, upstream.Request{Engine: "containerd", GOARCH: "amd64", Kernel: "6.1", Caps: []string{c}})
	}
	requests = append(requests, upstream.Request{Engine: "containerd", GOARCH: "amd64", Kernel: "4.7"})
	dir, err := os.MkdirTemp("", "upstream")
	check(err)
	defer os.RemoveAll(dir)
	program, err := upstream.Build(dir)
	check(err)
	answers, err := upstream.Ask(program, requests)
	check(err)
	return answers
}

// containerd returns containerd's default as a profile with conditions: its
// module has a function instead, which is asked for each architecture,
// capability and kernel that it distinguishes.
func containerd() *profile {
	answers := askContainerd()
	plain := answers[0]
	old := answers[len(answers)-1]
	admin := answers[len(goarches)+slices.Index(caps, "CAP_SYS_ADMIN")]
	p := &profile{DefaultAction: string(plain.DefaultAction), DefaultErrnoRet: plain.DefaultErrnoRet}
	for i, a := range goarches {
		sub := slices.DeleteFunc(slices.Clone(answers[i].Architectures), func(s specs.Arch) bool { return s == scmp[a] })
		p.ArchMap = append(p.ArchMap, struct {
			Architecture     string   `json:"architecture"`
			SubArchitectures []string `json:"subArchitectures"`
		}{string(scmp[a]), strs(sub)})
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
