package apparmor

import (
	"path"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules/apparmor/aare"
)

// A Loss is a set of accesses that one text of a profile grants and another does not
// any more: the other side of a Gain, whose fields it has. Rule is what granted them.
type Loss struct {
	Gain
	// Broad is the loss of a link, for what its target lacks, by a rule for files of whole
	// directories, one for all of them. Of the names that it names any may be linked to any,
	// and nothing tells that somebody does.
	Broad bool
}

// Losses returns what a later text of a profile takes away of what an earlier one grants. As
// of Gains, every access that only the earlier one grants is in one of them, unless
// complete is false.
func Losses(before, after *Profile) (losses []Loss, complete bool) {
	gains, complete := Gains(after, before)
	for _, g := range gains {
		losses = append(losses, Loss{Gain: g})
	}
	removed, added := ChangedRules(before, after)
	return append(losses, linkLosses(before, after, removed, added)...), complete
}

// linkLosses finds the hard links that are refused since their new name got permissions
// that the target has not: what `link subset` compares, and every l of a file rule.
func linkLosses(before, after *Profile, removed, added []Rule) (losses []Loss) {
	linking := linkRules(before)
	if len(linking) == 0 {
		return nil
	}
	l := linkLoser{before: before, after: after, rules: linking}
	for _, r := range slices.Concat(removed, added) {
		if file, ok := r.(*FileRule); ok && file.Deny == slices.Contains(removed, r) && filePattern(file).Err() == nil {
			l.risen(file)
		}
	}
	return l.losses
}

// A linkingRule is a rule by which a link must be a subset of its target.
type linkingRule struct {
	rule   Rule
	name   *Pattern
	target *Pattern // nil where that is any
	owner  bool
	broad  bool
}

// linkRules returns the rules of a profile that demand a subset.
func linkRules(p *Profile) (found []linkingRule) {
	for _, r := range p.Rules {
		switch r := r.(type) {
		case *LinkRule:
			if r.Subset && !r.Deny && r.Link.Err() == nil {
				found = append(found, linkingRule{r, r.Link, r.Target, r.Owner, false})
			}
		case *FileRule:
			if r.Perms&Link != 0 && !r.Deny && filePattern(r).Err() == nil {
				found = append(found, linkingRule{r, filePattern(r), nil, r.Owner, strings.Contains(filePattern(r).Source, "**")})
			}
		}
	}
	return found
}

// A linkLoser looks for links that one text of a profile permits and another does not.
type linkLoser struct {
	before, after *Profile
	rules         []linkingRule
	losses        []Loss
}

// maxLinkNames bounds the names and the targets that stand for all that rules tell apart.
const maxLinkNames = 1 << 12

// noLinks is where nothing can be linked: file systems without that inode operation.
func noLinks(name string) bool {
	return strings.HasPrefix(name, "/proc/") || strings.HasPrefix(name, "/sys/")
}

// risen looks at the names that a rule gives more.
func (l *linkLoser) risen(by *FileRule) {
	if noLinks(filePattern(by).read().prefix) {
		return
	}
	for _, name := range l.standIns(filePattern(by)) {
		if noLinks(name) {
			continue
		}
		for _, owner := range []bool{true, false} {
			was, is := l.before.allows(name, owner), l.after.allows(name, owner)
			if was&Link == 0 || is&^was == 0 {
				continue
			}
			for _, r := range l.rules {
				if r.name.Match(name) && (owner || !r.owner) {
					l.links(r, name, owner, is)
				}
			}
		}
	}
}

// allows returns all that a profile grants on a name.
func (p *Profile) allows(name string, owner bool) Perms {
	return count(p.ask(name, owner).votes).allow
}

// links looks for the links of a name that are lost. Of a rule that names no target,
// those in the same directory count. Of broad rules one loss tells as much as all.
func (l *linkLoser) links(r linkingRule, name string, owner bool, perms Perms) {
	if r.broad && slices.ContainsFunc(l.losses, func(loss Loss) bool { return loss.Broad }) {
		return
	}
	target := r.target
	if target == nil {
		glob := aare.Escape(path.Dir(name)+"/") + "*"
		target = &Pattern{Source: glob, Expanded: []string{glob}}
	}
	for _, to := range l.standIns(target) {
		req := FileRequest{Path: name, Target: to, Perms: Link, Owner: owner}
		if to == name || l.before.Decide(req).Granted == 0 || l.after.Decide(req).Granted != 0 {
			continue
		}
		there := count(l.after.ask(to, owner).votes)
		lacks := perms &^ there.allow &^ Link
		if lacks == 0 {
			lacks = Exec // by another transition
		}
		if lacks&there.deny != 0 {
			continue // what a deny rule keeps from the file is not to be had by another name of it
		}
		l.lost(Loss{Gain{Rule: r.rule, Perms: Link, Example: req, Lacks: lacks}, r.broad})
	}
}

// maxLostLinks bounds the losses that are told apart.
const maxLostLinks = 64

// lost notes a loss, once for the owner of a file and all others.
func (l *linkLoser) lost(loss Loss) {
	req := loss.Example.(FileRequest)
	i := slices.IndexFunc(l.losses, func(o Loss) bool {
		other := o.Example.(FileRequest)
		return o.Lacks == loss.Lacks && other.Path == req.Path && other.Target == req.Target
	})
	switch {
	case i >= 0:
		l.losses[i].Example = req // of all others, which comes last
		l.losses[i].Broad = l.losses[i].Broad && loss.Broad
	case len(l.losses) < maxLostLinks:
		l.losses = append(l.losses, loss)
	}
}

// standIns returns a name for each set of the rules for files that some name of a
// pattern is matched by.
func (l *linkLoser) standIns(of *Pattern) []string {
	if name, only := of.Literal(); only {
		return []string{name}
	}
	var others []*aare.Expr
	for _, p := range []*Profile{l.before, l.after} {
		for _, r := range p.Rules {
			var patterns []*Pattern
			switch r := r.(type) {
			case *FileRule:
				patterns = []*Pattern{filePattern(r)}
			case *LinkRule:
				patterns = []*Pattern{r.Link, r.Target}
			}
			for _, q := range patterns {
				if q != nil && q.expr() != nil && mayMeet(of, q) {
					others = append(others, q.expr())
				}
			}
		}
	}
	return aare.Representatives(of.expr(), others, nil, maxLinkNames)
}

// mayMeet reports whether two patterns may match the same name, by what their matches
// begin with.
func mayMeet(a, b *Pattern) bool {
	x, y := a.read().prefix, b.read().prefix
	return strings.HasPrefix(x, y) || strings.HasPrefix(y, x)
}
