//go:build e2e && linux && amd64

package e2e

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	runtimesEvidence = flag.String("runtimes.evidence", "", "write the table of runtimes of this kernel's guest to this file")
	runtimesLeft     = flag.String("runtimes.left", "", "boot no guest, and look at what one left in this folder (-lab.results)")
)

// A runtimeKind is what is to be said of containers of a runtime.
type runtimeKind struct {
	name     string   // as testdata/lab/runtimes has it
	packages []string // whose versions count
	runtime  string   // as explain has it
	id, pod  string   // of the container; the name where there is one
	image    bool     // it has one
	// gives is how a container is given a seccomp profile, as it is said: parts of a step or of a note.
	gives string
	live  bool   // nothing that a person saves tells its filter
	saved string // the runtime as a saved config alone tells it; "" for runtime
}

const shopImage = "localhost/lab/shop:1"

var runtimeKinds = []runtimeKind{
	{name: "docker", packages: []string{"docker.io", "runc"}, runtime: "docker", id: "lab", image: true, gives: "docker run --security-opt seccomp=/srv/policy/docker"},
	{name: "podman", packages: []string{"podman", "crun"}, runtime: "podman", id: "lab", image: true, gives: "podman run --security-opt seccomp=/srv/policy/podman"},
	{name: "podman-rootless", packages: []string{"podman", "crun"}, runtime: "podman", id: "lab", image: true, gives: "podman run --security-opt seccomp=/srv/policy/podman"},
	{name: "ctr", packages: []string{"containerd", "runc"}, runtime: "containerd", id: "lab", image: true, gives: "ctr run --seccomp --seccomp-profile /srv/policy/ctr"},
	{name: "crictl", packages: []string{"containerd", "runc"}, runtime: "containerd", id: "web", pod: "shop-0", image: true, gives: "securityContext.seccompProfile: {type: Localhost"},
	{name: "lxc", packages: []string{"lxc"}, runtime: "lxc", id: "lab", gives: "lxc.seccomp.profile = /srv/policy/lxc"},
	{name: "incus", packages: []string{"incus"}, runtime: "incus", saved: "incus or lxd", id: "lab", gives: "incus config edit lab"},
	{name: "nspawn", packages: []string{"systemd-container"}, runtime: "systemd-nspawn", id: "lab", gives: "`SystemCallFilter=mkdir` allows it", live: true},
}

// A runtimeCell is one refusal by one runtime, as testdata/lab/runtimes leaves it.
type runtimeCell struct{ dir, runtime, shape string }

// TestRuntimes runs testdata/lab/runtimes in the lab's guest that has runtimes (PROGRAMS=runtimes): each
// refusal is explained with its container, live and from what a person saves, and gone with the
// policy that whydenied makes of it, given in the runtime's own form.
func TestRuntimes(t *testing.T) {
	if os.Getenv("PROGRAMS") != "runtimes" {
		t.Skip("not tested: make lab-runtimes sets PROGRAMS=runtimes")
	}
	out := *runtimesLeft
	if out == "" {
		out = cmp.Or(*labResults, t.TempDir())
		bootRuntimes(t, cmp.Or(os.Getenv("KERNEL"), "6.1"), out)
	}
	cells := readCells(t, filepath.Join(out, "cells"))
	said := map[string]string{}
	for _, kind := range runtimeKinds {
		for _, shape := range []string{"kill", "errno", "apparmor"} {
			t.Run(kind.name+" "+shape, func(t *testing.T) {
				said[kind.name+" "+shape] = kind.check(t, cells, shape)
			})
		}
	}
	table := runtimesTable(said, readCell(t, out, "packages"))
	fmt.Println(table)
	if *runtimesEvidence != "" && !t.Failed() {
		writeRuntimes(t, *runtimesEvidence, strings.TrimSpace(readCell(t, out, "kernel")), table)
	}
}

// bootRuntimes runs the program in the guest, which leaves its results in a folder.
func bootRuntimes(t *testing.T, kernel, out string) {
	lab, in := labOf(t, kernel), t.TempDir()
	goBuild(t, filepath.Join(in, "bin/whydenied"), "../../cmd/whydenied")
	command(t, "cp", filepath.Join(lab, "runtimes"), filepath.Join(in, "run"))
	require.NoError(t, os.WriteFile(filepath.Join(in, "systemd"), nil, 0o600))
	if crictl := os.Getenv("E2E_CRICTL"); crictl != "" {
		command(t, "cp", crictl, filepath.Join(in, "bin/crictl"))
	}
	runGuest(t, lab, kernel, in, out)
}

func readCells(t *testing.T, dir string) (cells []runtimeCell) {
	folders, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range folders {
		name := strings.Split(readCell(t, filepath.Join(dir, f.Name()), "name"), "\n")
		cells = append(cells, runtimeCell{filepath.Join(dir, f.Name()), name[0], name[1]})
	}
	return cells
}

