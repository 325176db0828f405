// Package seccomp reads seccomp profiles with the place of every part, decides
// what a profile answers to a system call as container runtimes really apply
// it, finds what is wrong with a profile, and edits its text.
//
// The semantics are those of runc 1.5 on libseccomp 2.5, with the conditions
// that Docker's and Podman's loaders evaluate before them. Nothing here looks
// at the machine it runs on: architecture, capabilities and kernel come with
// each Call. All values are immutable once made and safe for concurrent use. What is
// no profile at all is an error; what a runtime would refuse of one is a diagnostic.
package seccomp

import (
	"sync"

	"github.com/whydenied/whydenied/rules"
)

// A Form is the kind of file that a profile was read from.
type Form uint8

// The forms.
const (
	Moby Form = iota // Docker, Podman, CRI-O, Kubernetes localhostProfile
	OCI              // linux.seccomp inside a runtime's config.json
	SPO              // SeccompProfile of the Security Profiles Operator
	Unit             // a unit of systemd
	LXC              // lxc.seccomp.profile of LXC, Incus and Proxmox VE
)

// isOwn reports whether a form is a language of its own, whose program loads it itself.
func (f Form) isOwn() bool { return f == Unit || f == LXC }

// String names the form in plain words.
func (f Form) String() string {
	return [...]string{"seccomp profile", "OCI config.json", "SeccompProfile resource", "unit of systemd", "LXC seccomp policy"}[f]
}

// A Profile is one seccomp profile as written, with nothing resolved: entries
// for other architectures, capabilities and kernels are still in it.
type Profile struct {
	File *rules.File
	Form Form
	At   rules.Location // the object that holds the profile

	Default      Action
	DefaultErrno int            // errno of Default; 1 (EPERM) if the profile names none
	DefaultAt    rules.Location // the value of defaultAction

	Archs   []string // SCMP_ARCH_* of architectures, in order
	ArchMap []ArchMap
	Flags   []string // SECCOMP_FILTER_FLAG_*
	Entries []*Entry

	Base string // baseProfileName of a SeccompProfile: its calls are allowed besides

	// Unknown says why it is not known that a built-in profile is the one in force, as a
	// clause; "" of all others. Then it is the one of Releases, and Others are those that
	// may be in force in its place, oldest first: there may be none, of a release newer
	// than all known ones.
	Unknown  string
	Releases rules.ReleaseText
	Others   []Other

	base    *Entry          // what Base allows, where that is known
	refused string          // the first error that Parse reported
	archs   []int           // indexes of Archs in arches
	node    *node           // the object that holds the profile
	only    map[string]bool // see narrowedTo
	tables  [archCount]table
	made    sync.Map // of *Profile by ignored, see without
}

// An Other is a text of a built-in profile that may be in force in place of another.
type Other struct {
	*Profile
	Releases rules.ReleaseText
}

// An ArchMap lists the architectures that the filter covers on a host of one.
type ArchMap struct {
	Arch string   // SCMP_ARCH_* of the host
	Sub  []string // SCMP_ARCH_* that the filter covers besides
	At   rules.Location

	host int   // index of Arch in arches, or -1
	sub  []int // those of Sub
}

// An Entry is one element of syscalls: names and the answer to them.
type Entry struct {
	Index    int    // position in syscalls
	Names    []Name // names, or the one of the old name
	Action   Action
	Errno    int   // errno or trace data of Action; 1 (EPERM) if the entry names none
	Args     []Arg // conditions; none means always
	Includes Filter
	Excludes Filter
	Comment  string

	At       rules.Location // the whole entry
	NamesAt  rules.Location // the list of names, or the string of the old name
	ActionAt rules.Location // the value of action

	caps  string // "needs " and the capabilities of Includes
	valid bool   // the action is a known one: the entry takes part in decisions
	node  *node
}

// A Name is one system call name of an entry.
type Name struct {
	Text string
	At   rules.Location // the string with its quotes
	id   int32          // of knownNames; 0 for none of them
}

// An Op compares an argument of a system call, as SCMP_CMP_* does.
type Op uint8

// The comparisons.
const (
	NE       Op = iota + 1 // arg != value
	LT                     // arg < value
	LE                     // arg <= value
	EQ                     // arg == value
	GE                     // arg >= value
	GT                     // arg > value
	MaskedEQ               // arg & value == valueTwo
)

// An Arg is one condition on an argument. Conditions of an entry on different
// arguments must all hold; as soon as two are on the same argument, runc makes
// each condition of the entry a rule of its own, and one that holds is enough.
type Arg struct {
	Index    int    // 0 to 5
	Op       Op     // comparison
	Value    uint64 // what it compares with; for MaskedEQ the mask
	ValueTwo uint64 // for MaskedEQ what the masked argument must equal
	At       rules.Location
}

// A Filter says when an entry is in force (includes) or is not (excludes).
type Filter struct {
	Caps      []string // CAP_*; includes: all of them, excludes: any of them
	Arches    []string // architecture of the host as Go names it: amd64, arm64, ...
	MinKernel string   // "4.8": this kernel or a newer one
	At        rules.Location
}

// IsZero reports whether the filter asks for nothing.
func (f Filter) IsZero() bool {
	return len(f.Caps) == 0 && len(f.Arches) == 0 && f.MinKernel == ""
}
