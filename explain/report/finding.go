package report

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/family"
	"github.com/whydenied/whydenied/explain/patch"
	"github.com/whydenied/whydenied/explain/secret"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// NewFinding returns a finding as plain data.
func NewFinding(f explain.Explained) Finding {
	d := f.Denial
	wire := Finding{
		ID:          f.ID,
		IDVersion:   explain.IDVersion,
		Workload:    plain(f.Workload()),
		Cause:       string(f.Cause),
		Why:         plain(f.Why),
		Decision:    string(f.Decision),
		Policy:      plain(f.Policy),
		Count:       f.Count,
		First:       Time(f.First),
		Last:        Time(f.Last),
		Serials:     append([]uint32{}, f.Serials...),
		Times:       newTimes(&f.Times),
		Containers:  newTally(f.Containers),
		Programs:    newTally(f.Programs),
		Container:   newContainer(f.Container),
		Product:     newProduct(f.Product),
		Subject:     newSubject(d.Subject),
		Mode:        d.Mode.String(),
		Rules:       []Rule{},
		Fixes:       []Fix{},
		Quiet:       plainPolicy(f.Quiet),
		Investigate: plain(f.Investigate),
	}
	wire.Denial = newFields(secret.Pairs(d.Pairs()))
	wire.Claim = newClaim(&d.Event.Records[d.Record])
	if d.Seccomp != nil {
		wire.Seccomp = NewSeccomp(d.Seccomp)
		if f.IsClaim() && d.Seccomp.Args != nil {
			wire.Seccomp.Call = seccomp.CallText(seccomp.Arch(d.Seccomp.Arch), wire.Seccomp.SyscallName, d.Seccomp.Args)
		}
	}
	if d.Other != nil {
		wire.Module = newModule(d.Other)
	}
	if f.Further != nil {
		wire.Further = &Further{Class: f.Further.Class, Samples: append([]string{}, texts(f.Further.Samples)...)}
	}
	for _, p := range f.Rules {
		if !p.At.IsZero() {
			wire.Rules = append(wire.Rules, newRule(p))
		}
	}
	if wire.Container == nil && len(f.Container.Evidence) > 0 {
		wire.Notes = append(wire.Notes, plain("The container is unknown: "+strings.Join(f.Container.Evidence, "; ")+"."))
	}
	for _, note := range f.Notes {
		wire.Notes = append(wire.Notes, plain(note))
	}
	wire.addFixes(f.Fixes)
	wire.Harmless, wire.Incident = plain(f.Harmless), newIncident(f.Incident)
	wire.Consequence = plain(f.Consequence)
	wire.NotFound, wire.Unchecked = plain(f.NotFound), newUnchecked(&f)
	wire.Message = sentenceOf(&wire).String()
	return wire
}

// NewFindings returns findings as plain data.
func NewFindings(list []*explain.Explained) (all []Finding) {
	for _, f := range list {
		all = append(all, NewFinding(*f))
	}
	return all
}

func (f *Finding) addFixes(fixes []rules.Fix) {
	for _, fix := range fixes {
		wire, err := newFixWithDiff(fix)
		if err != nil {
			f.Notes = append(f.Notes, plain("the edits of \""+fix.Message+"\" cannot be shown: "+err.Error()))
		}
		f.Fixes = append(f.Fixes, wire)
	}
}

func newIncident(in *explain.Incident) *Incident {
	if in == nil {
		return nil
	}
	return &Incident{ID: in.ID, Versions: in.Versions, What: in.What, Remedy: in.Remedy, Source: in.Source}
}

func newUnchecked(f *explain.Explained) *Unchecked {
	if f.Unchecked == nil {
		return nil
	}
	x := newFix(*f.Unchecked)
	return &Unchecked{
		Message: x.Message, Rule: x.Rule, Unproved: explain.Unproved(f.Denial.Seccomp != nil),
		Grants: x.Grants, Risk: x.Risk, Reason: x.Reason, Capability: x.Capability,
	}
}

// NewUpdate returns a revision as plain data.
func NewUpdate(r patch.Revision) Update {
	wire := Update{Revision: r.Number, Policy: plain(r.Policy), Fix: newFix(r.Fix)}
	for _, f := range r.Findings {
		wire.IDs = append(wire.IDs, f.ID)
	}
	wire.Message = bare(*r.Findings[0]).Message
	if n := len(r.Findings); n > 1 {
		wire.Message = fmt.Sprintf("%s findings, the first: %s", thousands(n), wire.Message)
	}
	return wire
}

// NewRepeat returns how often a finding has been seen as plain data.
func NewRepeat(f explain.Explained) Repeat {
	wire := bare(f)
	return Repeat{
		ID: wire.ID, Message: wire.Message, Count: wire.Count, First: wire.First, Last: wire.Last,
		Times: wire.Times, Containers: wire.Containers, Programs: wire.Programs,
	}
}

// bare returns a finding without its rules and fixes, which take long.
func bare(f explain.Explained) Finding {
	f.Rules, f.Fixes = nil, nil
	return NewFinding(f)
}

// NewGranted returns what grants a finding's access already: a rule as it was
// suggested, and the revision.
func NewGranted(rule string, revision int) *Granted {
	return &Granted{Rule: plainPolicy(rule), Revision: revision}
}

// Time returns a time as the JSON form has it: RFC 3339 in UTC with
// milliseconds, or "" for the zero time.
func Time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

// given is the container of a finding as far as what it is given a capability by depends on it.
func (f *Finding) given() (c container.Container) {
	if f.Container == nil {
		return c
	}
	c.Runtime, c.Pod = f.Container.Runtime, f.Container.Pod
	if c.Runtime == container.Systemd {
		c.Unit = f.Container.Name
	}
	return c
}

