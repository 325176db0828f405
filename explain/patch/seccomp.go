package patch

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/fix"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// A filterDraft is one seccomp profile as it is being changed.
type filterDraft struct {
	of            *seccomp.Profile // by which the calls were refused
	before, after *seccomp.Profile
	derived       bool // the file is not there yet
	fixes         map[string]callRemedy
	fixed         []*explain.Explained
}

// A callRemedy is the fix of a call, and whether the profile is changed for it; else it
// is a capability alone.
type callRemedy struct {
	fix    rules.Fix
	edited bool
}

// seccomp changes seccomp profiles, one call after the other: each fix is made
// for the profile as the fixes before have left it, so that names come out
// sorted and no two touch the same text.
func (b *patcher) seccomp() {
	var drafts []*filterDraft
	for _, f := range b.calls {
		if reason := b.notForPatch(f); reason != "" {
			b.leave(f, reason)
			continue
		}
		i := slices.IndexFunc(drafts, func(s *filterDraft) bool { return s.of.File == f.Seccomp.File })
		if i < 0 {
			draft, err := b.filterDraft(f.Seccomp, f)
			if err != nil {
				b.leave(f, err.Error()+"; give what its engine prints of the container by --inventory (crictl inspect, ctr containers info), or --caps and --kernel")
				continue
			}
			i = len(drafts)
			drafts = append(drafts, draft)
		}
		b.allow(drafts[i], f, *f.Call)
	}
	for _, s := range drafts {
		b.finishFilter(s)
	}
}

// notForPatch returns why nothing is to be changed for a finding's call, or "".
func (b *patcher) notForPatch(f *explain.Explained) string {
	named, _ := b.x.Library.NamedSeccomp()
	switch own := f.Seccomp; {
	case f.Cause == explain.LoggedOnly && f.Call == nil:
		return "nothing was refused: the filter's answer is SCMP_ACT_LOG, and the call ran"
	case own != nil && own.Form == seccomp.OCI && own != named && !f.Container.OwnBundle():
		of := "the one that it is made of"
		if f.Container.SeccompFrom != "" {
			of = f.Container.SeccompFrom + " of the node, which it is made of,"
		}
		return "the profile is what the runtime made of another, in " + f.Policy + ", and will be made anew: name " + of + " with --seccomp"
	case f.Container.IsInstance() && own != nil && own != named:
		return "the policy is made of the instance's options, which are changed by `incus config edit` or `lxc config edit` (raw.seccomp, security.syscalls.*)"
	case f.Call == nil: // the profile is not known, or is not the one in force
		return f.Why
	case f.OutOfReach() != "":
		return f.OutOfReach()
	case f.Copes() != "":
		return "not needed: " + f.Copes()
	}
	return ""
}

// filterDraft begins to change a profile. One that is built in, of a package, or known only
// by its text, becomes a file of its own; the error says why it cannot.
func (b *patcher) filterDraft(profile *seccomp.Profile, f *explain.Explained) (*filterDraft, error) {
	s := &filterDraft{of: profile, before: profile, after: profile, fixes: map[string]callRemedy{}}
	named, _ := b.x.Library.NamedSeccomp()
	// Some metadata hold the profile's text, and no file does.
	inline := strings.HasPrefix(strings.TrimSpace(f.Container.SeccompProfile), "{") && profile != named && !f.Container.OwnBundle() && !path.IsAbs(profile.File.Name)
	if packaged := profile != named && explain.IsPackaged(profile.File.Name); profile.File.Builtin == "" && !inline && !packaged {
		return s, nil
	}
	engine := cmp.Or(f.Container.Runtime, container.EngineOf(f.Denial.Subject.Label).Name, "profile")
	name := library.DerivedName("seccomp-"+engine, b.container(f.Denial.Subject.Label))
	var err error
	if profile.Form == seccomp.LXC {
		s.before, _, err = seccomp.Parse(rules.NewFile(name, profile.File.Text))
	} else {
		s.before, err = profile.Readable(name+".json", *f.Call)
	}
	s.after, s.derived = s.before, true
	return s, err
}

