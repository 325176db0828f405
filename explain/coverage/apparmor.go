package coverage

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/explain/silent"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// addAppArmor counts a record for each profile of its label that counts. all says that what counts
// it will not be another the next time.
func (c *Collector) addAppArmor(d *parser.Denial) (found []*observation, all bool) {
	all = true
	asked := *d
	if a := d.AppArmor; a.Requested != "" { // all of it, where a part was refused
		whole := *a
		whole.Denied = a.Requested
		asked.AppArmor = &whole
	}
	req, err := access.Request(&asked)
	for name := range strings.SplitSeq(d.AppArmor.Profile, "//&") {
		u := c.usageOf(name)
		if u == nil {
			continue
		}
		u.note(d.Time)
		if err != nil {
			u.evidence.Unread++
			all = false
			continue
		}
		o, kept := u.observe(req, false)
		if d.Mode == parser.Audited && o.granted && !o.logged {
			u.evidence.All = true
		}
		found, all = append(found, o), all && kept
	}
	return found, all
}

// usageOf returns what counts the uses of a profile; nil if it does not count, or its source
// is not known.
func (c *Collector) usageOf(name string) *usage {
	name, _, _ = strings.Cut(name, apparmor.Learning)
	if name == "" || name == "unconfined" || c.Only != nil && !c.Only(name) {
		return nil
	}
	u, known := c.byName[name]
	if known || len(c.byName) >= maxProfiles {
		return u
	}
	if p := c.library.Profile(container.Container{}, name); p != nil {
		c.Use(p)
		u = c.byName[p.FullName()]
	} else if len(c.Unknown) < maxUnknown {
		c.Unknown = append(c.Unknown, name)
	}
	c.byName[name] = u
	return u
}

// observe counts an access. kept says that what counts it will not be another the next time.
func (u *usage) observe(req apparmor.Request, owner bool) (o *observation, kept bool) {
	key := fmt.Sprintf("%T %+v", req, req)
	if o := u.known[key]; o != nil {
		o.count++
		return o, true
	}
	o = &observation{of: u, count: 1, request: req, owner: owner}
	d := u.appArmor.Decide(req)
	o.granted = d.Refused|d.Unmatched == 0
	o.logged = d.Audited != 0
	if u.places == nil {
		u.places = map[apparmor.Rule]int{}
		for i, r := range u.appArmor.Rules {
			u.places[r] = i
		}
	}
	for _, r := range slices.Concat(d.Allow, d.Deny) {
		if i, ok := u.places[r]; ok && !slices.Contains(o.rules, i) && decides(r, &d) {
			o.rules = append(o.rules, i)
		}
	}
	return o, u.keep(key, o)
}

// decides reports whether something of what a rule says is what became of an access: what a deny
// rule takes away is granted by none.
func decides(r apparmor.Rule, d *apparmor.Decision) bool {
	perms := d.Granted
	if r.Head().Deny {
		perms = d.Refused
	}
	if file, ok := r.(*apparmor.FileRule); ok {
		return perms&granted(file) != 0
	}
	return perms != 0
}

// Call counts a system call that a program made, and what it asked of AppArmor. A call
// that failed for another reason than a refusal may not have come so far.
func (c *Collector) Call(a *parser.Attempt) {
	for _, u := range c.profiles {
		u.evidence.Calls++
	}
	c.addCall(a)
	if a.Errno != "" && a.Errno != "EACCES" && a.Errno != "EPERM" {
		return
	}
	asked := access.Attempted(a)
	for _, u := range c.profiles {
		if u.appArmor == nil {
			continue
		}
		for _, words := range asked {
			u.attempted(a, words)
		}
	}
}

