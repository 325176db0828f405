package seccomp

import (
	"encoding/json"
	"fmt"

	"github.com/whydenied/whydenied/rules"
)

// Readable returns the profile as a file of a name, to be edited and given to containers in
// its place by the engine of a call. One that passes over conditions when it reads a file, as
// containerd, gets what they make of the profile for the container and the host of the call; the
// error says which of them hangs on what the call does not tell.
func (p *Profile) Readable(name string, in Call) (*Profile, error) {
	derived := p.Derive(name)
	if !derived.ignores(in.Engine).conditions {
		return derived, nil
	}
	if in.Host == 0 {
		in.Host = in.Arch.host()
	}
	resolved := resolvedProfile{Default: p.Default.SCMP(), Flags: p.Flags, Archs: p.Archs, Entries: []resolvedEntry{}}
	if p.DefaultErrno != 1 {
		resolved.Errno = p.DefaultErrno
	}
	for _, m := range p.ArchMap {
		if m.Arch == in.Host.SCMP() {
			resolved.Archs = append([]string{m.Arch}, m.Sub...)
		}
	}
	for _, e := range p.Entries {
		switch e.inForce(&in) {
		case yes:
			resolved.add(e)
		case maybe:
			return nil, fmt.Errorf("%s passes over the conditions of a profile that it reads from a file, so that a file for this container has to hold what they come to here, and it is not known whether one holds: %s", in.Engine.Name, e.needs(&in))
		}
	}
	text, err := json.MarshalIndent(resolved, "", "\t")
	if err != nil {
		return nil, err
	}
	made, _, err := Parse(rules.NewFile(name, string(text)+"\n"))
	return made, err
}

// A resolvedProfile is a profile in the OCI's form, without conditions.
type resolvedProfile struct {
	Default string          `json:"defaultAction"`
	Errno   int             `json:"defaultErrnoRet,omitempty"`
	Archs   []string        `json:"architectures,omitempty"`
	Flags   []string        `json:"flags,omitempty"`
	Entries []resolvedEntry `json:"syscalls"`
}

type resolvedEntry struct {
	Names  []string      `json:"names"`
	Action string        `json:"action"`
	Errno  *int          `json:"errnoRet,omitempty"`
	Args   []resolvedArg `json:"args,omitempty"`
}

type resolvedArg struct {
	Index    int    `json:"index"`
	Value    uint64 `json:"value"`
	ValueTwo uint64 `json:"valueTwo,omitempty"`
	Op       string `json:"op"`
}

func (r *resolvedProfile) add(e *Entry) {
	entry := resolvedEntry{Action: e.Action.SCMP()}
	for _, n := range e.Names {
		entry.Names = append(entry.Names, n.Text)
	}
	if e.Errno != 1 {
		entry.Errno = &e.Errno
	}
	for _, a := range e.Args {
		entry.Args = append(entry.Args, resolvedArg{a.Index, a.Value, a.ValueTwo, a.Op.SCMP()})
	}
	r.Entries = append(r.Entries, entry)
}
