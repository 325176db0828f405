package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/diff"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// A Comparison is how two texts of one profile differ; see diff.Profile.
type Comparison struct {
	Profile  string       `json:"profile"`
	Language string       `json:"language"`          // apparmor or seccomp
	Only     string       `json:"only,omitempty"`    // old or new, if only that text has the profile
	Equal    bool         `json:"equal"`             // proved to answer everything alike
	Unknown  string       `json:"unknown,omitempty"` // why there may be differences besides
	Risk     string       `json:"risk"`              // the greatest of what is gained
	Changes  []Difference `json:"changes"`

	at Rule // the profile in the new text
}

// A Difference is one of a Comparison; see diff.Change.
type Difference struct {
	Kind    string `json:"kind"`
	Class   string `json:"class,omitempty"`
	What    string `json:"what"`
	Example string `json:"example,omitempty"`
	From    string `json:"from,omitempty"`
	To      string `json:"to,omitempty"`
	Risk    string `json:"risk,omitempty"` // of a gain
	Reason  string `json:"reason,omitempty"`
	Old     []Rule `json:"old"` // that decide the example, in the old text
	New     []Rule `json:"new"`
}

// NewComparison returns the message of a comparison.
func NewComparison(p *diff.Profile) Comparison {
	c := Comparison{Profile: plain(p.Name), Language: p.Language, Only: p.Only, Equal: p.Equal(), Unknown: plain(p.Unknown), Risk: p.Risk().String(),
		Changes: make([]Difference, 0, len(p.Changes))}
	if !p.At.IsZero() {
		c.at = newRule(explain.Place{At: p.At})
	}
	for _, x := range p.Changes {
		change := Difference{Kind: string(x.Kind), Class: x.Class, What: plain(x.What), Example: plain(x.Example), From: plain(x.From), To: plain(x.To),
			Old: deciding(x.Old, x.OldAt), New: deciding(x.New, x.NewAt)}
		if x.Kind == diff.Gain || x.Kind == diff.Exec {
			change.Risk, change.Reason = x.Risk.String(), plain(x.Reason)
		}
		c.Changes = append(c.Changes, change)
	}
	return c
}

func deciding(list []apparmor.Rule, at rules.Location) []Rule {
	places := make([]Rule, 0, len(list)+1)
	for _, r := range list {
		if !r.Location().IsZero() {
			places = append(places, newRule(explain.Place{At: r.Location(), Via: r.Head().Via}))
		}
	}
	if !at.IsZero() {
		places = append(places, newRule(explain.Place{At: at}))
	}
	return places
}

// counts says how many changes there are of each kind: "2 gains, 1 loss".
func (c *Comparison) counts() string {
	var parts []string
	for _, kind := range kinds {
		n := 0
		for i := range c.Changes {
			if c.Changes[i].Kind == string(kind.kind) {
				n++
			}
		}
		switch {
		case n == 1:
			parts = append(parts, "1 "+kind.one)
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d %s", n, kind.many))
		}
	}
	return strings.Join(parts, ", ")
}

// verdict says what a comparison comes to, and how sure that is.
func (c *Comparison) verdict() string {
	switch {
	case c.Only == "old":
		return "removed"
	case c.Only == "new":
		return "added"
	case c.Equal:
		return "equal: both answer everything alike"
	case c.Unknown == "":
		return c.counts()
	case len(c.Changes) == 0:
		return "no difference found, but not compared in full: " + c.Unknown
	}
	return c.counts() + "; not compared in full: " + c.Unknown
}

// kinds are how the kinds of changes are counted and marked.
var kinds = []struct {
	kind      diff.Kind
	one, many string
	style     escape.Style
}{
	{diff.Header, "change of the header", "changes of the header", mild},
	{diff.Gain, "gain", "gains", plus},
	{diff.Exec, "other exec transition", "other exec transitions", mild},
	{diff.Loss, "loss", "losses", alarm},
	{diff.Answer, "other answer", "other answers", mild},
	{diff.Silenced, "refusal silenced", "refusals silenced", mild},
	{diff.Logged, "refusal logged now", "refusals logged now", mild},
	{diff.Audited, "grant logged now", "grants logged now", mild},
	{diff.Unaudited, "grant no longer logged", "grants no longer logged", mild},
}

func styleOf(kind string) escape.Style {
	for _, k := range kinds {
		if string(k.kind) == kind {
			return k.style
		}
	}
	return normal
}

// NewComparisonText returns a function that writes comparisons as text. Calls must not
// overlap.
func NewComparisonText(w io.Writer, o TextOptions) func(Comparison) error {
	return pages(w, o, func(p *page, c Comparison) { p.comparison(&c) })
}

