package explain

import (
	"cmp"
	"fmt"
	"os"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// Options say by what denials are explained. The zero value has the profiles of
// /etc/apparmor.d, if there are any, and those that are built into container engines.
type Options struct {
	Profiles   []string // AppArmor policy that goes before that of ProfileDir: files, or builtin:NAME@VERSION
	ProfileDir string   // directory of AppArmor profiles; "" is library.SystemProfiles
	Include    []string // directories that are searched for included files, before ProfileDir
	Allow      []string // directories below which profiles may include files besides; see apparmor.Loader
	Seccomp    string   // of all processes whose own is not known: a file, or builtin:ENGINE@VERSION; "" is the engine's

	Inventory *container.Inventory // the containers; nil if they are not known
	Engines   map[string]string    // versions of container engines by name, on which built-in profiles depend
	Hosts     []container.Host     // what is known of the hosts that ran them, and of their engines

	// Arch, Caps and Kernel are of the host and the container, for what neither the
	// records nor the inventory say; see library.Library.
	Arch   seccomp.Arch
	Caps   []string
	Kernel string
	// SeccompLoader is what made filters of seccomp profiles, where the inventory does
	// not say.
	SeccompLoader seccomp.Loader
	// Runtimes are those that are installed on the host that the log is of; see
	// library.UseRuntimes.
	Runtimes []container.Host
	// Parser is the version of the apparmor_parser that loads the profiles, "" if it is
	// not known; what rules mean depends on it, and on Kernel.
	Parser string

	Filter Filter      // which denials are wanted
	Tree   *rules.Tree // where ProfileDir, Include and what the inventory names are; nil is the disk
}

// Explainer reads the policy that is named, and returns what explains by it. It fails
// for what cannot be read at all; problems are what else is wrong with the policy.
// They are complete so far if it fails.
func (o Options) Explainer() (x *Explainer, problems []rules.Diagnostic, err error) {
	dir := cmp.Or(o.ProfileDir, library.SystemProfiles)
	if dir != library.SystemProfiles && o.Tree == nil {
		if _, err := os.ReadDir(dir); err != nil {
			return nil, nil, fmt.Errorf("cannot read the profile directory: %w; name a copy of %s", err, library.SystemProfiles)
		}
	}
	lib := library.In(o.Tree, dir, o.Include)
	lib.Loader.Allow = o.Allow
	lib.Arch, lib.Caps, lib.Kernel, lib.Engines = o.Arch, o.Caps, o.Kernel, o.Engines
	lib.UseHosts(o.Hosts)
	lib.UseRuntimes(o.Runtimes)
	lib.Loader.Target = apparmor.Target{Parser: o.Parser, Kernel: lib.Kernel}
	lib.SeccompLoader = o.SeccompLoader
	for _, name := range o.Profiles {
		_, found, err := lib.AddProfile(name)
		if err != nil {
			return nil, problems, err
		}
		problems = append(problems, found...)
	}
	if o.Seccomp != "" {
		found, err := lib.AddSeccomp(o.Seccomp)
		if err != nil {
			return nil, problems, err
		}
		problems = append(problems, found...)
	}
	return New(lib), problems, nil
}

// Log explains a log that is in memory, of any shape: what was refused, in the order in
// which that began, and what else the log holds. Findings tell themselves what could
// not be read of their policy; the error is that of Options.Explainer. Logs that are
// large, live, or of several files are for a Session; parser/source reads them.
func Log(log parser.Block, o Options) (findings []*Explained, stats parser.Stats, err error) {
	explainer, _, err := o.Explainer()
	if err != nil {
		return nil, stats, err
	}
	o.Filter.Resolve(o.Inventory)
	session := NewSession(explainer.Find(o.Inventory), o.Filter)
	denials, stats := parser.Scan(nil, log)
	for _, d := range denials {
		session.Add(d)
	}
	return explainer.ExplainAll(session.Findings()), stats, nil
}