// attempted counts an access of a call. The kernel may know its file by another name than
// the program, and strace does not say whose the file is: what is granted is taken.
func (u *usage) attempted(a *parser.Attempt, words access.Words) {
	var first apparmor.Request
	for _, w := range silent.Spellings(words, a, u.appArmor) {
		req, ok := requestOf(w, u.appArmor.FullName())
		if !ok {
			continue
		}
		if first == nil {
			first = req
		}
		if u.appArmor.Grants(req) {
			u.observe(req, false)
			return
		}
		if file, ok := req.(apparmor.FileRequest); ok {
			if file.Owner = true; u.appArmor.Grants(file) {
				u.observe(file, true)
				return
			}
		}
	}
	if first != nil {
		u.observe(first, false)
	}
}

// requestOf is the request of an access in the words of records.
func requestOf(w access.Words, own string) (apparmor.Request, bool) {
	w = slices.Clone(w)
	for i := range w {
		switch w[i].Value {
		case access.OwnLabel:
			w[i].Value = own
		case "?":
			return nil, false
		}
	}
	d, ok := parser.Record{Type: parser.AVC, Fields: append(access.NewWords("apparmor", "AUDIT", "profile", own), w...)}.Denial()
	if !ok {
		return nil, false
	}
	req, err := access.Request(&d)
	return req, err == nil
}

// ofAppArmor says what is known of the rules of a profile.
func (u *usage) ofAppArmor(l *library.Library) Profile {
	p := Profile{Name: u.appArmor.FullName(), Language: "apparmor", Source: u.source, Evidence: u.evidence, AppArmor: u.appArmor, seen: u.all}
	p.Rules = make([]Rule, len(u.appArmor.Rules))
	dead, undecided := u.appArmor.Dead()
	if problems := l.Problems(u.appArmor.Policy); len(problems) > 0 {
		dead, undecided = nil, u.appArmor.Rules
		p.Unproved = "of the policy not everything could be read: " + problems[0].String()
	} else if len(undecided) > 0 && len(undecided) == len(p.Rules) {
		p.Unproved = "the profile grants whatever it does not name, or not all of it was understood"
	}
	isDead, isOpen := setOf(dead), setOf(undecided)
	for i, r := range u.appArmor.Rules {
		p.Rules[i] = Rule{At: r.Location(), Via: r.Head().Via, AppArmor: r, Dead: isDead[r], Undecided: isOpen[r], Count: u.more[i]}
	}
	p.Evidence.Ungranted = u.count(p.Rules)
	for i := range p.Rules {
		u.settle(&p.Rules[i], u.recorded(p.Rules[i].AppArmor))
	}
	narrow(u, &p)
	return p
}

func setOf(list []apparmor.Rule) map[apparmor.Rule]bool {
	set := map[apparmor.Rule]bool{}
	for _, r := range list {
		set[r] = true
	}
	return set
}

// recorded reports whether the use of a rule would have been seen.
func (u *usage) recorded(r apparmor.Rule) bool {
	h := r.Head()
	switch {
	case u.evidence.Calls > 0 && traced(r):
		return true
	case u.evidence.Records == 0 || h.Prompt:
		return false
	}
	return h.Audit || u.evidence.All || u.appArmor.HasFlag("audit")
}

// traced reports whether calls show that a rule is used: capabilities and what D-Bus mediates
// are asked for without one that says so.
func traced(r apparmor.Rule) bool {
	switch r.(type) {
	case *apparmor.FileRule, *apparmor.LinkRule, *apparmor.NetworkRule, *apparmor.MountRule, *apparmor.PivotRootRule, *apparmor.SignalRule, *apparmor.PtraceRule:
		return true
	}
	return false
}

// settle says what is known of a rule's use.
func (u *usage) settle(r *Rule, recorded bool) {
	switch {
	case r.Count > 0:
		r.State = Used
	case recorded && r.Possible == 0:
		r.State = Unobserved
	default:
		r.State = Unrecorded
	}
}

// count adds what was seen to the rules, and returns how often none granted it.
func (u *usage) count(list []Rule) (ungranted int) {
	for _, o := range u.all {
		if !o.granted {
			ungranted += o.count
		}
		for _, i := range o.rules {
			list[i].Count += o.count
			list[i].Distinct++
		}
		for _, i := range o.possible {
			list[i].Possible += o.count
		}
	}
	return ungranted + u.ungranted
}
