package silent

import (
	"slices"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/library"
)

// A Target is whose policies are asked where no record says it: a container of
// the inventory, a profile, or neither, if only a seccomp profile is known.
type Target struct {
	Container container.Container
	Profile   string // AppArmor; "" if none is known
}

// Name names the target for a sentence, in the words of the container's metadata.
func (t Target) Name() string {
	switch {
	case t.Container.Name != "":
		return container.Noun(t.Container.Runtime) + " " + t.Container.Name
	case t.Container.ID != "":
		return "container " + t.Container.ID
	case t.Profile != "":
		return "profile " + t.Profile
	}
	return "a container"
}

// Targets returns the containers of the inventory, or without one the profiles
// that the user named, as far as the filter selects them.
func Targets(l *library.Library, inventory *container.Inventory, filter explain.Filter) []Target {
	var targets []Target
	add := func(t Target) {
		if (len(filter.Profiles) == 0 || slices.Contains(filter.Profiles, t.Profile)) && filter.OfContainer(&t.Container) {
			targets = append(targets, t)
		}
	}
	if inventory != nil {
		for _, c := range inventory.Containers {
			c.Confidence, c.Evidence = container.High, []string{"it is the container that was asked about"}
			t := Target{Container: c, Profile: c.AppArmorProfile}
			if t.Profile == "unconfined" {
				t.Profile = ""
			}
			add(t)
		}
		return ofName(targets, filter.Containers)
	}
	for _, policy := range l.Named() {
		for _, profile := range policy.Profiles {
			if profile.Parent == nil && !profile.Hat {
				add(Target{Profile: profile.FullName()})
			}
		}
	}
	if len(targets) > 0 {
		return targets
	}
	for _, name := range filter.Profiles {
		add(Target{Profile: name})
	}
	if named, _ := l.NamedSeccomp(); len(targets) == 0 && named != nil {
		targets = []Target{{}}
	}
	return targets
}

// ofName returns the one target whose container itself has a name, where others have it as that
// of their pod; else all.
func ofName(targets []Target, names []string) []Target {
	if len(names) != 1 {
		return targets
	}
	i := slices.IndexFunc(targets, func(t Target) bool { return t.Container.Name == names[0] })
	if i < 0 || slices.ContainsFunc(targets[i+1:], func(t Target) bool { return t.Container.Name == names[0] }) {
		return targets
	}
	return targets[i : i+1]
}
