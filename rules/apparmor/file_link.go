package apparmor

import (
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor/aare"
)

// A LinkRule grants hard links between two paths: link subset /a -> /b,. The
// rule `/a l -> /b` and `l /a -> /b` is one too.
type LinkRule struct {
	Header
	Subset bool     // subset
	Link   *Pattern // the new name
	Target *Pattern // the existing file
	LinkAt rules.Location
}

// linkRule reads link [subset] LINK -> TARGET.
func (p *parser) linkRule(h Header) Rule {
	p.advance()
	r := &LinkRule{Header: h}
	r.Subset = p.word("subset")
	if p.tok.kind != tokID && p.tok.kind != tokVar {
		p.expected("the path of the link")
		return nil
	}
	t := p.advance()
	r.Link, r.LinkAt = p.pattern(t), p.at(t)
	if p.tok.kind != tokArrow {
		p.expected("-> and the path that is linked to")
		return nil
	}
	r.Target, _ = p.target()
	return r
}

func (r *LinkRule) resolve(by *resolver) Rule {
	c := *r
	by.file(&c.Link)
	by.file(&c.Target)
	return &c
}

func (*LinkRule) checkInBlock(*resolver, Qualifiers) {}
func (*LinkRule) cells(*celler)                      {} // see fileGains

// anyTarget is what a link rule without a target may link to: /[^/].*
var anyTarget, _ = aare.Parse("/[^/]**", true)

func (r *LinkRule) compile(l *layer, _ map[mergeKey]bool) {
	link, target := r.Link.expr(), anyTarget
	if r.Target != nil {
		target = r.Target.expr()
	}
	if link == nil || target == nil {
		return
	}
	entry := fileEntry{perms: Link, owner: r.Owner, vote: voteOf(r, 0)}
	l.addHalves(link, target, entry, r.Subset)
}

// addPair adds the entry of a pair of link and target. Its bit for subset is
// that of lock, and apparmor_parser sets it for the owner of the target alone
// (LINK_TO_LINK_SUBSET in immunix.h).
func (l *layer) addPair(name, target *aare.Expr, entry fileEntry, subset bool) {
	pair := aare.Cat(name, aare.Literal("\x00"), target)
	entry.perms, entry.exec = Link, nil
	l.add(pair, entry)
	if subset {
		entry.perms, entry.owner = Lock, true
		l.add(pair, entry)
	}
}

// decideLink does the second half of a link check: profile_path_link() in
// security/apparmor/file.c. The new name grants l; now the pair must, and with
// subset the new name may grant nothing that the target does not.
func (p *Profile) decideLink(r FileRequest, name fileAnswer, d *Decision) {
	link := count(name.votes)
	pair := p.ask(r.Path+"\x00"+r.Target, r.Owner)
	both := Decision{profile: p}
	both.settle(Link, pair.votes)
	d.Audited = d.Audited&^Link | both.Audited // the pair's, as the kernel has it
	for _, rule := range both.Allow {
		if !slices.Contains(d.Allow, rule) {
			d.Allow = append(d.Allow, rule)
		}
	}
	d.Deny = append(d.Deny, both.Deny...)
	switch {
	case both.Granted == 0:
		d.Notes = append(d.Notes, "no rule pairs the new name with this target")
		if both.Refused != 0 {
			d.Notes[len(d.Notes)-1] = "a deny rule forbids this pair of names"
		}
	case count(pair.votes).allow&Lock != 0:
		target := p.ask(r.Target, r.Owner)
		extra := linkLacks(link.allow, count(target.votes).allow, name.exec, target.exec)
		if extra == 0 {
			return
		}
		both.Unmatched = Link
		d.Notes = append(d.Notes, "the new name would have permissions that the target has not: "+extra.String())
	default:
		return
	}
	d.Granted &^= Link
	d.Audited &^= Link
	d.Refused |= both.Refused
	d.Unmatched |= both.Unmatched
	d.quiet |= both.quiet
	d.Quiet = d.Refused|d.Unmatched == d.quiet
	d.Permitted = p.HasFlag("complain") && !d.Quiet
}

// linkLacks returns what a new name is granted and its target not: permissions, or their
// execution by the same transition.
func linkLacks(name, target Perms, nameExec, targetExec *Transition) Perms {
	extra := name &^ target &^ Link
	if extra == 0 && name&Exec != 0 && !linkExecSubset(nameExec, targetExec) {
		return Exec
	}
	return extra
}

// linkExecSubset is xindex_is_subset() of the kernel: the same transition, and
// the link may not skip the scrubbing that the target demands.
func linkExecSubset(link, target *Transition) bool {
	if link == nil || target == nil {
		return link == target
	}
	l, t := *link, *target
	scrubs := l.Unsafe && !t.Unsafe
	l.Unsafe, t.Unsafe = false, false
	return sameTransition(l, t) && !scrubs
}

// nearLink says why a link rule for the new name did not grant the link.
func nearLink(r *LinkRule, req FileRequest) Near {
	switch {
	case !r.Target.Match(req.Target):
		return nearRule(r, NearField, "the rule has another target")
	case r.Owner && !req.Owner:
		return nearRule(r, NearOwner, "the rule is for the owner of the target, and the task is not")
	case r.Subset:
		return nearRule(r, NearField, "the rule demands that the new name has no permission that the target has not")
	}
	return nearRule(r, NearDenied, "a deny rule forbids this pair of names")
}

func (r *LinkRule) narrow(p *Profile, req Request, _ Perms) (n Narrowed, ok bool) {
	q, ok := req.(FileRequest)
	texts, written := p.narrowPaths(r, true, place{r.Link, q.Path, pathText}, place{r.Target, q.Target, pathText})
	if !ok || !written || q.Perms&Link == 0 {
		return n, false
	}
	return p.narrowed(r, q, texts, "")
}

// otherLinks returns the rules that refuse links of the request's new name to
// all files but its target.
func otherLinks(res *resolver, r *FileRule, req FileRequest) ([]string, bool) {
	globs, ok := except(res, &Pattern{Source: "/**", Expanded: []string{"/**"}}, pathText, req.Target, false)
	start := r.PathAt.Span.Start
	if r.Leading {
		start = r.PermsAt.Span.Start
	}
	qualifiers := strings.TrimSuffix(strings.TrimRight(r.At.File.Text[r.At.Span.Start:start], " \t"), "file")
	var texts []string
	for _, g := range globs {
		text := strings.TrimRight(qualifiers, " \t") + " link " + QuotePath(req.Path) + " -> " + quoted(g) + ","
		text = strings.TrimLeft(text, " ")
		link, isLink := readRule(text).(*LinkRule)
		if !isLink || link.Qualifiers != readRule(r.At.Text()).Head().Qualifiers || link.Target == nil || link.Target.Source != unescape(`"`+g+`"`) {
			return nil, false
		}
		if name, literal := res.entry(link.Link.Source, pathText).Literal(); !literal || name != req.Path {
			return nil, false
		}
		texts = append(texts, text)
	}
	return texts, ok
}

func (*LinkRule) labels() []*Pattern { return nil }
