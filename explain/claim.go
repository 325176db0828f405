package explain

import (
	"strings"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// IsClaim reports whether no log has the finding: see explain/silent.
func (f *Finding) IsClaim() bool {
	return f.Denial.Event.Records[f.Denial.Record].Origin.Transport.IsClaim()
}

// explainClaim says what it means that nobody logged the refusal.
func (x *Explainer) explainClaim(f *Explained) {
	if s := f.Denial.Seccomp; s != nil {
		if f.Decision == Refused && seccomp.Action(s.Code).Unlogged() && !f.Seccomp.Logs(x.call(f.Finding).Engine) {
			f.Decision = Quiet
		}
		return
	}
	a := f.Denial.AppArmor
	if f.Decision == Refused {
		f.Notes = append(f.Notes, "The kernel logs such a refusal. If the log has no record of it, `whydenied doctor` says what on the host may hide it.")
	}
	isMessage := f.Denial.Event.Records[f.Denial.Record].Origin.Transport == parser.ErrorOutput
	if isMessage && a.Operation == "open" && strings.Contains(a.Denied, "rw") {
		f.Notes = append(f.Notes, "Whether it was read or written is not said: both are asked about.")
	}
}
