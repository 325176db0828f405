package explain

import (
	"cmp"
	"slices"
	"time"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/family"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// A Finding is one distinct denial, however often it was logged; or, if it has
// Further, those of many names that are not told apart.
type Finding struct {
	ID          string        // 12 hex digits, stable over runs and logs; see IDVersion
	Bare        string        // the ID that it has where nothing is known of its container; "" of further names
	Denial      parser.Denial // the earliest one logged
	Count       int
	First, Last time.Time           // zero if the log has no times
	Serials     []uint32            // of the earliest events, at most maxSerials
	Container   container.Container // of the earliest one
	Further     *Further            // nil for one distinct denial

	Times      Times // when its denials came, of those that have a time
	Containers Tally // by container
	Programs   Tally // by program

	node  string // that logged it, if all that did are one and say so
	nodes bool   // they are several
	owner *owner // whose budget it is of
	dated bool   // a record of it says its year

	creators []creator // who may have been moved to the profile that refused it, of usernsStub
	sure     bool      // it is the process itself
}

// noteNode notes which node logged a denial of the finding.
func (f *Finding) noteNode(node string) {
	f.nodes = f.nodes || f.node != "" && node != "" && f.node != node
	if f.node = cmp.Or(f.node, node); f.nodes {
		f.node = ""
	}
}

// where returns the container with the node that it ran on: that which logged the
// denial, if nothing else says it.
func (f *Finding) where() container.Container {
	c := f.Container
	c.Node = cmp.Or(c.Node, f.node)
	return c
}

// Workload says of what the finding's containers are runs, in words; "" if nothing but
// their profile tells. See container.Container.Workload.
func (f *Finding) Workload() string { return workloadKey(&f.Container) }

// Clone returns a copy that does not change when the group goes on to count.
func (f *Finding) Clone() Finding {
	c := *f
	c.Serials = slices.Clone(f.Serials)
	c.Times.Counts = slices.Clone(f.Times.Counts)
	c.Containers, c.Programs = f.Containers.clone(), f.Programs.clone()
	if f.Further != nil {
		further := *f.Further
		further.Samples = slices.Clone(further.Samples)
		c.Further = &further
	}
	return c
}

// An Explanation is why a finding was refused and what would remedy it.
type Explanation struct {
	Cause    Cause
	Why      string   // the cause in words for this denial, one clause
	Decision Decision // what the policy's source answers
	Policy   string   // where the policy was read: a file, or a built-in's name and version; "" if not found
	Rules    []Place  // the rules responsible, most telling first
	Fixes    []rules.Fix
	Quiet    string   // a rule that keeps it refused and out of the log; "" if none applies
	Notes    []string // what else the reader should know, a sentence each

	// Incident is the known one that the finding is of, nil if it is of none. Harmless is
	// why it did no harm as far as the log tells, with the evidence, a clause; "" if nothing
	// says so.
	Incident *Incident
	Harmless string

	// Consequence is what came after the denials: that their container ended, and how, as its
	// metadata say, a clause; "" if nothing is known. It need not be because of them.
	Consequence string

	// NotFound names what decided and is not known: an AppArmor profile, a stack of them, or
	// the program or container whose seccomp filter it is; "" if policy was found. Unchecked
	// is what grants the access where nothing else is said, without edits; nil if that
	// cannot be told.
	NotFound  string
	Unchecked *rules.Fix

	// Profile is the AppArmor profile that decides, nil if it is not known. Request is
	// what it has to grant for the access to be of use, nil where it refuses nothing
	// by a rule.
	Profile *apparmor.Profile
	Request apparmor.Request
	// Seccomp and Call are the same for seccomp.
	Seccomp *seccomp.Profile
	Call    *seccomp.Call

	// Product is what made the AppArmor profile, and for what; nil if it is of none that is
	// known. Where it makes the file anew, the fixes have no edits.
	Product *family.Member
	Unit    string // the unit of systemd that the filter may be of, UNIT if its name is not known; "" if it is of none

	// Investigate is set when granting the access would be dangerous: the reason
	// to look at the process before any diff. It is "" otherwise.
	Investigate string
}

// An Explained is a finding with its explanation.
type Explained struct {
	*Finding
	Explanation
}

// isLookAlike reports whether the finding is of a line that its log says a process
// wrote; see parser.Origin.UserSpace.
func (f *Finding) isLookAlike() bool {
	return f.Denial.Event.Records[f.Denial.Record].IsLookAlike()
}

// A Place is a rule that takes part in a finding and what it does there.
type Place struct {
	At   rules.Location // what the caret points at
	Note string         // "grants r; the process asked for w"
	Via  []rules.Location
}

// A Decision is what the source of the policy answers to the access.
type Decision string

// The decisions.
const (
	Granted     Decision = "granted"     // the source allows it, though the kernel refused
	Refused     Decision = "refused"     // refused, and logged
	Quiet       Decision = "quiet"       // refused by a rule that is not logged
	Undecidable Decision = "undecidable" // the source is missing, or the record says too little
)
