package library

import (
	"fmt"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// assumedPrefix begins the key of what is assumed in place of a profile.
const assumedPrefix = "assumed:"

// Assumed returns an otherwise empty profile for one whose source is not known: what
// grants an access to it is what the access needs at least, whatever else the profile
// says. It is the same one for the same name, and no file has it: its edits are not
// to be written.
func (l *Library) Assumed(name string) *apparmor.Profile {
	policy := l.byFile[assumedPrefix+name]
	if policy == nil {
		policy, _ = l.loadAlways(rules.NewFile(name, "profile p {\n}\n"))
		l.byFile[assumedPrefix+name] = policy
	}
	return policy.Profiles[0]
}

// AssumedSeccomp is Assumed for a filter: a profile that refuses every call of programs
// of one architecture, as Call.ArchName has it. It is nil for one that profiles have no
// name for.
func (l *Library) AssumedSeccomp(arch string) *seccomp.Profile {
	scmp := "SCMP_ARCH_X32" // whose number is that of x86_64
	if arch != "x32" {
		number, err := seccomp.ParseArch(arch)
		if err != nil || number.String() != arch {
			return nil
		}
		scmp = number.SCMP()
	}
	key := assumedPrefix + arch
	if l.seccompBy[key] == nil {
		text := fmt.Sprintf("{\n\"defaultAction\": \"SCMP_ACT_ERRNO\",\n\"architectures\": [%q],\n\"syscalls\": []\n}\n", scmp)
		profile, _, err := seccomp.Parse(rules.NewFile(arch, text))
		if err != nil {
			return nil
		}
		l.seccompBy[key] = profile
	}
	return l.seccompBy[key]
}

// Unfiltered reports whether it is known that a container's engine gives it no seccomp
// filter, so that one which answered is the program's own.
func (l *Library) Unfiltered(c container.Container) bool {
	return c.SeccompProfile == "unconfined" || c.SeccompProfile == "" && c.SeccompUnset && l.Host(c).Unset == "Unconfined"
}
