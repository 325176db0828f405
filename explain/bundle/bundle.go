// Package bundle collects, writes and reads evidence bundles: one file with what
// is needed to explain a host's denials on another machine. It is a tar archive,
// compressed with zstd (RFC 8878), whose first member is the manifest. What is
// read from a bundle stays in memory, within bounds; nothing is unpacked. What could
// not be collected is in the manifest, with the reason; a bundle that is damaged or too
// large is an error. A Bundle is immutable once read and safe for concurrent use.
package bundle

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/klauspost/compress/zstd"
)

// Format is the version of the bundle's form that this package writes. It grows
// when an older whydenied would read a bundle wrongly.
const Format = 1

// Where members are, below one folder so that unpacking by hand makes no mess.
const (
	root         = "whydenied-bundle/"
	manifestName = root + "manifest.json"
	// Files is the folder of copies of the host's files, by their absolute names.
	Files = "files"
)

// Bounds of a bundle, in bytes but for members, sentences and depth. All of it is in
// memory while it is explained. The window is what `zstd -19` needs.
const (
	maxTotal    = 48 << 20
	maxManifest = 4 << 20
	maxMembers  = 20_000
	maxSaid     = 10_000 // of what is missing or was left out
	maxName     = 1024
	maxDepth    = 40
	maxInclude  = 100
	maxWindow   = 8 << 20
)

// A Manifest says what a bundle holds and where it comes from. Names of the
// host's files are as they are there; relative ones begin at Dir.
type Manifest struct {
	Format  int       `json:"format"`
	Version string    `json:"version"` // of the whydenied that made it
	Created time.Time `json:"created"`
	Since   time.Time `json:"since"` // of the oldest record that was wanted
	Host    Host      `json:"host"`

	Dir        string      `json:"dir"` // the working directory
	ProfileDir string      `json:"profile_dir"`
	Include    []string    `json:"include,omitempty"`  // folders searched before it
	Profiles   []string    `json:"profiles,omitempty"` // files that the user named
	Seccomp    string      `json:"seccomp,omitempty"`
	Caps       []string    `json:"caps,omitempty"` // of the containers, as the user gave them
	Inventory  []Inventory `json:"inventory,omitempty"`
	Records    []Records   `json:"records,omitempty"`

	LeftOut []string `json:"left_out,omitempty"` // on purpose, a sentence each
	Missing []string `json:"missing,omitempty"`  // what could not be had, and why

	Members []Member `json:"members"`
}

// A Host is the machine that a bundle is of. Unknown fields are empty.
type Host struct {
	Name     string            `json:"name,omitempty"`
	Kernel   string            `json:"kernel,omitempty"` // release, as of uname -r
	Arch     string            `json:"arch,omitempty"`   // as Go spells it: amd64
	OS       string            `json:"os,omitempty"`
	Engines  map[string]string `json:"engines,omitempty"`  // versions by docker, podman, ...
	Versions map[string]string `json:"versions,omitempty"` // what programs print of theirs: of engines a line, of what loads policy all
}

// An Inventory is one text about containers.
type Inventory struct {
	Member    string `json:"member"`
	Name      string `json:"name"`                // the host's file, or the question to an engine
	Container string `json:"container,omitempty"` // the ID, which the text may not say
}

// Records are the records of one log, as lines of auditd's.
type Records struct {
	Member  string `json:"member"`
	Name    string `json:"name"`  // audit.log, journal, kmsg
	Taken   string `json:"taken"` // what that was, for people
	Denials int    `json:"denials"`
}

// A Member is one file of the archive.
type Member struct {
	Name   string `json:"name"` // without the bundle's folder
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// A Text is a member's name and content.
type Text struct {
	Name string
	Data []byte
}

// CheckName returns why a bundle cannot have a member of that name, or nil.
func CheckName(name string) error {
	switch {
	case !fs.ValidPath(name) || name == ".":
		return errors.New("is no plain path below the bundle's folder")
	case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || r == '\\' || r == unicode.ReplacementChar }):
		return errors.New("holds control characters or backslashes")
	case len(name) > maxName || strings.Count(name, "/") > maxDepth:
		return fmt.Errorf("is longer than %d bytes or %d folders", maxName, maxDepth)
	}
	return nil
}

// Write writes a bundle of texts; it fills in the manifest's Format and Members.
// Names must be distinct and pass CheckName.
func Write(w io.Writer, m Manifest, texts []Text) error {
	m.Format, m.Members = Format, nil
	total := 0
	for _, t := range texts {
		sum := sha256.Sum256(t.Data)
		m.Members = append(m.Members, Member{t.Name, int64(len(t.Data)), hex.EncodeToString(sum[:])})
		total += len(t.Data)
	}
	if err := m.check(); err != nil {
		return err
	}
	manifest, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if len(manifest) > maxManifest || total > maxTotal {
		return fmt.Errorf("the bundle would be larger than %d MiB; narrow it with --container or --since", maxTotal>>20)
	}
	z, err := zstd.NewWriter(w, zstd.WithWindowSize(maxWindow), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	for _, text := range append([]Text{{path.Base(manifestName), append(manifest, '\n')}}, texts...) {
		header := &tar.Header{Name: root + text.Name, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(text.Data)), ModTime: m.Created.Truncate(time.Second)}
		err = t.WriteHeader(header)
		if err == nil && header.Name == manifestName {
			err = z.Flush() // a small first block, by which Is knows the bundle
		}
		if err == nil {
			_, err = t.Write(text.Data)
		}
		if err != nil {
			return errors.Join(err, z.Close())
		}
	}
	return errors.Join(t.Close(), z.Close())
}

// check returns what is wrong with the list of members, or nil.
func (m *Manifest) check() error {
	if len(m.Members) > maxMembers {
		return fmt.Errorf("it has %d members, and %d are the most", len(m.Members), maxMembers)
	}
	if n := len(m.Missing) + len(m.LeftOut); n > maxSaid {
		return fmt.Errorf("it says of %d things that they are not in it, and %d are the most", n, maxSaid)
	}
	seen := map[string]bool{path.Base(manifestName): true}
	total := int64(0)
	for _, member := range m.Members {
		if err := CheckName(member.Name); err != nil {
			return fmt.Errorf("the name of its member %q %w", member.Name, err)
		}
		if seen[member.Name] {
			return fmt.Errorf("its member %s is there twice", member.Name)
		}
		if member.Size < 0 || member.Size > maxTotal || total+member.Size > maxTotal {
			return fmt.Errorf("its members have more than %d MiB together", maxTotal>>20)
		}
		total += member.Size
		seen[member.Name] = true
	}
	return m.checkUse()
}

// checkUse refuses what would have a few members read over and over.
func (m *Manifest) checkUse() error {
	used := slices.Clone(m.Profiles)
	for _, i := range m.Inventory {
		used = append(used, i.Member)
	}
	for _, r := range m.Records {
		used = append(used, r.Member)
	}
	slices.Sort(used)
	if len(slices.Compact(used)) < len(m.Profiles)+len(m.Inventory)+len(m.Records) || len(m.Include) > maxInclude {
		return fmt.Errorf("its manifest uses a member twice, or has more than %d folders of included files", maxInclude)
	}
	return nil
}
