package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/whydenied/whydenied/explain/bundle"
	"github.com/whydenied/whydenied/explain/host"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// Bounds of what is copied of the profile directory.
const (
	maxProfileFiles = 10_000
	maxProfileText  = 64 << 20
)

// profiles adds the profile directory, the folders of included files and the
// profiles that are named, with all that they include.
func (c *collection) profiles() error {
	loader := apparmor.Loader{Include: append(slices.Clone(c.manifest.Include), c.manifest.ProfileDir)}
	with := func(name string) error {
		policy, _, err := loader.LoadFile(name)
		if err != nil {
			return err
		}
		for _, file := range policy.Files {
			c.add(c.member(file.Name), []byte(file.Text))
		}
		return nil
	}
	for _, name := range c.manifest.Profiles {
		if err := with(name); err != nil {
			return fmt.Errorf("cannot read the profile: %w", err)
		}
	}
	files, size := 0, 0
	for _, dir := range loader.Include {
		if dir != systemProfiles && !(*rules.Tree)(nil).IsDir(dir) {
			return fmt.Errorf("cannot read the directory %s", dir)
		}
		c.walk(dir, 0, &files, &size)
	}
	for _, dir := range []string{c.manifest.ProfileDir, filepath.Join(c.manifest.ProfileDir, "containers")} {
		names, _ := (*rules.Tree)(nil).List(dir)
		for _, name := range names {
			if !apparmor.IgnoredFile(name) {
				if err := with(filepath.Join(dir, name)); err != nil {
					c.missing(err.Error())
				}
			}
		}
	}
	return nil
}

// walk adds the files of a directory, through symbolic links, which a bundle does
// not have.
func (c *collection) walk(dir string, depth int, files, size *int) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		info, err := os.Stat(name)
		switch {
		case err != nil || apparmor.IgnoredFile(e.Name()):
		case info.IsDir() && depth < 8 && !strings.HasPrefix(e.Name(), "cache"): // compiled policy
			c.walk(name, depth+1, files, size)
		case !info.Mode().IsRegular():
		case *files >= maxProfileFiles || *size+int(info.Size()) > maxProfileText:
			c.missing(fmt.Sprintf("%s, as %s has more than %d files or %d MiB", name, dir, maxProfileFiles, maxProfileText>>20))
			return
		default:
			*files++
			*size += int(info.Size())
			if err := c.copyFile(name); err != nil {
				c.missing(err.Error())
			}
		}
	}
}

// apparmorfs is where the kernel shows AppArmor's policy (security/apparmor/apparmorfs.c).
const apparmorfs = "/sys/kernel/security/apparmor"

// loaded adds the list of loaded profiles with their modes, and the compiled
// policy of those without a source here.
func (c *collection) loaded() error {
	if err := c.copyFile(apparmorfs + "/profiles"); err != nil {
		c.missing(fmt.Sprintf("the list of loaded profiles: %v", err))
		return nil
	}
	sources := map[string]bool{}
	loader := apparmor.Loader{Include: append(slices.Clone(c.manifest.Include), c.manifest.ProfileDir), Tree: c.tree()}
	for _, text := range c.texts {
		name, ok := strings.CutPrefix(text.Name, bundle.Files)
		if ok && strings.Contains(string(text.Data), "{") {
			policy, _ := loader.Load(rules.NewFile(name, string(text.Data)))
			for _, p := range policy.Profiles {
				sources[p.FullName()] = true
			}
		}
	}
	dirs, _ := filepath.Glob(apparmorfs + "/policy/profiles/*")
	for _, dir := range dirs {
		text, err := os.ReadFile(dir + "/name")
		if err != nil || sources[strings.TrimSpace(string(text))] {
			continue
		}
		for _, name := range []string{"name", "mode", "sha256", "sha1", "raw_data"} {
			_ = c.copyFile(dir + "/" + name) // kernels have some of them
		}
	}
	return nil
}

// tree is what the bundle has of the host's files so far.
func (c *collection) tree() *rules.Tree {
	texts := map[string]string{}
	for _, text := range c.texts {
		if name, ok := strings.CutPrefix(text.Name, bundle.Files); ok {
			texts[name] = string(text.Data)
		}
	}
	return rules.NewTree(c.manifest.Dir, texts)
}

// doctor adds what doctor says of this host, as its --format json does.
func (c *collection) doctor() error {
	ctx, cancel := context.WithTimeout(c.cmd.Context(), doctorTime)
	defer cancel()
	h := host.Host{Run: runProgram, PolicyDir: c.manifest.ProfileDir}
	facts := h.Read(ctx)
	progress := newProgress(c.cmd.ErrOrStderr())
	h.Compare(ctx, &facts, progress.step)
	progress.clear()
	if ctx.Err() != nil {
		c.missing(fmt.Sprintf("whether loaded profiles are those of the files: it was not told within %s", doctorTime))
	}
	var text bytes.Buffer
	print := report.NewJSONLines[report.DoctorMessage](&text)
	summary := report.DoctorSummary{SchemaVersion: report.SchemaVersion}
	for _, a := range host.Answers(facts) {
		summary.Count(a)
		answer := report.NewHostAnswer(a)
		if err := print(report.DoctorMessage{Answer: &answer}); err != nil {
			return err
		}
	}
	if err := print(report.DoctorMessage{Summary: &summary}); err != nil {
		return err
	}
	c.add("doctor.jsonl", text.Bytes())
	return nil
}

// doctorTime is how long doctor may take, which compiles the policy.
const doctorTime = time.Minute

// programs are asked for their versions, each by its own words.
var programs = map[string][]string{
	"apparmor_parser": {"apparmor_parser", "--version"},
	"runc":            {"runc", "--version"},
	"crun":            {"crun", "--version"},
	"docker":          {"dockerd", "--version"},
	"containerd":      {"containerd", "--version"},
	"podman":          {"podman", "--version"},
	"cri-o":           {"crio", "--version"},
}

// hostFacts asks this host what it is, but for what flags say.
func (c *collection) hostFacts() {
	h := &c.manifest.Host
	h.Name, _ = os.Hostname()
	h.Arch, h.Versions = cmp.Or(h.Arch, runtime.GOARCH), map[string]string{}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil && h.Kernel == "" {
		h.Kernel = strings.TrimSpace(string(text))
	}
	if text, err := os.ReadFile("/etc/os-release"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
				h.OS = strings.Trim(strings.TrimSpace(name), `"'`)
			}
		}
	}
	ctx, cancel := context.WithTimeout(c.cmd.Context(), 10*time.Second)
	defer cancel()
	for name, words := range programs {
		out, err := exec.CommandContext(ctx, words[0], words[1:]...).Output()
		if err != nil {
			continue
		}
		first, _, _ := strings.Cut(string(out), "\n")
		h.Versions[name] = first
		if slices.Contains([]string{"docker", "containerd", "podman", "cri-o"}, name) {
			if version := versionIn(first); version != "" {
				h.Engines[name] = version
			}
		}
	}
}

// versionIn returns the first word that is a version, without a v before it:
// "containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20" has 1.6.20~ds1.
func versionIn(line string) string {
	for _, word := range strings.Fields(line) {
		word = strings.TrimSuffix(strings.TrimPrefix(word, "v"), ",")
		if len(word) > 2 && word[0] >= '0' && word[0] <= '9' && strings.Contains(word, ".") {
			return word
		}
	}
	return ""
}
