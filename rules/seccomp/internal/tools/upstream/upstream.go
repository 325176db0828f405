// Package upstream asks the default profiles of Docker, containerd, Podman and CRI-O
// what they resolve to. It builds a program from the engines' modules' own
// sources, in which a few lines are replaced so that their loaders answer for
// any architecture and kernel instead of the machine's own.
package upstream

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

//go:embed program/main.go.txt
var program string

const (
	goarch = `os.Getenv("WHYDENIED_GOARCH")`
	kernel = `parseRelease(os.Getenv("WHYDENIED_KERNEL"))`
)

// A source is a file of a module that goes into a package of the program, and what is
// replaced in it: what holds the first of a pair must hold it, if it is not "".
type source struct {
	module, file, dir string
	must              string
	replace           [][2]string
}

// loader are the sources of Docker's loader, which reads all texts of Docker.
func loader() []source {
	const module = moby + "v0.2.4"
	return []source{
		{module: module, file: "seccomp.go", dir: "moby"},
		{module: module, file: "default_linux.go", dir: "moby"},
		{module: module, file: "seccomp_linux.go", dir: "moby", must: "runtime.GOARCH", replace: [][2]string{{"runtime.GOARCH", goarch}, {`"runtime"`, `"os"`}}},
		{module: module, file: "kernel_linux.go", dir: "moby", must: "kv, err := getKernelVersion()", replace: asked},
	}
}

// asked replaces the machine's kernel in Docker's and containerd's code, which is the same.
var asked = [][2]string{{"kv, err := getKernelVersion()", "kv, err := " + kernel}, {`"sync"`, `"os"; "sync"`}}

// ofContainerd are the sources of a text of containerd: the functions that make it.
func ofContainerd(t Text) []source {
	version := "contrib/seccomp/kernelversion/kernel_linux.go"
	if strings.HasPrefix(t.Module, containerd2) {
		version = "pkg/kernelversion/kernel_linux.go"
	}
	own := "upstream/" + t.Package() + "/kernelversion"
	return []source{
		{module: t.Module, file: "contrib/seccomp/seccomp_default.go", dir: t.Package(), must: "runtime.GOARCH", replace: [][2]string{
			{"runtime.GOARCH", goarch}, {`"runtime"`, `"os"`},
			{"github.com/containerd/containerd/v2/pkg/kernelversion", own},
			{"github.com/containerd/containerd/contrib/seccomp/kernelversion", own},
		}},
		{module: t.Module, file: version, dir: t.Package() + "/kernelversion", must: "kv, err := getKernelVersion()", replace: asked},
	}
}

// ofCommon are the sources of a text of containers-common, with its own loader.
func ofCommon(t Text) []source {
	var all []source
	for _, file := range []string{"types.go", "supported.go", "seccomp_linux.go", "default_linux.go", "seccomp_default_linux.go", "errno_list.go"} {
		s := source{module: t.Module, file: "pkg/seccomp/" + file, dir: t.Package()}
		if file == "seccomp_linux.go" {
			s.must = "libseccomp.GetNativeArch()"
			s.replace = [][2]string{
				{"var native, err = libseccomp.GetNativeArch()", "var err error"},
				{"native, err := libseccomp.GetNativeArch()", "var err error"},
				{"arch = native.String()", "arch = " + goarch},
				{`libseccomp "github.com/seccomp/libseccomp-golang"`, `"os"`},
			}
		}
		all = append(all, s)
	}
	return all
}

// ofCRIO is the function with which CRI-O changes the text of containers-common.
func ofCRIO(t, base Text) []source {
	own := `"upstream/` + base.Package() + `"`
	return []source{{module: t.Module, file: "internal/config/seccomp/seccomp.go", dir: t.Package(), must: "func DefaultProfile() *seccomp.Seccomp", replace: [][2]string{
		{`"github.com/containers/common/pkg/seccomp"`, own}, {`"go.podman.io/common/pkg/seccomp"`, own},
		{"runtime.GOARCH", goarch},
	}}}
}

// ModuleDir returns the directory of a module's sources, such as
// "github.com/moby/profiles/seccomp@v0.2.4", and downloads them if need be.
func ModuleDir(module string) (string, error) {
	cmd := exec.Command("go", "mod", "download", "-json", module)
	cmd.Dir = os.TempDir() // outside any module: its go.sum stays as it is
	sum := unlisted[module]
	if sum != "" {
		cmd.Env = append(os.Environ(), "GONOSUMDB="+strings.TrimSuffix(module, module[strings.Index(module, "@"):]))
	}
	out, err := cmd.Output()
	var answer struct{ Dir, Error, Sum string }
	if jsonErr := json.Unmarshal(out, &answer); jsonErr != nil || err != nil {
		return "", fmt.Errorf("go mod download %s: %v %s", module, err, answer.Error)
	}
	if sum != "" && answer.Sum != sum {
		return "", fmt.Errorf("the checksum of %s is %s instead of %s", module, answer.Sum, sum)
	}
	return answer.Dir, nil
}

