package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/family"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/shell"
)

// productOf returns the product that made the profile of a denial, nil if none is known.
func productOf(d *parser.Denial) *family.Member {
	if d.AppArmor == nil {
		return nil
	}
	return family.Of(cmp.Or(d.AppArmor.Profile, d.Subject.Label), d.AppArmor.Namespace)
}

// byProduct returns the container that a product made the profile of a denial for, if
// nothing else tells it: of each it makes one, and names it by the container.
func byProduct(d *parser.Denial, c container.Container) container.Container {
	m := productOf(d)
	if d.Seccomp != nil { // whose label the kernel writes, too
		m = family.Of(d.Subject.Label, "")
	}
	if m == nil || m.Name == "" || c.Confidence != container.Unknown || d.Event.Records[d.Record].IsLookAlike() {
		return c
	}
	made := "profile " + d.Subject.Label
	if m.Inside {
		made = "policy namespace " + d.AppArmor.Namespace
	}
	c = container.Container{Name: m.Name, Runtime: m.Runtime, Confidence: container.High, Evidence: []string{fmt.Sprintf("%s makes the %s for it alone", m.Product, made)}}
	if m.Project != "" {
		c.Setup = &container.Setup{Project: m.Project}
	}
	return c
}

// explainProduct says what a profile is of that a product made, and has the product asked
// for what no change of the file would keep.
func (x *Explainer) explainProduct(f *Explained) {
	m := productOf(&f.Denial)
	if m == nil || f.Profile != nil && m.IsOwn(f.Profile.At.File.Name) {
		return
	}
	f.Product = m
	if m.Inside {
		f.noteInside(m)
		return
	}
	note := fmt.Sprintf("Profile %s is of %s", cmp.Or(f.Denial.AppArmor.Profile, f.Denial.Subject.Label), m.What)
	if len(m.Files) > 0 {
		note += ", and lies in " + strings.Join(m.Files, " or ")
	}
	if m.Generated() {
		note += "; " + m.Writer + ", so that no change of it lasts"
	}
	f.Notes = append(f.Notes, note+".")
	if f.Denial.Mode != parser.Denied && f.Denial.Mode != parser.Killed && f.Denial.Mode != parser.Allowed {
		return
	}
	if f.isAstray() {
		f.Fixes, f.Quiet = nil, ""
		f.Notes = append(f.Notes, fmt.Sprintf("%s is of no %s but of a container that it started, whose own profile was not entered: see that one is named for it (lxc.apparmor.profile, lxc.aa_profile before LXC 2.1; lxc-container-default-cgns or generated), and that LXC was built with AppArmor. A rule here would be for %s.", f.Denial.Subject.Comm, f.Product.Starter, f.Product.Starter))
		return
	}
	f.notePlug()
	f.noteLock()
	if f.changesGiven(m) {
		return
	}
	if s := f.Container.Setup; s == nil || !s.Machine {
		f.Notes = append(f.Notes, m.Other...)
	}
	if m.Generated() {
		f.askProduct(m)
	}
	if f.Container.Setup != nil {
		f.noteSetup(f.Container.Setup)
	}
}

// changesGiven reports whether the deny rule that decides is one that the product was given, which is changed there.
func (f *Explained) changesGiven(m *family.Member) bool {
	if f.Cause != DenyRule || len(f.Rules) == 0 || !m.IsGiven(f.Rules[0].At.File.Text, f.Rules[0].At.Span.Start) {
		return false
	}
	rule := f.Rules[0].At
	for _, p := range f.Fixes {
		within := !slices.ContainsFunc(p.Edits, func(e rules.Edit) bool {
			return e.At.File != rule.File || e.At.Span.End < rule.Span.Start || e.At.Span.Start > rule.Span.End
		})
		if len(p.Edits) == 1 && within {
			p.Edits, p.Message = nil, m.Changing(strings.TrimSpace(rule.Text()), p.Rule)
			f.Fixes = []rules.Fix{p}
			return true
		}
	}
	return false
}

