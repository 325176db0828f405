package apparmor

import (
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/whydenied/whydenied/rules"
)

// The texts are written by internal/tools, from the engines' own source.
//
//go:embed builtin/*.txt builtin/index.json
var builtinFS embed.FS

// A builtin is where a text comes from.
type builtin struct {
	Profile         string // the name in the text
	Module, Version string
}

// builtins are the texts by their names in rules/releases.tsv.
var builtins = sync.OnceValue(func() map[string]builtin {
	all := map[string]builtin{}
	index, err := builtinFS.ReadFile("builtin/index.json")
	if err == nil {
		err = json.Unmarshal(index, &all)
	}
	if err != nil {
		panic("rules/apparmor: the embedded index is broken: " + err.Error())
	}
	return all
})

var commonName = regexp.MustCompile(`^containers-default-(\d{1,4}\.\d{1,4}\.\d{1,4})(-[0-9A-Za-z.]{1,20})?$`)

// A Builtin is a text of a profile that a container engine makes up at run time.
type Builtin struct {
	File     *rules.File
	Releases rules.ReleaseText
}

// Builtins returns the texts that a container engine of a version, such as "20.10.24"
// or "v1.7.29+ds1", may load under a name without leaving it on disk: docker-default,
// cri-containerd.apparmor.d, crio-default and containers-default-VERSION (Podman), as the
// engine writes them on a host with AppArmor 3 or later. The version of the last is that
// of the containers-common library, and the name has it. The first text is that of the
// newest release, the others come in order; unknown says why more than one may be in
// force, or none of them, as a clause. There are none for other names. File.Builtin says what a text is; each call
// returns new Files.
//
// LXC's profiles are not among them: they are files, in /etc/apparmor.d/lxc.
func Builtins(profile, version string) (all []Builtin, unknown string) {
	engine := map[string]string{"docker-default": "docker", "cri-containerd.apparmor.d": "containerd", "crio-default": "cri-o"}[profile]
	if m := commonName.FindStringSubmatch(profile); m != nil {
		engine, version = "containers-common", m[1]
	}
	releases, ok := rules.FindReleases(engine, version)
	if !ok {
		return nil, ""
	}
	texts, unknown := releases.Texts(func(r rules.Release) string { return r.AppArmor })
	newest := len(texts) - 1
	for newest > 0 && texts[newest].Later() {
		newest--
	}
	for i, t := range slices.Concat(texts[newest:newest+1], texts[:newest], texts[newest+1:]) {
		of := t.String()
		if i == 0 && unknown == "" && version != "" {
			of = rules.EngineTitles[releases.Engine] + " " + strings.Trim(strings.ReplaceAll(fmt.Sprint(rules.VersionNumbers(version)), " ", "."), "[]")
		}
		all = append(all, Builtin{builtinFile(t.Name, profile, of), t})
	}
	return all, unknown
}

// builtinFile returns a text with the name that the engine loads it under.
func builtinFile(name, profile, releases string) *rules.File {
	text, err := builtinFS.ReadFile(path.Join("builtin", name+".txt"))
	if err != nil {
		panic("rules/apparmor: " + err.Error()) // TestBuiltins reads each
	}
	b := builtins()[name]
	f := rules.NewFile("builtin:"+profile, strings.ReplaceAll(string(text), b.Profile, profile))
	f.Builtin = fmt.Sprintf("%s of %s (%s %s)", profile, releases, b.Module, strings.TrimSuffix(b.Version, "+incompatible"))
	return f
}

// IsBuiltin reports whether a container engine makes up the profile of a name.
func IsBuiltin(profile string) bool {
	all, _ := Builtins(profile, "")
	return all != nil
}
