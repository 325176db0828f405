package explain

import (
	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/parser"
)

// explainCompiled says what a profile that is there as it is loaded answers: it has no
// rules to point at, and none to change.
func (f *Explained) explainCompiled(v *access.Verdict, cause Cause) {
	d := v.Decision
	switch missing := d.Refused | d.Unmatched; {
	case cause != "":
		f.Cause, f.Why, f.Decision = cause, v.Reason.Why(f.Denial.AppArmor), Refused
	case v.Granted != "":
		f.Cause, f.Why, f.Decision = AllowedByProfile, v.Granted, Granted
	case v.Err != nil:
		f.Cause, f.Why, f.Decision = UndecidedOperation, "permissions do not decide on it by what this record says", Undecidable
	case missing == 0:
		f.Cause, f.Decision = AllowedByProfile, Granted
		f.Why = "the loaded profile allows this, so another profile of a stack refused it, or the profile was loaded anew since"
	case d.Refused != 0:
		f.Cause, f.Decision = DenyRule, Refused
		f.Why = "a deny rule of the loaded profile refuses " + permsWords(d.Refused) + ": it says that this is not to be logged"
	default:
		f.Cause, f.Decision = NoMatchingRule, Refused
		f.Why = "the loaded profile refuses " + permsWords(d.Unmatched) + ": no rule grants it, or a deny rule that is logged takes it away"
	}
	if d.Quiet && f.Decision == Refused {
		f.Decision = Quiet
	}
	f.Notes = append(f.Notes, d.Notes...)
	if cause == "" && v.Request != nil && f.Decision != Granted {
		f.investigate(v.Request)
		f.compiledMode()
	}
	f.Notes = append(f.Notes, "This is by the profile as it is loaded, which has no rules any more; for those and for a fix give the file that it was loaded from with --profile.")
}

// compiledMode is modes for a profile as it is loaded.
func (f *Explained) compiledMode() {
	switch {
	case f.Denial.Mode == parser.Allowed:
		f.Why = "the profile was in complain mode, so this was logged and permitted; enforced, it would be refused: " + f.Why
		f.Cause, f.Decision = Complain, Granted
	case f.Profile.HasFlag("complain") && f.Cause != DenyRule:
		f.Cause, f.Why = FlagsMismatch, "another version of the profile was in force: it complains as it is loaded here, and the kernel enforced it"
	case f.Denial.Mode == parser.Killed:
		f.Notes = append(f.Notes, "The profile is in kill mode: the process was killed for this.")
	}
}
