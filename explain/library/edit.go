package library

import (
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// Edited loads the policy with edits applied and returns the profile as it then
// is, or nil if they cannot be applied or make an error.
func (l *Library) Edited(edits []rules.Edit, profile *apparmor.Profile) *apparmor.Profile {
	changes, err := rules.Apply(edits)
	if err != nil {
		return nil
	}
	policy, diagnostics, _ := Reload(l.Loader, profile.Policy, changes)
	if len(rules.Errors(diagnostics)) > len(l.Problems(profile.Policy)) {
		return nil
	}
	edited := policy.Profile(profile.FullName())
	if edited != nil {
		edited.Reuse(profile)
	}
	return edited
}

// Tried returns what Edited does, at less cost where Profile.Tried can: a profile to be
// asked, and not to be edited further.
func (l *Library) Tried(edits []rules.Edit, profile *apparmor.Profile) *apparmor.Profile {
	if tried := profile.Tried(edits); tried != nil {
		return tried
	}
	return l.Edited(edits, profile)
}

// Reload loads a policy with some of its files changed, and returns the loader
// that has those changes too.
func Reload(loader *apparmor.Loader, policy *apparmor.Policy, changes []rules.Change) (*apparmor.Policy, []rules.Diagnostic, *apparmor.Loader) {
	root := policy.Files[0]
	text, overlay := root.Text, map[string]string{}
	for _, c := range changes {
		if c.File == root {
			text = c.New
		} else {
			overlay[c.File.Name] = c.New
		}
	}
	if len(overlay) > 0 {
		loader = loader.With(overlay)
	}
	changed, diagnostics := loader.Load(rules.NewFile(root.Name, text))
	return changed, diagnostics, loader
}
