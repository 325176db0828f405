package report

import (
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/silent"
	"github.com/whydenied/whydenied/parser"
)

// A Silent says what could have been refused without a record: the answer where
// a log has none.
type Silent struct {
	Policies    []SilentPolicy `json:"policies"`              // of the containers or profiles asked about
	Unexplained []Unexplained  `json:"unexplained,omitempty"` // what failed and is refused by neither policy
	Next        []Step         `json:"next"`                  // commands to type, the most promising first
}

// A SilentPolicy is one policy and what it refuses without a record.
type SilentPolicy struct {
	Target string `json:"target"` // "container web-1"
	Kind   string `json:"kind"`   // apparmor, seccomp
	Name   string `json:"name"`   // of the AppArmor profile
	Policy string `json:"policy"` // as in Finding
	Why    string `json:"why"`
	Rules  []Rule `json:"rules"`  // that refuse without a record; note says which stand out, and these come first
	Likely int    `json:"likely"` // how many of the first fit how the program failed
}

// An Unexplained is a call or a message that neither policy explains.
type Unexplained struct {
	From  string `json:"from"` // as in Claim
	File  string `json:"file"`
	Line  int    `json:"line"`
	Text  string `json:"text"`
	Count int    `json:"count"`

	Suspect string `json:"suspect,omitempty"` // the calls that the text can be of, the likeliest first
	Why     string `json:"why"`               // what else it can be

	Verdict *Verdict `json:"verdict,omitempty"` // which layer refused it
	Next    string   `json:"next,omitempty"`    // what the next layer would answer
}

// A Step is a command and what it is for.
type Step struct {
	Command string `json:"command"`
	Why     string `json:"why"`
}

// Next are commands to type, the most promising first.
type Next struct{ Steps []Step }

// A Claim says where a finding comes from that no log has.
type Claim struct {
	From string `json:"from"` // strace, stderr, exit-status
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	Text string `json:"text"` // the line
}

// newClaim returns the claim of a record, or nil if a log has it.
func newClaim(r *parser.Record) *Claim {
	if !r.Origin.Transport.IsClaim() {
		return nil
	}
	return &Claim{From: from(r.Origin.Transport), File: plain(r.Origin.File), Line: r.Origin.Line, Text: plain(r.Text)}
}

func from(t parser.Transport) string {
	switch t {
	case parser.StraceOutput:
		return "strace"
	case parser.ErrorOutput:
		return "stderr"
	}
	return "exit-status"
}

// NewSilentPolicy returns a policy as plain data.
func NewSilentPolicy(s silent.Policy) SilentPolicy {
	wire := SilentPolicy{Target: plain(s.Target.Name()), Kind: "apparmor", Name: plain(s.Target.Profile), Policy: plain(s.Source), Why: plain(s.Why), Rules: []Rule{}}
	if s.IsSeccomp {
		wire.Kind, wire.Name = "seccomp", ""
	}
	for _, r := range s.Refusals {
		if r.Place.At.IsZero() {
			continue
		}
		wire.Rules = append(wire.Rules, newRule(r.Place))
		if r.Likely {
			wire.Likely++
		}
	}
	return wire
}

// NewUnexplained returns what failed for other reasons as plain data.
func NewUnexplained(list []silent.Unexplained) (wire []Unexplained) {
	for _, u := range list {
		wire = append(wire, Unexplained{
			From: from(u.Origin.Transport), File: plain(u.Origin.File), Line: u.Origin.Line,
			Text: plain(u.Text), Count: u.Count, Suspect: plain(u.Suspect), Why: plain(u.Why), Verdict: newVerdict(u.Verdict), Next: plain(u.Next),
		})
	}
	return wire
}

// The numbers of rules that are shown with their source, and by a line.
const (
	maxExcerpts = 4
	maxListed   = 12
	maxOther    = 10
)

// claim writes where a finding comes from that no log has.
func (p *page) claim(c *Claim) {
	line := words(faint, "not", "logged:")
	if c.File != "" {
		line = append(line, said(c.File, c.Line)...)
	}
	p.wrap(2, 4, append(line, prose(normal, c.Text)...))
}

// silent writes what could have been refused without a record.
func (p *page) silent(s *Silent) {
	p.unexplained(s)
	p.nextStep(0)
	for i := range s.Policies {
		p.silentPolicy(&s.Policies[i])
	}
	for i := range s.Next {
		var label escape.Text = "next:"
		if i > 0 {
			label = "  or:"
		}
		p.step(label, &s.Next[i])
	}
}

// step writes a command and what it is for. It is not wrapped, so that it can be copied.
func (p *page) step(label escape.Text, s *Step) {
	p.Add(p.paint(strong, label), " ", escape.Line(s.Command), "\n")
	p.wrap(label.Width()+1, label.Width()+1, prose(normal, s.Why))
}

// nextStep writes the first of the commands to type next, if it was not written yet: those
// who read no further know it then.
func (p *page) nextStep(indent int) {
	if p.next == nil {
		return
	}
	p.step(escape.Spaces(indent)+"next:", &p.next.Steps[0])
	p.next = nil
}

// said writes where a text stands; one of an inventory has no line.
func said(file string, line int) []word {
	if line == 0 {
		return prose(faint, file)
	}
	return words(faint, escape.Line(file)+":"+escape.Number(line))
}

