package apparmor

import (
	"path"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// abiClasses are the classes that the feature sets in AppArmor's abi/ directory know,
// by the file, besides those that all know (file, capability, mount, pivot_root,
// ptrace, signal, rlimit, change_profile): the abi files of AppArmor 5.0.2. For policy
// of an abi that does not know a class, apparmor_parser leaves the rules of that out,
// and the kernel asks nobody.
var abiClasses = map[string][]string{
	"kernel-5.4-vanilla":           {},
	"kernel-5.4-outoftree-network": {"network", "unix", "dbus"},
	"3.0":                          {"network", "unix", "dbus"},
	"4.0":                          {"network", "unix", "dbus", "userns", "mqueue"},
	"4.0-ip":                       {"network", "unix", "dbus", "userns", "mqueue"},
	"5.0":                          {"network", "unix", "dbus", "userns", "mqueue", "io_uring"},
	"5.0-interface":                {"network", "unix", "dbus", "userns", "mqueue", "io_uring"},
}

// abiAlways are the classes that every abi knows.
var abiAlways = wordSet("file capability mount pivot_root ptrace signal rlimit change_profile")

// name returns the name of a file in AppArmor's abi/ directory, or "".
func (a *ABI) name() string {
	if dir, name := path.Split(a.Path); path.Base(dir) == "abi" {
		return name
	}
	return ""
}

// version returns the version of AppArmor whose features the abi has, "" if its name
// does not say.
func (a *ABI) version() string {
	name, _, _ := strings.Cut(a.Path[strings.LastIndexByte(a.Path, '/')+1:], "-")
	if len(name) == 3 && isDigit(name[0]) && name[1] == '.' && isDigit(name[2]) {
		return name
	}
	return ""
}

// Knows reports whether policy of the abi is mediated in a class, as ClassOf names it.
// known is false for an abi of another name than AppArmor's.
func (a *ABI) Knows(class string) (knows, known bool) {
	classes, known := abiClasses[a.name()]
	return abiAlways[class] || slices.Contains(classes, class), known
}

// lintVersions warns of what apparmor_parser of the version of the abi does not read,
// once for each kind of it. Where a target is given, it is an error already.
func lintVersions(p *Policy) []rules.Diagnostic {
	if p.Target.Parser != "" || p.ABI == nil || p.ABI.version() == "" {
		return nil
	}
	version := p.ABI.version()
	out := p.unread(version, "the policy is written for abi "+version+", but ")
	for i := range out {
		out[i].Related = []rules.Related{{At: p.ABI.At, Message: "the abi"}}
	}
	return append(out, lintLeftOut(p)...)
}

// lintLeftOut warns of rules that the abi does not know, once for each class.
func lintLeftOut(p *Policy) []rules.Diagnostic {
	var out []rules.Diagnostic
	said := map[string]bool{}
	for _, prof := range p.Profiles {
		for _, r := range prof.Rules {
			class := classOfRule(r)
			knows, known := p.ABI.Knows(class)
			if !known || knows || class == "" || said[class] {
				continue
			}
			said[class] = true
			out = append(out, rules.Diagnostic{At: r.Location(), Severity: rules.Warning, Code: "not-enforced",
				Message: "abi " + p.ABI.name() + " does not know " + class + " rules: apparmor_parser leaves them out, and the kernel mediates nothing of the kind for this profile",
				Related: []rules.Related{{At: p.ABI.At, Message: "the abi"}}})
		}
	}
	return out
}

// classOfRule returns the class of a rule of those that not every abi knows.
func classOfRule(r Rule) string {
	switch r.(type) {
	case *NetworkRule:
		return "network"
	case *UnixRule:
		return "unix"
	case *DBusRule:
		return "dbus"
	case *UsernsRule:
		return "userns"
	case *MqueueRule:
		return "mqueue"
	case *IOUringRule:
		return "io_uring"
	}
	return ""
}

// Mediates reports whether the kernel asks a profile about the class of a request at
// all, by the abi that its policy names: it does not about classes that the abi does
// not have. known is false where that hangs on the feature set that apparmor_parser
// falls back to, as the policy names no abi, or on a file that is not known here.
func (p *Profile) Mediates(req Request) (mediates, known bool) {
	class := ClassOf(req)
	if abiAlways[class] {
		return true, true
	}
	if p.Policy == nil || p.Policy.ABI == nil {
		return true, false
	}
	knows, known := p.Policy.ABI.Knows(class)
	return knows || !known, known
}

// HasEffect reports whether a rule for a request can have an effect under the abi that
// the policy of a profile names. Without one it cannot be relied on for the classes of
// AppArmor 4.0; the others are older than any feature set that is in use.
func (p *Profile) HasEffect(req Request) bool {
	mediates, _ := p.Mediates(req)
	return mediates && (NeededABI(req) == "" || p.Policy != nil && p.Policy.ABI != nil)
}

// NeededABI returns the first abi file that has the class of a request, such as
// "abi/4.0"; "" for classes that need none.
func NeededABI(req Request) string {
	class := ClassOf(req)
	if abiAlways[class] || slices.Contains(abiClasses["3.0"], class) {
		return ""
	}
	for _, name := range []string{"4.0", "5.0"} {
		if slices.Contains(abiClasses[name], class) {
			return "abi/" + name
		}
	}
	return ""
}

// SetABI returns the edit that has a policy name an abi file, such as "abi/4.0", in the
// rule that it has or in a new one before all others, and that rule.
func (p *Policy) SetABI(name string) (edit rules.Edit, rule string) {
	rule = "abi <" + name + ">,"
	if p.ABI != nil {
		return rules.Edit{At: p.ABI.At, New: rule}, rule
	}
	file, at := p.Files[0], 0
	for line := range strings.Lines(file.Text) {
		text := strings.TrimSpace(line)
		if text != "" && (text[0] != '#' || strings.HasPrefix(text, "#include")) {
			break
		}
		at += len(line)
	}
	return insertion(file, at, rule+lineEnding(file.Text, at)), rule
}
