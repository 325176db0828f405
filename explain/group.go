package explain

import (
	"cmp"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// maxSerials is how many serials a finding keeps.
const maxSerials = 20

// A Filter selects denials: those that meet every field that is set, by one of
// its values.
type Filter struct {
	Since, Until time.Time // denials without a time pass
	Containers   []string  // see container.Container.IsNamed
	Profiles     []string  // AppArmor profile: the name, or the parent of a//b
	Comms        []string
	// Keep, if it is set, selects besides: by the process and its container. It is not asked
	// where the profile is one of Learning.
	Keep     func(container.Subject, container.Container) bool
	Learning []string

	prefixes []string // see Resolve
}

// Resolve has those of Containers that name no container of an inventory stand for all
// whose names begin so.
func (f *Filter) Resolve(inv *container.Inventory) {
	if inv == nil {
		return
	}
	f.prefixes = nil
	for _, name := range f.Containers {
		if !slices.ContainsFunc(inv.Containers, func(c container.Container) bool { return c.IsNamed(name) }) {
			f.prefixes = append(f.prefixes, name)
		}
	}
}

// Spans reports whether a time is from Since on and not after Until. One that is not known is.
func (f Filter) Spans(at time.Time) bool {
	return at.IsZero() || (f.Since.IsZero() || !at.Before(f.Since)) && (f.Until.IsZero() || !at.After(f.Until))
}

// match reports whether the filter selects a denial of a process in a container, of
// which the record has the label.
func (f Filter) match(who *container.Subject, label string, c *container.Container) bool {
	if !f.Spans(who.Time) {
		return false
	}
	if len(f.Comms) > 0 && !slices.Contains(f.Comms, who.Comm) {
		return false
	}
	ofLabel := func(name string) bool { return MatchLabel(name, label) }
	if len(f.Profiles) > 0 && !slices.ContainsFunc(f.Profiles, ofLabel) {
		return false
	}
	if f.Keep != nil && !slices.ContainsFunc(f.Learning, ofLabel) && !f.Keep(*who, *c) {
		return false
	}
	return f.OfContainer(c)
}

// OfContainer reports whether the filter selects what is of a container.
func (f Filter) OfContainer(c *container.Container) bool {
	return len(f.Containers) == 0 || slices.ContainsFunc(f.Containers, c.IsNamed) || slices.ContainsFunc(f.prefixes, c.HasPrefix)
}

// MatchLabel reports whether one profile of a label, or its parent, has the name.
func MatchLabel(name, label string) bool {
	for profile := range strings.SplitSeq(label, "//&") {
		if profile == name || strings.HasPrefix(profile, name+"//") {
			return true
		}
	}
	return false
}

// A Group folds denials into findings: the same access under the same policy of the same
// workload is one, whichever of its containers, programs and processes it was, and
// however often. The result does not depend on the order of Add, but for what is
// beyond a budget, see budget.go, and which containers and programs are counted apart.
type Group struct {
	// Find says which container a process belongs to; nil if nothing can.
	Find   func(container.Subject) container.Container
	Filter Filter
	// Counted, if it is set, is told each denial that is counted in a finding.
	Counted func(Counted)
	// Audited has the records of permitted accesses, which a rule asked for, be findings too.
	Audited bool

	// Denials counts what Add folded, by mode; Beyond counts those beyond the distinct
	// ones that are kept: they are in findings of further names.
	Denials map[parser.Mode]int
	Beyond  int

	findings map[string]*Finding // but those of further names
	forms    map[formKey]*form
	undated  bool // there are denials without a year
	budgets  budgets
	creators creators // of user namespaces, that were moved to usernsStub
	spent    []string // which Spent has not returned
	key      []byte
	filters  map[string]string // see filterOf
}

// NewGroup returns an empty group. find may be nil.
func NewGroup(find func(container.Subject) container.Container, filter Filter) *Group {
	return &Group{
		Find:     find,
		Filter:   filter,
		Denials:  map[parser.Mode]int{},
		findings: map[string]*Finding{},
		forms:    map[formKey]*form{},
		budgets:  newBudgets(),
		filters:  map[string]string{},
	}
}

// Add folds one denial, and returns its finding and whether that is new. Records
// about policy rather than an access (STATUS) and, unless Audited is set, permitted accesses
// that a rule asked to audit (AUDIT) are only counted: for these and for what the filter leaves
// out the finding is nil.
func (g *Group) Add(d parser.Denial) (f *Finding, isNew bool) {
	var c container.Container
	who := subject(&d)
	if IsUsernsMove(&d) {
		g.creators.note(&d)
	}
	if g.Find != nil {
		c = g.Find(who)
	}
	c = byProduct(&d, c)
	if !g.Filter.match(&who, d.Subject.Label, &c) {
		return nil, false
	}
	f, isNew = g.add(d, c)
	if known := g.forms[formKey{d.Form, d.Subject.Label}]; known != nil && f != nil {
		known.folds(&c, f)
	}
	return f, isNew
}

// AddClaim folds a denial of a container that no record tells of; see explain/silent.
// The filter is not asked: it chose the container. The finding is nil
// if the log has the same access, or, for what only an exit status speaks for, if
// another claim has.
func (g *Group) AddClaim(d parser.Denial, c container.Container) (f *Finding, isNew bool) {
	isGuess := d.Event.Records[d.Record].Origin.Transport == parser.ExitStatus
	for _, known := range g.findings {
		if (isGuess || !known.IsClaim()) && sameAccess(&d, &known.Denial) {
			return nil, false
		}
	}
	return g.add(d, c)
}

// sameAccess reports whether two denials are of the same access under the same
// profile, whichever process it was.
func sameAccess(a, b *parser.Denial) bool {
	if a.Other != nil || b.Other != nil {
		return false
	}
	if a.Seccomp != nil || b.Seccomp != nil {
		return a.Seccomp != nil && b.Seccomp != nil && a.Seccomp.Arch == b.Seccomp.Arch && a.Seccomp.Syscall == b.Seccomp.Syscall &&
			(a.Seccomp.Args == nil || b.Seccomp.Args == nil || tracedCall(a.Seccomp) == tracedCall(b.Seccomp))
	}
	if a.AppArmor.Profile != b.AppArmor.Profile || a.AppArmor.Name != b.AppArmor.Name {
		return false
	}
	x, err := access.Request(a)
	y, _ := access.Request(b)
	return err == nil && reflect.DeepEqual(anybodys(x), anybodys(y))
}

// anybodys is a request without whose the file is.
func anybodys(req apparmor.Request) apparmor.Request {
	if file, ok := req.(apparmor.FileRequest); ok {
		file.Owner = false
		return file
	}
	return req
}

// skips reports whether records of a mode are only counted.
func (g *Group) skips(mode parser.Mode) bool {
	return mode == parser.Status || mode == parser.Audited && !g.Audited
}

func (g *Group) add(d parser.Denial, c container.Container) (f *Finding, isNew bool) {
	if !d.Event.Records[d.Record].Origin.Transport.IsClaim() {
		g.Denials[d.Mode]++
	}
	numberSyscall(&d)
	if g.skips(d.Mode) {
		return nil, false
	}
	g.key = g.appendKey(g.key[:0], &d, &c)
	f = g.findings[string(g.key)]
	if f == nil {
		of := g.budgets.of(&d, &c)
		if !g.budgets.take(of, &d) {
			return g.addFurther(&d, c, of)
		}
		isNew = true
		f = &Finding{ID: id(g.key), Bare: id(g.appendKey(nil, &d, &container.Container{})), Denial: d, Container: c, First: d.Time, Last: d.Time, owner: of.owner}
		g.findings[string(g.key)] = f
		g.moved(f)
	}
	if earlier(&d, &f.Denial) {
		f.Denial, f.Container = d, c
	}
	g.count(f, &d, &c)
	return f, isNew
}

// numberSyscall gives a system call that the log only names (ausearch -i) its
// number, so that it is the same finding as in other logs.
func numberSyscall(d *parser.Denial) {
	if d.Seccomp == nil || d.Seccomp.SyscallName == "" {
		return
	}
	if nr, ok := seccomp.SyscallNumber(seccomp.Arch(d.Seccomp.Arch), d.Seccomp.SyscallName); ok {
		numbered := *d.Seccomp
		numbered.Syscall, numbered.SyscallName = nr, ""
		d.Seccomp = &numbered
	}
}

// subject is what the inventory can tell a container by. A runtime that fails
// to enter a profile is unconfined still: the profile it wants tells more.
func subject(d *parser.Denial) container.Subject {
	label := d.Subject.Label
	if a := d.AppArmor; a != nil && label == "unconfined" && strings.HasPrefix(a.Operation, "change_") {
		label = a.Name
	}
	s := container.Subject{
		Label: label,
		PID:   d.Subject.PID,
		Comm:  d.Subject.Comm,
		Exe:   d.Subject.Exe,
		Time:  d.Time,
		Node:  d.Event.Records[d.Record].Node,
	}
	if d.Seccomp != nil {
		s.Signal = d.Seccomp.Signal
		if !d.Seccomp.Suspected {
			s.Call = container.Call{Arch: d.Seccomp.Arch, Number: d.Seccomp.Syscall, Name: d.Seccomp.SyscallName, Code: d.Seccomp.Code}
		}
	}
	if d.Mode == parser.Killed && d.AppArmor != nil {
		s.Signal = 9 // aa_audit() in security/apparmor/audit.c sends SIGKILL
	}
	return s
}

// date corrects the year that was guessed of a finding, by one of its denials that is
// logged once more with the year.
func (g *Group) date(d *parser.Denial) {
	if !g.undated || !isDated(d) {
		return
	}
	var c container.Container
	if g.Find != nil {
		c = g.Find(subject(d))
	}
	c = byProduct(d, c)
	g.key = g.appendKey(g.key[:0], d, &c)
	f := g.findings[string(g.key)]
	if f == nil || f.dated || f.First.IsZero() {
		return
	}
	const year = 365.2425 * 24
	years := int(math.Round(d.Time.Sub(f.First).Hours() / year))
	for _, t := range [...]*time.Time{&f.First, &f.Last, &f.Denial.Time} {
		*t = t.AddDate(years, 0, 0)
	}
	f.Times.move(f.First.Sub(f.First.AddDate(-years, 0, 0)))
	f.dated = true
}

// isDated reports whether a record says when it was, with the year.
func isDated(d *parser.Denial) bool {
	return !d.Time.IsZero() && !d.Event.Records[d.Record].Yearless()
}

// count counts a denial of a finding.
func (g *Group) count(f *Finding, d *parser.Denial, c *container.Container) {
	dated := isDated(d)
	g.undated = g.undated || !dated
	r := &d.Event.Records[d.Record]
	f.count(d.Time, r.Serial, dated)
	in, of := f.containerOf(c), f.Programs.of(d.Subject.Comm, "")
	in.add()
	of.add()
	f.noteNode(r.Node)
	if g.Counted != nil {
		g.Counted(Counted{Finding: f, Time: d.Time, Serial: r.Serial, PID: d.Subject.PID, Node: r.Node, Line: r.Origin.Line, Container: in, Program: of, Made: made(c)})
	}
}

// count counts a denial of the finding, which says its year if it is dated.
func (f *Finding) count(at time.Time, serial uint32, dated bool) {
	f.Count++
	f.dated = f.dated || dated
	if !at.IsZero() {
		if f.First.IsZero() || at.Before(f.First) {
			f.First = at
		}
		if at.After(f.Last) {
			f.Last = at
		}
		f.Times.Add(at, 1)
	}
	f.addSerial(serial)
}

// containerOf returns what counts the denials of a container; nil if it is not known, or
// there is no room.
func (f *Finding) containerOf(c *container.Container) *Tallied {
	if c.Confidence == container.Unknown {
		return nil
	}
	one := f.Containers.of(NameOf(c), c.ID)
	if one != nil {
		one.Image, one.PodUID = c.Image, c.PodUID
	}
	return one
}

// addSerial keeps the lowest serials, so that the order of the log is no matter.
func (f *Finding) addSerial(serial uint32) {
	if serial == 0 || len(f.Serials) == maxSerials && serial > f.Serials[maxSerials-1] {
		return
	}
	i, found := slices.BinarySearch(f.Serials, serial)
	if found {
		return
	}
	f.Serials = slices.Insert(f.Serials, i, serial)
	f.Serials = f.Serials[:min(len(f.Serials), maxSerials)]
}

// Findings returns what was folded, in the order of the first denials.
func (g *Group) Findings() []*Finding {
	findings := make([]*Finding, 0, len(g.findings))
	for _, f := range g.findings {
		g.moved(f) // parts of a log are read in any order
		findings = append(findings, f)
	}
	for _, b := range g.budgets.all {
		findings = slices.AppendSeq(findings, maps.Values(b.further))
	}
	slices.SortFunc(findings, func(a, b *Finding) int {
		if c := compare(&a.Denial, &b.Denial); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return findings
}

func earlier(a, b *parser.Denial) bool { return compare(a, b) < 0 }

// compare orders denials by time, then by serial, then by where they were read.
func compare(a, b *parser.Denial) int {
	ra, rb := &a.Event.Records[a.Record], &b.Event.Records[b.Record]
	return cmp.Or(
		a.Time.Compare(b.Time),
		cmp.Compare(ra.Serial, rb.Serial),
		strings.Compare(ra.Origin.File, rb.Origin.File),
		cmp.Compare(ra.Origin.Line, rb.Origin.Line),
	)
}
