// Command tools writes rules/apparmor/builtin: the AppArmor profiles that
// container engines make up at run time and load without leaving a file.
//
//	cd rules/apparmor/internal/tools && go run .
//
// It downloads the engines' modules at pinned versions with the go command,
// takes the profile template out of their source (a constant that is not
// exported), and executes it with the data that the engine gives it on a host
// with AppArmor 3.0 or later and its usual abstractions, unconfined itself.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
)

// A source is one text: rules/releases.tsv names it by the first release that has it.
type source struct {
	name            string // docker-20.10.26
	module, version string // of one of the modules that have it
	sum             string // of the module, as in go.sum
}

// The projects, the names under which they load their profile, and the Go files in which
// it is. Podman loads that of containers-common as containers-default-VERSION, and CRI-O
// as crio-default; see the reader, rules/apparmor/builtin.go.
var projects = map[string]struct{ profile, path string }{
	"docker":     {"docker-default", "profiles/apparmor/template.go"},
	"moby":       {"docker-default", "template.go"},
	"containerd": {"cri-containerd.apparmor.d", "contrib/apparmor/template.go"},
	"common":     {"containers-default", "pkg/apparmor/apparmor_linux_template.go"},
}

// sources are the texts, the newest of an engine last.
var sources = []source{
	{"docker-20.10.0", "github.com/docker/docker", "v20.10.14+incompatible", "h1:+T9/PRYWNDo5SZl5qS1r9Mo/0Q8AwxKKPtu9S1yxM0w="},
	{"docker-20.10.26", "github.com/docker/docker", "v23.0.7+incompatible", "h1:6RD6ZfR9LYacFt90L41R/6/SyO+RZ1zWU7+bt6tdRNk="},
	{"docker-20.10.27", "github.com/docker/docker", "v23.0.11+incompatible", "h1:0KE3tnWkOYeHA19ngEVt/MS+ay0WlOLEPFluvmV5IbU="},
	{"docker-23.0.12", "github.com/docker/docker", "v23.0.18+incompatible", "h1:9dk33rCofwu46T05BRwkvL53VvHrOSsul926/qUyPJo="},
	{"docker-24.0.0", "github.com/docker/docker", "v24.0.6+incompatible", "h1:hceabKCtUgDqPu+qm0NgsaXf28Ljf4/pWFL7xjWWDgE="},
	{"docker-24.0.7", "github.com/docker/docker", "v24.0.9+incompatible", "h1:HPGzNmwfLZWdxHqK9/II92pyi1EpYKsAqcl4G0Of9v0="},
	{"docker-25.0.6", "github.com/docker/docker", "v28.0.4+incompatible", "h1:JNNkBctYKurkw6FrHfKqY0nKIDf5nrbxjVBtS+cdcok="},
	{"moby-v0.2.1", "github.com/moby/profiles/apparmor", "v0.2.1", "h1:LAUrERjl2trYlInOppli35RQJPIfR3KMWQYeNFTd4+s="},
	{"moby-v0.2.2", "github.com/moby/profiles/apparmor", "v0.2.2-0.20260828104831-61eaf32614c7", "h1:UT9OE6rPBJMkVCtWFGVWDMA9RjJqtHf7iQXz0zEO164="},
	{"containerd-1.4.0", "github.com/containerd/containerd", "v1.4.13", "h1:Z0CbagVdn9VN4K6htOCY/jApSw8YKP+RdLZ5dkXF8PM="},
	{"containerd-1.5.0", "github.com/containerd/containerd", "v1.5.10", "h1:3cQ2uRVCkJVcx5VombsE7105Gl9Wrl7ORAO3+4+ogf4="},
	{"containerd-1.6.26", "github.com/containerd/containerd", "v1.6.31", "h1:7msg2ILR9ge4z6foeGfOBV8+QvlcIoShEiPT0Rr7VjU="},
	{"containerd-1.6.32", "github.com/containerd/containerd", "v1.6.38", "h1:AgSP9hVZT8JHzIAUjA7/wSmkTCuhzJCsaJ8QJ+zP84g="},
	{"containerd-1.7.0", "github.com/containerd/containerd", "v1.7.10", "h1:2nfZyT8BV0C3iKu/SsGxKVAf9dp5W7l9nA8JmWmDGuo="},
	{"containerd-1.7.11", "github.com/containerd/containerd", "v1.7.11", "h1:lfGKw3eU35sjV0aG2eYZTiwFEY1pCzxdzicHP3SZILw="},
	{"containerd-1.7.16", "github.com/containerd/containerd/v2", "v2.0.7", "h1:55JsNhqP/L7VZOijyfq6Qn0O8Oeff0UizfRuP+2pc90="},
	{"containerd-1.7.31", "github.com/containerd/containerd", "v1.7.31", "h1:jn3IMuTV4Bb1Uwb0MFPW2ASJAD3W1lh6QqqZHIZwDh4="},
	{"containerd-2.3.0", "github.com/containerd/containerd/v2", "v2.3.4", "h1:c2PJo/9UGVdiiw8SwrxuLxWGY+9b3jQ6Xp9zntneIvI="},
	{"common-0.21.0", "github.com/containers/common", "v0.47.5", "h1:Qm9o+wVPO9sbggTKubN3xYMtPRaPv7dmcrJQgongHHw="},
	{"common-0.56.0", "github.com/containers/common", "v0.57.7", "h1:xA6/dXNbScnaytcFNQKTFGn6VDxwvDlCngJtfdGAf7g="},
	{"common-0.59.0", "github.com/containers/common", "v0.62.3", "h1:aOGryqXfW6aKBbHbqOveH7zB+ihavUN03X/2pUSvWFI="},
	{"common-0.63.0", "github.com/containers/common", "v0.64.1", "h1:E8vSiL+B84/UCsyVSb70GoxY9cu+0bseLujm4EKF6GE="},
}

