// Package layer says which layer of the kernel refused something: one of a closed set,
// each with its evidence, or why it is ruled out, or what would decide it.
//
// Judge is a pure function of what a program tried and of what is known of its container.
// "Unknown" is an answer: a layer is named only where something speaks for it and nothing
// else is open. Facts of the kernel are of Linux 6.18, where nothing else is said.
package layer

import (
	"slices"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/parser"
)

// A Layer can refuse something.
type Layer string

// The layers, in the order in which they are asked, as far as there is one.
const (
	Seccomp       Layer = "seccomp"
	Limits        Layer = "limits" // rlimits and the pids limit
	Mount         Layer = "mount"  // mount flags, masked and read-only paths, a read-only root
	Mode          Layer = "file-mode"
	Devices       Layer = "device-cgroup"
	NoNewPrivs    Layer = "no-new-privs"
	UserNamespace Layer = "user-namespace" // its limits and its ID mapping
	Capability    Layer = "capability"
	Landlock      Layer = "landlock"
	AppArmor      Layer = "apparmor"
	SELinux       Layer = "selinux"
	Integrity     Layer = "integrity" // IPE, IMA, fapolicyd
	BPF           Layer = "bpf-lsm"
	None          Layer = "none" // nothing refused it
)

// Title names a layer in a sentence.
func (l Layer) Title() string { return titles[l] }

var titles = map[Layer]string{
	Seccomp: "seccomp", Limits: "rlimits or the pids limit", Mount: "mount flags, masked or read-only paths", Mode: "file mode, owner or attributes",
	Devices: "the device cgroup", NoNewPrivs: "no_new_privs", UserNamespace: "limits or ID mapping of user namespaces", Capability: "a missing capability",
	Landlock: "Landlock", AppArmor: "AppArmor", SELinux: "SELinux", Integrity: "IPE, IMA or fapolicyd", BPF: "a BPF LSM", None: "none of these",
}

// A Standing says how a layer stands to a refusal.
type Standing int

// The standings.
const (
	RuledOut Standing = iota
	Unlikely          // it cannot be ruled out, and nothing speaks for it
	Open              // it would have to be known, to name any layer
	Likely            // it is what remains, or something speaks for it
	Refused           // it does refuse this, so
)

// String returns the standing as the JSON form has it.
func (s Standing) String() string {
	return [...]string{"ruled-out", "unlikely", "open", "likely", "refused"}[s]
}

// A Candidate is a layer and how it stands.
type Candidate struct {
	Layer    Layer
	Standing Standing
	Why      string // the evidence, by what it is ruled out, or what would decide it: a clause
}

// A Verdict is which layer refused something.
type Verdict struct {
	Layer      Layer // "" if it is not known
	Sure       bool  // it does refuse this; else it is what remains
	Candidates []Candidate
}

// Of returns the candidate of a layer.
func (v *Verdict) Of(l Layer) Candidate {
	for _, c := range v.Candidates {
		if c.Layer == l {
			return c
		}
	}
	return Candidate{Layer: l}
}

// An Answer is what one of the two policies says of an attempt, as whoever asked it knows.
type Answer struct {
	Known   bool // which policy is in force is known, and it decides this
	Refuses bool // with the error that the program got
	Why     string
}

// A Question is what failed and what is known.
type Question struct {
	Attempt   *parser.Attempt
	Container *container.Container
	Seccomp   Answer
	AppArmor  Answer
	BPF       string           // the programs of BPF at LSM hooks, as container.Host has them
	Records   map[Layer]string // of which layers the log has a record of this very refusal, each in words
}

// candidates are the layers in the order of the list above, each with what judges it.
var candidates = []struct {
	layer Layer
	judge func(*facts) (Standing, string)
}{
	{Seccomp, ofSeccomp}, {Limits, ofLimits}, {Mount, ofMount}, {Mode, ofMode}, {Devices, ofDevices}, {NoNewPrivs, ofNoNewPrivs},
	{UserNamespace, ofUserNamespace}, {Capability, ofCapability}, {Landlock, ofLandlock}, {AppArmor, ofAppArmor}, {SELinux, ofSELinux},
	{Integrity, ofIntegrity}, {BPF, ofBPF}, {None, ofNone},
}

// Judge says which layer refused what failed. Where a text says all, as of a policy that
// was not loaded, the verdict is the layer that it names, or none.
func Judge(q Question) Verdict {
	if q.Attempt.Layer == "" && q.Attempt.Errno == "" && q.Attempt.Syscall == "" && q.Attempt.Hint != "" {
		return Verdict{}
	}
	f := factsOf(q)
	v := Verdict{Candidates: make([]Candidate, len(candidates))}
	for i, c := range candidates {
		standing, why := c.judge(f)
		v.Candidates[i] = Candidate{c.layer, standing, why}
	}
	for i, c := range candidates {
		if why := q.Records[c.layer]; why != "" {
			v.Candidates[i] = Candidate{c.layer, Refused, why}
			v.Layer, v.Sure = c.layer, true
			return v
		}
	}
	for _, refused := range v.with(Refused) {
		if isAfterFilters(refused.Layer) && v.Of(Seccomp).Standing == Open {
			continue // a filter that is not known may have been asked first
		}
		v.Layer, v.Sure = refused.Layer, true
		return v
	}
	if q.Attempt.Layer != "" {
		return v.said(q.Attempt)
	}
	if likely := v.with(Likely); len(likely) == 1 && len(v.with(Open))+len(v.with(Refused)) == 0 {
		v.Layer = likely[0].Layer
	}
	return v
}

// said is the verdict where the text names the layer itself, and nothing else refuses it.
func (v *Verdict) said(a *parser.Attempt) Verdict {
	named := Candidate{Layer(a.Layer), Likely, a.Hint}
	if a.Errno == "" {
		named.Standing = Refused
		return Verdict{Layer: named.Layer, Sure: true, Candidates: []Candidate{named}}
	}
	said := Verdict{Layer: named.Layer, Candidates: slices.Clone(v.Candidates)}
	i := slices.IndexFunc(said.Candidates, func(c Candidate) bool { return c.Layer == named.Layer })
	said.Candidates[i] = named
	return said
}

// isAfterFilters reports whether a layer refuses calls that filters of engines refuse
// where it would.
func isAfterFilters(l Layer) bool { return l == Capability || l == UserNamespace }

// with returns the candidates of a standing.
func (v *Verdict) with(s Standing) []Candidate {
	return slices.DeleteFunc(slices.Clone(v.Candidates), func(c Candidate) bool { return c.Standing != s })
}
