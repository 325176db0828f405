package report

import (
	"cmp"
	"io"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/expect"
	"github.com/whydenied/whydenied/parser"
)

// Proposals are expectations of what policy answers to accesses that were recorded, each
// with how it was.
type Proposals struct {
	Policies []string // as the file of expectations names them
	list     []*proposal
	places   map[[2]string]*proposal // by profile and text
}

// A proposal is a line of Proposals.
type proposal struct {
	expect.Expectation // its Text is the access if there is none
	why                string
	records            []recorded
}

// recorded is how often an access was recorded in one way.
type recorded struct {
	mode   parser.Mode
	beside bool // what the record says was refused
	count  int
}

// went reports whether the access went through.
func (r *recorded) went() bool { return r.beside || r.mode != parser.Denied && r.mode != parser.Killed }

// Add adds what is proposed of the access of a finding.
func (p *Proposals) Add(e expect.Proposal, of *explain.Finding) {
	p.add(proposal{Expectation: e.Expectation}, recorded{of.Denial.Mode, e.Beside, of.Count})
}

// Leave notes that a profile has none of an access, with why not, as a clause.
func (p *Proposals) Leave(profile, why string, of *explain.Finding) {
	p.add(proposal{Expectation: expect.Expectation{Profile: profile, Text: recordedAs(&of.Denial)}, why: why}, recorded{mode: of.Denial.Mode, count: of.Count})
}

func (p *Proposals) add(one proposal, r recorded) {
	key := [2]string{one.Profile, one.Text}
	known := p.places[key]
	if known == nil {
		if p.places == nil {
			p.places = map[[2]string]*proposal{}
		}
		known = &one
		p.places[key] = known
		p.list = append(p.list, known)
	}
	for i := range known.records {
		if same := &known.records[i]; same.mode == r.mode && same.beside == r.beside {
			same.count += r.count
			return
		}
	}
	known.records = append(known.records, r)
}

// Len returns how many expectations there are, and of how many accesses there is none.
func (p *Proposals) Len() (proposed, left int) {
	for _, one := range p.list {
		if one.unwritten() != "" {
			left++
		}
	}
	return len(p.list) - left, left
}

// unwritten says why there is no expectation, "" if there is one.
func (p *proposal) unwritten() string {
	switch text := p.Profile + " " + p.Text; {
	case p.why != "":
		return p.why
	case plain(text) != text:
		return "its names hold what may be a secret, or are no UTF-8"
	case string(escape.Line(text)) != text:
		return "its names hold what cannot be seen on a line"
	}
	return ""
}

// proposalColumn is where comments begin.
const proposalColumn = 48

// Write writes the file of expectations, profile by profile. What none can be written of is
// a comment.
func (p *Proposals) Write(w io.Writer) error {
	var out escape.Builder[escape.Text]
	out.Add("# What the policy answers to accesses that were recorded. Read it: take out what is not\n" +
		"# meant, and turn round what should be answered otherwise. It belongs beside the policy.\n")
	for _, name := range p.Policies {
		out.Add("policy ", escape.Line(name), "\n")
	}
	slices.SortStableFunc(p.list, func(a, b *proposal) int {
		left := func(p *proposal) int { return min(len(p.unwritten()), 1) }
		return cmp.Or(strings.Compare(a.Profile, b.Profile), left(a)-left(b), a.rank()-b.rank(), strings.Compare(a.Text, b.Text))
	})
	for i, one := range p.list {
		if i == 0 || p.list[i-1].Profile != one.Profile {
			out.Add("\nprofile ", escape.Line(plain(cmp.Or(one.Profile, "*"))), "\n")
		}
		if why := one.unwritten(); why != "" {
			out.Add("# none of: ", escape.Line(plain(one.Text)), " (", one.recorded(), "): ", escape.Line(plain(why)), "\n")
			continue
		}
		line := escape.Line(one.Text)
		pad := max(proposalColumn-line.Width(), 1)
		out.Add(line, escape.Line(strings.Repeat(" ", pad)), "# ", one.recorded(), "\n")
	}
	return escape.Write(w, out.Text())
}

// rank orders what is granted before what is refused.
func (p *proposal) rank() int {
	return slices.Index([]expect.Verb{expect.Allow, expect.Exec, expect.Logged, expect.Silent, expect.Deny}, p.Verb)
}

// recorded says how often an access was recorded, and how, and that the policy answers
// otherwise than it went then.
func (p *proposal) recorded() (text escape.Text) {
	granted := p.Verb == expect.Allow || p.Verb == expect.Exec
	otherwise := false
	for i, r := range p.records {
		if i > 0 {
			text += ", "
		}
		if r.beside {
			text += "granted beside "
		}
		text += escape.Line(r.mode.String()) + " ×" + escape.Line(thousands(r.count))
		otherwise = otherwise || p.Verb != "" && r.went() != granted
	}
	switch {
	case otherwise && granted:
		text += ", and the rules grant it"
	case otherwise:
		text += ", went through, and the rules refuse it"
	}
	return text
}
