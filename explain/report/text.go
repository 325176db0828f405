package report

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/whydenied/whydenied/explain/escape"
)

// TextOptions say how text looks.
type TextOptions struct {
	Width int  // columns to wrap at; 80 if it is less than 40
	Color bool // whether to use ANSI colours
	Brief bool // whether a finding is its sentence alone
	// Now is the reader's clock and time zone. A time of the same day is printed
	// without its date; if Now is zero, every time has a date and is in UTC.
	Now time.Time
	// Template is what the format template writes of each finding.
	Template *template.Template
	// Rows are how many lines fit on the screen, 24 if it is less than that.
	Rows int
}

// NewText returns a function that writes each message to w as text: nothing for
// a Config, a block for a Finding and an Update, a line for a Repeat, a Notice, a
// Summary and a Finding that is granted already.
// Calls must not overlap.
func NewText(w io.Writer, o TextOptions) func(Message) error {
	first, overview := true, false // overview: whether one came just before
	var next *Next
	return pages(w, o, func(p *page, m Message) {
		if m.Next != nil {
			next = m.Next
			return
		}
		p.next = next
		defer func() { next = p.next }()
		alone := overview
		overview = m.Overview != nil
		if !first && !o.Brief {
			p.Add("\n")
		}
		switch {
		case m.Finding != nil && o.Brief:
			p.headline(m.Finding, o.Now)
		case m.Finding != nil:
			p.finding(m.Finding, o.Now)
		case m.Repeat != nil:
			p.repeat(m.Repeat, o.Now)
		case m.Update != nil:
			p.update(m.Update)
		case m.Notice != nil:
			p.wrap(0, 4, append(words(mild, escape.Line(m.Notice.Kind)+":"), prose(normal, m.Notice.Text)...))
		case m.Summary != nil && alone:
			p.sums(m.Summary)
		case m.Summary != nil:
			p.summary(m.Summary)
		case m.Overview != nil:
			p.overview(m.Overview, o.tableRows())
			p.nextStep(0)
		case m.Silent != nil:
			p.silent(m.Silent)
		default:
			p.Reset()
			return
		}
		first = false
	})
}

// tableRows are how many groups of an overview fit on the screen with what is around them.
func (o TextOptions) tableRows() int { return max(o.Rows, 24) - 6 }

// nextRows are how many lines the command to type next takes.
const nextRows = 3

// Overview is what text has above findings that are more than fit on the screen: their
// groups, as finely as these fit. It is nil if all findings fit.
func (o TextOptions) Overview(findings []Finding) *Overview {
	if len(findings) < 2 || o.Brief || o.Fits(&Report{Findings: findings}) {
		return nil
	}
	return o.fitOverview(findings, o.tableRows()-nextRows)
}

// Fits reports whether the text of findings, the summary and what is silent is no more than a
// screen has above the line for the next command.
func (o TextOptions) Fits(r *Report) bool {
	print := NewText(&screen{left: max(o.Rows, 24) - 1}, o)
	for i := range r.Findings {
		if print(Message{Finding: &r.Findings[i]}) != nil {
			return false
		}
	}
	return print(Message{Summary: r.Summary}) == nil && print(Message{Silent: r.Silent}) == nil
}

// A screen takes as many lines as are left on it.
type screen struct{ left int }

var errFull = errors.New("the screen is full")

func (s *screen) Write(text []byte) (int, error) {
	s.left -= bytes.Count(text, []byte("\n"))
	if s.left < 0 {
		return 0, errFull
	}
	return len(text), nil
}

// Summarised groups findings as finely as fits on the screen.
func (o TextOptions) Summarised(findings []Finding) *Overview {
	return o.fitOverview(findings, o.tableRows())
}

// fitOverview groups findings so that their groups fit into so many rows with what is to be
// looked at first.
func (o TextOptions) fitOverview(findings []Finding, rows int) *Overview {
	first, more := urgent(findings)
	return fitOverview(findings, rows-urgentRows(first, more, o.columns()))
}

// columns is how wide the page is.
func (o TextOptions) columns() int {
	if o.Width < 40 {
		return 80
	}
	return o.Width
}