// unlisted are releases that the checksum database does not have, with the sums that
// go.sum of Docker 29.4.2 has.
var unlisted = map[string]string{moby + "v0.2.2": "h1:T1AiR9bmVoP6NHic7hXvlp/JNZuMwGC484axRwmPUyQ="}

// Build compiles the program into dir, which must be empty, and returns its path.
func Build(dir string) (string, error) {
	all := loader()
	var imports, cases strings.Builder
	add := func(t Text, call string) {
		fmt.Fprintf(&imports, "\t%s \"upstream/%s\"\n", t.Package(), t.Package())
		fmt.Fprintf(&cases, "\tcase %q:\n\t\treturn %s.%s\n", t.Name, t.Package(), call)
		if t.Project() == "common" {
			fmt.Fprintf(&cases, "\tcase %q:\n\t\treturn %s.DefaultProfile(), nil\n", written+t.Name, t.Package())
		}
	}
	byName := map[string]Text{}
	for _, t := range Texts {
		byName[t.Name] = t
		switch t.Project() {
		case "containerd":
			all = append(all, ofContainerd(t)...)
			add(t, "DefaultProfile(spec), nil")
		case "common":
			all = append(all, ofCommon(t)...)
			add(t, "GetDefaultProfile(spec)")
		}
	}
	for _, t := range CRIO {
		base := byName[t.Name]
		base.Name = strings.Replace(t.Name, "crio", "base", 1)
		all = append(append(all, ofCommon(base)...), ofCRIO(t, base)...)
		fmt.Fprintf(&imports, "\t%s \"upstream/%s\"\n\t%s \"upstream/%s\"\n", t.Package(), t.Package(), base.Package(), base.Package())
		fmt.Fprintf(&cases, "\tcase %q:\n\t\treturn %s.LoadProfileFromConfig(%s.DefaultProfile(), spec)\n", t.Name, base.Package(), t.Package())
	}
	for _, s := range all {
		if err := s.copy(dir); err != nil {
			return "", err
		}
	}
	text := strings.NewReplacer("//IMPORTS\n", imports.String(), "//CASES\n", cases.String()).Replace(program)
	if err := write(filepath.Join(dir, "main.go"), text); err != nil {
		return "", err
	}
	const mod = "module upstream\n\ngo 1.26.0\n\nrequire (\n\tgithub.com/opencontainers/runtime-spec v1.3.0\n\tgithub.com/pkg/errors v0.9.1\n\tgolang.org/x/sys v0.49.0\n)\n"
	if err := write(filepath.Join(dir, "go.mod"), mod); err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-mod=mod", "-tags", "seccomp", "-o", "upstream.exe", ".")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return filepath.Join(dir, "upstream.exe"), nil
}

// copy writes a source with its replacements into the program; a module that has no
// such file needs none, unless there is something that it must hold.
func (s source) copy(dir string) error {
	from, err := ModuleDir(s.module)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(from, s.file))
	if os.IsNotExist(err) && (s.must == "" || strings.Contains(s.file, "kernelversion")) {
		return nil
	}
	if err != nil {
		return err
	}
	text := string(data)
	if !strings.Contains(text, s.must) {
		return fmt.Errorf("%s of %s no longer holds %q", s.file, s.module, s.must)
	}
	for _, r := range s.replace {
		text = strings.ReplaceAll(text, r[0], r[1])
	}
	if strings.HasPrefix(s.dir, "crio") {
		if text, err = defaultOnly(text); err != nil {
			return fmt.Errorf("%s of %s: %w", s.file, s.module, err)
		}
	}
	return write(filepath.Join(dir, s.dir, filepath.Base(s.file)), text)
}

// write writes a file and the directories above it.
func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// written before the name of a text of containers-common asks for it as it is written,
// with nothing resolved.
const written = "written:"

// Written returns a text of containers-common as it is compiled in, as JSON. Its
// seccomp.json said something else before 0.34.
func Written(program string, t Text) ([]byte, error) {
	cmd := exec.Command(program)
	cmd.Stdin = strings.NewReader(fmt.Sprintf("{\"Text\":%q}\n", written+t.Name))
	return cmd.Output()
}

// A Request asks for a resolved profile.
type Request struct {
	Text   string // its name; of Docker's, and of any that is asked in Docker's way, "moby"
	GOARCH string // amd64, arm64, ...; "x86" for 386 of Podman
	Kernel string // 6.1
	Caps   []string
	File   string // of Docker: the profile to load
}

// Ask runs the program and returns an answer for each request.
func Ask(program string, requests []Request) ([]*specs.LinuxSeccomp, error) {
	var in, stderr bytes.Buffer
	for _, r := range requests {
		if err := json.NewEncoder(&in).Encode(r); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command(program)
	cmd.Stdin, cmd.Stderr = &in, &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", program, err, stderr.String())
	}
	answers := make([]*specs.LinuxSeccomp, 0, len(requests))
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var a specs.LinuxSeccomp
		if err := d.Decode(&a); err != nil {
			return nil, err
		}
		answers = append(answers, &a)
	}
	if len(answers) != len(requests) {
		return nil, fmt.Errorf("%s: %d answers to %d requests", program, len(answers), len(requests))
	}
	return answers, nil
}
