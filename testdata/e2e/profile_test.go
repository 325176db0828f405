//go:build e2e && linux && amd64

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A profile is a seccomp profile in Docker's form, of which the OCI form is a
// part.
type profile struct {
	DefaultAction   string     `json:"defaultAction"`
	DefaultErrnoRet *uint      `json:"defaultErrnoRet,omitempty"`
	Architectures   []string   `json:"architectures,omitempty"`
	Flags           []string   `json:"flags,omitempty"`
	ArchMap         []archMap  `json:"archMap,omitempty"`
	Syscalls        []syscalls `json:"syscalls"`
}

type archMap struct {
	Architecture     string   `json:"architecture"`
	SubArchitectures []string `json:"subArchitectures"`
}

type syscalls struct {
	Names    []string        `json:"names"`
	Action   string          `json:"action"`
	ErrnoRet *uint           `json:"errnoRet,omitempty"`
	Args     json.RawMessage `json:"args,omitempty"`
	Includes *gate           `json:"includes,omitempty"`
	Excludes *gate           `json:"excludes,omitempty"`
}

type gate struct {
	Caps      []string `json:"caps,omitempty"`
	Arches    []string `json:"arches,omitempty"`
	MinKernel string   `json:"minKernel,omitempty"`
}

// resolve does to a profile what an engine does before it gives it to runc:
// what depends on the host and the container's capabilities is decided (setupSeccomp
// of Moby's profiles/seccomp).
func resolve(t *testing.T, name string, caps []string) *profile {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	p := new(profile)
	require.NoError(t, json.Unmarshal(text, p))
	for _, m := range p.ArchMap {
		if m.Architecture == "SCMP_ARCH_X86_64" {
			p.Architectures = append([]string{m.Architecture}, m.SubArchitectures...)
		}
	}
	p.ArchMap = nil
	p.Syscalls = slices.DeleteFunc(p.Syscalls, func(s syscalls) bool { return !inForce(t, s, caps) })
	for i := range p.Syscalls {
		p.Syscalls[i].Includes, p.Syscalls[i].Excludes = nil, nil
	}
	return p
}

func inForce(t *testing.T, s syscalls, caps []string) bool {
	t.Helper()
	held := func(c string) bool { return slices.Contains(caps, c) }
	if in := s.Includes; in != nil {
		switch {
		case slices.ContainsFunc(in.Caps, func(c string) bool { return !held(c) }),
			len(in.Arches) > 0 && !slices.Contains(in.Arches, "amd64"),
			in.MinKernel != "" && !kernelIsAtLeast(t, in.MinKernel):
			return false
		}
	}
	if out := s.Excludes; out != nil {
		switch {
		case slices.ContainsFunc(out.Caps, held),
			slices.Contains(out.Arches, "amd64"),
			out.MinKernel != "" && kernelIsAtLeast(t, out.MinKernel):
			return false
		}
	}
	return true
}

func kernelIsAtLeast(t *testing.T, version string) bool {
	var major, minor, wantMajor, wantMinor int
	for _, v := range []struct {
		text         string
		major, minor *int
	}{{kernelRelease(t), &major, &minor}, {version, &wantMajor, &wantMinor}} {
		_, err := fmt.Sscanf(v.text, "%d.%d", v.major, v.minor)
		require.NoError(t, err, v.text)
	}
	return major > wantMajor || major == wantMajor && minor >= wantMinor
}

// kernelRelease returns what uname -r prints.
func kernelRelease(t *testing.T) string {
	var name unix.Utsname
	require.NoError(t, unix.Uname(&name))
	return unix.ByteSliceToString(name.Release[:])
}
