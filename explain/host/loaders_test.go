package host

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/rules/disk"
)

func TestLoaders(t *testing.T) {
	const runc = "runc version 1.1.5+ds1\ncommit: x\nspec: 1.0.2-dev\ngo: go1.19\nlibseccomp: 2.5.4\n"
	const parser = "AppArmor parser version 3.0.8\nCopyright (C) 1999-2008 Novell Inc.\n"
	all := programs(map[string]string{"runc --version": runc, "crun --version": "crun version 1.8.1\ncommit: y\n", "apparmor_parser --version": parser, "youki --version": "youki version: 0.3\n"})
	release := map[string]string{"proc/sys/kernel/osrelease": "6.1.0-18-amd64\n"}

	l := Host{Root: tree(t, release), Run: all}.Loaders(t.Context())
	assert.Equal(t, Loaders{Kernel: "6.1.0-18-amd64", Parser: "3.0.8", Runtimes: []container.Host{
		{Runtime: "runc", RuntimeVersion: "1.1.5+ds1", Libseccomp: "2.5.4"}, {Runtime: "crun", RuntimeVersion: "1.8.1"}, {Runtime: "youki"},
	}}, l)
	assert.Equal(t, Loaders{}, Host{Root: t.TempDir()}.Loaders(t.Context()), "nothing is run")
	assert.Equal(t, Loaders{}, Host{Root: t.TempDir(), Run: programs(nil)}.Loaders(t.Context()), "nothing is installed")

	for _, place := range []string{"usr/libexec/crio/crun", "var/lib/rancher/k3s/data/ab12/bin/runc", "var/lib/k0s/bin/runc", "snap/docker/current/meta"} {
		l = Host{Root: tree(t, map[string]string{place: ""}), Run: all}.Loaders(t.Context())
		assert.Equal(t, Loaders{Parser: "3.0.8"}, l, "%s: an engine has a runtime of its own", place)
	}
}

// What is there and not run, or does not say its version, is there all the same; what a
// program prints is bounded.
func TestVersions(t *testing.T) {
	h := Host{Root: t.TempDir(), Run: func(_ context.Context, program string, _ ...string) ([]byte, error) {
		switch program {
		case "runc":
			return nil, &disk.Changeable{}
		case "crun":
			return []byte(strings.Repeat("\x1b", 1<<20)), nil
		}
		return []byte("half of it"), context.DeadlineExceeded
	}}
	said, err := h.Versions(t.Context())
	assert.ErrorAs(t, err, new(*disk.Changeable))
	assert.Len(t, said["crun"], maxSaid)
	assert.Equal(t, Loaders{Runtimes: []container.Host{{Runtime: "runc"}, {Runtime: "crun"}, {Runtime: "youki"}}}, ReadLoaders("", said))
}
