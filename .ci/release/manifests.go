package main

import (
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// An archive is an archive of the release, as manifests name it.
type archive struct {
	OS, Arch           string // as Go and Kubernetes call them
	CPU                string // as Homebrew does
	Base, File, Binary string
}

// writeManifests writes what package managers want that fetch the archives: a formula of
// Homebrew, and a manifest of krew for `kubectl krew install --manifest`.
func (r *release) writeManifests() error {
	for _, m := range []struct{ from, to string }{{"whydenied.rb.tmpl", "whydenied.rb"}, {"krew.yaml.tmpl", "whydenied.krew.yaml"}} {
		t, err := template.New(m.from).Funcs(template.FuncMap{"sum": r.checksum}).ParseFiles(r.file(m.from))
		if err != nil {
			return err
		}
		var out strings.Builder
		err = t.Execute(&out, map[string]any{"Version": r.version, "MacOS": r.archivesOf("darwin"), "Linux": r.archivesOf("linux"), "All": r.archivesOf("linux", "darwin", "windows")})
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(r.out, m.to), []byte(out.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// archivesOf are the archives for systems, by their names in Go.
func (r *release) archivesOf(systems ...string) (list []archive) {
	for _, system := range systems {
		for _, t := range r.targets {
			if t.os != system {
				continue
			}
			a := archive{OS: t.os, Arch: t.arch, Binary: t.binary(), Base: "whydenied_" + r.version + "_" + t.name()}
			a.File = a.Base + map[bool]string{true: ".zip", false: ".tar.gz"}[t.os == "windows"]
			a.CPU = map[string]string{"amd64": "intel", "arm64": "arm"}[t.arch]
			list = append(list, a)
		}
	}
	return list
}
