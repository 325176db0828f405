package explain

import (
	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// Find returns what finds the container of a process in an inventory, by what the
// containers' own filters answer too; see container.Inventory.FindCall. It serves one
// goroutine at a time, which need not be that of the explainer.
func (x *Explainer) Find(inv *container.Inventory) func(container.Subject) container.Container {
	if inv == nil {
		return inv.Find
	}
	a := &asker{library: x.Library.ForFilters(), known: map[asked]container.Answer{}}
	return func(s container.Subject) container.Container { return inv.FindCall(s, a.answer) }
}

// An asker asks the filters of containers about calls, each once.
type asker struct {
	library *library.Library
	known   map[asked]container.Answer
}

type asked struct {
	of   *container.Container
	call container.Call
}

func (a *asker) answer(c *container.Container, call container.Call) container.Answer {
	key := asked{c, call}
	answer, known := a.known[key]
	if !known {
		if len(a.known) >= maxAnswers {
			clear(a.known)
		}
		answer = a.ask(*c, call)
		a.known[key] = answer
	}
	return answer
}

func (a *asker) ask(c container.Container, call container.Call) container.Answer {
	if a.library.Unfiltered(c) {
		return container.Answer{Known: true, What: "has no seccomp filter"}
	}
	arch := seccomp.Arch(call.Arch)
	profile, _ := a.library.Seccomp(c, c.AppArmorProfile, arch)
	if profile == nil {
		return container.Answer{}
	}
	record := &parser.Seccomp{Arch: call.Arch, Syscall: call.Number, SyscallName: call.Name, Code: call.Code}
	d := access.DecideCall(profile, access.Call(record, a.library.Call(c, arch)), record)
	return container.Answer{Known: true, Fits: access.Answers(d, record), What: "answers " + d.Action.String() + " to " + d.Syscall}
}
