package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/shell"
)

// usernsStub is the profile to which Ubuntu's kernels move a program that has none when it
// creates a user namespace without privilege (aa_profile_ns_perm in
// security/apparmor/task.c of Ubuntu 24.04): it grants no capability.
const usernsStub = "unprivileged_userns"

// restriction is the setting by which they do.
const restriction = "kernel.apparmor_restrict_unprivileged_userns"

// A creator is a program that was moved to usernsStub.
type creator struct {
	pid       int
	comm, exe string
	time      time.Time
	serial    uint32
	node      string
}

// creators are the programs that were moved last, in that order.
type creators []creator

// maxCreators bounds them: older ones are forgotten.
const maxCreators = 1024

// IsUsernsMove reports whether a record says that a program was moved to Ubuntu's profile
// unprivileged_userns: it is no denial, and says of which program those are that follow.
func IsUsernsMove(d *parser.Denial) bool {
	if d.Mode != parser.Audited || d.AppArmor == nil || d.AppArmor.Operation != "userns_create" || !strings.HasSuffix(d.AppArmor.Target, usernsStub) {
		return false
	}
	r := &d.Event.Records[d.Record]
	return !r.IsLookAlike() && r.Type != parser.USERAVC // which programs send
}

// note notes such a record.
func (c *creators) note(d *parser.Denial) {
	if len(*c) == maxCreators {
		*c = slices.Delete(*c, 0, maxCreators/2)
	}
	r := &d.Event.Records[d.Record]
	one := creator{d.Subject.PID, d.Subject.Comm, d.Subject.Exe, d.Time, r.Serial, r.Node}
	at, _ := slices.BinarySearchFunc(*c, one, func(a, b creator) int { return cmp.Or(a.time.Compare(b.time), cmp.Compare(a.serial, b.serial)) })
	*c = slices.Insert(*c, at, one)
}

// near is how long after the move a process of the program may still be taken for it by
// its name, or as its child.
const near = time.Minute

// of returns the programs that may have been moved for a process that runs under
// usernsStub: one, if it is that process or one of its name; else all that were
// moved shortly before. sure says that it is the process itself.
func (c creators) of(d *parser.Denial) (found []creator, sure bool) {
	r := &d.Event.Records[d.Record]
	var named, before []creator
	for _, one := range slices.Backward(c) {
		age := d.Time.Sub(one.time)
		if d.Time.IsZero() || one.time.IsZero() {
			age = 0
		}
		if one.node != r.Node || age < 0 || age == 0 && one.serial > r.Serial {
			continue
		}
		switch {
		case one.pid == d.Subject.PID && one.pid != 0:
			return []creator{one}, true
		case one.comm == d.Subject.Comm:
			named = append(named, one)
		case age <= near && !slices.ContainsFunc(before, func(o creator) bool { return o.comm == one.comm }):
			before = append(before, one)
		}
	}
	if len(named) > 0 {
		return named[:1], false
	}
	return before, false
}

// isStub reports whether a profile is usernsStub, alone.
func isStub(profile string) bool { return profile == usernsStub }

// moved notes who was moved to the profile that refused a finding.
func (g *Group) moved(f *Finding) {
	if f.Denial.AppArmor != nil && isStub(f.Denial.AppArmor.Profile) {
		f.creators, f.sure = g.creators.of(&f.Denial)
	}
}

// explainStub explains what was refused under usernsStub: the program lacks a profile, and
// the stub is of the whole system, so that nothing is to be added to it.
func (x *Explainer) explainStub(f *Explained) {
	who := calledBy(f.Denial.Subject.Exe, f.Denial.Subject.Comm)
	exe, comm := f.Denial.Subject.Exe, f.Denial.Subject.Comm
	switch n := len(f.creators); {
	case n == 1:
		one := f.creators[0]
		who, exe, comm = calledBy(one.exe, one.comm), cmp.Or(one.exe, sameExe(one.comm, f.Denial.Subject)), one.comm
		f.Notes = append(f.Notes, fmt.Sprintf("The record of process %d%s says that %s was moved to %s when it created a user namespace.", one.pid, f.isCreator(one), who, usernsStub))
	case n > 1:
		names := make([]string, n)
		for i, one := range f.creators {
			names[i] = calledBy(one.exe, one.comm)
		}
		f.Notes = append(f.Notes, fmt.Sprintf("Which program was moved to %s is not sure: shortly before, %s were. A profile is proposed for %s by its name.", usernsStub, strings.Join(names, " and "), who))
	default:
		f.Notes = append(f.Notes, fmt.Sprintf("No record here says which program was moved to %s (an AUDIT record of userns_create, shortly before): it is taken to be %s.", usernsStub, who))
	}
	f.Cause, f.Decision = RestrictedUserns, Undecidable
	f.Why = fmt.Sprintf("%s has no profile, so this host moved it to the profile %s when it created a user namespace (%s=1), and under that it gets no privilege there", who, usernsStub, restriction)
	x.noteStubRules(f)
	x.proposeUserns(f, exe, comm, false)
}

