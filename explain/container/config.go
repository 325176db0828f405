package container

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"maps"
	"regexp"
	"strings"
	"sync"

	"github.com/whydenied/whydenied/rules/yaml"
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
	switch configOf(text) {
	case unitConfig:
		return []byte(unitKept(string(text)))
	case domainConfig:
		return domainKept(text)
	case incusConfig:
		return instanceKept(text)
	case snapConfig:
		return snapKept(text)
	case lxcConfig:
		return []byte(lxcKept(string(text)))
	}
	return nil
}

// A config is a kind of config that is no JSON.
type config int

const (
	noConfig config = iota
	unitConfig
	domainConfig
	incusConfig
	snapConfig
	lxcConfig
)

// configOf returns the kind that a text is of.
func configOf(text []byte) config {
	start := bytes.TrimLeft(text, " \t\r\n")
	switch {
	case isStatus(text):
		return noConfig
	case isUnit(text): // whose sections may begin it
		return unitConfig
	case bytes.HasPrefix(start, []byte("{")), bytes.HasPrefix(start, []byte("[")):
		return noConfig
	case isDomain(text):
		return domainConfig
	case isInstance(text):
		return incusConfig
	case isSnap(text):
		return snapConfig
	case isLXC(text):
		return lxcConfig
	}
	return noConfig
}

// Of each kind the keys that are read.
var (
	unitReadKey = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(?:SystemCall|Restrict|LockPersonality|MemoryDeny|Protect|Private|NoNewPrivileges|AppArmorProfile|CapabilityBoundingSet|` +
			`AmbientCapabilities|User|DynamicUser|Device|Tasks|Limit|ExecStart|Id|Read|Inaccessible|State|Cache|Logs|Runtime|Configuration|Bind|TemporaryFileSystem|Root)\w*[ \t]*=`)
	})
	lxcReadKey = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^[ \t]*(?:lxc\.(?:apparmor|aa_|seccomp|cap\.|id_?map|no_new_privs|rootfs|uts|init\.cmd|include|prlimit|cgroup)|(?:arch|hostname|rootfs|unprivileged|features):)`)
	})
	optionRead = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(?:raw\.(?:apparmor|lxc|seccomp)$|security\.|limits\.|image\.description$)`)
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

// instanceKept writes what is read of an instance of Incus or LXD; nil if it cannot be read.
func instanceKept(text []byte) []byte {
	var in instanceFile
	if yaml.Decode(string(text), &in) != nil {
		return nil
	}
	if isMachine(in.Type, in.Config) {
		in.Type = machine
	}
	maps.DeleteFunc(in.Config, func(option, _ string) bool { return !optionRead().MatchString(option) })
	return yaml.Encode(in)
}

// snapKept writes what is read of a snap; nil if it cannot be read.
func snapKept(text []byte) []byte {
	var snap snapFile
	if yaml.Decode(string(text), &snap) != nil {
		return nil
	}
	for plug, of := range snap.Plugs {
		snap.Plugs[plug] = cmp.Or(interfaceOf(of), plug)
	}
	return yaml.Encode(snap)
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
