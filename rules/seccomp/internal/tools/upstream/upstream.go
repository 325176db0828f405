// Package upstream asks the default profiles of moby, containerd and Podman
// what they resolve to. It builds a program from the pinned modules' own
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

// The versions that the built-in profiles come from.
const (
	Moby       = "v0.2.4"
	Containerd = "v2.4.2"
	Podman     = "v0.66.0"
)

//go:embed program/main.go.txt
var program string

const (
	goarch = `os.Getenv("WHYDENIED_GOARCH")`
	kernel = `parseRelease(os.Getenv("WHYDENIED_KERNEL"))`
)

// A source is a file of a module that goes into the program, and what is
// replaced in it. All of the replaced text must be there.
type source struct {
	module, file, dir string
	replace           [][2]string
}

var sources = []source{
	{"github.com/moby/profiles/seccomp@" + Moby, "seccomp.go", "moby", nil},
	{"github.com/moby/profiles/seccomp@" + Moby, "default_linux.go", "moby", nil},
	{"github.com/moby/profiles/seccomp@" + Moby, "seccomp_linux.go", "moby", [][2]string{
		{"runtime.GOARCH", goarch}, {`"runtime"`, `"os"`},
	}},
	{"github.com/moby/profiles/seccomp@" + Moby, "kernel_linux.go", "moby", [][2]string{
		{"kv, err := getKernelVersion()", "kv, err := " + kernel}, {`"sync"`, `"os"; "sync"`},
	}},
	{"github.com/containerd/containerd/v2@" + Containerd, "contrib/seccomp/seccomp_default.go", "containerd", [][2]string{
		{"runtime.GOARCH", goarch}, {`"runtime"`, `"os"`},
		{"github.com/containerd/containerd/v2/pkg/kernelversion", "upstream/kernelversion"},
	}},
	{"github.com/containerd/containerd/v2@" + Containerd, "pkg/kernelversion/kernel_linux.go", "kernelversion", [][2]string{
		{"kv, err := getKernelVersion()", "kv, err := " + kernel}, {`"sync"`, `"os"; "sync"`},
	}},
	{"go.podman.io/common@" + Podman, "pkg/seccomp/types.go", "podman", nil},
	{"go.podman.io/common@" + Podman, "pkg/seccomp/errno_list.go", "podman", nil},
	{"go.podman.io/common@" + Podman, "pkg/seccomp/supported.go", "podman", nil},
	{"go.podman.io/common@" + Podman, "pkg/seccomp/default_linux.go", "podman", nil},
	{"go.podman.io/common@" + Podman, "pkg/seccomp/seccomp_linux.go", "podman", [][2]string{
		{"native, err := libseccomp.GetNativeArch()", "var err error"},
		{"arch = native.String()", "arch = " + goarch},
		{`libseccomp "github.com/seccomp/libseccomp-golang"`, `"os"`},
	}},
}

// ModuleDir returns the directory of a module's sources, such as
// "github.com/moby/profiles/seccomp@v0.2.4", and downloads them if need be.
func ModuleDir(module string) (string, error) {
	cmd := exec.Command("go", "mod", "download", "-json", module)
	cmd.Dir = os.TempDir() // outside any module: its go.sum stays as it is
	out, err := cmd.Output()
	var answer struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &answer); jsonErr != nil || err != nil {
		return "", fmt.Errorf("go mod download %s: %v %s", module, err, answer.Error)
	}
	return answer.Dir, nil
}

// Build compiles the program into dir, which must be empty, and returns its path.
func Build(dir string) (string, error) {
	for _, s := range sources {
		from, err := ModuleDir(s.module)
		if err != nil {
			return "", err
		}
		data, err := os.ReadFile(filepath.Join(from, s.file))
		if err != nil {
			return "", err
		}
		text := string(data)
		for _, r := range s.replace {
			if !strings.Contains(text, r[0]) {
				return "", fmt.Errorf("%s of %s no longer holds %q", s.file, s.module, r[0])
			}
			text = strings.ReplaceAll(text, r[0], r[1])
		}
		if err := write(filepath.Join(dir, s.dir, filepath.Base(s.file)), text); err != nil {
			return "", err
		}
	}
	if err := write(filepath.Join(dir, "main.go"), program); err != nil {
		return "", err
	}
	const mod = "module upstream\n\ngo 1.26.0\n\nrequire (\n\tgithub.com/opencontainers/runtime-spec v1.3.0\n\tgolang.org/x/sys v0.49.0\n)\n"
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

// write writes a file and the directories above it.
func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// A Request asks for a resolved profile.
type Request struct {
	Engine string // moby, containerd, podman
	GOARCH string // amd64, arm64, ...; "x86" for 386 of Podman
	Kernel string // 6.1
	Caps   []string
	File   string // moby and podman: a profile to load instead of the default
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
