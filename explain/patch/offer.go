package patch

import (
	"slices"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/fix"
	"github.com/whydenied/whydenied/rules"
)

// offer notes what would allow the other names beside files that a draft allows one by one.
func (b *patcher) offer(d *policyDraft, fixed []*wanted) {
	b.offerNext(d, fixed)
	if b.x.Fixes.Breadth != fix.OfNames {
		return // how wide rules are to be was chosen
	}
	var asked []fix.Asked
	var wanting []*wanted
	for _, w := range fixed {
		file, ok := w.file()
		if profile := d.before.Profile(w.profile); ok && w.glob == "" && w.fix != nil && profile != nil && profile.Decide(file).Refused == 0 {
			asked = append(asked, fix.Asked{Profile: profile, File: file, Caller: w.caller})
			wanting = append(wanting, w)
		}
	}
	for _, of := range fix.InFolders(asked) {
		var findings []*explain.Explained
		for _, i := range of {
			findings = append(findings, wanting[i].findings...)
		}
		for _, offered := range b.x.Fixes.Siblings(fix.Those(asked, of)) {
			b.patch.addOffer(findings, offered)
		}
	}
}

// offerNext notes what would allow what usually comes next.
func (b *patcher) offerNext(d *policyDraft, fixed []*wanted) {
	for _, w := range fixed {
		profile := d.after.Profile(w.profile)
		if len(w.requests) != 1 || w.fix == nil || profile == nil {
			continue
		}
		if offered := b.x.Fixes.Next(profile, w.requests[0], w.caller); offered.Edits != nil {
			b.patch.addOffer(w.findings, offered)
		}
	}
}

// addOffer adds a fix that is offered, once for all findings that it allows.
func (p *Patch) addOffer(findings []*explain.Explained, offered rules.Fix) {
	i := slices.IndexFunc(p.Offers, func(o Offer) bool { return o.Fix.Rule == offered.Rule && slices.Equal(o.Fix.Edits, offered.Edits) })
	if i < 0 {
		i = len(p.Offers)
		p.Offers = append(p.Offers, Offer{Fix: offered})
	}
	p.Offers[i].Findings = append(p.Offers[i].Findings, findings...)
}
