package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/escape"
)

// notFound names the policies of findings that were not found, each once.
func notFound(findings []*explain.Explained) (list []NotFound) {
	for _, f := range findings {
		if f.NotFound == "" {
			continue
		}
		kind, send := "apparmor", "its file by --profile FILE, or /etc/apparmor.d of its host by --profile-dir DIR; `sudo whydenied collect -o FILE` there takes all"
		if f.Denial.Seccomp != nil {
			kind, send = "seccomp", sendFilter(f)
		}
		name := plain(f.NotFound)
		i := slices.IndexFunc(list, func(n NotFound) bool { return n.Kind == kind && n.Name == name })
		if i < 0 {
			i = len(list)
			list = append(list, NotFound{Kind: kind, Name: name, Send: plain(send)})
		}
		list[i].Findings++
	}
	return list
}

// sendFilter says what tells the seccomp filter that answered: its profile, or what the
// engine prints of the container, as far as the record tells which engine that is.
func sendFilter(f *explain.Explained) string {
	if command, file := f.Container.Config(); command != "" {
		return "what `" + command + "` prints by --inventory NAME.yaml, a file called by the instance"
	} else if file != "" {
		return "its config by --inventory " + file
	}
	if f.Container.Confidence > container.Unknown {
		return "its profile by --seccomp FILE"
	}
	inspect := "docker inspect`, `podman inspect` or `crictl inspect"
	if client := container.EngineOf(f.Denial.Subject.Label).Client(); client != "" {
		inspect = client + " inspect"
	}
	return "its profile by --seccomp FILE, or what `" + inspect + "` prints of its container by --inventory FILE; a service of systemd has it as SystemCallFilter= (`systemctl cat UNIT`), and a program can install one itself"
}

// maxNotFound bounds the policies that are named.
const maxNotFound = 6

// notFound writes which policies were not found, and what to give for more.
func (p *page) notFound(all []NotFound) {
	for _, kind := range []struct{ name, text string }{
		{"apparmor", "AppArmor profiles that were not found:"}, {"seccomp", "seccomp filters that were not found:"},
	} {
		list := slices.DeleteFunc(slices.Clone(all), func(n NotFound) bool { return n.Kind != kind.name })
		if len(list) == 0 {
			continue
		}
		var names, sends []string
		for _, n := range list {
			names = append(names, fmt.Sprintf("%s (%s)", n.Name, count(n.Findings, "finding")))
			if !slices.Contains(sends, n.Send) {
				sends = append(sends, n.Send)
			}
		}
		if more := len(names) - maxNotFound; more > 0 {
			names = append(names[:maxNotFound], fmt.Sprintf("and %s more", thousands(more)))
		}
		p.wrap(0, 2, append(prose(strong, kind.text), prose(normal, strings.Join(names, ", "))...))
		p.wrap(2, 4, append(words(faint, "to", "know", "more:"), prose(normal, "give "+strings.Join(sends, ", or "))...))
	}
}

// unchecked writes what would grant the access where nothing else is said.
func (p *page) unchecked(x *Unchecked) {
	line := words(strong, "rule")
	message := prose(strong, x.Message)
	message[0].gap = 2
	line = append(line, message...)
	p.wrap(2, hangFix, append(line, word{text: "risk: " + escape.Line(x.Risk), style: riskStyle(x.Risk), gap: 2}))
	if x.Reason != "" {
		p.wrap(hangFix, hangFix+2, append(words(faint, "because"), prose(normal, x.Reason)...))
	}
	for rule := range strings.Lines(x.Rule) {
		p.Add(escape.Spaces(hangFix+2) + p.paint(mild, escape.Line(strings.TrimRight(rule, "\r\n"))) + "\n")
	}
	p.wrap(hangFix, hangFix+2, prose(normal, x.Unproved))
}
