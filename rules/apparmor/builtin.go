package apparmor

import (
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/whydenied/whydenied/rules"
)

// The texts are written by internal/tools, from the engines' own source.
//
//go:embed builtin/*.txt builtin/index.json
var builtinFS embed.FS

// A builtin is one text, and where it comes from.
type builtin struct {
	Profile, Engine, Module, Version string
	Since                            []string // the first engine version with it, by release branch
	File                             string
}

var builtins = sync.OnceValue(func() []builtin {
	var all []builtin
	index, err := builtinFS.ReadFile("builtin/index.json")
	if err == nil {
		err = json.Unmarshal(index, &all)
	}
	if err != nil {
		panic("rules/apparmor: the embedded index is broken: " + err.Error())
	}
	return all
})

// commonProfile is the profile of the containers-common library, which Podman
// loads as containers-default-VERSION and CRI-O as crio-default
// (pkg/apparmor of go.podman.io/common, internal/config/apparmor of CRI-O 1.34).
const commonProfile = "containers-default"

var commonName = regexp.MustCompile(`^containers-default-(\d{1,4}\.\d{1,4}\.\d{1,4})(-[0-9A-Za-z.]{1,20})?$`)

// Builtin returns the profile that a container engine loads under a name
// without leaving it on disk: docker-default, cri-containerd.apparmor.d,
// crio-default and containers-default-VERSION (Podman), as the engine writes it
// on a host with AppArmor 3 or later. It is the text of the newest known engine
// version, but for containers-default-VERSION that of VERSION; File.Builtin says
// which. It is false for other names. Each call returns a new File.
//
// LXC's profiles are not among them: they are files, in /etc/apparmor.d/lxc.
func Builtin(profile string) (*rules.File, bool) {
	name, version := profile, ""
	if m := commonName.FindStringSubmatch(profile); m != nil {
		name, version = commonProfile, m[1]
	} else if profile == "crio-default" {
		name = commonProfile
	} else if profile == commonProfile {
		return nil, false // only ever with a version
	}
	var newest *builtin
	for i, b := range builtins() {
		if b.Profile == name {
			newest = &builtins()[i]
		}
	}
	if newest == nil {
		return nil, false
	}
	if version != "" {
		if f, ok := builtinOf(profile, name, version); ok {
			return f, true
		}
	}
	since := newest.Since[len(newest.Since)-1]
	if name == commonProfile {
		return newest.file(profile, "containers-common "+since+" and later"), true
	}
	return newest.file(profile, newest.Engine+" "+since+" and later"), true
}

// BuiltinVersion returns the text of Builtin as a given engine version has it,
// such as "20.10.24" or "v1.7.29+ds1". It is false if the profile is not built
// in, or the version is none or older than the oldest known. The version of
// crio-default and containers-default-VERSION is that of the containers-common
// library, not of Podman or CRI-O.
func BuiltinVersion(profile, engineVersion string) (*rules.File, bool) {
	name := profile
	if profile == "crio-default" || commonName.MatchString(profile) {
		name = commonProfile
	} else if profile == commonProfile {
		return nil, false
	}
	return builtinOf(profile, name, engineVersion)
}

// builtinOf returns the text of the greatest known version up to a version.
func builtinOf(profile, name, version string) (*rules.File, bool) {
	want, ok := parseVersion(version)
	if !ok {
		return nil, false
	}
	var found *builtin
	greatest := [3]int{-1}
	for i, b := range builtins() {
		for _, since := range b.Since {
			v, _ := parseVersion(since)
			if b.Profile == name && !less(want, v) && less(greatest, v) {
				found, greatest = &builtins()[i], v
			}
		}
	}
	if found == nil {
		return nil, false
	}
	engine := found.Engine
	if name == commonProfile {
		engine = "containers-common"
	}
	return found.file(profile, fmt.Sprintf("%s %d.%d.%d", engine, want[0], want[1], want[2])), true
}

func (b *builtin) file(profile, engine string) *rules.File {
	text, err := builtinFS.ReadFile(path.Join("builtin", b.File))
	if err != nil {
		panic("rules/apparmor: " + err.Error()) // index and files are embedded together
	}
	// The library's text is written with the name that it is loaded under.
	written := strings.ReplaceAll(string(text), b.Profile, profile)
	f := rules.NewFile("builtin:"+profile, written)
	f.Builtin = fmt.Sprintf("%s of %s (%s %s)", profile, engine, b.Module, strings.TrimSuffix(b.Version, "+incompatible"))
	return f
}

var versionNumber = regexp.MustCompile(`^v?(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?`)

// parseVersion reads the numbers at the start of an engine's version.
func parseVersion(s string) (v [3]int, ok bool) {
	m := versionNumber.FindStringSubmatch(s)
	if m == nil {
		return v, false
	}
	for i := range v {
		v[i], _ = strconv.Atoi(m[i+1]) // an absent patch level is 0
	}
	return v, true
}

func less(a, b [3]int) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}
