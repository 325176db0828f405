package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/apk" // the formats, by their names
	_ "github.com/goreleaser/nfpm/v2/arch"
	_ "github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

// A place is where a format has something else than the others.
type place struct {
	format, suffix string
	zsh            string // the folder of completions
}

var formats = []place{
	{"deb", ".deb", "/usr/share/zsh/vendor-completions"},
	{"rpm", ".rpm", "/usr/share/zsh/site-functions"},
	{"apk", ".apk", "/usr/share/zsh/site-functions"},
	{"archlinux", ".pkg.tar.zst", "/usr/share/zsh/site-functions"},
}

const description = `explains why AppArmor or seccomp refused something to a container
whydenied reads the kernel's records in any log, names the container, the process and the
rule responsible, and proposes the smallest patch that it has tried on a copy.`

// writePackages writes packages for each Linux.
func (r *release) writePackages() error {
	if err := errors.Join(r.compressPages(), r.copyScripts()); err != nil {
		return err
	}
	for _, t := range r.targets {
		if t.os != "linux" {
			continue
		}
		for _, f := range formats {
			if err := r.writePackage(t, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *release) writePackage(t target, f place) error {
	arch := t.arch
	if arch == "arm" {
		arch = "arm7"
	}
	contents, err := r.packaged(t, f)
	if err != nil {
		return err
	}
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: "whydenied", Arch: arch, Platform: "linux", Version: r.version, Release: "1", Section: "admin", Priority: "optional",
		Maintainer: "The whydenied authors <whydenied@users.noreply.github.com>", Vendor: "whydenied", Description: description,
		Homepage: "https://github.com/whydenied/whydenied", License: "Apache-2.0", MTime: r.date,
		Overridables: nfpm.Overridables{
			Suggests: []string{"apparmor"}, // whose parser proves patches
			Contents: contents,
			Scripts: nfpm.Scripts{
				PostInstall: filepath.Join(r.work, "postinstall.sh"), PreRemove: filepath.Join(r.work, "preremove.sh"), PostRemove: filepath.Join(r.work, "postremove.sh"),
			},
			RPM: nfpm.RPM{BuildHost: "whydenied", Summary: "Explains why AppArmor or seccomp refused something to a container"},
		},
	})
	if f.format == "rpm" {
		info.Suggests = nil // its parser's package has another name in each distribution
	}
	if err := nfpm.Validate(info); err != nil {
		return err
	}
	packager, err := nfpm.Get(f.format)
	if err != nil {
		return err
	}
	out, err := os.Create(filepath.Join(r.out, "whydenied_"+r.version+"_"+t.name()+f.suffix))
	if err != nil {
		return err
	}
	if err := packager.Package(info, out); err != nil {
		return err
	}
	return out.Close()
}

// file is a file of this folder.
func (r *release) file(name string) string {
	return filepath.Join(r.root, ".ci/release/files", name)
}

// packaged are the files of a package.
func (r *release) packaged(t target, f place) (list files.Contents, err error) {
	add := func(from, to string, mode os.FileMode, kind string) {
		list = append(list, &files.Content{Source: from, Destination: to, Type: kind, FileInfo: &files.ContentFileInfo{Mode: mode, MTime: r.date, Owner: "root", Group: "root"}})
	}
	link := func(to, at string) {
		list = append(list, &files.Content{Source: to, Destination: at, Type: files.TypeSymlink, FileInfo: &files.ContentFileInfo{MTime: r.date}})
	}
	add(t.program, "/usr/bin/whydenied", 0o755, files.TypeFile)
	link("../../../bin/whydenied", "/usr/libexec/docker/cli-plugins/docker-whydenied") // docker whydenied
	link("whydenied", "/usr/bin/kubectl-whydenied")                                    // kubectl whydenied
	add(r.file("whydenied.service"), "/usr/lib/systemd/system/whydenied.service", 0o644, files.TypeFile)
	add(r.file("whydenied-watch"), "/etc/apparmor.d/whydenied-watch", 0o644, files.TypeConfigNoReplace)
	completions := filepath.Join(r.work, "completions")
	add(filepath.Join(completions, "whydenied.bash"), "/usr/share/bash-completion/completions/whydenied", 0o644, files.TypeFile)
	add(filepath.Join(completions, "_whydenied"), f.zsh+"/_whydenied", 0o644, files.TypeFile)
	add(filepath.Join(completions, "whydenied.fish"), "/usr/share/fish/vendor_completions.d/whydenied.fish", 0o644, files.TypeFile)
	pages, err := filepath.Glob(filepath.Join(r.work, "man", "*.1.gz"))
	if err != nil {
		return nil, err
	}
	for _, page := range pages {
		add(page, "/usr/share/man/man1/"+filepath.Base(page), 0o644, files.TypeFile)
	}
	add(filepath.Join(r.work, "copyright"), "/usr/share/doc/whydenied/copyright", 0o644, files.TypeFile)
	add(filepath.Join(r.root, "CHANGELOG.md"), "/usr/share/doc/whydenied/CHANGELOG.md", 0o644, files.TypeFile)
	return list, nil
}

// copyScripts copies the scripts of packages, as apk has the times of their files.
func (r *release) copyScripts() error {
	for _, name := range []string{"postinstall.sh", "preremove.sh", "postremove.sh"} {
		text, err := os.ReadFile(r.file(name))
		if err != nil {
			return err
		}
		copied := filepath.Join(r.work, name)
		if err := errors.Join(os.WriteFile(copied, text, 0o755), os.Chtimes(copied, r.date, r.date)); err != nil {
			return err
		}
	}
	return nil
}

// compressPages writes what packages have otherwise than archives: man pages are
// compressed, and all licences are one file.
func (r *release) compressPages() error {
	pages, err := filepath.Glob(filepath.Join(r.work, "man", "*.1"))
	if err != nil {
		return err
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		if text, err = gzipped(text); err != nil {
			return err
		}
		if err := os.WriteFile(page+".gz", text, 0o644); err != nil {
			return err
		}
	}
	var out strings.Builder
	for _, name := range []string{"NOTICE", "LICENSE"} {
		text, err := os.ReadFile(filepath.Join(r.root, name))
		if err != nil {
			return err
		}
		out.WriteString(string(text) + "\n")
	}
	return os.WriteFile(filepath.Join(r.work, "copyright"), []byte(out.String()+r.notices()), 0o644)
}
