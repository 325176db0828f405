package apparmor

import (
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// An Answer is what compiled policy says to a request, which has no rules any
// more: only permissions.
type Answer struct {
	Allow Perms
	// Quiet are those of which a refusal is not logged. Compiled policy does not say
	// of the others whether a rule denies them or none grants them.
	Quiet Perms
	Audit Perms // of which the use is logged
	Exec  *Execution
	Notes []string
}

// NewLoaded returns a profile that has no source: its name, its namespace or "",
// the names of its flags, and what its compiled policy answers, which has to be
// safe for concurrent use.
func NewLoaded(name, namespace string, flags []string, answer func(Request) Answer) *Profile {
	p := &Profile{Name: name, Namespace: namespace, compiled: answer}
	for _, flag := range flags {
		p.Flags = append(p.Flags, Flag{Name: flag})
	}
	return p
}

// Loaded reports whether the profile is one that has no source; see NewLoaded.
func (p *Profile) Loaded() bool { return p.compiled != nil }

// settleCompiled fills a decision from compiled policy.
func (d *Decision) settleCompiled(a Answer) {
	want := d.req.wanted()
	d.Granted = want & a.Allow
	missing := want &^ a.Allow
	d.Audited = d.Granted & a.Audit
	d.quiet = missing & a.Quiet
	if d.profile.HasFlag("audit") { // see settle
		d.Audited, d.quiet = d.Granted, 0
	}
	// Only a deny rule makes a refusal quiet.
	d.Refused = missing & a.Quiet
	d.Unmatched = missing &^ d.Refused
	d.Quiet = missing != 0 && missing == d.quiet
	d.Permitted = missing == 0 || d.profile.HasFlag("complain") && !d.Quiet
	d.Exec, d.Notes = a.Exec, a.Notes
}

// Mount returns what the kernel matches of a mount that is no umount: flags of
// mount(2), the source and the file system's type, of which each kind of mount
// leaves out some (aa_new_mount() and its like in security/apparmor/mount.c).
func (q MountRequest) Mount() (flags uint32, source, fstype string) {
	flags = flagsOf(append([]string{q.Op}, q.Flags...), mountFlags)
	switch kindOf(flags) {
	case remount:
		return flags, "", ""
	case changeType:
		return flags & msMakeFlags, "", ""
	case bindMount:
		return flags & msBindFlags, q.Source, ""
	case moveMount:
		return msMove, q.Source, ""
	}
	return flags, q.Source, q.Fstype
}

// FamilyNumber returns the number of an address family of network rules, as
// linux/socket.h has it.
func FamilyNumber(name string) (int, bool) {
	n, ok := families[name]
	return n, ok
}

// Wanted returns the permissions that a request asks for.
func Wanted(req Request) Perms { return req.wanted() }

// LoadedPolicy returns the policy of profiles without source; see NewLoaded. The file
// stands for what it was read from, and has no text.
func LoadedPolicy(file *rules.File, profiles []*Profile) *Policy {
	policy := &Policy{Files: []*rules.File{file}, Profiles: profiles}
	for _, p := range profiles {
		p.Policy, p.At = policy, rules.Location{File: file}
	}
	for _, p := range profiles {
		if i := strings.LastIndex(p.FullName(), "//"); i > 0 {
			p.Parent = policy.Profile(p.FullName()[:i])
		}
	}
	return policy
}
