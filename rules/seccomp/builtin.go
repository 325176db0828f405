package seccomp

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/whydenied/whydenied/rules"
)

//go:generate go -C internal/tools run ./profiles -o ../../builtin

// builtinArchive has the texts, NAME.json, by their names in rules/releases.tsv.
//
//go:embed builtin/texts.tar.gz
var builtinArchive []byte

// builtinTexts are the texts by name.
var builtinTexts = sync.OnceValue(func() map[string]string {
	texts := map[string]string{}
	z, err := gzip.NewReader(bytes.NewReader(builtinArchive))
	if err != nil {
		panic("seccomp: " + err.Error()) // TestBuiltin reads it
	}
	for files := tar.NewReader(z); ; {
		h, err := files.Next()
		if err == io.EOF {
			return texts
		}
		if err != nil {
			panic("seccomp: " + err.Error())
		}
		text, err := io.ReadAll(files)
		if err != nil {
			panic("seccomp: " + err.Error())
		}
		texts[strings.TrimSuffix(h.Name, ".json")] = string(text)
	}
})

// Builtin returns the default profile of an engine ("docker", "containerd", "podman",
// "cri-o", or "containers-common") of a version such as "20.10.24", and its full name.
// Where the version does not tell which text is in force, Others are those that may be in
// place of the profile, which is that of the newest release among them, and the name
// says so. ok is false for an unknown engine.
func Builtin(engine, version string) (p *Profile, name string, ok bool) {
	releases, ok := rules.FindReleases(engine, version)
	if !ok {
		return nil, "", false
	}
	texts, unknown := releases.Texts(func(r rules.Release) string { return r.Seccomp })
	if unknown == "" {
		p = builtin(texts[0].Name)
		return p, p.File.Builtin, true
	}
	p = builtinAmong(texts, unknown)
	return p, p.File.Builtin + "; " + unknown, true
}

// amongBuiltins has the profiles that are one of several, by why that is so: each
// once, as what is found out of a profile is kept by it.
var amongBuiltins sync.Map

// builtinAmong returns the newest of texts with the others.
func builtinAmong(texts []rules.ReleaseText, unknown string) *Profile {
	key := unknown + texts[0].Name
	if p, ok := amongBuiltins.Load(key); ok {
		return p.(*Profile)
	}
	newest := len(texts) - 1
	for newest > 0 && texts[newest].Later() {
		newest--
	}
	p := builtin(texts[newest].Name).clone()
	p.Unknown, p.Releases = unknown, texts[newest]
	for i, t := range texts {
		if i != newest {
			p.Others = append(p.Others, Other{builtin(t.Name), t})
		}
	}
	actual, _ := amongBuiltins.LoadOrStore(key, p)
	return actual.(*Profile)
}

// parsedBuiltins has the profiles by the names of their texts.
var parsedBuiltins sync.Map

// builtin returns the profile of a text.
func builtin(name string) *Profile {
	if p, ok := parsedBuiltins.Load(name); ok {
		return p.(*Profile)
	}
	text, ok := builtinTexts()[name]
	f := rules.NewFile(name+".json", text)
	f.Builtin = builtinTitle(name)
	p, diagnostics, err := Parse(f)
	if err != nil || len(diagnostics) > 0 || !ok {
		panic("seccomp: builtin " + name + " is damaged") // TestBuiltin reads each
	}
	actual, _ := parsedBuiltins.LoadOrStore(name, p)
	return actual.(*Profile)
}

// builtinTitle names a text by the release that had it first.
func builtinTitle(name string) string {
	project, version, _ := strings.Cut(name, "-")
	whose, module := "Docker's", "moby v"
	switch project {
	case "moby":
		module = "moby/profiles seccomp "
	case "containerd":
		whose, module = "containerd's", "containerd v"
	case "common":
		whose, module = "Podman's", "containers-common v"
	case "crio":
		whose, module = "CRI-O's", "CRI-O v"
	}
	return whose + " default seccomp profile of " + module + version
}

// builtinNames are the names of all texts that some engine has, each engine's newest
// last.
var builtinNames = sync.OnceValue(func() (names []string) {
	for _, engine := range []string{"cri-o", "containers-common", "podman", "containerd", "docker"} {
		all, _ := rules.FindReleases(engine, "")
		texts, _ := all.Texts(func(r rules.Release) string { return r.Seccomp })
		for _, t := range texts {
			if !slices.Contains(names, t.Name) {
				names = append(names, t.Name)
			}
		}
	}
	return names
})

// clone returns a profile that says the same.
func (p *Profile) clone() *Profile {
	return &Profile{
		File: p.File, Form: p.Form, At: p.At, Default: p.Default, DefaultErrno: p.DefaultErrno, DefaultAt: p.DefaultAt,
		Archs: p.Archs, ArchMap: p.ArchMap, Flags: p.Flags, Entries: p.Entries, Base: p.Base,
		base: p.base, refused: p.refused, archs: p.archs, node: p.node, only: p.only,
	}
}