// unexplained writes what was said and no policy explains, which is what was asked about.
func (p *page) unexplained(s *Silent) {
	switch {
	case len(s.Unexplained) == 0:
		return
	case len(s.Policies) == 0:
		p.wrap(0, 2, words(strong, "suspected", "by", "what", "was", "said;", "no", "policy", "is", "known:"))
	default:
		p.wrap(0, 2, words(strong, "neither", "policy", "explains:"))
	}
	alike := readAlike(s.Unexplained) // the last ones tell more
	if n := len(alike) - maxOther; n > 0 {
		before := 0
		for _, of := range alike[:n] {
			before += len(of)
		}
		p.wrap(2, 4, words(faint, escape.Number(before), "more", "before", "these"))
		alike = alike[n:]
	}
	for _, of := range alike {
		u := p.texts(of)
		if u.Suspect != "" {
			p.wrap(4, 6, append(words(faint, "suspect:"), prose(strong, u.Suspect)...))
		}
		if u.Verdict != nil {
			p.verdict(u.Verdict)
		}
		if u.Next != "" {
			p.wrap(4, 6, append(words(faint, "next:"), prose(normal, u.Next)...))
		}
		if v := u.Verdict; v == nil || v.Layer == "" || u.From != "strace" && !v.Sure && !v.says(u.Why) {
			p.wrap(4, 6, append(words(faint, "it", "may", "be:"), prose(normal, u.Why)...))
		}
		p.nextStep(4)
	}
}

// readAlike puts together the texts of which the same is told, in the order in which they came last.
func readAlike(list []Unexplained) (alike [][]*Unexplained) {
	for i := range list {
		u := &list[i]
		at := slices.IndexFunc(alike, func(of []*Unexplained) bool { return u.readsAs(of[0]) })
		of := []*Unexplained{u}
		if at >= 0 {
			of = append(alike[at], u)
			alike = slices.Delete(alike, at, at+1)
		}
		alike = append(alike, of)
	}
	return alike
}

// maxTexts is how many texts are shown of which the same is told.
const maxTexts = 3

// texts writes what was said, of which the same is told, and returns the last of it.
func (p *page) texts(of []*Unexplained) *Unexplained {
	if n := len(of) - maxTexts; n > 0 {
		p.wrap(2, 4, words(faint, escape.Number(n), "more", "like", "these"))
		of = of[n:]
	}
	for _, u := range of {
		line := append(said(u.File, u.Line), prose(normal, u.Text)...)
		if u.Count > 1 {
			line = append(line, words(faint, escape.Line("×"+thousands(u.Count)))...)
		}
		p.wrap(2, 4, line)
	}
	return of[len(of)-1]
}

// readsAs reports whether all that is told of one text is told of another, too.
func (u *Unexplained) readsAs(o *Unexplained) bool {
	if u.Why == "" || u.Suspect != o.Suspect || u.Why != o.Why || u.Next != o.Next || u.From != o.From || (u.Verdict == nil) != (o.Verdict == nil) {
		return false
	}
	if v, w := u.Verdict, o.Verdict; v != nil {
		if v.Layer == "" && w.Layer == "" {
			return slices.Equal(v.open(), w.open())
		}
		return v.Layer == w.Layer && v.Sure == w.Sure && slices.Equal(v.Candidates, w.Candidates)
	}
	return true
}

// silentPolicy writes one policy and its rules.
func (p *page) silentPolicy(s *SilentPolicy) {
	what := "profile " + s.Name
	switch {
	case s.Kind == "seccomp":
		what = s.Policy
		if !strings.Contains(what, "seccomp profile") { // as built-in ones and those without a file say themselves
			what = "seccomp profile " + what
		}
	case s.Name == "":
		what = "AppArmor"
	case s.Policy != "":
		what += " from " + s.Policy
	}
	if strings.HasPrefix(s.Target, "container ") {
		what = s.Target + ", " + what
	}
	head := append(words(mild, "silent:"), prose(strong, what)...)
	head = append(append(head, words(normal, "—")...), prose(normal, s.Why)...)
	p.wrap(0, 2, head)
	gutter := 0
	for i := range s.Rules {
		gutter = max(gutter, len(strconv.Itoa(s.Rules[i].Line)))
	}
	shown := 0
	for shown < len(s.Rules) && shown < maxExcerpts && s.Rules[shown].Note != "" {
		if shown == 0 && s.Likely > 0 {
			p.wrap(2, 4, words(faint, "likeliest:"))
		}
		if shown == s.Likely && s.Likely > 0 {
			p.wrap(2, 4, words(faint, "less", "likely:"))
		}
		p.excerpt(&s.Rules[shown], gutter)
		shown++
	}
	rest := slices.Clone(s.Rules[shown:])
	slices.SortStableFunc(rest, func(a, b Rule) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		return a.Line - b.Line
	})
	if len(rest) > 0 && shown > 0 {
		p.wrap(2, 4, words(faint, "and", "besides:"))
	}
	for i, r := range rest {
		if i == maxListed {
			p.wrap(4, 6, words(faint, "and", escape.Number(len(rest)-i), "more"))
			break
		}
		p.wrap(4, 6, append(words(faint, escape.Line(r.File)+":"+escape.Number(r.Line)), prose(normal, r.Text)...))
	}
}