// isCreator says how the process that was moved is told to be that of the finding.
func (f *Finding) isCreator(one creator) string {
	switch {
	case f.sure:
		return ""
	case one.comm == f.Denial.Subject.Comm:
		return ", of the same name,"
	}
	return ", shortly before,"
}

// noteStubRules points at what refused it, if the source of the stub is known.
func (x *Explainer) noteStubRules(f *Explained) {
	v := access.Decide(&f.Denial, func(name string) *apparmor.Profile { return x.profile(f.Finding, name) })
	if v.Profile == nil {
		return
	}
	f.Profile, f.Policy = v.Profile, x.Library.Source(v.Profile)
	if f.Decision = Granted; v.Err != nil {
		f.Decision = Undecidable
	} else if v.Decision.Refused|v.Decision.Unmatched != 0 {
		f.Decision = Refused
	}
	for _, r := range v.Decision.Deny {
		f.addPlace(rulePlace(r, "refuses it to all programs that were moved here, and is to stay"))
	}
	if len(f.Rules) == 0 {
		f.addPlace(profilePlace(v.Profile, "is of all programs that were moved here, and is to stay as it is"))
	}
}

// explainRestricted explains a user namespace that was refused to a program without a profile,
// as usernsStub is not loaded to which it would have been moved.
func (x *Explainer) explainRestricted(f *Explained) {
	a := f.Denial.AppArmor
	f.Cause, f.Decision = RestrictedUserns, Undecidable
	f.Why = fmt.Sprintf("the host lets no unconfined program create a user namespace without privilege (%s=1)", restriction)
	if a.Target != "" {
		f.Why += fmt.Sprintf("; it would move it to the profile %s, which is not loaded", usernsStub)
		if a.Namespace != "" {
			f.Why += " in the policy namespace " + a.Namespace
		}
	}
	x.proposeUserns(f, f.Denial.Subject.Exe, f.Denial.Subject.Comm, a.Target != "")
}

// proposeUserns proposes a profile for a program, or for one in a container what is loaded
// into its policy namespace; and last to lift the restriction. noStub says that the stub
// is not loaded there.
func (x *Explainer) proposeUserns(f *Explained, exe, comm string, noStub bool) {
	ns, loading := f.Denial.AppArmor.Namespace, "apparmor_parser -r -W"
	if ns != "" {
		loading = loadInto(ns)
	}
	own := x.Fixes.Userns(exe, comm)
	if ns != "" && own.Edits != nil { // the file is the host's, or anywhere, and not what is loaded
		name := own.Edits[0].At.File.Name
		own.Rule, own.Edits = own.Edits[0].New, nil
		own.Message = "give " + calledBy(exe, comm) + " a profile in the container, which confines nothing and may create user namespaces: write it to " + name + " on the host, then " + shell.Command(loading, name)
	}
	if own.Message != "" {
		f.Fixes = append(f.Fixes, own.Fix)
	}
	if noStub {
		stub := rules.Fix{
			Message: "load the stub: " + shell.Command(loading, library.SystemProfiles+"/"+usernsStub) + ". A program that needs capabilities in its namespace, as a rootless container does, is then refused those",
			Grants:  "user namespaces without any capability, to all programs there",
		}
		if ns != "" { // where nothing has to be known of the program
			f.Fixes = append([]rules.Fix{stub}, f.Fixes...)
		} else {
			f.Fixes = append(f.Fixes, stub)
		}
	}
	f.Notes = append(f.Notes, own.Notes...)
	f.Fixes = append(f.Fixes, rules.Fix{
		Message: "as a last resort, lift the restriction: sysctl -w " + restriction + "=0, and to keep that, a file of /etc/sysctl.d",
		Grants:  "user namespaces with all capabilities in them, to every program of every user of the host",
		Risk:    rules.High, Reason: "every program can then reach parts of the kernel that need privilege else, as before Ubuntu 23.10; many attacks on the kernel have begun there",
	})
}

// calledBy names a program by its file, or else by its thread.
func calledBy(exe, comm string) string { return cmp.Or(exe, comm, "the program") }

// sameExe is the file of a process, if it has the name of a thread of another.
func sameExe(comm string, s parser.Subject) string {
	if s.Comm == comm {
		return s.Exe
	}
	return ""
}