func newContainer(c container.Container) *Container {
	if c.Confidence == container.Unknown {
		return nil
	}
	return &Container{
		ID:         plain(c.ID),
		Name:       plain(c.Name),
		Image:      plain(c.Image),
		Runtime:    plain(c.Runtime),
		Pod:        plain(c.Pod),
		Namespace:  plain(c.Namespace),
		Evidence:   texts(c.Evidence),
		Confidence: c.Confidence.String(),
	}
}

func newProduct(m *family.Member) *Product {
	if m == nil {
		return nil
	}
	return &Product{Name: m.Product, What: plain(m.What), Files: texts(m.Files), Generated: m.Generated()}
}

func newSubject(s parser.Subject) Subject {
	wire := Subject{PID: s.PID, Comm: plain(s.Comm), Exe: plain(s.Exe), Label: plain(s.Label)}
	if s.UID >= 0 {
		wire.UID = &s.UID
	}
	if s.Argv != "" {
		for _, arg := range secret.Args(strings.Split(strings.TrimSuffix(s.Argv, "\x00"), "\x00"), nil) {
			wire.Argv = append(wire.Argv, plain(arg))
		}
	}
	return wire
}

// newFields returns a record's pairs as fields.
func newFields(pairs parser.Pairs) Fields {
	fields := make(Fields, len(pairs))
	for i, p := range pairs {
		value, isString := p.Value.(string)
		if !isString {
			value = fmt.Sprint(p.Value)
		}
		fields[i] = Field{Key: plain(p.Key), Value: plain(value), Bare: !isString}
	}
	return fields
}

// NewSeccomp returns the names of a SECCOMP record's numbers.
func NewSeccomp(s *parser.Seccomp) *Seccomp {
	if s.Suspected {
		return &Seccomp{Suspected: true}
	}
	arch := seccomp.Arch(s.Arch)
	name := s.SyscallName
	if name == "" {
		name, _ = seccomp.SyscallName(arch, s.Syscall)
	}
	wire := &Seccomp{SyscallName: name, ArchName: arch.String(), Action: seccomp.Action(s.Code).String()}
	if arch == seccomp.X86_64 && s.Syscall&(1<<30) != 0 {
		wire.ArchName = "x32"
	}
	return wire
}

// A line of a policy is told as far as maxExcerpt characters around the place, and what
// is told is looked through for secrets with maxContext bytes more on either side.
const (
	maxExcerpt = 1 << 10
	maxContext = 4 << 10
)

func newRule(p explain.Place) Rule {
	file, span := p.At.File, p.At.Span
	wire := Rule{File: plain(file.Name), Builtin: plain(file.Builtin), Note: plain(p.Note), at: p.At}
	wire.Line, wire.Column = file.Position(span.Start)
	wire.EndLine, wire.EndColumn = file.Position(max(span.Start, span.End))
	wire.Text, wire.TextColumn = excerpt(file, wire.Line, span.Start)
	for _, v := range p.Via {
		if !v.IsZero() {
			line, _ := v.File.Position(v.Span.Start)
			wire.Via = append(wire.Via, Via{File: plain(v.File.Name), Line: line})
		}
	}
	return wire
}

// excerpt returns the part of a line around a byte of its file, and the column that it
// begins at, 0 for the first. What is no policy is left out.
func excerpt(file *rules.File, line, at int) (text string, column int) {
	start, told := file.LineStart(line), file.Told()
	whole := file.Line(line)
	from, to := max(told.Start-start, 0), min(told.End-start, len(whole))
	if from >= to {
		return "", 0
	}
	cut := func(i, limit int) int { // at the start of a character
		for i = min(max(i, from), limit); i > from && i < len(whole) && !utf8.RuneStart(whole[i]); {
			i--
		}
		return i
	}
	at = min(max(at-start, from), to)
	wide, end := cut(at-maxContext, to), cut(at+maxContext, to)
	masked := []rune(secret.Text(whole[wide:end], nil)) // as many characters as before
	if from == 0 && wide == 0 && end == len(whole) && len(masked) <= maxExcerpt {
		return escape.UTF8(string(masked)), 0
	}
	before := utf8.RuneCountInString(whole[:wide])
	place := min(utf8.RuneCountInString(whole[wide:at]), len(masked))
	first := max(place-maxExcerpt/2, 0)
	masked = masked[first:min(place+maxExcerpt/2, len(masked))]
	if before+first == 0 {
		return escape.UTF8(string(masked)), 0
	}
	return escape.UTF8(string(masked)), before + first + 1
}

// newFixWithDiff returns a fix with what its edits do. The error is of the edits.
func newFixWithDiff(f rules.Fix) (Fix, error) {
	wire := newFix(f)
	diff, files, err := rules.UnifiedEdits(f.Edits)
	wire.Diff = plainPolicy(diff)
	if changes, err := rules.Apply(f.Edits); err == nil {
		wire.Cut = slices.ContainsFunc(changes, rules.Change.IsCut)
	}
	for _, name := range files {
		wire.Files = append(wire.Files, plain(name))
	}
	return wire, err
}

func newFix(f rules.Fix) Fix {
	wire := Fix{
		Message: plain(f.Message),
		Rule:    plainPolicy(f.Rule),
		Grants:  plain(f.Grants),
		Risk:    f.Risk.String(),
		Reason:  plain(f.Reason),

		Capability: plain(f.Capability),
		edits:      f.Edits,
	}
	for _, p := range f.Proof {
		wire.Proof = append(wire.Proof, plain(p))
	}
	return wire
}