// finding writes one finding.
func (p *page) finding(f *Finding, now time.Time) {
	p.headline(f, now)
	if f.Granted != nil {
		p.granted(f.Granted)
		return
	}
	if gate := f.gateWords(); gate != "" {
		p.wrap(2, 4, append(words(faint, "baseline:"), prose(normal, gate)...))
	}
	if f.Claim != nil {
		p.claim(f.Claim)
	}
	cause := append(words(faint, "cause:"), words(strong, escape.Line(f.Cause))...)
	if f.Why != "" {
		cause = append(append(cause, words(normal, "—")...), prose(normal, f.Why)...)
	}
	p.wrap(2, 4, cause)
	p.beside(f)
	p.nextStep(2)
	p.tally("containers", f.Count, f.Containers)
	p.tally("programs", f.Count, f.Programs)
	if f.Container != nil && f.Container.Confidence != "high" {
		p.wrap(2, 4, append(words(faint, "container:"), prose(normal,
			f.Container.Confidence+" confidence: "+strings.Join(f.Container.Evidence, "; "))...))
	}
	if len(f.Rules) > 0 && f.Rules[0].Builtin != "" {
		p.wrap(2, 4, append(words(faint, "built in:"), prose(normal, f.Policy)...))
	}
	gutter := gutterOf(f)
	for i := range f.Rules {
		p.excerpt(&f.Rules[i], gutter)
	}
	if len(f.Rules) == 0 {
		p.policy(f)
	}
	if f.Investigate != "" {
		p.wrap(2, 4, append(words(alarm, "investigate", "first:"), prose(normal, f.Investigate)...))
	}
	for i := range f.Fixes {
		p.fix(f, i, gutter)
	}
	if f.Unchecked != nil {
		p.unchecked(f.Unchecked)
	}
	if f.Quiet != "" {
		p.quiet(f)
	}
	for _, note := range f.Notes {
		p.wrap(2, 4, append(words(faint, "note:"), prose(normal, note)...))
	}
	if in := f.Incident; in != nil {
		p.wrap(2, 4, append(words(faint, "source", "of", escape.Line(in.ID)+":"), prose(normal, in.Source)...))
	}
}

// beside writes what is known of a finding besides its cause.
func (p *page) beside(f *Finding) {
	if f.Harmless != "" {
		p.wrap(2, 4, append(words(strong, "harmless", "as", "far", "as", "seen:"), prose(normal, f.Harmless)...))
	}
	if f.Consequence != "" {
		p.wrap(2, 4, append(words(strong, "consequence:"), prose(normal, f.Consequence)...))
	}
	if seen := f.FirstSeen.String(); seen != "" {
		p.wrap(2, 4, append(words(faint, "first", "seen:"), prose(normal, seen)...))
	}
	if in := f.Incident; in != nil {
		p.wrap(2, 4, append(words(strong, "known", escape.Line(in.ID)+":"), prose(normal, in.What+" ("+in.Versions+"). Remedy: "+in.Remedy)...))
	}
	if info := f.Denial.Get("info"); info != "" {
		p.wrap(2, 4, append(words(faint, "kernel:"), kernelSays(info, f.Denial.Get("error"))...))
	}
}

// repeat writes how often a finding has been seen by now.
func (p *page) repeat(r *Repeat, now time.Time) {
	line := append(words(strong, escape.Line("×"+thousands(r.Count))), prose(normal, r.Message)...)
	p.wrap(0, 4, append(line, word{text: timespan(r.First, r.Last, now), style: faint, gap: 2}))
}

// granted writes which rule of another finding's fix is enough.
func (p *page) granted(g *Granted) {
	line := append(words(faint, "granted by what is suggested already:"), word{text: "`" + escape.Line(g.Rule) + "`", style: plus})
	p.wrap(2, hangFix, line)
}

// update writes what is suggested now in place of what was.
func (p *page) update(u *Update) {
	p.wrap(0, 4, append(words(strong, "suggestion "+escape.Number(u.Revision)), append(words(faint, "for"), prose(normal, u.Message)...)...))
	if u.Fix.Rule == "" {
		p.wrap(2, 4, append(words(faint, "no fix:"), prose(normal, u.Fix.Message)...))
		return
	}
	line := append(words(faint, "now:"), prose(strong, u.Fix.Message)...)
	line = append(line, word{text: "risk: " + escape.Line(u.Fix.Risk), style: riskStyle(u.Fix.Risk), gap: 2})
	if u.Fix.Reason != "" {
		line = append(line, append(words(faint, "because"), prose(normal, u.Fix.Reason)...)...)
	}
	p.wrap(2, 4, line)
	for rule := range strings.Lines(u.Fix.Rule) {
		p.Add("    " + p.paint(plus, "+ "+escape.Line(strings.TrimRight(rule, "\r\n"))) + "\n")
	}
	if u.Fix.Grants != "" {
		p.wrap(4, 6, append(words(faint, "also", "grants:"), prose(normal, u.Fix.Grants)...))
	}
}