// noteSetup says what the config of the product has to do with what was refused.
func (f *Explained) noteSetup(s *container.Setup) {
	if s.Machine {
		f.Notes = append(f.Notes, s.File+" is of a virtual machine: the profile is of its QEMU on the host, and no option for containers (raw.lxc, raw.seccomp, security.nesting) changes it. What programs in the machine are refused is of the machine's own kernel.")
	}
	if s.Nesting {
		f.Notes = append(f.Notes, s.File+" has nesting on already, so that it is not what lacks.")
	}
	if s.Raw != "" {
		for line := range strings.Lines(s.Raw) {
			if f.Cause == DenyRule && f.isDecidedBy(strings.TrimSpace(line)) {
				f.Notes = append(f.Notes, fmt.Sprintf("The deny rule is of people's own, in %s, as %s has it: take the line `%s` out there.", s.Option, s.File, strings.TrimSpace(line)))
				return
			}
		}
		if f.Product.Adds() && f.Cause != DenyRule {
			f.Notes = append(f.Notes, fmt.Sprintf("%s has %d lines already, as %s says, which stay: the new one goes below them.", s.Option, 1+strings.Count(s.Raw, "\n"), s.File))
		}
	}
	if file, ok := s.GivenFor(f.Denial.AppArmor.Name); ok && f.Container.Runtime == container.Libvirt {
		f.noteGiven(file)
	}
}

// isDecidedBy reports whether a rule that decides stands in a line of a text.
func (f *Explained) isDecidedBy(line string) bool {
	for _, place := range f.Rules {
		text, at := place.At.File.Text, place.At.Span.Start
		start := strings.LastIndexByte(text[:at], '\n') + 1
		rest, _, _ := strings.Cut(text[start:], "\n")
		if line != "" && strings.TrimSpace(rest) == line {
			return true
		}
	}
	return false
}

// noteGiven says why a virtual machine is refused what its XML names.
func (f *Explained) noteGiven(file container.Given) {
	edit := "`" + shell.Command("virsh edit", f.Container.Name) + "`"
	if file.ReadOnly && strings.ContainsAny(f.Denial.AppArmor.Denied, "wac") {
		f.Notes = append(f.Notes, fmt.Sprintf("The XML of the machine gives it %s to read alone: if it is to write that, take <readonly/> out there (%s), or write to an image that stands on it.", file.Path, edit))
		return
	}
	f.Notes = append(f.Notes, fmt.Sprintf("The XML of the machine names %s, which libvirt allows without a rule when the machine starts. If it was added since, or by other means than libvirt's, stop the machine and start it again.", file.Path))
}

// noteInside says where the policy is that decides in the namespace of a container.
func (f *Explained) noteInside(m *family.Member) {
	f.Notes = append(f.Notes, fmt.Sprintf("This is %s: the profiles that decide are the container's own. Look for them, and load them, in there (%s apparmor_parser -r FILE), or from the host (%s FILE).", m.What, m.Enter, loadInto(f.Denial.AppArmor.Namespace)))
}

// loadInto begins a command that loads profiles into a policy namespace: apparmor_parser
// has its name below the root one.
func loadInto(namespace string) string {
	return shell.Command("apparmor_parser -r -W -n", strings.TrimPrefix(namespace, "root//"))
}

