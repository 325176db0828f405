package container

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules/yaml"
)

// Snap is the Runtime of an app of a snap: what its meta/snap.yaml says, which lies in
// /snap/NAME/current ("The snap format" of snapd's manual).
const Snap = "snap"

// isSnap reports whether a text is a snap.yaml.
func isSnap(text []byte) bool {
	return hasLine(text, "apps:") && hasLine(text, "name: ") && hasLine(text, "confinement:", "grade:", "base:", "summary:", "version:")
}

// A snapFile is what is read of it.
type snapFile struct {
	Name    string              `yaml:"name"`
	Version string              `yaml:"version"`
	Plugs   map[string]any      `yaml:"plugs,omitempty"`
	Apps    map[string]snapPart `yaml:"apps"`
	Hooks   map[string]snapPart `yaml:"hooks,omitempty"`
}

// A snapPart is an app or a hook.
type snapPart struct {
	Command string   `yaml:"command,omitempty"`
	Plugs   []string `yaml:"plugs,omitempty"`
}

// readSnap reads the apps and the hooks of a snap. Plugs that none of them names are of all.
func readSnap(name string, text []byte) (found []Container, err error) {
	var snap snapFile
	if err := yaml.Decode(string(text), &snap); err != nil {
		return nil, fmt.Errorf("%s: broken YAML of a snap: %w", name, err)
	}
	for hook, part := range snap.Hooks {
		if snap.Apps == nil {
			snap.Apps = map[string]snapPart{}
		}
		snap.Apps["hook."+hook] = part
	}
	if len(snap.Apps) > maxApps {
		return nil, fmt.Errorf("%s: more than %d apps are too many", name, maxApps)
	}
	interfaces, bound := map[string]string{}, map[string]bool{} // by the name of the plug
	for plug, of := range snap.Plugs {
		interfaces[plug] = cmp.Or(interfaceOf(of), plug)
	}
	for _, part := range snap.Apps {
		for _, plug := range part.Plugs {
			bound[plug] = true
		}
	}
	for what, part := range snap.Apps {
		c := Container{Name: snap.Name + "." + what, Runtime: Snap, AppArmorProfile: "snap." + snap.Name + "." + what, Command: strings.Fields(part.Command)}
		c.Setup = &Setup{File: name, Plugs: plugsOf(part.Plugs, interfaces, bound)}
		found = append(found, c)
	}
	slices.SortFunc(found, func(a, b Container) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

// interfaceOf returns the interface that a plug is said to be of, alone or beside its attributes; "" is
// that of its name.
func interfaceOf(plug any) string {
	if attributes, ok := plug.(map[string]any); ok {
		plug = attributes["interface"]
	}
	said, _ := plug.(string)
	return said
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
