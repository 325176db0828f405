package apparmor

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/whydenied/whydenied/rules/apparmor/aare"
)

// A Decision is what a profile answers to a request. Every permission asked for
// is in exactly one of Granted, Refused and Unmatched.
type Decision struct {
	Granted   Perms // allowed
	Refused   Perms // taken away by deny rules
	Unmatched Perms // granted by no rule
	Audited   Perms // of Granted, those whose use is logged

	// Permitted reports whether the access goes through as far as the rules
	// decide: all of it is granted, or the profile complains and the refusal is
	// not quiet. A quiet deny is enforced even in complain mode. See Execution for
	// what an execution needs besides.
	Permitted bool
	// Quiet reports that something is not granted and the kernel logs nothing:
	// all of it falls to deny rules without audit. When only a part does, the
	// record names the other part alone.
	Quiet bool

	Allow, Deny []Rule     // the rules that took part, in source order
	Exec        *Execution // where an execution leads, when Exec is granted
	Notes       []string

	profile *Profile
	req     Request
	quiet   Perms // of Refused, those that are not logged
	memo    memo  // of many decisions, if one is at hand
}

// Logged returns the permissions that a record of the refusal names: all that
// are not granted and not quiet.
func (d *Decision) Logged() Perms { return (d.Refused | d.Unmatched) &^ d.quiet }

// Decide answers a request as the kernel does with the compiled profile: the
// union of all allow rules that match, less all deny rules that do; of rules
// with different priority= the highest decides.
//
// The answer is that of a kernel that mediates the class of the request. One
// that does not, or a profile whose policy ABI does not know the class, leaves
// the access to others; Notes say so where the profile names no such ABI.
//
// It is safe for concurrent use. The first request compiles the file rules.
func (p *Profile) Decide(req Request) Decision {
	d := Decision{profile: p, req: req}
	for _, flag := range []string{"unconfined", "default_allow"} {
		if p.HasFlag(flag) {
			d.Granted, d.Permitted = req.wanted(), true
			d.Notes = append(d.Notes, "the profile is unconfined: flags=("+flag+") mediates nothing")
			return d
		}
	}
	if p.compiled != nil {
		d.settleCompiled(p.compiled(req))
		return d
	}
	req.decide(p, &d)
	p.noteABI(req, &d)
	if len(p.Unread) > 0 {
		d.Notes = append(d.Notes, "what stands at "+p.Unread[0].String()+" was not understood: with it the answer may be another")
	}
	return d
}

// tally returns what the profile says of the permissions that a request asks for, and
// uses d for that.
func (p *Profile) tally(req Request, d *Decision) tally {
	if p.HasFlag("unconfined") {
		return tally{allow: req.wanted()}
	}
	*d = Decision{profile: p, req: req, Allow: d.Allow[:0], Deny: d.Deny[:0], memo: d.memo}
	req.decide(p, d)
	return tally{d.Granted, d.Refused, d.quiet, d.Audited}
}

// Grants reports whether the profile grants every one of the requests.
func (p *Profile) Grants(requests ...Request) bool {
	for _, req := range requests {
		if d := p.Decide(req); d.Refused|d.Unmatched != 0 {
			return false
		}
	}
	return true
}

// Naming returns the rules that allow anything on a file, where they stand in this text of
// the profile: those of an answer may stand in another; see Reuse.
func (p *Profile) Naming(file FileRequest) []Rule {
	file.Perms, file.Target = FilePerms, ""
	naming := p.Decide(file).Allow
	for i, r := range naming {
		if k := slices.IndexFunc(p.Rules, func(own Rule) bool {
			return own == r || sameRule(own, r) && own.Location().File.Name == r.Location().File.Name
		}); k >= 0 {
			naming[i] = p.Rules[k]
		}
	}
	return naming
}

// A vote is what one rule says to a request.
type vote struct {
	rule     Rule // nil for rules that apparmor_parser adds itself
	perms    Perms
	deny     bool
	audit    bool
	prompt   bool
	priority int
}

func voteOf(r Rule, perms Perms) vote {
	h := r.Head()
	return vote{r, perms, h.Deny, h.Audit, h.Prompt, h.Priority}
}

// A tally is the sum of votes: accept_perms() in libapparmor_re/hfa.cc.
type tally struct{ allow, deny, quiet, audit Perms }

// count sums the votes of the profile's rules.
func (p *Profile) count(votes []vote) tally {
	t := count(votes)
	if p.HasFlag("audit") { // AUDIT_ALL in security/apparmor/lib.c and file.c
		t.audit, t.quiet = t.allow, 0
	}
	return t
}