// notePlug says which interface of snapd allows what an app of a snap was refused.
func (f *Explained) notePlug() {
	snap := family.Snap(cmp.Or(f.Denial.AppArmor.Profile, f.Denial.Subject.Label))
	plug := ""
	switch a := f.Denial.AppArmor; {
	case snap == "":
	case a.CapName != "":
		plug = family.CapabilityInterface(a.CapName)
	case a.Family != "":
		plug = family.SocketInterface(a.Family, a.SockType)
	default:
		plug = cmp.Or(family.FileInterface(a.Name), family.BusInterface(a.Name))
	}
	if a := f.Denial.AppArmor; family.IsOwnHome(snap, a.Name) && a.FSUID != nil && a.OUID != nil && *a.FSUID != *a.OUID {
		f.Notes = append(f.Notes, fmt.Sprintf("Below ~/snap an app may reach what belongs to its own user alone: this belongs to user %d, and the process is user %d's. Give it to that user (chown).", *a.OUID, *a.FSUID))
		return
	}
	s := f.Container.Setup
	switch revision := family.Revision(snap, f.Denial.AppArmor.Name); {
	case revision != "" && strings.ContainsAny(f.Denial.AppArmor.Denied, "wacl"):
		f.Notes = append(f.Notes, fmt.Sprintf("An app may write the data of the revision of its snap that its profile is made for, and this is of revision %s: where the snap was refreshed while the app ran, start the app anew (`snap list --all %s` has the revisions).", revision, snap))
	case plug == "":
	case plug == "shared-memory" && (s == nil || s.Plugs == nil || s.PlugOf(plug) == ""):
		f.Notes = append(f.Notes, fmt.Sprintf("Of shared memory and named semaphores each snap has those whose names begin with snap.%s. (/dev/shm/snap.%s.NAME, /dev/shm/sem.snap.%s.NAME): its publisher names them so, or gives it a plug of the interface shared-memory with `private: true`, by which it gets a /dev/shm of its own. No interface that is connected by hand gives it this one.", snap, snap, snap))
	case s != nil && s.Plugs != nil && s.PlugOf(plug) == "":
		f.Notes = append(f.Notes, fmt.Sprintf("The interface %s allows such things, and %s has no plug of it for this app: only who publishes the snap can add one.", plug, s.File))
	case s != nil && s.Plugs != nil:
		f.Notes = append(f.Notes, fmt.Sprintf("The interface %s allows such things, and the app has the plug %s of it: `%s`.", plug, s.PlugOf(plug), shell.Command("sudo snap connect", snap+":"+s.PlugOf(plug))))
	default:
		f.Notes = append(f.Notes, fmt.Sprintf("The interface %s allows such things: if the snap has that plug, `sudo snap connect %s:%s`.", plug, snap, plug))
	}
}

// noteLock says of a lock why it is refused where writing is not: an answer to a prompt is of reading, writing and
// executing (canonical/prompting-client issue 92).
func (f *Explained) noteLock() {
	a := f.Denial.AppArmor
	if family.Snap(a.Profile) == "" || a.Operation != "file_lock" || family.FileInterface(a.Name) != "home" {
		return
	}
	f.Notes = append(f.Notes, "Where snapd has people asked which files an app may reach (Security Center, prompts), an answer that allows to write does not allow to lock in older versions of it: `sudo snap refresh snapd`. Programs often go on without the lock.")
}

// isAstray reports whether a container's init, or what that is about to execute, runs under the profile of what
// starts containers. Hooks do so rightly.
func (f *Explained) isAstray() bool {
	comm := f.Denial.Subject.Comm
	return f.Product != nil && f.Product.Starter != "" && (comm == "systemd" || comm == "init" || strings.HasPrefix(comm, "("))
}

// askProduct puts what the product is asked for in place of changes of the file that it
// makes. A rule that is added to a profile does not lift a deny rule.
func (f *Explained) askProduct(m *family.Member) {
	proposed := f.Fixes
	f.Fixes = nil
	if !m.Adds() {
		f.Quiet = ""
		f.noteLacking(proposed)
		return
	}
	if f.Cause == DenyRule {
		f.Notes = append(f.Notes, "A rule that is added does not lift a deny rule.")
		return
	}
	for _, p := range proposed {
		if apparmor.IsRule(p.Rule) && len(p.Edits) > 0 && addsAlone(p.Edits) {
			p.Edits, p.Message = nil, m.Adding(p.Rule)
			f.Fixes = append(f.Fixes, p)
			return
		}
	}
}

// lacks begins the note of noteLacking.
const lacks = "The rule that lacks, for a report to who makes the profile: "

// noteLacking says which rule lacks, for a report to whoever makes the profile.
func (f *Explained) noteLacking(proposed []rules.Fix) {
	for _, p := range proposed {
		if apparmor.IsRule(p.Rule) && f.Investigate == "" {
			f.Notes = append(f.Notes, lacks+"`"+p.Rule+"`")
			return
		}
	}
}

// addsAlone reports whether edits take nothing away, so that what they add may as well
// stand elsewhere in the profile.
func addsAlone(edits []rules.Edit) bool {
	for _, e := range edits {
		if e.At.Span.Start != e.At.Span.End {
			return false
		}
	}
	return true
}
