package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/pflag"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// systemProfiles is where AppArmor's own tools keep profiles. It need not exist.
const systemProfiles = "/etc/apparmor.d"

// policyFlags are the flags that say where policy is read; they mean the same
// in every command.
type policyFlags struct {
	profiles   []string
	profileDir string
	include    []string
	seccomp    string
	inventory  []string
	arch       string
	caps       []string
	kernel     string
}

func (f *policyFlags) add(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.profiles, "profile", nil, "AppArmor profile `FILE`, or builtin:NAME of one that a runtime generates, such as builtin:docker-default@28.1; repeatable")
	flags.StringVar(&f.profileDir, "profile-dir", systemProfiles, "`DIR` of AppArmor profiles")
	flags.StringArrayVarP(&f.include, "include", "I", nil, "`DIR` to search for included files, before the profile directory; repeatable")
	flags.StringVar(&f.seccomp, "seccomp", "", "seccomp profile `FILE`: Docker, OCI or Kubernetes JSON, or a SeccompProfile; or builtin:ENGINE, such as builtin:docker@28.1")
	flags.StringArrayVar(&f.inventory, "inventory", nil, "`FILE` of containers: docker, podman or crictl inspect, OCI config.json, runc state.json, kubectl get pod -o json; or docker version -f json, which built-in profiles depend on; repeatable")
	flags.StringVar(&f.arch, "arch", "", "`ARCH` of the host, such as amd64, where the log does not say")
	flags.StringSliceVar(&f.caps, "caps", nil, "`CAPS` of the container, such as NET_ADMIN,SYS_TIME, where the inventory does not say")
	flags.StringVar(&f.kernel, "kernel", "", "`VERSION` of the host's kernel, such as 6.1, for seccomp entries that need one")
}

// addOnly adds some of the flags that commands share.
func (f *policyFlags) addOnly(flags *pflag.FlagSet, names ...string) {
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.add(all)
	for _, name := range names {
		flags.AddFlag(all.Lookup(name))
	}
}

// searchPath is where included files are looked for, in order.
func (f *policyFlags) searchPath() []string { return append(slices.Clip(f.include), f.profileDir) }

// library returns the library of the directories that the flags name.
func (f *policyFlags) library() *library.Library { return library.New(f.profileDir, f.include) }

// load reads the policy that the flags name. What cannot be read of a profile
// is said to w, and the rest is used.
func (f *policyFlags) load(w io.Writer) (*explain.Explainer, error) {
	if f.profileDir != systemProfiles {
		if _, err := os.ReadDir(f.profileDir); err != nil {
			return nil, fmt.Errorf("cannot read the profile directory: %w; --profile-dir names a copy of /etc/apparmor.d", err)
		}
	}
	explainer := explain.New(f.library())
	if c := findCompiler(f.searchPath()); c != nil {
		explainer.Fixes.Compile = c.start
	}
	return explainer, f.apply(explainer.Library, w)
}

// apply gives a library what the flags say but for its directories.
func (f *policyFlags) apply(lib *library.Library, w io.Writer) error {
	if f.arch != "" {
		arch, err := seccomp.ParseArch(f.arch)
		if err != nil {
			return usagef("--arch: %v", err)
		}
		lib.Arch = arch
	}
	lib.Kernel = f.kernel
	if len(f.caps) > 0 {
		lib.Caps = access.Caps(f.caps)
	}
	return f.addNamed(lib, w)
}

// addNamed gives a library the profiles that the flags name.
func (f *policyFlags) addNamed(lib *library.Library, w io.Writer) error {
	for _, name := range f.profiles {
		_, diagnostics, err := lib.AddProfile(name)
		if err != nil {
			return unknownBuiltin(err)
		}
		warn(w, diagnostics)
	}
	if f.seccomp == "" {
		return nil
	}
	diagnostics, err := lib.AddSeccomp(f.seccomp)
	if err != nil {
		return unknownBuiltin(err)
	}
	warn(w, diagnostics)
	return nil
}

// containers reads the inventory files; the inventory is nil if none is named.
// The versions of engines among them go to the library.
func (f *policyFlags) containers(lib *library.Library) (*container.Inventory, error) {
	if len(f.inventory) == 0 {
		return nil, nil
	}
	inventory := new(container.Inventory)
	lib.Engines = map[string]string{}
	for _, name := range f.inventory {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("cannot read the inventory: %w", err)
		}
		if engine, version, ok := container.ReadEngine(text); ok {
			lib.Engines[engine] = version
			continue
		}
		found, err := container.Read(name, text)
		if err != nil {
			return nil, err
		}
		inventory.Add(found...)
	}
	return inventory, nil
}

// unknownBuiltin has the name of a profile that is not built in be wrong usage.
func unknownBuiltin(err error) error {
	var unknown *library.UnknownBuiltin
	if errors.As(err, &unknown) {
		return usagef("%v", err)
	}
	return err
}