// headline writes the sentence, how often, and when.
func (p *page) headline(f *Finding, now time.Time) {
	s := sentenceOf(f)
	verdict := alarm
	if f.Mode == "ALLOWED" || f.Mode == "AUDIT" {
		verdict = mild
	}
	line := slices.Concat(words(strong, s.who...), words(verdict, s.verdict...), words(strong, s.what...))
	when := timespan(f.First, f.Last, now)
	if f.Count > 1 {
		when = escape.Line(strings.TrimSpace("×" + thousands(f.Count) + "  " + string(when)))
	}
	if when != "" {
		line = append(line, word{text: when, style: faint, gap: 2})
	}
	p.wrap(0, 4, line)
}

// kernelSays gives the kernel's own explanation.
func kernelSays(info, errno string) []word {
	if errno == "" || errno == "0" {
		return prose(normal, info)
	}
	return prose(normal, info+" (error "+errno+")")
}

// policy says which profile is meant where no rule shows it.
func (p *page) policy(f *Finding) {
	profile := f.Denial.Get("profile", "label")
	var line []word
	switch {
	case f.NotFound != "":
		return // the summary names it
	case f.Policy != "" && profile != "" && profile != f.Policy:
		line = append(words(normal, escape.Name(profile)), words(faint, "from")...)
		line = append(line, prose(normal, f.Policy)...)
	case f.Policy != "":
		line = prose(normal, f.Policy)
	case profile != "" && profile != "unconfined":
		line = words(normal, escape.Name(profile))
	default:
		return
	}
	p.wrap(2, 4, append(words(faint, "profile:"), line...))
}

// hangFix is the column under the message of a fix.
const hangFix = 9

// fix writes one remedy: what, its risk, what was proved, the changed lines,
// and what else it grants.
func (p *page) fix(f *Finding, i, gutter int) {
	x := &f.Fixes[i]
	line := words(strong, "fix", escape.Number(i+1))
	message := prose(strong, x.Message)
	if len(message) > 0 {
		message[0].gap = 1
	}
	line = append(line, message...)
	risk := word{text: "risk: " + escape.Line(x.Risk), style: riskStyle(x.Risk), gap: 2}
	line = append(line, risk)
	for j, proof := range x.Proof {
		w := word{text: escape.Line(proof)}
		if j == 0 {
			w = word{text: "proved: " + w.text, gap: 2}
		}
		if j < len(x.Proof)-1 {
			w.text += ","
		}
		line = append(line, w)
	}
	p.wrap(2, hangFix, line)
	if x.Reason != "" {
		p.wrap(hangFix, hangFix+2, append(words(faint, "because"), prose(normal, x.Reason)...))
	}
	if x.Diff == "" && x.Rule != "" {
		for rule := range strings.Lines(x.Rule) {
			p.Add(escape.Spaces(hangFix+2) + escape.Line(strings.TrimRight(rule, "\r\n")) + "\n")
		}
	}
	p.changes(f, x, gutter)
	if x.Capability != "" && x.Diff != "" {
		p.wrap(hangFix, hangFix+2, append(words(faint, "besides:"), prose(normal, strings.Join(f.given().GivenCapability(x.Capability), ", "))...))
	}
	if x.Grants != "" {
		p.wrap(hangFix, hangFix+2, append(words(faint, "also", "grants:"), prose(normal, x.Grants)...))
	}
}