func readCell(t *testing.T, dir, name string) string {
	text, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return string(text)
}

// check holds a cell against what its kind is, and says what the table has of it.
func (k *runtimeKind) check(t *testing.T, cells []runtimeCell, shape string) string {
	i := slices.IndexFunc(cells, func(c runtimeCell) bool { return c.runtime == k.name && c.shape == shape })
	if i < 0 {
		t.Skip("not tested: it is not there")
	}
	c := cells[i]
	if reason, err := os.ReadFile(filepath.Join(c.dir, "lacks")); err == nil {
		return "not to be had: " + strings.TrimSpace(string(reason))
	}
	assert.NotEqual(t, "0\n", readCell(t, c.dir, "first"), "it is refused")
	assert.Equal(t, "0\n", readCell(t, c.dir, "second"), "%s", readCell(t, c.dir, "second.output"))
	live, steps := c.explained(t, "live.json")
	k.isNamed(t, live, shape)
	if shape != "apparmor" {
		said := append(steps, live.Notes...)
		for _, fix := range live.Fixes {
			said = append(said, fix.Message)
		}
		assert.Contains(t, strings.Join(said, "\n"), k.gives)
	}
	if k.live {
		return "live, fixed"
	}
	saved, _ := c.explained(t, "saved.json")
	k.isNamed(t, saved, shape)
	assert.NotEmpty(t, saved.Policy)
	assert.NotEqual(t, "profile-not-found", saved.Cause)
	return "live, saved, fixed"
}

// isNamed checks what is said of whose process it was.
func (k *runtimeKind) isNamed(t *testing.T, f runtimeFinding, shape string) {
	assert.Contains(t, []string{k.runtime, cmp.Or(k.saved, k.runtime)}, f.Container.Runtime)
	assert.Contains(t, []string{f.Container.Name, f.Container.ID}, k.id)
	assert.Equal(t, k.pod, f.Container.Pod)
	if k.image {
		assert.Equal(t, shopImage, f.Container.Image)
	}
	want := map[string]string{"kill": "was killed for calling mkdir", "errno": "may not call mkdir", "apparmor": "may not read /srv/secret"}[shape]
	assert.Contains(t, f.Message, want)
}

// A runtimeFinding is what explain says of a cell.
type runtimeFinding struct {
	Message, Cause, Policy string
	Notes                  []string
	Fixes                  []struct{ Message string }
	Container              struct{ ID, Name, Image, Runtime, Pod string }
}

// explained reads the one finding of a cell, and the steps of the patch.
func (c runtimeCell) explained(t *testing.T, name string) (f runtimeFinding, steps []string) {
	found := 0
	for line := range strings.Lines(readCell(t, c.dir, name)) {
		var m struct {
			Finding *runtimeFinding
			Patch   struct{ Steps []string }
		}
		require.NoError(t, json.Unmarshal([]byte(line), &m), line)
		if m.Finding != nil {
			f, found = *m.Finding, found+1
		}
		steps = append(steps, m.Patch.Steps...)
	}
	require.Equal(t, 1, found, "%s: %s", name, readCell(t, c.dir, "live.stderr"))
	return f, steps
}

// runtimesTable is a line for each runtime.
func runtimesTable(said map[string]string, packages string) string {
	var b strings.Builder
	b.WriteString("| runtime | versions | seccomp, kill | seccomp, errno | AppArmor |\n|---|---|---|---|---|\n")
	for _, k := range runtimeKinds {
		var versions []string
		for _, installed := range strings.Split(strings.TrimSpace(packages), ", ") {
			if name, _, _ := strings.Cut(installed, " "); slices.Contains(k.packages, name) {
				versions = append(versions, installed)
			}
		}
		fmt.Fprintf(&b, "| %s | %s |", k.name, strings.Join(versions, ", "))
		for _, shape := range []string{"kill", "errno", "apparmor"} {
			fmt.Fprintf(&b, " %s |", cmp.Or(said[k.name+" "+shape], "not run"))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// writeRuntimes puts the table of a kernel in the place of the one that the page has, or at its end.
func writeRuntimes(t *testing.T, file, kernel, table string) {
	page, err := os.ReadFile(file)
	require.NoError(t, err)
	number := strings.Join(strings.Split(kernel, ".")[:2], ".")
	heading := "\n## Linux " + number + "\n"
	before, rest, _ := strings.Cut(string(page), heading)
	after := ""
	if i := strings.Index(rest, "\n## "); i >= 0 {
		after = rest[i:]
	}
	text := fmt.Sprintf("\n%s, Linux %s.\n\n%s", time.Now().UTC().Format(time.DateOnly), kernel, table)
	require.NoError(t, os.WriteFile(file, []byte(before+heading+text+after), 0o644))
}
