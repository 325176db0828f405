package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/whydenied/whydenied/rules/disk"
)

// compilerName is the program that is looked for; "" is none.
var compilerName = "apparmor_parser"

// A compiler runs apparmor_parser, which needs no privilege and changes nothing
// as it is told neither to load nor to cache.
type compiler struct {
	program string
	dirs    []string      // where included files are looked up, the first first
	left    time.Duration // how long it may still run, of a budget for the whole command
}

// budget is how long apparmor_parser may run in one command until further fixes
// are proved without it.
const budget = 5 * time.Second

// findCompiler returns the compiler of this machine, or nil if there is none. The
// error says why one that is there is not run. dirs are where included files are looked
// up.
func findCompiler(dirs []string) (*compiler, error) {
	for i, dir := range dirs {
		if abs, err := filepath.Abs(dir); err == nil {
			dirs[i] = abs
		}
	}
	if compilerName == "" {
		return nil, nil
	}
	program, err := disk.Program(compilerName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &compiler{program: program, dirs: dirs, left: budget}, nil
}

// start is fix.Proposer.Compile.
func (c *compiler) start(name, text string, included map[string]string) (wait func() error) {
	if c.left <= 0 {
		return nil
	}
	dir, err := disk.TempDir()
	if err != nil {
		return nil
	}
	cmd, errors, err := c.prepare(dir, text, included)
	began := time.Now()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil
	}
	return func() error {
		defer os.RemoveAll(dir)
		err := cmd.Wait()
		c.left -= time.Since(began)
		if err == nil {
			return nil
		}
		return refusalOf(errors.String(), filepath.Join(dir, "policy"), name)
	}
}

// prepare lays out the policy, and the changed files before those of the system.
func (c *compiler) prepare(dir, text string, included map[string]string) (*exec.Cmd, *bytes.Buffer, error) {
	file := filepath.Join(dir, "policy")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, nil, err
	}
	first := filepath.Join(dir, "include")
	for name, text := range included {
		if abs, err := filepath.Abs(name); err == nil {
			name = abs
		}
		for _, base := range c.dirs {
			rel, err := filepath.Rel(base, name)
			if err != nil || !filepath.IsLocal(rel) {
				continue
			}
			copied := filepath.Join(first, rel)
			if err := os.MkdirAll(filepath.Dir(copied), 0o700); err != nil {
				return nil, nil, err
			}
			if err := os.WriteFile(copied, []byte(text), 0o600); err != nil {
				return nil, nil, err
			}
			break
		}
	}
	args := []string{"--skip-kernel-load", "--skip-cache", "--quiet", "-I", first}
	for _, base := range c.dirs {
		args = append(args, "-I", base)
	}
	args = append(append(args, c.features()...), file)
	cmd := exec.Command(c.program, args...)
	errors := &bytes.Buffer{}
	cmd.Stderr = errors
	return cmd, errors, nil
}

// features names the newest features that the profile directory describes, on a
// machine whose kernel has no AppArmor to ask: without any, apparmor_parser
// skips most rules.
func (c *compiler) features() []string {
	if _, err := os.Stat("/sys/kernel/security/apparmor/features"); err == nil {
		return nil
	}
	for _, base := range c.dirs {
		for _, abi := range []string{"4.0", "3.0"} {
			name := filepath.Join(base, "abi", abi)
			if _, err := os.Stat(name); err == nil {
				return []string{"--features-file", name}
			}
		}
	}
	return nil
}

// refusalOf is what apparmor_parser says, with the file under its own name.
func refusalOf(said, copied, name string) error {
	line := ""
	for l := range strings.Lines(said) {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "Cache ") && !strings.HasPrefix(l, "Warning") {
			line = strings.ReplaceAll(l, copied, name)
			break
		}
	}
	if line == "" {
		line = "it fails without a reason"
	}
	return errors.New(line)
}
