package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// A file is a file of an archive.
type file struct {
	name string
	mode int64
	text []byte
}

// contents are what an archive of a target holds.
func (r *release) contents(t target) ([]file, error) {
	var list []file
	add := func(name string, mode int64, from string) error {
		text, err := os.ReadFile(from)
		list = append(list, file{name, mode, text})
		return err
	}
	if err := add(t.binary(), 0o755, t.program); err != nil {
		return nil, err
	}
	for _, name := range []string{"LICENSE", "NOTICE", "README.md", "CHANGELOG.md"} {
		if err := add(name, 0o644, filepath.Join(r.root, name)); err != nil {
			return nil, err
		}
	}
	list = append(list, file{"THIRD-PARTY-LICENSES", 0o644, []byte(r.notices())})
	for _, dir := range []string{"completions", "man"} {
		names, err := filepath.Glob(filepath.Join(r.work, dir, "*"))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if err := add(path.Join(dir, filepath.Base(name)), 0o644, name); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

// writeArchives writes an archive for each target: zip for Windows, tar.gz for the others.
func (r *release) writeArchives() error {
	for _, t := range r.targets {
		list, err := r.contents(t)
		if err != nil {
			return err
		}
		base := "whydenied_" + r.version + "_" + t.name()
		write, suffix := tarball, ".tar.gz"
		if t.os == "windows" {
			write, suffix = zipped, ".zip"
		}
		text, err := write(base+"/", list, r.date)
		if err != nil {
			return err
		}
		if suffix == ".tar.gz" {
			if text, err = gzipped(text); err != nil {
				return err
			}
		}
		if err := os.WriteFile(filepath.Join(r.out, base+suffix), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// tarball writes files, below a folder, that belong to root.
func tarball(below string, list []file, date time.Time) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	made := map[string]bool{"": true}
	for _, f := range list {
		name := below + f.name
		for i, c := range name {
			if dir := name[:i+1]; c == '/' && !made[dir] {
				made[dir] = true
				if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755, ModTime: date}); err != nil {
					return nil, err
				}
			}
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: f.mode, Size: int64(len(f.text)), ModTime: date}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.text); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return out.Bytes(), err
}

func zipped(below string, list []file, date time.Time) ([]byte, error) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range list {
		h := &zip.FileHeader{Name: below + f.name, Method: zip.Deflate, Modified: date}
		h.SetMode(os.FileMode(f.mode))
		part, err := w.CreateHeader(h)
		if err != nil {
			return nil, err
		}
		if _, err := part.Write(f.text); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return out.Bytes(), err
}

func gzipped(text []byte) ([]byte, error) {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	err := w.Close()
	return out.Bytes(), err
}

// checksum is the SHA-256 of a file of the release.
func (r *release) checksum(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(r.out, name))
	return fmt.Sprintf("%x", sha256.Sum256(text)), err
}

// writeChecksums writes SHA256SUMS, for sha256sum -c.
func (r *release) writeChecksums() error {
	names, err := r.files()
	if err != nil {
		return err
	}
	var out strings.Builder
	for _, name := range names {
		sum, err := r.checksum(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "%s  %s\n", sum, name)
	}
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(out.String()), 0o644)
}
