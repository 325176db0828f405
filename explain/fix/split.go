package fix

import (
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// bySplit begins the message of a fix that takes a deny rule apart.
const bySplit = "split the deny rule by directory"

func isSplit(fix rules.Fix) bool { return strings.HasPrefix(fix.Message, bySplit) }

// withSplit puts before a narrowed deny rule that nobody would read, the last of the
// candidates, one that is split by directory, which is more easily read and gives more away.
// It is for people to choose: what is written unasked is the narrowed one.
func (p *Proposer) withSplit(profile *apparmor.Profile, req apparmor.Request, d apparmor.Decision, candidates []rules.Fix) []rules.Fix {
	if d.Refused == 0 || len(candidates) > 0 && readable(candidates[len(candidates)-1]) {
		return candidates
	}
	splits := make([]apparmor.Split, len(d.Deny))
	left := len(d.Deny)
	for i, r := range d.Deny {
		if s, ok := profile.SplitDeny(r, req, deniedPerms(req, d)); ok {
			splits[i] = s
			left--
		}
	}
	if left == len(d.Deny) {
		return candidates
	}
	split := rules.Fix{}
	var refused, freed []string
	for i, r := range d.Deny {
		s := splits[i]
		if len(s.Edits) == 0 {
			var ok bool
			if s.Narrowed, ok = profile.NarrowDeny(r, req, deniedPerms(req, d)); !ok || !readable(rules.Fix{Rule: s.Text}) {
				return candidates
			}
		}
		split.Edits = append(split.Edits, s.Edits...)
		split.Rule = strings.TrimPrefix(split.Rule+"\n"+s.Text, "\n")
		refused, freed = append(refused, s.Refused...), append(freed, s.Freed...)
	}
	if len(refused) == 0 {
		return candidates
	}
	split.Message = bySplit + " (patch writes the narrower form): " + list(refused) + " stay refused; what else is named " + alternatives(freed) + " no longer is"
	return slices.Insert(candidates, max(len(candidates)-1, 0), p.allowToo(split, profile, req))
}

// readable reports whether people still read the rules of a fix: they have few negated classes
// of characters.
func readable(fix rules.Fix) bool { return strings.Count(fix.Rule, "[^") <= readableClasses }

// alternatives writes out names of which any is meant.
func alternatives(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}