// count sums votes. Each permission is decided by the votes of the highest
// priority that name it, and among those deny beats allow.
func count(votes []vote) tally {
	t, uniform := tally{}, true
	for _, v := range votes {
		t.add(v, v.perms)
		uniform = uniform && v.priority == votes[0].priority
	}
	if uniform {
		t.allow &^= t.deny
		t.audit &^= t.deny
		return t
	}
	t = tally{}
	for bit := Perms(1); bit != 0; bit <<= 1 {
		top, any := 0, false
		for _, v := range votes {
			if v.perms&bit != 0 && (!any || v.priority > top) {
				top, any = v.priority, true
			}
		}
		for _, v := range votes {
			if v.priority == top {
				t.add(v, v.perms&bit)
			}
		}
	}
	t.allow &^= t.deny
	t.audit &^= t.deny
	return t
}

func (t *tally) add(v vote, perms Perms) {
	switch {
	case v.prompt: // without a listener it grants nothing
	case v.deny && v.audit:
		t.deny |= perms
	case v.deny:
		t.deny |= perms
		t.quiet |= perms
	case v.audit:
		t.allow |= perms
		t.audit |= perms
	default:
		t.allow |= perms
	}
}

// settle fills a decision from the votes.
func (d *Decision) settle(want Perms, votes []vote) {
	t := d.profile.count(votes)
	d.Granted = want & t.allow
	d.Refused = want & t.deny
	d.Unmatched = want &^ t.allow &^ t.deny
	d.Audited = d.Granted & t.audit
	missing := d.Refused | d.Unmatched
	d.quiet = d.Refused & t.quiet
	d.Quiet = missing != 0 && missing == d.quiet
	d.Permitted = missing == 0 || d.profile.HasFlag("complain") && !d.Quiet
	for _, v := range votes {
		if v.rule == nil || v.perms&want == 0 {
			continue
		}
		switch {
		case v.prompt:
			d.Notes = append(d.Notes, "the prompt rule at "+v.rule.Location().String()+" leaves it to a program that listens: without one the kernel refuses at once, as here")
		case v.deny:
			d.Deny = appendRule(d.Deny, v.rule)
		default:
			d.Allow = appendRule(d.Allow, v.rule)
		}
	}
}

// appendRule appends a rule that is not the last one already.
func appendRule(list []Rule, r Rule) []Rule {
	if n := len(list); n > 0 && list[n-1] == r {
		return list
	}
	return append(list, r)
}

// A decider is what a profile is compiled to when it is first asked.
type decider struct {
	once   sync.Once
	base   *Profile      // of Reuse, until the profile is compiled
	layers []layer       // one, or one more for each Reuse
	gone   map[Rule]bool // rules of the layers that the profile has not
	lost   []*FileRule   // see merged

	othersOnce sync.Once
	others     []Rule // those that are not compiled, and all rules
}

// A layer is file rules compiled to an automaton, whose tags index the entries.
type layer struct {
	files   *aare.Automaton
	entries []fileEntry
	lost    []*FileRule // that apparmor_parser drops; see merged
}

// Reuse lets the profile answer with what another text of the same profile has
// compiled, so that a small edit of a large profile costs little. It must be
// called before the first Decide, whose answers then name the rules that both
// texts have where they stand in the other, and before those that are new.
func (p *Profile) Reuse(other *Profile) { p.decider.base = other }

// Forget gives up what the profile is compiled to, which takes much memory after a
// comparison; asked again, it is compiled anew. Nothing else may use the profile meanwhile.
func (p *Profile) Forget() { p.decider = decider{} }

// compile builds the decider's part for files when it is first needed.
func (p *Profile) compile() *decider {
	p.decider.once.Do(func() {
		d := &p.decider
		base := d.base
		d.base = nil
		if base != nil && p.compileFrom(base) {
			return
		}
		l := p.layer(p.Rules)
		p.addImplied(&l)
		l.files.Freeze()
		d.layers, d.lost = []layer{l}, l.lost
	})
	return &p.decider
}

// shared counts the rules that are shared with other profiles.
func (p *Profile) shared() (n int) {
	for _, r := range p.Rules {
		if r.Head().Shared {
			n++
		}
	}
	return n
}

// compileFrom takes the layers of another text of the profile and adds one for
// the rules that differ. It reports false where that is not sound: variables or
// aliases differ, or a change_profile rule does, on which others depend; or rules
// that were shared have become the profile's own, which answers must show.
func (p *Profile) compileFrom(base *Profile) bool {
	if !sameSurroundings(base, p) || base.shared() != p.shared() {
		return false
	}
	removed, added := ChangedRules(base, p)
	for _, list := range [][]Rule{removed, added} {
		for _, r := range list {
			if _, ok := r.(*ChangeProfileRule); ok {
				return false
			}
		}
	}
	from := base.compile()
	l := p.layer(added)
	l.files.Freeze()
	d := &p.decider
	d.layers = append(slices.Clip(from.layers), l)
	d.gone = maps.Clone(from.gone)
	if d.gone == nil {
		d.gone = map[Rule]bool{}
	}
	for _, r := range removed {
		d.gone[r] = true
	}
	d.lost = append(slices.Clip(from.lost), l.lost...)
	return true
}

