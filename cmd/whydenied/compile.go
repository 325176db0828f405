package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/whydenied/whydenied/explain/fix"
	"github.com/whydenied/whydenied/rules/disk"
	"github.com/whydenied/whydenied/rules/program"
)

// compilerName is the program that is looked for; "" is none.
var compilerName = "apparmor_parser"

// A compiler runs apparmor_parser, which needs no privilege and changes nothing
// as it is told neither to load nor to cache. What it compiles may be made to take
// it days or gigabytes, so it runs within limits, one at a time.
type compiler struct {
	ctx  context.Context
	path string
	dirs []string // where included files are looked up, the first first

	last chan struct{} // closed when the run that was started last has ended; nil before the first
	left time.Duration // how long it may still run, of compilerTime; the run at hand has it
}

// The limits of apparmor_parser: how long it may run in one command of ours, until
// further fixes are proved without it, and the memory of each run. A profile of
// 3,000 rules takes it half a second and 30 MB.
var compilerTime = 5 * time.Second

const compilerMemory = 512 << 20

// findCompiler returns the compiler of this machine, or nil if there is none. The
// error says why one that is there is not run. It runs no longer than the context. dirs
// are where included files are looked up.
func findCompiler(ctx context.Context, dirs []string) (*compiler, error) {
	for i, dir := range dirs {
		if abs, err := filepath.Abs(dir); err == nil {
			dirs[i] = abs
		}
	}
	if compilerName == "" {
		return nil, nil
	}
	path, err := disk.Program(compilerName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &compiler{ctx: ctx, path: path, dirs: dirs, left: compilerTime}, nil
}

// start is fix.Proposer.Compile. The compiler runs in the order of the calls, which
// come from one goroutine.
func (c *compiler) start(name, text string, included map[string]string) (wait func() error) {
	included = maps.Clone(included)
	before, ended := c.last, make(chan struct{})
	c.last = ended
	done := make(chan error, 1)
	go func() {
		if before != nil {
			<-before
		}
		done <- c.compile(name, text, included)
		close(ended)
	}()
	return func() error { return <-done }
}

func (c *compiler) compile(name, text string, included map[string]string) error {
	if c.left <= 0 {
		return &fix.NotAsked{Why: fmt.Sprintf("it has had its %v", compilerTime)}
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.left)
	defer cancel()
	began := time.Now()
	defer func() { c.left -= time.Since(began) }()
	dir, err := c.layOut(included)
	defer os.RemoveAll(dir)
	if err != nil {
		return &fix.NotAsked{Why: err.Error()}
	}
	said := &head{left: 64 << 10}
	cmd := exec.CommandContext(ctx, c.path, c.args(dir)...)
	cmd.Stdin, cmd.Stderr = strings.NewReader(text), said
	err = program.Run(cmd, program.Limits{Memory: compilerMemory, CPU: c.left})
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &exit):
		return &fix.NotAsked{Why: err.Error()}
	case exit.ExitCode() < 0 || outOfMemory.MatchString(said.String()):
		return &fix.NotAsked{Why: fmt.Sprintf("it needs more than %d MiB, or than the rest of its %v", compilerMemory>>20, compilerTime)}
	}
	return refusalOf(said.String(), name)
}

// outOfMemory matches what apparmor_parser says when it gets no more.
var outOfMemory = regexp.MustCompile(`(?i)\bbad_alloc\b|\bmemory allocation error\b|\bout of memory\b|\bcannot allocate memory\b`)

// layOut writes the changed files that are included where they are found before
// those of the system, and returns the directory. The policy itself needs no file.
func (c *compiler) layOut(included map[string]string) (dir string, err error) {
	for name, text := range included {
		if abs, err := filepath.Abs(name); err == nil {
			name = abs
		}
		for _, base := range c.dirs {
			rel, err := filepath.Rel(base, name)
			if err != nil || !filepath.IsLocal(rel) {
				continue
			}
			if dir == "" {
				if dir, err = disk.TempDir(); err != nil {
					return "", err
				}
			}
			copied := filepath.Join(dir, rel)
			if err := os.MkdirAll(filepath.Dir(copied), 0o700); err != nil {
				return dir, err
			}
			if err := os.WriteFile(copied, []byte(text), 0o600); err != nil {
				return dir, err
			}
			break
		}
	}
	return dir, nil
}

// args are the arguments of apparmor_parser, which reads the policy from its
// standard input. dir is searched first; it may be "".
func (c *compiler) args(dir string) []string {
	args := []string{"--skip-kernel-load", "--skip-cache", "--quiet"}
	for _, base := range append([]string{dir}, c.dirs...) {
		if base != "" {
			args = append(args, "-I", base)
		}
	}
	return append(args, c.features()...)
}

// A head keeps the first bytes of what is written to it.
type head struct {
	strings.Builder
	left int
}

func (h *head) Write(p []byte) (int, error) {
	kept := p[:min(len(p), h.left)]
	h.left -= len(kept)
	h.Builder.Write(kept)
	return len(p), nil
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

// refusalOf is what apparmor_parser says of the file of a name.
func refusalOf(said, name string) error {
	for line := range strings.Lines(said) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "Cache ") && !strings.HasPrefix(line, "Warning") {
			return errors.New(strings.Replace(line, "AppArmor parser error at", "AppArmor parser error for "+name+" at", 1))
		}
	}
	return errors.New("it fails without a reason")
}
