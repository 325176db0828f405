// Package coverage says of each rule of a policy what it was used for: by what records,
// traces and programs show, and whether it can be used at all. What was not seen is not
// called unused; what is called dead is proved to be.
package coverage

import (
	"fmt"
	"strings"
	"time"

	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// A State is what is known of the use of a rule.
type State string

// The states.
const (
	Used       State = "used"         // something that was seen is decided by it
	Unobserved State = "not-observed" // its use would have been seen, and was not
	Unrecorded State = "not-recorded" // its use leaves nothing that would have been seen
)

// A Rule is one rule of an AppArmor profile, or one name of an entry of a seccomp profile.
type Rule struct {
	At    rules.Location
	Via   []rules.Location // the includes that led there, outermost first
	State State
	Count int // of what was seen that it decides, or takes part in
	// Distinct counts the accesses among them that differ.
	Distinct int
	// Possible counts calls that it may have decided, which hangs on arguments that were not seen.
	Possible int
	Dead     bool // proved: without it the policy answers everything alike
	// Undecided says that it is not known whether it is dead.
	Undecided bool
	// Narrower is what the rule can be made without losing what was seen, a rule a line: it is
	// proved to grant nothing else. "" if the rule grants no more than was seen, or
	// nothing narrower is known.
	Narrower string

	AppArmor apparmor.Rule  // nil of seccomp
	Entry    *seccomp.Entry // nil of AppArmor
	Name     string         // of the call
}

// Shared reports whether other profiles have the rule, too, as it came through an include.
func (r *Rule) Shared() bool { return r.AppArmor != nil && r.AppArmor.Head().Shared }

// Evidence is what was seen of the processes of a profile.
type Evidence struct {
	Records     int       // of the log
	Calls       int       // system calls that were traced
	Observed    int       // different ones of which it was seen that they were made, but not how often
	First, Last time.Time // of the records; zero if they have no times
	Ungranted   int       // of all, that no rule of the profile grants
	Unread      int       // records of which it is not known what they ask
	// All says that records show the use of rules that ask for none: by the flag audit,
	// or AppArmor's parameter audit=all.
	All bool
}

// Seen says what there is, as "12 records of 3.5 hours".
func (e *Evidence) Seen() string {
	var parts []string
	if e.Records > 0 || e.Calls+e.Observed == 0 {
		text := plural(e.Records, "record")
		if e.Last.Sub(e.First) >= time.Second {
			text += " of " + duration(e.Last.Sub(e.First))
		}
		parts = append(parts, text)
	}
	if e.Calls > 0 {
		parts = append(parts, plural(e.Calls, "traced call"))
	}
	if e.Observed > 0 {
		parts = append(parts, plural(e.Observed, "different call"))
	}
	return strings.Join(parts, " and ")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// duration words a span of time in the unit that fits.
func duration(d time.Duration) string {
	switch {
	case d >= time.Hour:
		return fmt.Sprintf("%.1f hours", d.Hours())
	case d >= time.Minute:
		return fmt.Sprintf("%.1f minutes", d.Minutes())
	}
	return fmt.Sprintf("%.1f seconds", d.Seconds())
}

// A Profile is one profile with what is known of its rules.
type Profile struct {
	Name     string
	Language string // apparmor or seccomp
	Source   string // where it was read
	Evidence Evidence
	Rules    []Rule
	// Unproved says why no rule is called dead; "" if they were judged.
	Unproved string

	AppArmor *apparmor.Profile // nil of seccomp
	Seccomp  *seccomp.Profile  // nil of AppArmor

	seen []*observation
}

// Count returns how many rules there are of which something holds.
func (p *Profile) Count(holds func(*Rule) bool) (n int) {
	for i := range p.Rules {
		if holds(&p.Rules[i]) {
			n++
		}
	}
	return n
}

// A Collector takes what logs and traces show. It serves one goroutine at a time, and its
// memory is bounded by what differs.
type Collector struct {
	library *library.Library
	// Only, if it is set, says which AppArmor profiles count, by their full names.
	Only func(name string) bool

	profiles []*usage
	byName   map[string]*usage // of AppArmor; nil where no source is known
	filter   *usage            // of seccomp
	forms    map[formKey][]*observation
	seen     *parser.Dedup
	Unknown  []string // AppArmor profiles of records whose source was not found, some of them
}

// maxUnknown bounds the names of profiles without a source that are kept, and maxProfiles
// the profiles: a log can name any.
const (
	maxUnknown  = 20
	maxProfiles = 1 << 14
)

// A formKey is a parser.Form with the label of the process, which other records may tell.
type formKey struct {
	*parser.Form
	label string
}

// maxForms bounds the forms that are known: beyond, all are forgotten and learnt again.
const maxForms = 1 << 15

// New returns a collector that finds profiles in a library.
func New(l *library.Library) *Collector {
	return &Collector{library: l, byName: map[string]*usage{}, forms: map[formKey][]*observation{}, seen: parser.NewDedup()}
}

// Add counts one record. What a process wrote that looks like one is left out, and so is
// one that was seen before in another log.
func (c *Collector) Add(d *parser.Denial) {
	if d.Event.Records[d.Record].IsLookAlike() || d.Mode == parser.Status || c.seen.Duplicate(d) {
		return
	}
	var found []*observation
	all := true
	switch {
	case d.AppArmor != nil:
		found, all = c.addAppArmor(d)
	case d.Seccomp != nil:
		found, all = c.addSeccomp(d)
	}
	if d.Form != nil && all {
		if len(c.forms) >= maxForms {
			clear(c.forms)
		}
		c.forms[formKey{d.Form, d.Subject.Label}] = found
	}
}

// AddRepeat is Add of what r.Denial returns.
func (c *Collector) AddRepeat(r *parser.Repeat) {
	found, known := c.forms[formKey{r.Form, r.Label}]
	if !known {
		d := r.Denial()
		c.Add(&d)
		return
	}
	if c.seen.DuplicateRepeat(r) {
		return
	}
	for _, o := range found {
		o.count++
		o.of.note(r.Time)
	}
}

// Use has the rules of a profile be told of, whether something is seen of it or not.
func (c *Collector) Use(p *apparmor.Profile) {
	if c.byName[p.FullName()] == nil {
		c.byName[p.FullName()] = c.newUsage(&usage{appArmor: p, source: c.library.Source(p)})
	}
}

// UseSeccomp has the entries of the seccomp profile that the user named be told of.
func (c *Collector) UseSeccomp() {
	if profile, name := c.library.NamedSeccomp(); profile != nil {
		c.UseFilter(profile, name)
	}
}

// UseFilter is UseSeccomp for a profile that the user did not name; the first one counts.
func (c *Collector) UseFilter(profile *seccomp.Profile, name string) {
	if c.filter == nil {
		c.filter = c.newUsage(&usage{seccomp: profile, source: name})
	}
}

func (c *Collector) newUsage(u *usage) *usage {
	u.known = map[string]*observation{}
	c.profiles = append(c.profiles, u)
	return u
}

// Profiles returns what is known of each profile, in the order in which they were named or
// seen, with what is proved of their rules.
func (c *Collector) Profiles() (list []Profile) {
	for _, u := range c.profiles {
		if u.seccomp != nil {
			list = append(list, u.ofSeccomp())
		} else {
			list = append(list, u.ofAppArmor(c.library))
		}
	}
	return list
}

// A usage is what was seen of one profile.
type usage struct {
	appArmor *apparmor.Profile
	seccomp  *seccomp.Profile
	source   string
	evidence Evidence
	places   map[apparmor.Rule]int   // indexes of rules, once they are needed
	parts    map[rules.Location]int  // the same of seccomp
	known    map[string]*observation // by access
	all      []*observation

	// What is beyond those that are kept: how often each rule decided, and none granted.
	more      map[int]int
	ungranted int
}

// An observation is one access, however often it was seen.
type observation struct {
	of       *usage
	count    int
	request  apparmor.Request
	owner    bool // strace does not say whose the file is, and it is granted to its owner alone
	call     seccomp.Call
	rules    []int // indexes of those that decide it
	possible []int // and of those that may, by arguments that were not seen
	granted  bool
	logged   bool // by a rule that asks for it
}

// maxObserved bounds the accesses of one profile that are told apart; what goes beyond is
// counted in rules all the same, but no narrower rule is made then.
const maxObserved = 1 << 16

// note notes a record and its time.
func (u *usage) note(at time.Time) {
	e := &u.evidence
	e.Records++
	if at.IsZero() {
		return
	}
	if e.First.IsZero() || at.Before(e.First) {
		e.First = at
	}
	if at.After(e.Last) {
		e.Last = at
	}
}

// keep keeps a new observation, and reports whether there was room. Else it is added up at once.
func (u *usage) keep(key string, o *observation) bool {
	if len(u.all) < maxObserved {
		u.known[key] = o
		u.all = append(u.all, o)
		return true
	}
	if u.more == nil {
		u.more = map[int]int{}
	}
	for _, i := range o.rules {
		u.more[i]++
	}
	if !o.granted {
		u.ungranted++
	}
	return false
}
