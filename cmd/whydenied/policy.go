package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"

	"github.com/spf13/pflag"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/host"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules/disk"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// policyFlags are the flags that say where policy is read; they mean the same
// in every command.
type policyFlags struct {
	profiles   []string
	profileDir string
	include    []string
	allow      []string
	seccomp    string
	inventory  []string
	arch       string
	caps       []string
	kernel     string
	runtime    string
	libseccomp string
}

func (f *policyFlags) add(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.profiles, "profile", nil, "AppArmor profile `FILE`, of text or compiled, or builtin:NAME of one that a runtime generates, such as builtin:docker-default@28.1, or loaded:NAME of one that this host's kernel holds; repeatable")
	flags.StringVar(&f.profileDir, "profile-dir", library.SystemProfiles, "`DIR` of AppArmor profiles")
	flags.StringArrayVarP(&f.include, "include", "I", nil, "`DIR` to search for included files, before the profile directory; repeatable")
	flags.StringArrayVar(&f.allow, "allow-includes", nil, "`DIR` below which profiles may include files too, besides their own directory, that of --profile-dir and -I, and /etc/apparmor.d; repeatable")
	flags.StringVar(&f.seccomp, "seccomp", "", "seccomp profile `FILE`: Docker, OCI or Kubernetes JSON, or a SeccompProfile; or builtin:ENGINE, such as builtin:docker@28.1")
	flags.StringArrayVar(&f.inventory, "inventory", nil, "`FILE` of containers: docker, podman or crictl inspect, ctr containers info, OCI config.json, runc state.json, kubectl get pod -o json (or yaml; Deployments, too), files of Compose, units of systemd, configs of LXC, Incus, libvirt and snaps; or of hosts, on which built-in profiles depend: docker version or info, podman info, crictl version, kubectl get node, in JSON, a kubelet's configuration, runc or containerd --version; repeatable")
	flags.StringVar(&f.arch, "arch", "", "`ARCH` of the host, such as amd64, where the log does not say")
	flags.StringSliceVar(&f.caps, "caps", nil, "`CAPS` of the container, such as NET_ADMIN,SYS_TIME, where the inventory does not say")
	flags.StringVar(&f.kernel, "kernel", "", "`VERSION` of the host's kernel, such as 6.1, for seccomp entries that need one, and for what AppArmor asks of unix sockets")
	flags.StringVar(&f.runtime, "runtime", "", "`RUNTIME` that loaded seccomp filters: runc or crun, best with its version, such as runc@1.1.5")
	flags.StringVar(&f.libseccomp, "libseccomp", "", "`VERSION` of the host's libseccomp, such as 2.5.4 (runc --version says it), which drops the names of calls that it does not know")
}

// loader returns what the flags say of what loads seccomp filters.
func (f *policyFlags) loader() (l seccomp.Loader, err error) {
	if f.runtime != "" {
		if l, err = seccomp.ParseRuntime(f.runtime); err != nil {
			return l, usagef("--runtime: %v", err)
		}
	}
	if l.Libseccomp = f.libseccomp; f.libseccomp != "" && !seccomp.IsVersion(f.libseccomp) {
		return l, usagef("--libseccomp: %.40q is no version, such as 2.5.4", f.libseccomp)
	}
	return l, nil
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

// options returns what the flags say, with the inventory that they name.
func (f *policyFlags) options() (o explain.Options, err error) {
	o = explain.Options{Profiles: f.profiles, ProfileDir: f.profileDir, Include: f.include, Allow: f.allow, Seccomp: f.seccomp, Kernel: f.kernel}
	if f.arch != "" {
		if o.Arch, err = seccomp.ParseArch(f.arch); err != nil {
			return o, usagef("--arch: %v", err)
		}
	}
	if o.SeccompLoader, err = f.loader(); err != nil {
		return o, err
	}
	if len(f.caps) > 0 {
		o.Caps = access.Caps(f.caps)
	}
	o.Inventory, o.Hosts, err = readInventory(f.inventory)
	return o, err
}

// load reads the policy and the inventory that the flags name. What cannot be read of
// a profile is said to w, and the rest is used. own says that the denials are this
// host's, which then tells what loads its policy.
func (f *policyFlags) load(ctx context.Context, w io.Writer, own bool) (*explain.Explainer, *container.Inventory, error) {
	o, err := f.options()
	if err != nil {
		return nil, nil, err
	}
	if own {
		useLoaders(&o, thisHost.Loaders(ctx), runtime.GOARCH)
	}
	explainer, err := load(o, w)
	if err != nil {
		return nil, nil, err
	}
	c, err := findCompiler(ctx, f.searchPath())
	if err != nil {
		say(w, "fixes are proved without apparmor_parser: %v", err)
	}
	if c != nil {
		explainer.Fixes.Compile = c.start
	}
	return explainer, o.Inventory, nil
}

// thisHost is asked what loads its policy.
var thisHost = host.Host{Run: host.RunProgram}

// useLoaders adds what a host says of itself to what the user says of it, which goes
// before.
func useLoaders(o *explain.Options, l host.Loaders, arch string) {
	o.Hosts = append(o.Hosts, container.Host{Arch: arch, Kernel: l.Kernel})
	o.Runtimes, o.Parser = l.Runtimes, l.Parser
}

// load reads the policy that options name, and says to w what cannot be read of it.
func load(o explain.Options, w io.Writer) (*explain.Explainer, error) {
	explainer, problems, err := o.Explainer()
	warn(w, problems)
	return explainer, unknownBuiltin(err)
}

// library reads the policies that the flags name, and nothing else.
func (f *policyFlags) library(w io.Writer) (*library.Library, error) {
	explainer, err := load(explain.Options{Profiles: f.profiles, ProfileDir: f.profileDir, Include: f.include, Allow: f.allow, Seccomp: f.seccomp}, w)
	if err != nil {
		return nil, err
	}
	return explainer.Library, nil
}

// readInventory reads the inventory files, among which what is known of hosts and engines
// is. The inventory is nil if no file is named.
func readInventory(names []string) (inventory *container.Inventory, hosts []container.Host, err error) {
	if len(names) == 0 {
		return nil, nil, nil
	}
	inventory = new(container.Inventory)
	for _, name := range names {
		text, err := disk.ReadNamed(name, container.MaxFile)
		if err != nil {
			return nil, nil, fmt.Errorf("cannot read the inventory: %w", err)
		}
		of := container.ReadHosts(text)
		hosts = append(hosts, of...)
		found, err := container.Read(name, text)
		if err != nil && of == nil { // a list of Kubernetes may hold nodes alone
			return nil, nil, err
		}
		inventory.Add(found...)
	}
	return inventory, hosts, nil
}

// unknownBuiltin has the name of a profile that is not built in be wrong usage.
func unknownBuiltin(err error) error {
	var unknown *library.UnknownBuiltin
	if errors.As(err, &unknown) {
		return usagef("%v", err)
	}
	return err
}
