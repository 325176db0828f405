package explain

import (
	"cmp"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/fix"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// Unproved says what is left to check of rules that were judged without the profile, or
// of entries that were without the seccomp filter.
func Unproved(ofSeccomp bool) string {
	if ofSeccomp {
		return "not checked against the filter in force: an entry that refuses the call would have to go"
	}
	return "not checked against your profile: a deny rule in it would still win"
}

// Assume returns the finding as if what is not known of its policy were otherwise empty:
// with the Profile and the Request, or the Fixes, that package patch takes; or, for
// seccomp, with the profile and the call. It returns nil where the policy is known, or where
// no rule decides.
func (x *Explainer) Assume(f *Explained) *Explained {
	switch assumed := (&Explained{Finding: f.Finding, Explanation: Explanation{Cause: f.Cause, Harmless: f.Harmless, Incident: f.Incident}}); {
	case f.NotFound == "":
		return nil
	case f.Denial.Seccomp != nil:
		return x.assumeFilter(assumed)
	default:
		return x.assumeProfile(assumed, f.NotFound)
	}
}

func (x *Explainer) assumeProfile(f *Explained, name string) *Explained {
	f.Profile = x.Library.Assumed(name)
	switch reason := access.ReasonOf(f.Denial.AppArmor); reason {
	case access.Disconnected, access.Deleted:
		if x.explainFlag(f, reason.Flag()); len(f.Fixes) > 0 {
			return f
		}
		return nil
	case access.NoReason:
	default:
		return nil
	}
	req, err := access.Request(&f.Denial)
	if err != nil || access.LearnsAttributes(f.Denial.AppArmor) {
		return nil
	}
	f.Request = access.Lasting(&f.Denial, req)
	return f
}

func (x *Explainer) assumeFilter(f *Explained) *Explained {
	call := x.call(f.Finding)
	f.Seccomp = x.Library.AssumedSeccomp(call.ArchName())
	if f.Seccomp == nil || f.Seccomp.Decide(call).Syscall == "" {
		return nil
	}
	f.Call = &call
	return f
}

// explainUnchecked says what would grant an access or a call of which no policy is known. A
// call that ran needs nothing.
func (x *Explainer) explainUnchecked(f *Explained) {
	assumed := x.Assume(f)
	if assumed == nil || f.Cause == LoggedOnly || f.isAstray() {
		return
	}
	switch {
	case assumed.Call != nil:
		x.fixSeccomp(assumed)
		assumed.refused(*assumed.Call, assumed.Seccomp.Decide(*assumed.Call))
	case assumed.Request != nil:
		if own := x.Fixes.Narrowest(assumed.Profile, assumed.Request, fix.CallerOf(&f.Denial)); len(own.Edits) > 0 {
			assumed.Fixes = []rules.Fix{own}
		}
		assumed.investigate(assumed.Request)
	}
	f.Investigate = assumed.Investigate
	f.Notes = append(f.Notes, assumed.Notes...)
	if len(assumed.Fixes) == 0 {
		return
	}
	unchecked := assumed.Fixes[0]
	if file, ok := assumed.Request.(apparmor.FileRequest); ok && f.Product != nil && f.Product.Scrubs && file.Perms == apparmor.Exec {
		scrubbing := apparmor.Transition{Mode: apparmor.ToProfile, Fallback: apparmor.Unconfined}
		if own := x.Fixes.Executing(assumed.Profile, file, scrubbing, "execute it as "+f.Product.What+" executes what is in /usr/bin"); len(own.Edits) > 0 {
			unchecked = own
		}
	}
	unchecked.Edits, unchecked.Proof = nil, nil
	if m := f.Product; m != nil && m.Generated() {
		if !m.Adds() {
			return
		}
		unchecked.Message = m.Adding(unchecked.Rule)
	}
	f.Unchecked = &unchecked
}

// filtered names whose seccomp filter answered a call: that of a container, or else of
// the program.
func (f *Finding) filtered() string {
	if name := cmp.Or(f.Container.Name, f.Container.ID); name != "" {
		return "container " + name
	}
	return "program " + program(f.Denial.Subject)
}

// program is how a process is named: by its file, or else by its thread.
func program(s parser.Subject) string { return cmp.Or(s.Exe, s.Comm, "without a name") }
