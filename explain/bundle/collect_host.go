package bundle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/host"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/disk"
)

// Bounds of what is copied of the profile directory.
const (
	maxProfileFiles = 10_000
	maxProfileText  = 64 << 20
)

// profiles adds the profile directory, the folders of included files and the
// profiles that are named, with all that they include.
func (c *Collection) profiles(context.Context) error {
	loader := apparmor.Loader{Include: append(slices.Clone(c.Manifest.Include), c.Manifest.ProfileDir), Allow: c.options.Allow}
	with := func(policy *apparmor.Policy) {
		for _, file := range policy.Files {
			c.addFile(file.Name, []byte(file.Text))
		}
	}
	for _, name := range c.Manifest.Profiles {
		policy, _, err := loader.LoadFile(name)
		if err != nil {
			return fmt.Errorf("cannot read the profile: %w", err)
		}
		with(policy)
	}
	files, size := 0, 0
	for _, dir := range loader.Include {
		c.walk(dir, dir, 0, &files, &size)
	}
	for _, dir := range []string{c.Manifest.ProfileDir, filepath.Join(c.Manifest.ProfileDir, "containers")} {
		names, _ := apparmor.PolicyFiles(nil, dir)
		for _, name := range names {
			text, err := (*rules.Tree)(nil).ReadListed(c.Manifest.ProfileDir, name)
			if err != nil {
				c.Missing(err.Error())
				continue
			}
			policy, _ := loader.Load(rules.NewFile(name, text))
			with(policy)
		}
	}
	return nil
}

// walk adds the files of a directory below top, through symbolic links, which a bundle
// does not have.
func (c *Collection) walk(top, dir string, depth int, files, size *int) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		info, err := os.Stat(name)
		switch {
		case err != nil || apparmor.IgnoredFile(e.Name()):
		case info.IsDir() && depth < 8 && !strings.HasPrefix(e.Name(), "cache"): // compiled policy
			c.walk(top, name, depth+1, files, size)
		case !info.Mode().IsRegular():
		case *files >= maxProfileFiles || *size+int(info.Size()) > maxProfileText:
			c.Missing(fmt.Sprintf("%s, as %s has more than %d files or %d MiB", name, dir, maxProfileFiles, maxProfileText>>20))
			return
		default:
			*files++
			*size += int(info.Size())
			text, err := (*rules.Tree)(nil).ReadListed(top, name)
			if err != nil {
				c.Missing(err.Error())
				continue
			}
			c.Add(c.member(name), []byte(text))
		}
	}
}

// loaded adds the list of loaded profiles with their modes, and the compiled
// policy of those without a source here.
func (c *Collection) loaded(context.Context) error {
	if err := c.copyKernels(host.AppArmorFS + "/profiles"); err != nil {
		c.Missing(fmt.Sprintf("the list of loaded profiles: %v", err))
		return nil
	}
	sources := map[string]bool{}
	loader := apparmor.Loader{Include: append(slices.Clone(c.Manifest.Include), c.Manifest.ProfileDir), Tree: c.tree()}
	for _, text := range c.Texts {
		name, ok := strings.CutPrefix(text.Name, Files)
		if ok && strings.Contains(string(text.Data), "{") {
			policy, _ := loader.Load(rules.NewFile(name, string(text.Data)))
			for _, p := range policy.Profiles {
				sources[p.FullName()] = true
			}
		}
	}
	dirs, _ := filepath.Glob(host.AppArmorFS + "/policy/profiles/*")
	for _, dir := range dirs {
		text, err := readKernels(dir + "/name")
		if err != nil || sources[strings.TrimSpace(string(text))] {
			continue
		}
		for _, name := range []string{"name", "mode", "sha256", "sha1", "raw_data"} {
			_ = c.copyKernels(dir + "/" + name) // kernels have some of them
		}
	}
	return nil
}

// copyKernels adds the copy of a file that the kernel makes.
func (c *Collection) copyKernels(name string) error {
	text, err := readKernels(name)
	if err == nil {
		c.Add(c.member(name), text)
	}
	return err
}

func readKernels(name string) ([]byte, error) {
	f, err := disk.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, rules.MaxFile))
}

// tree is what the bundle has of the host's files so far.
func (c *Collection) tree() *rules.Tree {
	texts := map[string]string{}
	for _, text := range c.Texts {
		if name, ok := strings.CutPrefix(text.Name, Files); ok {
			texts[name] = string(text.Data)
		}
	}
	return rules.NewTree(c.Manifest.Dir, texts)
}

// host asks this host what it is, but for what the user says.
func (c *Collection) host(ctx context.Context) {
	h := &c.Manifest.Host
	h.Name, _ = os.Hostname()
	h.Arch, h.Kernel = cmp.Or(h.Arch, runtime.GOARCH), cmp.Or(h.Kernel, c.options.Host.Kernel())
	if text, err := disk.Read("/etc/os-release", rules.MaxFile); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
				h.OS = strings.Trim(strings.TrimSpace(name), `"'`)
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	said, err := c.options.Host.Versions(ctx)
	if err != nil {
		c.Missing(strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	h.Versions = said
	for _, e := range container.Engines {
		line := c.versionLine(ctx, e.Program)
		if line == "" {
			continue
		}
		h.Versions[e.Name] = line
		if version := versionIn(line); version != "" {
			h.Engines[e.Name] = version
		}
	}
}

// versionLine returns the first line of what a program says of its version, "" if
// there is none.
func (c *Collection) versionLine(ctx context.Context, program string) string {
	if c.options.Host.Run == nil {
		return ""
	}
	out, err := c.options.Host.Run(ctx, program, "--version")
	if errors.As(err, new(*disk.Changeable)) {
		c.Missing(err.Error())
	}
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
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
