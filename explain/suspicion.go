package explain

import (
	"fmt"
	"slices"

	"github.com/whydenied/whydenied/rules/seccomp"
)

// explainSuspicion says what it means that SIGSYS ended a process and no record has a
// filter's answer: which answers of its profile do that, if one is known.
func (x *Explainer) explainSuspicion(f *Explained) {
	record := f.Denial.Event.Records[f.Denial.Record]
	f.Cause, f.Decision = EndedBySIGSYS, Undecidable
	f.Why = fmt.Sprintf("SIGSYS ended the process (record %s, sig=%d), as a seccomp filter does with it, and no record says for which call", record.Type, f.Denial.Seccomp.Signal)
	f.Notes = []string{
		"A filter that kills is logged; one that answers SCMP_ACT_TRAP is not, unless it was installed with SECCOMP_FILTER_FLAG_LOG. A process can be sent the signal by another, too.",
		"`whydenied trace` sees the call while the program makes it; `whydenied observe --seccomp` changes the profile so that it is logged.",
	}
	call := x.Library.Call(f.where(), x.Library.Arch)
	arch := call.Arch
	if arch == 0 {
		arch = seccomp.X86_64
	}
	profile, name := x.Library.Seccomp(f.where(), f.Denial.Subject.Label, arch)
	if profile == nil {
		return
	}
	f.Seccomp, f.Policy = profile, name
	raises := func(a seccomp.Action) bool {
		return a == seccomp.Trap || a == seccomp.KillProcess || a == seccomp.KillThread
	}
	if raises(profile.Default) {
		f.addPlace(Place{At: profile.DefaultAt, Note: "answers " + profile.Default.String() + " to every call that no entry names"})
	}
	for _, e := range profile.Entries {
		if raises(e.Action) {
			f.addPlace(Place{At: e.ActionAt, Note: fmt.Sprintf("answers %s to %d calls", e.Action, len(e.Names))})
		}
	}
	if len(f.Rules) == 0 {
		f.Notes = slices.Insert(f.Notes, 0, fmt.Sprintf("No answer of %s raises SIGSYS: it was another filter, such as one that the program installed itself.", name))
	}
}
