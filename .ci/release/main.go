// Command release makes what a release publishes, in a folder: programs, packages of
// Linux distributions, container images, a list of what is linked, manifests of package
// managers, and the checksums of all.
//
//	go run -C .ci/release . -version 0.1.0 -out DIR
//
// The same sources, Go and SOURCE_DATE_EPOCH (the time of the last commit where it is not
// set) make the same bytes. Nothing is published, signed or fetched but Go modules.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/semver"
)

// A release is what is made, and of what.
type release struct {
	version string // without the v
	root    string // the sources
	out     string
	work    string // a folder for what is in between
	date    time.Time
	targets []target
	modules []module // that are linked
}

func main() {
	var r release
	flag.StringVar(&r.version, "version", "", "`VERSION` to make, such as 0.1.0, of which CHANGELOG.md has the notes")
	flag.StringVar(&r.out, "out", "", "`DIR` to write, which must be empty or not there")
	only := flag.String("targets", "", "only these `TARGETS`: linux/amd64,linux/arm64; all if it is empty")
	flag.Parse()
	if err := r.make(*only); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// make makes the release.
func (r *release) make(only string) (err error) {
	if err := r.prepare(only); err != nil {
		return err
	}
	defer os.RemoveAll(r.work)
	for i := range r.targets {
		if err := r.build(&r.targets[i]); err != nil {
			return err
		}
	}
	for _, step := range []func() error{
		r.findModules, r.writePages, r.writeArchives, r.writePackages, r.writeImages, r.writeSBOM, r.writeManifests, r.writeChecksums,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// prepare checks what is asked for, before anything is made.
func (r *release) prepare(only string) (err error) {
	r.version = strings.TrimPrefix(r.version, "v")
	if !semver.IsValid("v"+r.version) || strings.Contains(r.version, "+") {
		return fmt.Errorf("%q is no version, such as 0.1.0; name it with VERSION=", r.version)
	}
	if r.root, err = filepath.Abs("../.."); err != nil {
		return err
	}
	notes, err := os.ReadFile(filepath.Join(r.root, "CHANGELOG.md"))
	if err != nil {
		return err
	}
	if err := checkChangelog(string(notes), r.version); err != nil {
		return err
	}
	if r.targets, err = chosen(only); err != nil {
		return err
	}
	if r.date, err = sourceDate(r.root); err != nil {
		return err
	}
	if r.out, err = filepath.Abs(cmp.Or(r.out, filepath.Join(r.root, "dist"))); err != nil {
		return err
	}
	if entries, err := os.ReadDir(r.out); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty; remove it, or name another folder", r.out)
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	r.work, err = os.MkdirTemp("", "whydenied-release-")
	return err
}

// checkChangelog holds the rule of CHANGELOG.md: what is released has a section with its
// version and its date, and says something, and nothing waits above it. A pre-release is tried
// with what there is.
func checkChangelog(text, version string) error {
	if semver.Prerelease("v"+version) != "" {
		return nil
	}
	_, unreleased, found := strings.Cut(text, "\n## Unreleased\n")
	if !found {
		return errors.New(`CHANGELOG.md has no section "## Unreleased"`)
	}
	waiting, rest, _ := strings.Cut(unreleased, "\n## ")
	heading, notes, _ := strings.Cut(rest, "\n")
	notes, _, _ = strings.Cut(notes, "\n## ")
	named, date, dated := strings.Cut(heading, " - ")
	_, err := time.Parse(time.DateOnly, date)
	switch {
	case strings.Contains(waiting, "\n- "):
		return fmt.Errorf("CHANGELOG.md has notes below Unreleased: move them to the section of %s", version)
	case named != "v"+version || !dated || err != nil:
		return fmt.Errorf("CHANGELOG.md: the first section after Unreleased is %q, not \"v%s - YEAR-MONTH-DAY\"", heading, version)
	case !strings.Contains(notes, "\n- "):
		return fmt.Errorf("CHANGELOG.md says nothing of v%s", version)
	}
	return nil
}

// sourceDate is the time that all files get: SOURCE_DATE_EPOCH, else the last commit's.
func sourceDate(root string) (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		out, err := exec.Command("git", "-C", root, "log", "-1", "--format=%ct").Output()
		if err != nil {
			return time.Time{}, fmt.Errorf("no time for the files: set SOURCE_DATE_EPOCH, or work in a git clone: %w", err)
		}
		text = strings.TrimSpace(string(out))
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// run runs a program in the sources; what it says is the error. All that Go builds is
// static and without paths, so that what is compiled once, wherever it lies, is not again.
func (r *release) run(env []string, program string, args ...string) ([]byte, error) {
	cmd := exec.Command(program, args...)
	cmd.Dir = r.root
	cmd.Env = append(os.Environ(), append(env, "CGO_ENABLED=0", "GOFLAGS=-trimpath", fmt.Sprintf("SOURCE_DATE_EPOCH=%d", r.date.Unix()))...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, exit.Stderr)
	}
	return out, err
}

// files are the names of what was made so far, in order.
func (r *release) files() ([]string, error) {
	entries, err := os.ReadDir(r.out)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names, err
}
