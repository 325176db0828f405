package explain

import (
	"cmp"
	"fmt"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/family"
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
	byLabel := map[string]*container.Container{}
	return func(s container.Subject) container.Container {
		found := inv.FindCall(s, a.answer)
		if found.Confidence == container.High {
			return found
		}
		c, known := byLabel[s.Label]
		if !known {
			if len(byLabel) >= maxAnswers {
				clear(byLabel)
			}
			c = configured(inv, s.Label)
			byLabel[s.Label] = c
		}
		if c == nil || !container.SameNode(c.Node, s.Node) {
			return found
		}
		return *c
	}
}

// configured returns the container of which the config was read, and for which a product made
// the profile of a label; nil if there is none, or several are called so.
func configured(inv *container.Inventory, label string) (found *container.Container) {
	m := family.Of(label, "")
	if m == nil || m.Name == "" {
		return nil
	}
	for _, c := range inv.Containers {
		isOf := c.Runtime == m.Runtime || c.Runtime == container.Instance && (m.Runtime == "incus" || m.Runtime == "lxd")
		if c.Setup == nil || c.Name != m.Name || !isOf || c.AppArmorProfile != "" {
			continue
		}
		if project := c.Setup.Project; project != "" && project != cmp.Or(m.Project, "default") {
			continue
		}
		if found != nil {
			return nil
		}
		c.Runtime, c.Confidence = m.Runtime, container.High
		if setup := *c.Setup; m.Project != "" {
			setup.Project = m.Project
			c.Setup = &setup
		}
		c.Evidence = []string{fmt.Sprintf("%s makes the profile %s for it alone; %s is the config of one of that name", m.Product, label, c.Setup.File)}
		found = &c
	}
	return found
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