// comparison writes the verdict of a profile, and below it what changes.
func (p *page) comparison(c *Comparison) {
	head := append(words(strong, escape.Name(c.Profile)+":"), prose(normal, c.verdict())...)
	p.wrap(0, 2, head)
	for _, g := range grouped(c.Changes) {
		line := words(styleOf(g.Kind), escape.Line(g.Kind)+":")
		line = append(line, prose(strong, g.What)...)
		if g.From+g.To != "" && g.Kind != string(diff.Exec) {
			line = append(line, prose(normal, "— "+orNone(g.From)+" becomes "+orNone(g.To))...)
		}
		if g.Risk == "high" || g.Risk == "medium" {
			line = append(line, prose(normal, "— risk: "+g.Risk+", "+g.Reason)...)
		}
		p.wrap(2, 4, line)
		p.deciding("old", g.Old)
		p.deciding("new", g.New)
	}
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// maxDeciding bounds the rules that text shows of a side; JSON has all.
const maxDeciding = 2

// deciding writes the rules of one side that decide an example.
func (p *page) deciding(side string, list []Rule) {
	for _, r := range list[:min(len(list), maxDeciding)] {
		text := strings.TrimSpace(r.Text)
		p.wrap(4, 6, append(words(faint, escape.Line(side), escape.Line(where(r))+":"), prose(normal, text)...))
	}
}

// maxCalls bounds the calls of one group that text shows; JSON has all.
const maxCalls = 12

// grouped returns changes for people: calls that go from one answer to another as one.
func grouped(list []Difference) (groups []Difference) {
	at, more := map[string]int{}, map[int]int{}
	for _, c := range list {
		key := c.Kind + "\x00" + c.From + "\x00" + c.To + "\x00" + c.Risk + "\x00" + c.Reason
		i, known := at[key]
		if c.Class != "syscall" || !known {
			at[key] = len(groups)
			groups = append(groups, c)
			continue
		}
		if more[i]++; more[i] < maxCalls {
			groups[i].What += "; " + c.What
		}
		groups[i].Old, groups[i].New = nil, nil
	}
	for i, n := range more {
		if n >= maxCalls {
			groups[i].What += fmt.Sprintf("; and %d more calls", n-maxCalls+1)
		}
	}
	return groups
}

// WriteComparisonMarkdown writes comparisons as Markdown, such as for a comment on a
// change of profiles.
func WriteComparisonMarkdown(w io.Writer, list []Comparison) error {
	var out escape.Builder[escape.Markdown]
	out.Add("## whydenied diff\n")
	for i := range list {
		c := &list[i]
		out.Add("\n### ", escape.Cell(c.Profile), "\n\n", escape.Cell(c.verdict()), "\n\n")
		groups := grouped(c.Changes)
		table(&out, len(groups), "change", "what", "risk", "old", "new")
		for _, g := range groups {
			what := g.What
			if g.From+g.To != "" {
				what += ": " + orNone(g.From) + " becomes " + orNone(g.To)
			}
			row(&out, g.Kind, what, strings.TrimSuffix(g.Risk+": "+g.Reason, ": "), firstWhere(g.Old), firstWhere(g.New))
		}
	}
	return escape.Write(w, out.Text())
}

// WriteComparisonSARIF writes comparisons as SARIF: a result for each change, where the new
// text decides, or else at the profile. What is taken away or dangerous is a warning or more.
func WriteComparisonSARIF(w io.Writer, list []Comparison, version string) error {
	r := Report{Version: version}
	for i := range list {
		r.Diagnostics = append(r.Diagnostics, list[i].diagnostics()...)
	}
	return writeSARIF(w, &r, TextOptions{})
}

// diagnostics are the changes of a comparison, and what is unknown of it.
func (c *Comparison) diagnostics() (all []Diagnostic) {
	add := func(severity rules.Severity, code, message string, new, old []Rule) {
		d := Diagnostic{Severity: severity.String(), Code: code, Message: "profile " + c.Profile + ": " + message, Rule: c.at}
		if len(new) > 0 {
			d.Rule = new[0]
		}
		for _, r := range old {
			r.Note = "decided before"
			d.Related = append(d.Related, r)
		}
		all = append(all, d)
	}
	if c.Only != "" {
		add(rules.Warning, map[string]string{"old": "removed", "new": "added"}[c.Only], "it is "+c.verdict(), nil, nil)
	}
	if c.Unknown != "" {
		add(rules.Warning, "unknown", "not compared in full: "+c.Unknown, nil, nil)
	}
	for _, g := range grouped(c.Changes) {
		severity := rules.Note
		switch {
		case g.Risk == rules.High.String():
			severity = rules.Error
		case g.Risk == rules.Medium.String() || g.Kind == string(diff.Loss):
			severity = rules.Warning
		}
		message := g.Kind + ": " + g.What
		if g.From+g.To != "" {
			message += ": " + orNone(g.From) + " becomes " + orNone(g.To)
		}
		if g.Reason != "" {
			message += ", risk " + g.Risk + ": " + g.Reason
		}
		add(severity, g.Kind, message, g.New, g.Old)
	}
	return all
}

func firstWhere(list []Rule) string {
	if len(list) == 0 {
		return ""
	}
	return where(list[0])
}
