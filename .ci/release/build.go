package main

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// A target is a system that the program is built for.
type target struct {
	os, arch string // as Go calls them; arm is ARMv7
	program  string // the file that was built
}

var all = []target{
	{os: "linux", arch: "amd64"}, {os: "linux", arch: "arm64"}, {os: "linux", arch: "arm"}, {os: "linux", arch: "riscv64"},
	{os: "darwin", arch: "amd64"}, {os: "darwin", arch: "arm64"},
	{os: "windows", arch: "amd64"}, {os: "windows", arch: "arm64"},
}

// chosen are the targets of a list such as linux/amd64,darwin/arm64; all of none.
func chosen(list string) ([]target, error) {
	if list == "" {
		return slices.Clone(all), nil
	}
	var some []target
	for name := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(all, func(t target) bool { return t.os+"/"+t.arch == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no target %q; there are those of build.go, such as linux/amd64", name)
		}
		some = append(some, all[i])
	}
	return some, nil
}

// name is how files are named: linux_armv7.
func (t target) name() string {
	if t.arch == "arm" {
		return t.os + "_armv7"
	}
	return t.os + "_" + t.arch
}

// binary is the name of the program.
func (t target) binary() string {
	if t.os == "windows" {
		return "whydenied.exe"
	}
	return "whydenied"
}

// build builds the program, static and without what differs between machines.
func (r *release) build(t *target) error {
	t.program = filepath.Join(r.work, t.name(), t.binary())
	_, err := r.run([]string{"GOOS=" + t.os, "GOARCH=" + t.arch, "GOARM=7"},
		"go", "build", "-buildvcs=false", "-ldflags", "-s -w -buildid= -X main.release=v"+r.version, "-o", t.program, "./cmd/whydenied")
	return err
}

// writePages writes the man pages and the completions, which are the same everywhere, by
// this host's program.
func (r *release) writePages() error {
	for _, dir := range []string{"man", "completions"} {
		if err := os.MkdirAll(filepath.Join(r.work, dir), 0o755); err != nil {
			return err
		}
	}
	if _, err := r.run(nil, "go", "test", "-vet=off", "-count=1", "-run", "^TestManPages$", "./cmd/whydenied", "-man", filepath.Join(r.work, "man")); err != nil {
		return err
	}
	program := filepath.Join(r.work, "whydenied")
	if _, err := r.run(nil, "go", "build", "-buildvcs=false", "-o", program, "./cmd/whydenied"); err != nil {
		return err
	}
	for shell, name := range map[string]string{"bash": "whydenied.bash", "zsh": "_whydenied", "fish": "whydenied.fish"} {
		script, err := r.run(nil, program, "completion", shell)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(r.work, "completions", name), script, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// A module is linked into a program.
type module struct {
	path, version, sum string
	licence            string // its SPDX identifier
	text               string // of its licence
}

// permitted are the licences that the program may be linked with, as it is Apache-2.0.
var permitted = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"}

// findModules reads what the programs say they are made of, and the licences of that.
func (r *release) findModules() error {
	for _, t := range r.targets {
		info, err := buildinfo.ReadFile(t.program)
		if err != nil {
			return err
		}
		for _, d := range info.Deps {
			if !slices.ContainsFunc(r.modules, func(m module) bool { return m.path == d.Path }) {
				r.modules = append(r.modules, module{path: d.Path, version: d.Version, sum: d.Sum})
			}
		}
	}
	slices.SortFunc(r.modules, func(a, b module) int { return strings.Compare(a.path, b.path) })
	for i := range r.modules {
		if err := r.readLicence(&r.modules[i]); err != nil {
			return err
		}
	}
	return nil
}

// readLicence reads the licence of a module, which must be one of those permitted.
func (r *release) readLicence(m *module) error {
	dir, err := r.run(nil, "go", "list", "-m", "-f", "{{.Dir}}", m.path)
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "[Ll][Ii][Cc][Ee][Nn][CcSs][Ee]*"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("%s has no licence", m.path)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, id := range licences(text) {
			if slices.Contains(permitted, id) {
				m.licence, m.text = id, string(text)
				return nil
			}
		}
	}
	return fmt.Errorf("%s: its licence is none of %s", m.path, strings.Join(permitted, ", "))
}

// spdx is how a file states its licence, or those that may be chosen from.
var spdx = regexp.MustCompile(`SPDX-License-Identifier: ([\w.+-]+(?: OR [\w.+-]+)*)`)

// licences are the SPDX identifiers of a text: those that it states, else what it reads as.
func licences(text []byte) (ids []string) {
	if m := spdx.FindSubmatch(text); m != nil {
		return strings.Split(string(m[1]), " OR ")
	}
	for _, match := range licensecheck.Scan(text).Match {
		ids = append(ids, match.ID)
	}
	return ids
}

// notices are the licences of all that a program is linked of.
func (r *release) notices() string {
	var out strings.Builder
	out.WriteString("whydenied is linked with the modules below, and with Go's standard library, whose licence is that of golang.org/x/sys.\n")
	for _, m := range r.modules {
		fmt.Fprintf(&out, "\n%s\n%s %s (%s)\n\n%s", strings.Repeat("-", 80), m.path, m.version, m.licence, m.text)
	}
	return out.String()
}
