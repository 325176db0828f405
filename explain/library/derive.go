package library

import (
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// DerivedName is the name of the profile that is made of a built-in one: after
// the container, if its name is plain.
func DerivedName(base, container string) string {
	plain := container != "" && len(container) <= 64
	for _, r := range container {
		plain = plain && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	}
	if !plain {
		container = "custom"
	}
	return base + "-" + container
}

// Derive returns a built-in policy under another name, as a file that is not
// there yet: below containers in the profile directory, if that is there. Where
// the profile names itself as a peer, it names the new one.
func (l *Library) Derive(policy *apparmor.Policy, name string) *apparmor.Policy {
	root, profile := policy.Files[0], policy.Profiles[0]
	edits := []rules.Edit{}
	rename := func(at rules.Location) {
		if i := strings.Index(at.Text(), profile.Name); i >= 0 {
			at.Span.Start += i
			at.Span.End = at.Span.Start + len(profile.Name)
			edits = append(edits, rules.Edit{At: at, New: name})
		}
	}
	rename(profile.At)
	for _, r := range profile.Rules {
		for _, peer := range apparmor.Labels(r) {
			if peer != nil && peer.Source == profile.Name && peer.At.File == root {
				rename(peer.At)
			}
		}
	}
	text := root.Text
	if changes, err := rules.Apply(edits); err == nil && len(changes) == 1 {
		text = changes[0].New
	}
	dir := l.tree.Join(l.dir, "containers")
	if !l.tree.IsDir(dir) {
		dir = l.dir
	}
	derived, _ := l.loadAlways(rules.NewFile(l.tree.Join(dir, name), text))
	return derived
}