// allow makes the first fix for a finding's call part of a draft.
func (b *patcher) allow(s *filterDraft, f *explain.Explained, call seccomp.Call) {
	d := access.DecideCall(s.after, call, f.Denial.Seccomp)
	refused := access.DecideCall(s.before, call, f.Denial.Seccomp)
	key := fmt.Sprint(call.Arch, d.Syscall, call.Args, refused.When, call.NoFallback)
	made, known := s.fixes[key]
	open := slices.ContainsFunc(d.Whens, func(w seccomp.Outcome) bool { return !w.Loader }) // else libseccomp may drop the name, as the fix says
	if !known && d.Action.Permits() && !open {
		made, known = callRemedy{rules.Fix{Message: "allowed by the fix of another finding", Proof: []string{"the call is now allowed"}}, true}, true
	}
	if since, knows := seccomp.LibseccompFor(call); since != "" && (!knows || f.Cause == explain.LibseccompTooOld) {
		b.leave(f, "the remedy is libseccomp "+since+" or newer on the host: before that it drops the name from every profile")
		return
	}
	if !known {
		fixes := fix.Calls(s.after, call, d)
		if len(fixes) == 0 {
			b.leave(f, "no change of the profile that allows it could be proved")
			return
		}
		made = callRemedy{fixes[0], len(fixes[0].Edits) > 0}
		if made.edited {
			edited, err := s.after.Edited(made.fix.Edits)
			if err != nil {
				b.leave(f, err.Error())
				return
			}
			s.after, made.fix.Edits = edited, nil
		}
		s.fixes[key] = made
		if s.of.Form == seccomp.Unit {
			b.step(fmt.Sprintf("systemctl edit %s, and in it: %s", cmp.Or(f.Container.Unit, "UNIT"), strings.ReplaceAll(made.fix.Rule, "\n", " ")))
		}
	}
	b.give(made.fix.Capability, f.Container)
	remedy := Remedy{Finding: f, Fix: made.fix}
	if made.edited {
		s.fixed = append(s.fixed, f)
		remedy.File = s.before.File.Name
	}
	b.remedies[f] = remedy
}

// give notes that a container has to be given a capability, unless it is "".
func (b *patcher) give(name string, to container.Container) {
	if name == "" {
		return
	}
	b.step("give the container " + name + ": " + strings.Join(to.GivenCapability(name), ", "))
	i := slices.IndexFunc(b.patch.Capabilities, func(c Capability) bool { return c.Name == name })
	if i < 0 {
		i = len(b.patch.Capabilities)
		b.patch.Capabilities = append(b.patch.Capabilities, Capability{Name: name})
	}
	c := &b.patch.Capabilities[i]
	c.Containers = addContainer(c.Containers, to)
}

// finishFilter takes a changed profile into the patch.
func (b *patcher) finishFilter(s *filterDraft) {
	if s.after == s.before {
		return
	}
	change := rules.Change{File: s.before.File, New: s.after.File.Text}
	if s.derived {
		change.File = rules.NewFile(s.before.File.Name, "")
		change.File.Absent = true
	}
	b.patch.Changes = append(b.patch.Changes, change)
	name := s.before.File.Name
	b.madeOf(s.of.Unknown, s.of.Releases)
	for _, f := range s.fixed {
		b.step(restart(s.of.Form, f.Container, name))
	}
	patched := Patched{Seccomp: true, File: name, Derived: s.derived}
	for _, f := range s.fixed {
		patched.Containers = addContainer(patched.Containers, f.Container)
	}
	b.patch.Profiles = append(b.patch.Profiles, patched)
}

// restart says how a container is given a changed profile.
func restart(form seccomp.Form, c container.Container, name string) string {
	if form == seccomp.OCI {
		return "run the bundle of " + name + " anew; an engine that made it will make it anew, of a profile that has to be changed, too"
	}
	if form == seccomp.LXC && !path.IsAbs(name) {
		return "have the container's config name the changed copy, by its whole path, then stop the container and start it again: lxc.seccomp.profile = " + name
	}
	if form == seccomp.LXC {
		return "stop the container and start it again, whose config names the changed policy: lxc.seccomp.profile = " + name
	}
	return "start the container anew with the changed profile: " + c.GivenPolicy(container.GivenSeccomp, name)
}
