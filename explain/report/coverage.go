package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/coverage"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// A Coverage is what is known of the use of one profile's rules; see coverage.Profile.
type Coverage struct {
	Profile   string     `json:"profile"`
	Language  string     `json:"language"` // apparmor or seccomp
	Source    string     `json:"source"`   // where it was read
	Records   int        `json:"records"`
	Calls     int        `json:"calls"`              // that were traced
	Observed  int        `json:"observed,omitempty"` // different ones that were seen to be made, but not how often
	First     *time.Time `json:"first,omitempty"`
	Last      *time.Time `json:"last,omitempty"`
	Ungranted int        `json:"ungranted"`          // of all, that no rule grants
	Unread    int        `json:"unread"`             // of which it is not known what they ask
	Unproved  string     `json:"unproved,omitempty"` // why no rule is called dead
	Rules     []Covered  `json:"rules"`

	seen string
}

// A Covered is one rule of a Coverage.
type Covered struct {
	Rule
	Name      string `json:"name,omitempty"`   // of the call
	Shared    bool   `json:"shared,omitempty"` // other profiles have it, too: it came through an include
	State     string `json:"state"`            // used, not-observed, not-recorded
	Count     int    `json:"count"`
	Distinct  int    `json:"distinct"` // accesses among them that differ
	Possible  int    `json:"possible,omitempty"`
	Dead      bool   `json:"dead"`
	Undecided bool   `json:"undecided,omitempty"` // it is not known whether it is dead
	Narrower  string `json:"narrower,omitempty"`  // what it can be without losing what was seen

	entry *seccomp.Entry // that the name is of
}

// NewCoverage returns the message of a profile.
func NewCoverage(p *coverage.Profile) Coverage {
	e := &p.Evidence
	c := Coverage{Profile: plain(p.Name), Language: p.Language, Source: plain(p.Source), Records: e.Records, Calls: e.Calls, Observed: e.Observed, Ungranted: e.Ungranted,
		Unread: e.Unread, Unproved: plain(p.Unproved), Rules: coveredOf(p.Rules), seen: e.Seen()}
	if !e.First.IsZero() {
		c.First, c.Last = &e.First, &e.Last
	}
	return c
}

func coveredOf(list []coverage.Rule) []Covered {
	all := make([]Covered, 0, len(list))
	for i := range list {
		r := &list[i]
		all = append(all, Covered{Rule: newRule(explain.Place{At: r.At, Via: r.Via}), Name: plain(r.Name), Shared: r.Shared(), State: string(r.State), Count: r.Count,
			Distinct: r.Distinct, Possible: r.Possible, Dead: r.Dead, Undecided: r.Undecided, Narrower: plainPolicy(r.Narrower), entry: r.Entry})
	}
	return all
}

// source is the rule's own text, on one line.
func (r *Covered) source() string {
	if r.Name != "" {
		return r.Name
	}
	return strings.Join(strings.Fields(plain(r.at.Text())), " ")
}

func (c *Coverage) count(holds func(*Covered) bool) (n int) {
	for i := range c.Rules {
		if holds(&c.Rules[i]) {
			n++
		}
	}
	return n
}

// isDead and the like say in which list a rule is told of.
func isDead(r *Covered) bool       { return r.Dead }
func isBroader(r *Covered) bool    { return r.Narrower != "" }
func isUsed(r *Covered) bool       { return r.Count > 0 }
func isUnobserved(r *Covered) bool { return r.State == string(coverage.Unobserved) && !r.Dead }
func isUnrecorded(r *Covered) bool { return r.State == string(coverage.Unrecorded) && !r.Dead }

// own is what holds of rules that no other profile has.
func own(holds func(*Covered) bool) func(*Covered) bool {
	return func(r *Covered) bool { return !r.Shared && holds(r) }
}

// NewCoverageText returns a function that writes what is known of profiles as text. Calls must
// not overlap.
func NewCoverageText(w io.Writer, o TextOptions) func(Coverage) error {
	return pages(w, o, func(p *page, c Coverage) { p.coverage(&c) })
}

// coverage writes what the rules of a profile come to, and then the rules by what is known of them.
func (p *page) coverage(c *Coverage) {
	p.wrap(0, 2, append(words(strong, escape.Name(c.Profile)+":"), prose(normal, c.verdict())...))
	for _, list := range []struct {
		title string
		style escape.Style
		holds func(*Covered) bool
	}{{"dead", alarm, isDead}, {"broader", mild, isBroader}, {"not observed", mild, isUnobserved}, {"used", plus, isUsed}} {
		p.covered(c, list.title, list.style, own(list.holds))
	}
	p.included(c)
	for _, note := range c.notes() {
		p.wrap(2, 4, prose(faint, note))
	}
}

// verdict says what the rules come to.
func (c *Coverage) verdict() string {
	what := "rules"
	if c.Language == "seccomp" {
		what = "names of calls"
	}
	return fmt.Sprintf("%d of %d %s used, %d not observed in %s, %d dead by proof, %d broader than what was seen",
		c.count(own(isUsed)), c.count(own(func(*Covered) bool { return true })), what, c.count(own(isUnobserved)), c.seen, c.count(own(isDead)), c.count(own(isBroader)))
}

