package explain

// A Cause says why an access was refused, from a closed set. Each has a page,
// docs/causes/NAME.md.
type Cause string

// The causes of AppArmor refusals.
const (
	NoMatchingRule     Cause = "no-matching-rule"    // no rule of the profile speaks of it
	MissingPermission  Cause = "missing-permission"  // a rule names it but does not grant the permission
	OwnerMismatch      Cause = "owner-mismatch"      // an owner rule would grant it, but the file is someone else's
	DenyRule           Cause = "deny-rule"           // a deny rule refuses it
	AllowedByProfile   Cause = "allowed-by-profile"  // the source allows it: the loaded profile is another
	DisconnectedPath   Cause = "disconnected-path"   // the path does not reach the root of the namespace
	ExecTransition     Cause = "exec-transition"     // the change of profile at exec is impossible
	ProfileNotLoaded   Cause = "profile-not-loaded"  // the kernel has no profile of that name
	ProfileNotFound    Cause = "profile-not-found"   // the source of the policy was not given
	Complain           Cause = "complain"            // logged and permitted: the profile is in complain mode
	FlagsMismatch      Cause = "flags-mismatch"      // the loaded profile's mode is not that of the source
	RestrictedUserns   Cause = "restricted-userns"   // the host gives programs without a profile no privilege in user namespaces
	UndecidedOperation Cause = "undecided-operation" // an operation that is not decided from the source yet
)

// The causes of seccomp refusals. ProfileNotFound is theirs too.
const (
	SyscallNotListed     Cause = "syscall-not-listed"    // the profile's default action
	SyscallDenied        Cause = "syscall-denied"        // an entry names the call and refuses it
	ArgumentMismatch     Cause = "argument-mismatch"     // allowed only with other arguments
	CapabilityGated      Cause = "capability-gated"      // allowed only with a capability
	ArchNotListed        Cause = "arch-not-listed"       // the profile does not cover the architecture
	KernelGated          Cause = "kernel-gated"          // allowed only from a newer kernel on
	LibseccompTooOld     Cause = "libseccomp-too-old"    // allowed, but libseccomp dropped the name that it does not know
	UndecidableArguments Cause = "undecidable-arguments" // depends on arguments the record does not carry
	LoggedOnly           Cause = "logged-only"           // logged and permitted: the action is LOG
	EndedBySIGSYS        Cause = "ended-by-sigsys"       // a suspicion: no record has the filter's answer
)

// The causes of refusals by other security modules, whose policies are not read.
const (
	SELinuxDenial  Cause = "selinux-denial"
	SmackDenial    Cause = "smack-denial"
	LandlockDenial Cause = "landlock-denial"
	IPEDenial      Cause = "ipe-denial"
	IMADenial      Cause = "ima-denial"
	FanotifyDenial Cause = "fanotify-denial" // by a program that permits access to files: fapolicyd
)

// FurtherNames is the cause of findings of more names than are told apart, of both.
const FurtherNames Cause = "further-names"

// Causes returns every cause, AppArmor's first.
func Causes() []Cause {
	return []Cause{
		NoMatchingRule, MissingPermission, OwnerMismatch, DenyRule, AllowedByProfile, DisconnectedPath,
		ExecTransition, ProfileNotLoaded, ProfileNotFound, Complain, FlagsMismatch, RestrictedUserns, UndecidedOperation,
		SyscallNotListed, SyscallDenied, ArgumentMismatch, CapabilityGated, ArchNotListed, KernelGated, LibseccompTooOld,
		UndecidableArguments, LoggedOnly, EndedBySIGSYS,
		SELinuxDenial, SmackDenial, LandlockDenial, IPEDenial, IMADenial, FanotifyDenial, FurtherNames,
	}
}
