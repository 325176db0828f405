package container

import (
	"cmp"
	"slices"
	"strings"
)

// Snap is the Runtime of an app of a snap: what its meta/snap.yaml says, which lies in
// /snap/NAME/current ("The snap format" of snapd's manual).
const Snap = "snap"

// isSnap reports whether a text is a snap.yaml.
func isSnap(text []byte) bool {
	return hasLine(text, "apps:") && hasLine(text, "name: ") && hasLine(text, "confinement:", "grade:", "base:", "summary:", "version:")
}

// readSnap reads the apps and the hooks of a snap. Plugs that none of them names are of all.
func readSnap(name string, text []byte) (found []Container) {
	of := plainValues(string(text))
	snap := lastOf(of, "name")
	interfaces, bound := map[string]string{}, map[string]bool{} // by the name of the plug
	for key, given := range of {
		within := strings.Split(key, "/")
		switch {
		case within[0] == "plugs" && len(within) == 2: // name: interface
			interfaces[within[1]] = cmp.Or(lastOf(of, key), lastOf(of, key+"/interface"), within[1])
		case len(within) == 3 && within[2] == "plugs":
			for _, plug := range given {
				bound[plug] = true
			}
		}
	}
	seen := map[string]bool{}
	for key := range of {
		within := strings.Split(key, "/")
		if len(within) < 2 || within[0] != "apps" && within[0] != "hooks" || len(found) >= maxApps {
			continue
		}
		what := within[1]
		if within[0] == "hooks" {
			what = "hook." + what
		}
		if seen[what] {
			continue
		}
		seen[what] = true
		c := Container{Name: snap + "." + what, Runtime: Snap, AppArmorProfile: "snap." + snap + "." + what}
		c.Command = strings.Fields(lastOf(of, within[0]+"/"+within[1]+"/command"))
		c.Setup = &Setup{File: name, Plugs: plugsOf(of[within[0]+"/"+within[1]+"/plugs"], interfaces, bound)}
		found = append(found, c)
	}
	slices.SortFunc(found, func(a, b Container) int { return strings.Compare(a.Name, b.Name) })
	return found
}

// maxApps bounds the apps of a snap that are read.
const maxApps = 1000

// plugsOf returns the plugs that an app names, and those that none does.
func plugsOf(named []string, interfaces map[string]string, bound map[string]bool) []Plug {
	plugs := []Plug{}
	for _, name := range named {
		plugs = append(plugs, Plug{name, cmp.Or(interfaces[name], name)})
	}
	for name, of := range interfaces {
		if !bound[name] {
			plugs = append(plugs, Plug{name, of})
		}
	}
	slices.SortFunc(plugs, func(a, b Plug) int { return strings.Compare(a.Name, b.Name) })
	return plugs
}

// PlugOf returns the name of the plug that an app has of an interface, or "".
func (s *Setup) PlugOf(of string) string {
	for _, plug := range s.Plugs {
		if plug.Interface == of {
			return plug.Name
		}
	}
	return ""
}