// included writes a line for each included file that other profiles have, too.
func (p *page) included(c *Coverage) {
	files := map[string][]*Covered{}
	for i := range c.Rules {
		if r := &c.Rules[i]; r.Shared {
			files[r.File] = append(files[r.File], r)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		part := Coverage{}
		for _, r := range files[name] {
			part.Rules = append(part.Rules, *r)
		}
		p.wrap(2, 4, append(append(words(faint, "included:"), words(normal, escape.Name(name)+":")...), prose(normal, fmt.Sprintf("%d of %s used, %d not observed, %d needless in this profile",
			part.count(isUsed), counted(len(part.Rules), "rule", "rules"), part.count(isUnobserved), part.count(isDead)))...))
	}
}

// notes says what the lists do not.
func (c *Coverage) notes() (notes []string) {
	argued := c.count(func(r *Covered) bool { return isUnrecorded(r) && r.Possible > 0 })
	if argued > 0 {
		notes = append(notes, "whether "+counted(argued, "other rule was used hangs on arguments", "other rules were used hangs on arguments")+" that were not seen")
	}
	if n := c.count(isUnrecorded) - argued; n > 0 {
		notes = append(notes, "whether "+counted(n, "other rule was used cannot be seen: its use leaves", "other rules were used cannot be seen: their use leaves")+" no record of the kind that was read")
	}
	if c.Ungranted > 0 {
		notes = append(notes, counted(c.Ungranted, "access of what was seen is", "accesses of what was seen are")+" granted by no rule")
	}
	if c.Unread > 0 {
		notes = append(notes, fmt.Sprintf("of %s it is not known what was asked", counted(c.Unread, "record", "records")))
	}
	n := c.count(func(r *Covered) bool { return r.Undecided })
	switch {
	case c.Unproved != "":
		notes = append(notes, "no rule is called dead: "+c.Unproved)
	case n > 0:
		notes = append(notes, "of "+counted(n, "rule", "rules")+" it is not known whether the profile needs it")
	}
	return notes
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// covered writes the rules of which something holds, a line each; names of one entry share one.
func (p *page) covered(c *Coverage, title string, style escape.Style, holds func(*Covered) bool) {
	var list []*Covered
	for i := range c.Rules {
		if holds(&c.Rules[i]) {
			list = append(list, &c.Rules[i])
		}
	}
	for i := 0; i < len(list); i++ {
		r := list[i]
		line := append(words(style, escape.Line(title)+":"), prose(faint, where(r.Rule)+":")...)
		line = append(line, prose(normal, r.told(title, c))...)
		for r.entry != nil && i+1 < len(list) && list[i+1].entry == r.entry {
			i++
			line = append(line, prose(normal, list[i].told(title, c))...)
		}
		if title == "broader" {
			line = append(line, prose(faint, fmt.Sprintf("— %s of %s", counted(r.Count, "use", "uses"), counted(r.Distinct, "access", "accesses")))...)
		}
		p.wrap(2, 4, line)
		if title == "broader" {
			for narrower := range strings.SplitSeq(r.Narrower, "\n") {
				p.wrap(6, 8, append(words(plus, "narrower:"), prose(normal, narrower)...))
			}
		}
	}
}

// told is the rule in a list of a title: with how often it was used in that of the used, if that is known.
func (r *Covered) told(title string, c *Coverage) string {
	if title == "used" && c.Records+c.Calls > 0 {
		return fmt.Sprintf("%d× %s", r.Count, r.source())
	}
	return r.source()
}

// WriteLCOV writes coverage as lcov's trace files: of each line on which a rule stands how often
// what stands there was used, by whichever profile. What leaves no record is left out, as it is not known.
func WriteLCOV(w io.Writer, list []Coverage) error {
	type place struct {
		file string
		line int
	}
	counts, files := map[place]int{}, map[string][]int{}
	for _, c := range list {
		for _, r := range c.Rules {
			if r.State == string(coverage.Unrecorded) || r.Line == 0 {
				continue
			}
			at := place{r.File, r.Line}
			if _, known := counts[at]; !known {
				files[at.file] = append(files[at.file], at.line)
			}
			counts[at] += r.Count
		}
	}
	var out escape.Builder[escape.Text]
	for _, name := range slices.Sorted(maps.Keys(files)) {
		lines, hit := files[name], 0
		slices.Sort(lines)
		out.Add("TN:\nSF:", escape.Line(name), "\n")
		for _, line := range lines {
			n := counts[place{name, line}]
			if n > 0 {
				hit++
			}
			out.Add("DA:", escape.Number(line), ",", escape.Number(n), "\n")
		}
		out.Add("LF:", escape.Number(len(lines)), "\nLH:", escape.Number(hit), "\nend_of_record\n")
	}
	return escape.Write(w, out.Text())
}
