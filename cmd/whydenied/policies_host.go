package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/bundle"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/explain/track"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/disk"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// readBundleFile reads the evidence bundle that a file is, nil if it is none.
func readBundleFile(name string) (*bundle.Bundle, error) {
	file, err := disk.Open(name)
	if err != nil {
		return nil, nil // which reading it as policy reports
	}
	defer file.Close()
	in := bufio.NewReaderSize(file, bundle.Head)
	if !isBundle(in) {
		return nil, nil
	}
	return bundle.Read(in)
}

// bundledText returns the policy of a bundle: its profile directory, and the files that were
// named when it was made.
func bundledText(stderr io.Writer, name string, b *bundle.Bundle, err error) (library.Text, error) {
	text := library.Text{Name: name}
	if err != nil {
		return text, fmt.Errorf("%s: %w", escape.Name(name), err)
	}
	m, tree := &b.Manifest, b.Tree()
	lib := library.In(tree, m.ProfileDir, m.Include)
	names, _ := apparmor.PolicyFiles(tree, m.ProfileDir) // there may be none
	for _, more := range append(slices.Clip(m.Profiles), m.Seccomp) {
		if more != "" && !slices.Contains(names, more) {
			names = append(names, more)
		}
	}
	for _, file := range names {
		content, err := tree.ReadFile(file)
		if err != nil {
			return text, fmt.Errorf("%s: %w", escape.Name(name), err)
		}
		if err := addTo(&text, lib, stderr, rules.NewFile(file, content), false); err != nil {
			return text, err
		}
	}
	if text.Seccomp == nil && len(text.AppArmor) == 0 {
		return text, fmt.Errorf("%s: the bundle has no profile", escape.Name(name))
	}
	return text, nil
}

// containerPrefix begins the name of the policy of a container of this host.
const containerPrefix = "container:"

// containersHere returns the containers of this host, dead ones that are not removed included; the error says what
// is missing of it.
func containersHere(ctx context.Context) (all []container.Container, missing error) {
	found, missing := track.Gather(ctx)
	for _, m := range found {
		if list, err := m.Containers(); err == nil {
			all = append(all, list...)
		}
	}
	return all, missing
}

// readContainer returns the policy of the container of this host that a user means by a name.
func readContainer(ctx context.Context, stderr io.Writer, flags policyFlags, name string) (library.Text, error) {
	all, missing := containersHere(ctx)
	c, err := containerNamed(all, name)
	if err != nil {
		return library.Text{}, errors.Join(err, missing)
	}
	o, err := flags.options()
	if err != nil {
		return library.Text{}, err
	}
	useLoaders(&o, thisHost.Loaders(ctx), runtime.GOARCH)
	explainer, err := load(o, stderr)
	if err != nil {
		return library.Text{}, err
	}
	lib := explainer.Library
	lib.UseKernel()
	if apparmor.IsBuiltin(c.AppArmorProfile) {
		h := thisHost
		h.PolicyDir = library.SystemProfiles
		lib.UseLoaded(h.LoadedTexts(ctx, []string{c.AppArmorProfile}))
	}
	return containerText(stderr, lib, c)
}

// takeContainers takes containers of this host out of what --profile and --seccomp name, and returns
// the policies that are in force for them.
func (f *policyFlags) takeContainers(cmd *cobra.Command) (texts []library.Text, err error) {
	var names, rest []string
	for _, name := range f.profiles {
		if strings.HasPrefix(name, containerPrefix) {
			names = append(names, name)
		} else {
			rest = append(rest, name)
		}
	}
	if strings.HasPrefix(f.seccomp, containerPrefix) {
		if !slices.Contains(names, f.seccomp) {
			names = append(names, f.seccomp)
		}
		f.seccomp = ""
	}
	f.profiles = rest
	return readAllPolicies(cmd, *f, names)
}

// containerNamed returns the container that a user means by a name: one that runs goes before
// those that do not.
func containerNamed(all []container.Container, name string) (found container.Container, err error) {
	ids := map[string]bool{}
	for _, c := range all {
		switch {
		case !c.IsNamed(name) || ids[c.ID]:
			continue
		case found.ID == "" || found.PID == 0 && c.PID != 0:
			ids = map[string]bool{c.ID: true}
			found = c
		case (found.PID == 0) == (c.PID == 0):
			ids[c.ID] = true
		}
	}
	switch {
	case found.ID == "":
		return found, fmt.Errorf("no container %s is known on this host; root sees more of them", escape.Name(name))
	case len(ids) > 1:
		return found, usagef("%d containers are called %s; give the ID of one", len(ids), escape.Name(name))
	}
	return found, nil
}

// containerText returns the profiles of a container. What cannot be found of them is said.
func containerText(stderr io.Writer, lib *library.Library, c container.Container) (library.Text, error) {
	text := library.Text{Name: containerPrefix + cmp.Or(c.Name, container.ShortID(c.ID))}
	switch p := lib.Profile(c, c.AppArmorProfile); {
	case p != nil:
		text.AppArmor = []*apparmor.Profile{p}
	case c.AppArmorProfile == "" || c.AppArmorProfile == "unconfined":
		say(stderr, "%s has no AppArmor profile", text.Name)
	default:
		say(stderr, "the AppArmor profile %s of %s was not found; root can read it from the kernel", escape.Name(c.AppArmorProfile), text.Name)
	}
	arch, _ := seccomp.ParseArch(runtime.GOARCH)
	var name string
	if text.Seccomp, name = lib.Seccomp(c, c.AppArmorProfile, arch); text.Seccomp == nil {
		say(stderr, "%s has no seccomp profile that is known: %s", text.Name, name)
	}
	if text.Seccomp == nil && len(text.AppArmor) == 0 {
		return text, fmt.Errorf("no profile of %s is known", text.Name)
	}
	return text, nil
}
