package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// An Observation is which system calls the processes of a container, of a service or of the
// host itself were seen to make.
type Observation struct {
	Container *Container `json:"container"`      // nil outside of containers
	Unit      string     `json:"unit,omitempty"` // of systemd, then
	Since     time.Time  `json:"since"`
	Until     time.Time  `json:"until"`
	// Filtered says that they had seccomp filters: Calls are those that these were asked about, and
	// Before says how many different ones were made without, as by a runtime until it has loaded the filter.
	Filtered bool           `json:"filtered"`
	Before   int            `json:"before,omitempty"`
	Missing  uint64         `json:"missing"` // calls of the whole host that were not looked at
	Calls    []ObservedCall `json:"calls"`
}

// An ObservedCall is a system call that was made at least once.
type ObservedCall struct {
	Arch     string `json:"arch"`
	Syscall  string `json:"syscall,omitempty"` // "" if the number has no name here
	Number   uint32 `json:"number"`
	Answered bool   `json:"answered"` // by a filter, and not by the kernel
}

// NewObservation returns the message of what was called in the cgroups of one container.
func NewObservation(c container.Container, calls []parser.ObservedCall, missing uint64) Observation {
	o := Observation{Container: newContainer(c), Unit: plain(c.Unit), Missing: missing, Calls: []ObservedCall{}}
	free := map[parser.ObservedCall]bool{}
	for _, call := range calls {
		o.Filtered = o.Filtered || call.How != parser.Free
	}
	for _, call := range calls {
		if call.How == parser.Free && o.Filtered {
			free[call] = true
			continue
		}
		arch := seccomp.Arch(call.Arch)
		name, _ := seccomp.SyscallName(arch, call.Syscall)
		o.Calls = append(o.Calls, ObservedCall{Arch: arch.String(), Syscall: name, Number: call.Syscall, Answered: call.How == parser.Answered})
	}
	o.Before = len(free)
	slices.SortFunc(o.Calls, func(a, b ObservedCall) int {
		return cmp.Or(cmp.Compare(a.Arch, b.Arch), cmp.Compare(a.Syscall, b.Syscall), cmp.Compare(a.Number, b.Number), compareBool(a.Answered, b.Answered))
	})
	o.Calls = slices.Compact(o.Calls)
	return o
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// ReadObservation reads a line of JSON that an Observation was written as.
func ReadObservation(line []byte) (o Observation, err error) {
	d := json.NewDecoder(bytes.NewReader(line))
	if err := d.Decode(&o); err != nil {
		return o, err
	}
	if o.Calls == nil || o.Until.IsZero() {
		return o, errors.New("no system calls are in it")
	}
	return o, nil
}

// IsOf reports whether the observation is of a container that a user means by a name.
func (o *Observation) IsOf(name string) bool {
	c := o.Container
	return c != nil && (&container.Container{ID: c.ID, Name: c.Name, Pod: c.Pod, Namespace: c.Namespace}).IsNamed(name)
}

// Whose says whose the calls are, for people.
func (o *Observation) Whose() string {
	switch c := o.Container; {
	case c != nil:
		return cmp.Or(c.Name, container.ShortID(c.ID))
	case o.Unit != "":
		return o.Unit
	}
	return "this host"
}

// NewObservationText returns a function that writes observations to w as text.
func NewObservationText(w io.Writer, o TextOptions) func(Observation) error {
	return pages(w, o, func(p *page, o Observation) {
		answered := slices.DeleteFunc(slices.Clone(o.Calls), func(c ObservedCall) bool { return !c.Answered })
		passed := slices.DeleteFunc(slices.Clone(o.Calls), func(c ObservedCall) bool { return c.Answered })
		text := fmt.Sprintf("%s in %.1f seconds", count(len(passed), "different system call"), o.Until.Sub(o.Since).Seconds())
		if o.Filtered {
			text += fmt.Sprintf(", and %d that its seccomp filter answered", len(answered))
		}
		p.wrap(0, 2, append(words(strong, escape.Line(o.Whose())+":"), prose(normal, text)...))
		p.observed("called", normal, passed)
		p.observed("answered by the filter", alarm, answered)
		if o.Before > 0 {
			p.wrap(2, 4, prose(faint, count(o.Before, "other call")+" came before the filter, as from the runtime that started it"))
		}
	})
}

// observed writes calls, a line for each architecture.
func (p *page) observed(title string, style escape.Style, calls []ObservedCall) {
	for len(calls) > 0 {
		arch := calls[0].Arch
		line := append(words(style, escape.Line(title)+":"), prose(faint, arch)...)
		for len(calls) > 0 && calls[0].Arch == arch {
			line = append(line, prose(normal, cmp.Or(calls[0].Syscall, fmt.Sprint(calls[0].Number)))...)
			calls = calls[1:]
		}
		p.wrap(2, 4, line)
	}
}