// data is what the engines' templates may refer to.
type data struct {
	Name, DaemonProfile, Abi, RootlessKit string
	Imports, InnerImports                 []string
	Version                               int // of apparmor_parser: 300008 is 3.0.8
}

func main() {
	if err := generate(filepath.Join("..", "..", "builtin")); err != nil {
		fmt.Fprintln(os.Stderr, "tools:", err)
		os.Exit(1)
	}
}

func generate(dir string) error {
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("run this in its own directory: %w", err)
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return err
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	type indexed struct {
		Profile string `json:"profile"` // name under which the engine loads it
		Module  string `json:"module"`
		Version string `json:"version"` // of the module
	}
	index, made := map[string]indexed{}, map[string]string{}
	for _, s := range sources {
		text, err := s.render()
		if err != nil {
			return fmt.Errorf("%s@%s: %w", s.module, s.version, err)
		}
		if same := made[string(text)]; same != "" {
			return fmt.Errorf("%s and %s are the same: rules/releases.tsv needs one of them", same, s.name)
		}
		made[string(text)] = s.name
		if err := os.WriteFile(filepath.Join(dir, s.name+".txt"), text, 0o644); err != nil {
			return err
		}
		index[s.name] = indexed{s.project().profile, s.module, s.version}
	}
	text, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "index.json"), append(text, '\n'), 0o644)
}

// project returns what is known of a text's project.
func (s source) project() struct{ profile, path string } {
	name, _, _ := strings.Cut(s.name, "-")
	return projects[name]
}

// render returns the profile's text as the engine gives it to apparmor_parser.
func (s source) render() ([]byte, error) {
	dir, err := s.download()
	if err != nil {
		return nil, err
	}
	text, err := templateConst(filepath.Join(dir, filepath.FromSlash(s.project().path)))
	if err != nil {
		return nil, err
	}
	t, err := template.New(s.name).Parse(text)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, data{
		Name: s.project().profile, DaemonProfile: "unconfined", Abi: "abi/3.0", Version: 300008,
		Imports: []string{"#include <tunables/global>"}, InnerImports: []string{"#include <abstractions/base>"},
	})
	return b.Bytes(), err
}

// download returns the directory of the module in the module cache.
func (s source) download() (string, error) {
	out, err := exec.Command("go", "mod", "download", "-json", s.module+"@"+s.version).Output()
	var module struct{ Dir, Sum, Error string }
	if jsonErr := json.Unmarshal(out, &module); jsonErr != nil {
		return "", errors.Join(err, jsonErr)
	}
	switch {
	case module.Error != "":
		return "", errors.New(module.Error)
	case module.Sum != s.sum:
		return "", fmt.Errorf("checksum is %s instead of %q", module.Sum, s.sum)
	}
	return module.Dir, nil
}

// templateConst returns the one string constant of a Go file that is an AppArmor
// profile.
func templateConst(path string) (string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		return "", err
	}
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil && strings.Contains(text, "flags=(attach_disconnected,mediate_deleted) {") {
				found = append(found, text)
			}
		}
		return true
	})
	if len(found) != 1 {
		return "", fmt.Errorf("%s: %d profile templates instead of 1", path, len(found))
	}
	return found[0], nil
}