// changes writes the changed lines of a diff with their numbers, and the name
// of a file that no excerpt has shown.
func (p *page) changes(f *Finding, x *Fix, gutter int) {
	shown := ""
	if len(f.Rules) > 0 {
		shown = strings.TrimPrefix(f.Rules[0].File, "/")
	}
	room := max(p.width-2-gutter-3, 20)
	for _, c := range changesOf(x.Diff) {
		if c.file != shown {
			shown = c.file
			p.Add(escape.Spaces(2+gutter) + p.paint(arrow, "-->") + " " +
				escape.Line(fileNamed(x, c.file)) + ":" + escape.Number(c.line) + "\n")
		}
		at := firstDifference(c.text, c.other)
		lines := []escape.Text{window(c.text, at, at+1, room).text}
		s := minus
		if c.sign == '+' {
			s = plus
			if whole := broken(c.text, room); whole != nil && f.Seccomp == nil {
				lines = whole
			}
		}
		p.Add("  " + p.paint(faint, pad(c.line, gutter)) + " " +
			p.paint(s, escape.Line(strings.TrimRight(string(c.sign)+" "+string(lines[0]), " "))) + "\n")
		for _, line := range lines[1:] {
			p.Add(escape.Spaces(2+gutter+3) + p.paint(s, line) + "\n")
		}
	}
}

// broken breaks a rule that is too long for the room at its spaces, where the
// language lets it be broken too, so that it can be read and copied whole. It
// returns nil for a line that fits, or that would take more than eight.
func broken(rule string, room int) []escape.Text {
	if len(rule) <= room || len(rule) > 8*room || strings.Contains(rule, `"`) { // a space in quotes is of a name
		return nil
	}
	text := strings.ReplaceAll(rule, "\t", strings.Repeat(" ", tabStop))
	body := strings.TrimLeft(text, " ")
	indent := escape.Spaces(len(text) - len(body))
	var lines []escape.Text
	var line escape.Text
	for i, w := range strings.Split(body, " ") {
		word := escape.Line(w)
		switch {
		case i == 0:
			line = indent + word
		case line.Width()+1+word.Width() <= room:
			line += " " + word
		default:
			lines, line = append(lines, line), indent+"  "+word
		}
		if line.Width() > room {
			return nil
		}
	}
	return append(lines, line)
}

// fileNamed undoes a diff's loss of the leading slash.
func fileNamed(x *Fix, name string) string {
	for _, file := range x.Files {
		if strings.TrimPrefix(file, "/") == name {
			return file
		}
	}
	return name
}

// riskStyle colours a risk.
func riskStyle(risk string) escape.Style {
	switch risk {
	case "low":
		return plus
	case "medium":
		return mild
	}
	return alarm
}

// quiet writes the remedy that changes nothing but the log.
func (p *page) quiet(f *Finding) {
	who := f.Subject.Comm
	if who == "" && f.Subject.Exe != "" {
		who = filepath.Base(f.Subject.Exe)
	}
	name := escape.Name(who)
	if who == "" || isPassive(f.Denial) { // comm is then the process that acts
		name = "the process"
	}
	line := words(strong, "do", "nothing")
	condition := words(normal, escape.Fields("if "+name+" works without it:")...)
	condition[0].gap = 1
	line = append(line, condition...)
	line = append(line, word{text: "`" + escape.Line(f.Quiet) + "`"})
	p.wrap(2, hangFix, append(line, words(normal, escape.Words("keeps it refused and out of the log")...)...))
}

// gutterOf returns the digits of the largest line number that a finding shows,
// at least 2.
func gutterOf(f *Finding) int {
	largest := 10
	for _, r := range f.Rules {
		largest = max(largest, r.Line)
	}
	for _, x := range f.Fixes {
		for _, c := range changesOf(x.Diff) {
			largest = max(largest, c.line)
		}
	}
	return len(strconv.Itoa(largest))
}

// timespan words the times of the first and the last denial.
func timespan(first, last string, now time.Time) escape.Text {
	from, err1 := time.Parse(time.RFC3339Nano, first)
	to, err2 := time.Parse(time.RFC3339Nano, last)
	switch {
	case err1 != nil && err2 != nil:
		return ""
	case err1 != nil:
		from = to
	case err2 != nil:
		to = from
	}
	const day, clock = "2006-01-02", "15:04:05"
	zone := now.Location()
	from, to = from.In(zone), to.In(zone)
	start, end := from.Format(clock), to.Format(clock)
	sameDay := from.Format(day) == to.Format(day)
	if !sameDay || now.IsZero() || from.Format(day) != now.Format(day) {
		start = from.Format(day) + " " + start
	}
	if !sameDay {
		end = to.Format(day) + " " + end
	}
	if sameDay && from.Format(clock) == end {
		return escape.Line(start)
	}
	return escape.Line(start + " – " + end)
}