// layer compiles those rules that are; its automaton is not frozen yet.
func (p *Profile) layer(list []Rule) layer {
	l := layer{files: aare.New()}
	merged := p.merged()
	for _, r := range list {
		if r, ok := r.(compiledRule); ok {
			r.compile(&l, merged)
		}
	}
	return l
}

// A compiledRule is a rule that the automaton of file names holds. The others
// are asked in turn.
type compiledRule interface {
	Rule
	// compile adds the rule to a layer, without what merged says is lost.
	compile(l *layer, merged map[mergeKey]bool)
}

// others returns the rules of all classes but files. They need no compiling, so
// a request of theirs costs no more than they do.
func (p *Profile) others() []Rule {
	p.decider.othersOnce.Do(func() {
		for _, r := range p.Rules {
			_, compiled := r.(compiledRule)
			if _, all := r.(*AllRule); all || !compiled {
				p.decider.others = append(p.decider.others, r)
			}
		}
	})
	return p.decider.others
}

// askInTurn decides the classes whose rules are few enough to ask in turn.
func (p *Profile) askInTurn(req Request, d *Decision) {
	p.askEach(req, d, func(r Rule) (Perms, bool) {
		perms, diff := req.ask(r)
		return perms, len(diff) == 0
	})
}

// askEach is askInTurn, where ask says what a rule gives or takes of the request, and
// whether it matches.
func (p *Profile) askEach(req Request, d *Decision, ask func(Rule) (Perms, bool)) {
	want := req.wanted()
	var few [8]vote
	votes := few[:0]
	for _, r := range p.others() {
		if _, ok := r.(*AllRule); ok {
			if all := r.(*AllRule); !all.Deny || !all.filesOnly {
				votes = append(votes, all.vote(want))
			}
			continue
		}
		if perms, matches := ask(r); matches && perms&want != 0 {
			votes = append(votes, voteOf(r, perms))
		}
	}
	if p.HasFlag("default_allow") {
		votes = append(votes, defaultAllow)
	}
	d.settle(want, votes)
}

// askPeer decides on a request to a peer. When the peer is a stack of
// profiles a//&b, the rules must allow the whole or each part of it:
// aa_label_match() in security/apparmor/label.c.
func (p *Profile) askPeer(peer string, with func(peer string) Request, d *Decision) {
	p.askInTurn(with(peer), d)
	if d.Refused|d.Unmatched == 0 || !strings.Contains(peer, "//&") {
		return
	}
	want := d.req.wanted()
	all := Decision{Granted: want, Audited: want, quiet: want, profile: p, req: d.req}
	for _, part := range strings.Split(peer, "//&") {
		one := Decision{profile: p}
		p.askInTurn(with(part), &one)
		all.Granted &= one.Granted
		all.Audited &= one.Audited
		all.Refused |= one.Refused
		all.quiet &= one.quiet
		all.Allow = append(all.Allow, one.Allow...)
		all.Deny = append(all.Deny, one.Deny...)
	}
	all.Unmatched = want &^ all.Granted &^ all.Refused
	missing := all.Refused | all.Unmatched
	all.Quiet = missing != 0 && missing == all.quiet
	all.Permitted = missing == 0 || p.HasFlag("complain") && !all.Quiet
	*d = all
}

// defaultAllow is the rule that flags=(default_allow) adds, below all priorities.
var defaultAllow = vote{perms: ^Perms(0), priority: -1001}

// noteABI says of a refusal when the policy ABI may keep the kernel from
// mediating the class at all.
func (p *Profile) noteABI(req Request, d *Decision) {
	class := req.class()
	if abiAlways[class] || d.Refused|d.Unmatched == 0 || p.Policy == nil {
		return
	}
	if p.Policy.ABI == nil {
		d.Notes = append(d.Notes, "the policy names no abi: "+class+
			" is mediated only if the feature set that apparmor_parser falls back to (policy-features in parser.conf) knows it")
		return
	}
	if mediates, _ := p.Mediates(req); !mediates {
		d.Notes = append(d.Notes, "abi "+p.Policy.ABI.name()+" does not know "+class+" rules: the kernel does not mediate them for this profile")
	}
}

// A field is one condition of a rule, and whether the request meets it.
type field struct {
	name  string
	match bool
}

// compareAll returns the names of the fields that do not match.
func compareAll(fields ...field) (diff []string) {
	for _, f := range fields {
		if !f.match {
			diff = append(diff, f.name)
		}
	}
	return diff
}
