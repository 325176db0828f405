package container

import (
	"encoding/xml"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ConfigLines returns of a config that is no JSON, such as a unit of systemd or the XML of a
// virtual machine, what Read reads, and nothing else that it holds, such as environments and
// passwords: Read makes the same of it. Lines of a unit stay where they are. It is nil for what
// is no config, and for one of which that cannot be kept.
func ConfigLines(name string, text []byte) []byte {
	kept := configKept(text)
	if kept == nil {
		return nil
	}
	if _, err := Read(name, kept); err != nil {
		return nil
	}
	return kept
}

func configKept(text []byte) []byte {
	switch {
	case isStatus(text):
		return nil
	case isUnit(text):
		return []byte(unitKept(string(text)))
	case strings.HasPrefix(strings.TrimSpace(string(text)), "{"), strings.HasPrefix(strings.TrimSpace(string(text)), "["):
		return nil
	case isDomain(text):
		return domainKept(text)
	case isInstance(text), isSnap(text):
		return []byte(plainKept(plainValues(string(text))))
	case isLXC(text):
		return []byte(lxcKept(string(text)))
	}
	return nil
}

// Of each kind the keys that are read.
var (
	unitReadKey = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(?:SystemCall|Restrict|LockPersonality|MemoryDeny|Protect|Private|NoNewPrivileges|AppArmorProfile|CapabilityBoundingSet|` +
			`AmbientCapabilities|User|DynamicUser|Device|Tasks|Limit|ExecStart|Id|Read|Inaccessible)\w*[ \t]*=`)
	})
	lxcReadKey = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^[ \t]*(?:lxc\.(?:apparmor|aa_|seccomp|cap\.|id_?map|no_new_privs|rootfs|uts|init\.cmd|include|prlimit|cgroup)|(?:arch|hostname|rootfs|unprivileged|features):)`)
	})
	plainReadKey = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(?:architecture|name|version|base|grade|confinement|summary|profiles|devices|ephemeral|stateful|config|config/(?:raw\.(?:apparmor|lxc)|security\.|limits\.|image\.description)[\w.-]*|` +
			`apps|(?:apps|hooks)/[^/]+(?:/command|/plugs)?|plugs/[^/]+(?:/interface)?)$`)
	})
)

// unitKept keeps lines of settings that are read, with those that they go on in, names of files
// and heads of sections; of all others the ends.
func unitKept(text string) string {
	var kept strings.Builder
	keeps := false // the line before goes on, and is kept
	for line := range strings.Lines(text) {
		said := strings.TrimRight(line, " \t\r\n")
		start := strings.TrimLeft(said, " \t")
		isComment := strings.HasPrefix(start, "#") || strings.HasPrefix(start, ";")
		keep := keeps && !isComment || unitReadKey().MatchString(start) || strings.HasPrefix(start, "[") || unitHead.MatchString(said)
		switch {
		case keep:
			kept.WriteString(said)
		case isComment: // an empty line would end one that goes on
			kept.WriteString("#")
		}
		if !isComment {
			keeps = keep && strings.HasSuffix(said, `\`)
		}
		kept.WriteString(line[len(strings.TrimRight(line, "\r\n")):])
	}
	return kept.String()
}

func lxcKept(text string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "[") {
			break
		}
		if lxcReadKey().MatchString(line) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// plainKept writes the values that are read as YAML again.
func plainKept(of map[string][]string) string {
	var kept strings.Builder
	var around []string
	for _, key := range slices.Sorted(maps.Keys(of)) {
		if !plainReadKey().MatchString(key) {
			continue
		}
		within := strings.Split(key, "/")
		for i, name := range within[:len(within)-1] {
			if i >= len(around) || around[i] != name {
				around = append(around[:min(i, len(around))], name)
				fmt.Fprintf(&kept, "%s%s:\n", strings.Repeat("  ", i), name)
			}
		}
		around = around[:min(len(around), len(within)-1)]
		indent, name := strings.Repeat("  ", len(within)-1), within[len(within)-1]
		switch given := of[key]; {
		case len(given) == 1 && name != "plugs" && name != "profiles":
			fmt.Fprintf(&kept, "%s%s: %s\n", indent, name, strconv.Quote(given[0]))
		default:
			fmt.Fprintf(&kept, "%s%s:\n", indent, name)
			around = append(around, name)
			for _, item := range given {
				fmt.Fprintf(&kept, "%s- %s\n", indent, strconv.Quote(item))
			}
		}
	}
	return kept.String()
}

// domainKept writes what is read of the XML of a virtual machine; nil if it cannot be read.
func domainKept(text []byte) []byte {
	var d domain
	if xml.Unmarshal(text, &d) != nil {
		return nil
	}
	files, err := given(text)
	if err != nil {
		return nil
	}
	d.Disks = nil
	for _, file := range files {
		disk := keptDisk{Source: keptSource{file.Path}}
		if file.ReadOnly {
			disk.ReadOnly = &struct{}{}
		}
		d.Disks = append(d.Disks, disk)
	}
	kept, err := xml.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil
	}
	return append(kept, '\n')
}

// A keptDisk stands for any device with a file of the host.
type keptDisk struct {
	Source   keptSource `xml:"source"`
	ReadOnly *struct{}  `xml:"readonly"`
}

type keptSource struct {
	File string `xml:"file,attr"`
}
