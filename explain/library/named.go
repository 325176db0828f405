package library

import (
	"errors"
	"fmt"
	"strings"

	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// A namedPolicy is an AppArmor policy by the name that the user gave it.
type namedPolicy struct {
	name string
	*apparmor.Policy
}

// A Text is a text of policy that the user named, as a whole: AppArmor's profiles, in the
// order of their files, or a seccomp profile.
type Text struct {
	Name     string // what the user called it
	AppArmor []*apparmor.Profile
	Seccomp  *seccomp.Profile
}

// Profile returns the AppArmor profile of a full name, or nil.
func (t *Text) Profile(name string) *apparmor.Profile {
	for _, p := range t.AppArmor {
		if p.FullName() == name {
			return p
		}
	}
	return nil
}

// Named returns the AppArmor policies that the user named.
func (l *Library) Named() []*apparmor.Policy {
	policies := make([]*apparmor.Policy, len(l.named))
	for i, named := range l.named {
		policies[i] = named.Policy
	}
	return policies
}

// NamedProfile returns a profile of the policies that the user named: by its name, or
// by that of the policy, if it holds no other; "" is the only one there is. Learning
// profiles (a//null-...) are looked up as their parent. The error lists the names.
func (l *Library) NamedProfile(name string) (*apparmor.Profile, error) {
	if len(l.named) == 0 {
		return nil, errors.New("no AppArmor profile was given with --profile")
	}
	if name == "" {
		return onlyProfile(l.named)
	}
	parent, _, _ := strings.Cut(name, apparmor.Learning)
	for _, named := range l.named {
		if p := named.Profile(parent); p != nil {
			return p, nil
		}
	}
	for _, named := range l.named {
		if named.name == name {
			return onlyProfile([]namedPolicy{named})
		}
	}
	return nil, fmt.Errorf("there is no profile %.200q; the profiles are: %s", name, profileNames(l.named))
}

// onlyProfile returns the profile that policies hold, if it is the only one. Children
// and hats do not count: they are asked for by name.
func onlyProfile(policies []namedPolicy) (*apparmor.Profile, error) {
	var found []*apparmor.Profile
	for _, named := range policies {
		for _, p := range named.Profiles {
			if p.Parent == nil {
				found = append(found, p)
			}
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("%s holds no profile", policies[0].name)
	case 1:
		return found[0], nil
	}
	return nil, fmt.Errorf("name one of the profiles with --name: %s", profileNames(policies))
}

// profileNames lists the profiles of policies, the first of them if they are many.
func profileNames(policies []namedPolicy) string {
	const most = 12
	var names []string
	for _, named := range policies {
		for _, p := range named.Profiles {
			names = append(names, p.FullName())
		}
	}
	if len(names) == 0 {
		return "none"
	}
	if n := len(names) - most; n > 0 {
		names = append(names[:most], fmt.Sprintf("and %d more", n))
	}
	return strings.Join(names, ", ")
}
