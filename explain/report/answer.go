package report

import (
	"io"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// An Answer is what a profile says to one access: of AppArmor, with Access set,
// or of seccomp, with Call set.
type Answer struct {
	Line     int    `json:"line,omitempty"`  // of the batch, counted from 1
	Asked    string `json:"asked,omitempty"` // the access in words, if it was asked in words
	Profile  string `json:"profile"`         // its name; of seccomp the file's
	Decision string `json:"decision"`        // granted, refused, undecidable
	Quiet    bool   `json:"quiet"`           // something is refused and the kernel writes no record
	*Access  `json:",omitempty"`
	*Call    `json:",omitempty"`
	Rules    []AnswerRule `json:"rules"`          // that took part
	Near     []NearRule   `json:"near,omitempty"` // that nearly did, nearest first
	Notes    []string     `json:"notes,omitempty"`
}

// An Access is the AppArmor part of an Answer. Permissions are file letters, the
// words of the class, or the class where it has only one permission. Each one
// asked for is in one of Granted, Refused and Unmatched.
type Access struct {
	Granted   string `json:"granted"`
	Refused   string `json:"refused"`   // by deny rules
	Unmatched string `json:"unmatched"` // by no rule
	Logged    string `json:"logged"`    // what a record would name: refused, or granted by an audit rule
	Complain  bool   `json:"complain,omitempty"`
	Exec      *Exec  `json:"exec,omitempty"` // if x is granted
}

// An Exec is where an execution leads.
type Exec struct {
	Mode    string `json:"mode"`              // ix, Px, ...
	Profile string `json:"profile"`           // that the program runs under; "" if this policy does not tell
	Missing bool   `json:"missing,omitempty"` // this policy has no profile for it
}

// A Call is the seccomp part of an Answer.
type Call struct {
	Outcome
	Syscall string     `json:"syscall"`
	Arch    string     `json:"arch"`
	When    []Outcome  `json:"when,omitempty"`    // if undecidable: the first whose condition holds wins, else the outcome above
	Dropped []NearRule `json:"dropped,omitempty"` // entries that name the call and are not in force
}

// An Outcome is one answer of a filter.
type Outcome struct {
	Condition string `json:"condition,omitempty"`
	Action    string `json:"action"` // as in kernel.seccomp.actions_logged: errno, kill_process, allow, ...
	Errno     int    `json:"errno,omitempty"`
	ErrnoName string `json:"errno_name,omitempty"`
}

// An AnswerRule is a rule that took part in a decision.
type AnswerRule struct {
	Rule
	Effect string `json:"effect"` // allow, deny; of seccomp the action
}

// A NearRule is a rule that did not take part, and why.
type NearRule struct {
	Rule
	Reason string `json:"reason"` // stable name: other-permissions, owner, ...; of seccomp in words
}

// NewAnswer words what policy says to an access to which it says something: rules
// decide on it, or it is settled without them. Finding near rules takes much longer than deciding, and
// is left out unless near is set.
func NewAnswer(v access.Verdict, near bool) Answer {
	d, req := v.Decision, v.Request
	a := Answer{Decision: string(explain.Granted), Rules: make([]AnswerRule, 0, len(d.Allow)+len(d.Deny))}
	if v.Granted == "" && (!d.Permitted || v.Refused != "") {
		a.Decision = string(explain.Refused)
	}
	a.Quiet = d.Quiet && v.Granted == ""
	if why := v.Granted + v.Refused; why != "" {
		a.Notes = append(a.Notes, plain(why))
	}
	if v.Profile == nil {
		a.Profile = plain(v.Label)
		return a
	}
	a.Profile = plain(v.Profile.FullName())
	if req == nil {
		return a
	}
	if len(v.Unknown) > 0 {
		a.Notes = append(a.Notes, "each profile of a stack must allow it, and of this one "+plain(strings.Join(v.Unknown, ", "))+" is not among those that were given")
	}
	missing := d.Refused | d.Unmatched
	a.Access = &Access{
		Granted:   permissions(req, d.Granted),
		Refused:   permissions(req, d.Refused),
		Unmatched: permissions(req, d.Unmatched),
		Logged:    permissions(req, d.Logged()|d.Audited),
		Complain:  missing != 0 && d.Permitted && v.Refused == "",
	}
	if d.Exec != nil && d.Granted&apparmor.Exec != 0 {
		a.Access.Exec = &Exec{Mode: d.Exec.Transition.String(), Profile: plain(d.Exec.Profile), Missing: d.Exec.Missing}
	}
	for _, r := range d.Deny {
		a.addRule(r, req, &d)
	}
	for _, r := range d.Allow {
		a.addRule(r, req, &d)
	}
	if near && d.Unmatched != 0 { // what a deny rule takes away needs no other explanation
		for _, n := range d.Near() {
			a.addNear(n)
		}
	}
	for _, note := range d.Notes {
		a.Notes = append(a.Notes, plain(note))
	}
	a.addOthers(v)
	return a
}

// addOthers adds what other texts answer that may be in force.
func (a *Answer) addOthers(v access.Verdict) {
	policy := v.Profile.Policy
	a.noteTexts(policy.Unknown, policy.Releases, len(policy.Others), len(v.Others) > 0)
	var said []string
	releases := map[string][]rules.ReleaseText{}
	for _, o := range v.Others {
		word := "granted"
		if o.Refuses() {
			word = "refused"
			if a.Decision == string(explain.Granted) {
				a.Decision = string(explain.Undecidable)
			}
		} else if a.Decision == string(explain.Refused) {
			a.Decision = string(explain.Undecidable)
		}
		if o.Decision.Quiet {
			word += ", without a record"
		}
		if releases[word] == nil {
			said = append(said, word)
		}
		releases[word] = append(releases[word], o.Releases)
	}
	for _, word := range said {
		a.Notes = append(a.Notes, plain("if the text is that of "+rules.ReleaseNames(releases[word]...)+": "+word))
	}
}

// addRule adds a rule that took part. What it says is only part of the decision:
// where both kinds speak of a permission, deny wins.
func (a *Answer) addRule(r apparmor.Rule, req apparmor.Request, d *apparmor.Decision) {
	what := "it"
	file, isFile := r.(*apparmor.FileRule)
	asked := d.Granted | d.Refused | d.Unmatched
	if isFile && file.Perms&asked != 0 {
		what = permissions(req, file.Perms&asked)
	}
	effect, note := "allow", "allows "+what
	switch h := r.Head(); {
	case h.Deny && h.Audit:
		effect, note = "deny", "denies "+what+", and has that logged"
	case h.Deny:
		effect, note = "deny", "denies "+what+", without a record"
	case isFile && file.Perms&d.Refused != 0, !isFile && d.Refused == asked:
		note += ", but deny wins"
	case !isFile && d.Unmatched == asked:
		note = "speaks of it, but does not grant it"
	}
	rule := newRule(explain.Place{At: r.Location(), Via: r.Head().Via, Note: note})
	a.Rules = append(a.Rules, AnswerRule{rule, effect})
}

// addNear adds a near rule that is not among those that took part.
func (a *Answer) addNear(n apparmor.Near) {
	place := explain.Place{At: n.At, Note: n.Detail}
	if n.Rule != nil {
		place.Via = n.Rule.Head().Via
	}
	rule := newRule(place)
	same := func(r AnswerRule) bool {
		return r.File == rule.File && r.Line == rule.Line && r.Column == rule.Column
	}
	if !slices.ContainsFunc(a.Rules, same) {
		a.Near = append(a.Near, NearRule{rule, n.Why.String()})
	}
}

// permissions words a set of permissions for the class of a request.
func permissions(req apparmor.Request, perms apparmor.Perms) string {
	if perms == 0 {
		return ""
	}
	switch r := req.(type) {
	case apparmor.FileRequest:
		return perms.String()
	case apparmor.MountRequest:
		if r.Op == "umount" || r.Op == "remount" {
			return r.Op
		}
	}
	if perms&apparmor.Access != 0 {
		return apparmor.ClassOf(req)
	}
	return perms.Words()
}

// AskCall asks a seccomp profile about a system call, and names the near entries
// if near is set. The record is what the kernel said of the call, nil if it is not
// known.
func AskCall(p *seccomp.Profile, c seccomp.Call, record *parser.Seccomp, near bool) Answer {
	d := access.DecideCall(p, c, record)
	name := p.File.Name
	if p.File.Builtin != "" {
		name = p.File.Builtin
	}
	a := Answer{Profile: plain(name), Rules: []AnswerRule{}}
	a.Call = &Call{Outcome: newOutcome(d.Outcome), Syscall: plain(d.Syscall), Arch: c.Arch.String()}
	if c.Arch == seccomp.X86_64 && c.Syscall&(1<<30) != 0 && c.Name == "" {
		a.Arch = "x32"
	}
	logs := p.Logs(c.Engine)
	a.Quiet = d.Action.Unlogged() && !logs
	for _, w := range d.Whens {
		a.When = append(a.When, newOutcome(w))
		a.Quiet = a.Quiet || w.Action.Unlogged() && !logs
	}
	a.Decision = string(explain.Granted)
	switch refuses, sure := access.Refuses(d, record); {
	case !sure:
		a.Decision = string(explain.Undecidable)
	case refuses:
		a.Decision = string(explain.Refused)
	}
	a.addEntries(p, &d, near)
	a.noteCall(c, &d)
	if note := p.PassedOver(c.Engine); note != "" {
		a.Notes = append(a.Notes, plain(note))
	}
	differ := slices.ContainsFunc(d.Whens, func(w seccomp.Outcome) bool { return w.Releases != "" })
	a.noteTexts(p.Unknown, p.Releases, len(p.Others), differ)
	return a
}

// noteTexts says of a built-in text that it may not be the one in force, and what of it.
func (a *Answer) noteTexts(unknown string, releases rules.ReleaseText, others int, differ bool) {
	switch {
	case unknown == "":
	case differ:
		a.Notes = append(a.Notes, plain("not known: "+unknown+"; the texts that may be in force do not all answer the same, and without a condition it is that of "+releases.String()))
	case others > 0:
		a.Notes = append(a.Notes, plain("not known: "+unknown+": the answer is the same in each text that may be in force"))
	default:
		a.Notes = append(a.Notes, plain("not known: "+unknown+"; this is the answer of "+releases.String()))
	}
}

func newOutcome(o seccomp.Outcome) Outcome {
	wire := Outcome{Condition: plain(o.When), Action: o.Action.String(), Errno: o.Errno}
	switch o.Action {
	case seccomp.Errno:
		wire.ErrnoName = seccomp.ErrnoName(o.Errno)
	case seccomp.Trace, seccomp.UserNotif: // where nobody decides; what the profile has is for the tracer
		wire.Errno, wire.ErrnoName = 38, "ENOSYS"
	}
	return wire
}

// addEntries adds the places of the profile that have to do with a call.
func (a *Answer) addEntries(p *seccomp.Profile, d *seccomp.Decision, near bool) {
	add := func(e *seccomp.Entry, o seccomp.Outcome, note string) {
		at := p.DefaultAt
		if e != nil {
			at = e.NameAt(d.Syscall)
		}
		if !at.IsZero() {
			a.Rules = append(a.Rules, AnswerRule{newRule(explain.Place{At: at, Note: note}), o.Action.String()})
		}
	}
	for _, w := range d.Whens {
		if w.Entry != nil {
			add(w.Entry, w, "answers "+newOutcome(w).inWords()+" if "+w.When)
		}
	}
	switch {
	case d.Entry != nil:
		add(d.Entry, d.Outcome, "answers "+newOutcome(d.Outcome).inWords())
	case d.ArchListed && !d.Stub:
		add(nil, d.Outcome, "the answer to every call that no entry names: "+newOutcome(d.Outcome).inWords())
	}
	for _, drop := range d.Dropped {
		rule := newRule(explain.Place{At: drop.Entry.NameAt(d.Syscall), Note: "not in force: " + drop.Why})
		a.Dropped = append(a.Dropped, NearRule{rule, plain(drop.Why)})
	}
	if !near {
		return
	}
	for _, e := range d.Near {
		if slices.ContainsFunc(d.Dropped, func(drop seccomp.Dropped) bool { return drop.Entry == e }) {
			continue
		}
		why := "its conditions on arguments do not hold"
		if !slices.ContainsFunc(e.Names, func(n seccomp.Name) bool { return n.Text == d.Syscall }) {
			why = "names a related call"
		}
		a.Near = append(a.Near, NearRule{newRule(explain.Place{At: e.NameAt(d.Syscall), Note: why}), why})
	}
}

func (a *Answer) noteCall(c seccomp.Call, d *seccomp.Decision) {
	if _, known := seccomp.SyscallNumber(c.Arch, d.Syscall); !known && c.Name != "" && d.Entry == nil {
		a.Notes = append(a.Notes, "no system call "+plain(d.Syscall)+" is known for "+a.Arch+": it may be misspelt, of another architecture, or newer than Linux 6.19")
	}
	if !d.ArchListed {
		a.Notes = append(a.Notes, "the filter does not list this architecture, and kills what it does not list")
	}
	if d.Stub {
		a.Notes = append(a.Notes, "the call is newer than every one that the profile names: runc answers ENOSYS before the profile is asked")
	}
	if since, known := seccomp.LibseccompFor(c); !known {
		a.Notes = append(a.Notes, "libseccomp drops the name, which it does not know: "+since+" or newer on the host does, and a change of the profile does nothing before that")
	}
	older, who, ok := seccomp.Fallback(d.Syscall)
	if ok && d.Action == seccomp.Errno && d.Errno != 38 {
		a.Notes = append(a.Notes, who+" turn to "+older+" if the answer is ENOSYS, and fail with any other")
	}
	if d.Ambiguous {
		a.Notes = append(a.Notes, "entries on different arguments disagree: which one libseccomp asks first is not defined")
	}
}

// inWords words an outcome: "errno 38 (ENOSYS)".
func (o Outcome) inWords() string {
	switch {
	case o.Action == seccomp.Trace.String():
		return o.Action + " (" + o.ErrnoName + " without a tracer)"
	case o.Action == seccomp.UserNotif.String():
		return o.Action + " (" + o.ErrnoName + " without a listener)"
	case o.ErrnoName != "":
		return o.Action + " " + thousands(o.Errno) + " (" + o.ErrnoName + ")"
	}
	return o.Action
}

// An Unanswered is in place of an Answer where a line of a batch has none.
type Unanswered struct {
	Line  int    `json:"line"`
	Error string `json:"error"` // why
}

// WriteAnswerError writes, in place of the answer, why a line of a batch has none.
func WriteAnswerError(w io.Writer, line int, err error) error {
	return escape.JSON(w, Unanswered{line, plain(err.Error())})
}

// NewAnswerText returns a function that writes each answer to w as text. Calls
// must not overlap.
func NewAnswerText(w io.Writer, o TextOptions) func(Answer) error {
	first := true
	return pages(w, o, func(p *page, a Answer) {
		if !first {
			p.Add("\n")
		}
		first = false
		p.answer(&a)
	})
}

// maxNearShown bounds the near rules that text shows; JSON has all.
const maxNearShown = 3

// answer writes the verdict, what follows from it, and the rules.
func (p *page) answer(a *Answer) {
	verdict := map[string]escape.Style{"granted": plus, "refused": alarm}[a.Decision]
	title := append(words(verdict, escape.Line(a.Decision)+":"), prose(strong, a.Asked)...)
	title = append(title, word{text: "(profile " + escape.Name(a.Profile) + ")", style: faint, gap: 1})
	p.wrap(0, 4, title)
	said := a.call()
	if a.Access != nil {
		said = a.access()
	}
	for _, s := range said {
		p.wrap(2, 4, prose(normal, s))
	}
	var shown []Rule
	for _, r := range a.Rules {
		shown = append(shown, r.Rule)
	}
	if a.Call != nil {
		for _, n := range a.Dropped {
			shown = append(shown, n.Rule)
		}
	}
	for _, n := range a.Near[:min(len(a.Near), maxNearShown)] {
		n.Note = "near: " + n.Note
		shown = append(shown, n.Rule)
	}
	gutter := gutterOf(&Finding{Rules: shown})
	for i := range shown {
		p.excerpt(&shown[i], gutter)
	}
	for _, note := range a.Notes {
		p.wrap(2, 4, append(words(faint, "note:"), prose(normal, note)...))
	}
}

// access words the permissions of an answer, a sentence each. They are named
// only where they differ in what becomes of them.
func (a *Answer) access() []string {
	var said []string
	kinds := 0
	for _, perms := range []string{a.Granted, a.Refused, a.Unmatched} {
		if perms != "" {
			kinds++
		}
	}
	say := func(perms, what string) {
		if perms == "" {
			return
		}
		if kinds > 1 {
			what = perms + ": " + what
		}
		said = append(said, what)
	}
	say(a.Refused, "refused by a deny rule")
	say(a.Unmatched, "no rule grants it")
	if kinds > 1 {
		say(a.Granted, "granted")
	}
	switch {
	case a.Quiet:
		said = append(said, "the kernel writes no record of this refusal")
	case a.Complain:
		said = append(said, "the profile complains: this is logged and permitted; enforced, it would be refused")
	case a.Refused+a.Unmatched == "" && a.Logged == "":
	case a.Decision == string(explain.Refused) && kinds > 1:
		said = append(said, "the kernel logs it with a record that names "+a.Logged+" alone")
	case a.Decision == string(explain.Refused):
		said = append(said, "the kernel logs it")
	case a.Logged != "":
		said = append(said, "its use is logged, as an audit rule asks")
	}
	if x := a.Exec; x != nil {
		under := "a profile that this policy does not hold"
		if x.Profile != "" {
			under = "profile " + x.Profile
		}
		if x.Profile == "unconfined" {
			under = "no profile"
		}
		said = append(said, strings.TrimSpace("the program runs under "+under+" "+parenthesis(x.Mode)))
	}
	return said
}

// call words the outcomes of an answer.
func (a *Answer) call() []string {
	if a.Call == nil {
		return nil
	}
	said := []string{"answer: " + a.Outcome.inWords()}
	if len(a.When) > 0 {
		said = nil
		for _, w := range a.When {
			said = append(said, "if "+w.Condition+": "+w.inWords())
		}
		said = append(said, "else: "+a.Outcome.inWords())
	}
	if a.Quiet {
		said = append(said, "a refusal leaves no record: the filter has no SECCOMP_FILTER_FLAG_LOG")
	}
	return said
}

func parenthesis(s string) string {
	if s == "" {
		return ""
	}
	return "(" + s + ")"
}
