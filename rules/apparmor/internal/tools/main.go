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

// A source is one version of an engine's template.
type source struct {
	Profile string `json:"profile"` // name under which the engine loads it
	Engine  string `json:"engine"`
	Module  string `json:"module"`
	Version string `json:"version"` // of the module
	// Since are the first versions of the engine, one for each release branch,
	// in which this text was found; of containers-default and crio-default the
	// versions of the containers-common library, which is in the profile's name.
	Since []string `json:"since"`
	File  string   `json:"file"`

	sum  string // of the module, as in go.sum
	path string // of the Go file in the module
}

const (
	dockerPath     = "profiles/apparmor/template.go"
	containerdPath = "contrib/apparmor/template.go"
	commonPath     = "pkg/apparmor/apparmor_linux_template.go"
)

// sources are the texts that differ, the newest of an engine last. Which
// versions have which text was found by comparing the modules' releases.
var sources = []source{
	docker("v20.10.0+incompatible", "h1:4g8Xjho+7quMwzsTrhtrWpdQU9UTc2rX57A3iALaBmE=", "20.10.0"),
	docker("v20.10.26+incompatible", "h1:yhVdEnGdYdwRo2RAGciZU3P55Y7XH/ybb5A3L1d1rDE=", "20.10.26", "23.0.0"),
	docker("v20.10.27+incompatible", "h1:Id/ZooynV4ZlD6xX20RCd3SR0Ikn7r4QZDa2ECK2TgA=", "20.10.27", "23.0.8"),
	docker("v23.0.15+incompatible", "h1:FnANKw0DBmNSfsivQq07CbPsYvahxZwdyfzg5TtPJWQ=", "23.0.15"),
	docker("v24.0.0+incompatible", "h1:z4bf8HvONXX9Tde5lGBMQ7yCJgNahmJumdrStZAbeY4=", "24.0.0"),
	docker("v24.0.9+incompatible", "h1:HPGzNmwfLZWdxHqK9/II92pyi1EpYKsAqcl4G0Of9v0=", "24.0.7", "25.0.0", "26.0.0"),
	docker("v28.3.3+incompatible", "h1:Dypm25kh4rmk49v1eiVbsAtpAsYURjYkaKubwuBdxEI=", "25.0.6", "26.1.3"),
	{Profile: "docker-default", Engine: "Docker", Module: "github.com/moby/profiles/apparmor", Version: "v0.2.1", Since: []string{"29.4.3"}, sum: "h1:LAUrERjl2trYlInOppli35RQJPIfR3KMWQYeNFTd4+s=", path: "template.go"},

	containerd("github.com/containerd/containerd", "v1.6.20", "h1:+itjwpdqXpzHB/QAiWc/BZCjjVfcNgw69w/oIeF4Oy0=", "1.5.0"),
	containerd("github.com/containerd/containerd", "v1.6.38", "h1:AgSP9hVZT8JHzIAUjA7/wSmkTCuhzJCsaJ8QJ+zP84g=", "1.6.38"),
	containerd("github.com/containerd/containerd", "v1.7.10", "h1:2nfZyT8BV0C3iKu/SsGxKVAf9dp5W7l9nA8JmWmDGuo=", "1.7.0"),
	containerd("github.com/containerd/containerd", "v1.7.29", "h1:90fWABQsaN9mJhGkoVnuzEY+o1XDPbg9BTC9QTAHnuE=", "1.7.16"),
	containerd("github.com/containerd/containerd/v2", "v2.2.2", "h1:mjVQdtfryzT7lOqs5EYUFZm8ioPVjOpkSoG1GJPxEMY=", "2.2.2"),
	containerd("github.com/containerd/containerd/v2", "v2.4.2", "h1:p6Qg+xbEz8lvwdhHDx0U469xENvp4LgGBx+E7djXkGw=", "2.3.0"),

	common("github.com/containers/common", "v0.50.1", "h1:AYRAf1xyahNVRez49KIkREInNf36SQx1lyLY9M95wQI=", "0.44.0"),
	common("github.com/containers/common", "v0.57.4", "h1:kmfBad92kUjP5X44BPpOwMe+eZQqaKETfS+ASeL0g+g=", "0.56.0"),
	common("github.com/containers/common", "v0.62.0", "h1:Sl9WE5h7Y/F3bejrMAA4teP1EcY9ygqJmW4iwSloZ10=", "0.59.0"),
	common("go.podman.io/common", "v0.66.0", "h1:KElE3HKLFdMdJL+jv5ExBiX2Dh4Qcv8ovmzaBGRsyZM=", "0.63.0"),
}

func docker(version, sum string, since ...string) source {
	return source{Profile: "docker-default", Engine: "Docker", Module: "github.com/docker/docker", Version: version, Since: since, sum: sum, path: dockerPath}
}

func containerd(module, version, sum string, since ...string) source {
	return source{Profile: "cri-containerd.apparmor.d", Engine: "containerd", Module: module, Version: version, Since: since, sum: sum, path: containerdPath}
}

// common is the library of Podman and CRI-O. Its profile is called
// containers-default-VERSION, and crio-default in CRI-O; see the reader,
// rules/apparmor/builtin.go.
func common(module, version, sum string, since ...string) source {
	return source{Profile: "containers-default", Engine: "Podman", Module: module, Version: version, Since: since, sum: sum, path: commonPath}
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
	for i := range sources {
		s := &sources[i]
		text, err := s.render()
		if err != nil {
			return fmt.Errorf("%s@%s: %w", s.Module, s.Version, err)
		}
		s.File = s.Profile + "_" + s.Since[0] + ".txt"
		if err := os.WriteFile(filepath.Join(dir, s.File), text, 0o644); err != nil {
			return err
		}
	}
	index, err := json.MarshalIndent(sources, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "index.json"), append(index, '\n'), 0o644)
}

// render returns the profile's text as the engine gives it to apparmor_parser.
func (s *source) render() ([]byte, error) {
	dir, err := s.download()
	if err != nil {
		return nil, err
	}
	text, err := templateConst(filepath.Join(dir, filepath.FromSlash(s.path)))
	if err != nil {
		return nil, err
	}
	t, err := template.New(s.Profile).Parse(text)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, data{
		Name: s.Profile, DaemonProfile: "unconfined", Abi: "abi/3.0", Version: 300008,
		Imports: []string{"#include <tunables/global>"}, InnerImports: []string{"#include <abstractions/base>"},
	})
	return b.Bytes(), err
}

// download returns the directory of the module in the module cache.
func (s *source) download() (string, error) {
	out, err := exec.Command("go", "mod", "download", "-json", s.Module+"@"+s.Version).Output()
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
