package host

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/rules/disk"
)

// Loaders are what of a host decides how policy was loaded and what it means: the
// programs that do it, as they say themselves, and the kernel. What is not known is
// empty.
type Loaders struct {
	Kernel   string           // release, as of uname -r
	Parser   string           // version of apparmor_parser
	Runtimes []container.Host // the low-level container runtimes: runc, crun and others
}

// loaderPrograms are the programs whose --version Loaders is read from: apparmor_parser,
// and the low-level runtimes.
var loaderPrograms = []string{"apparmor_parser", "runc", "crun", "youki"}

// maxSaid is the most that is kept of what a program says of its version.
const maxSaid = 4 << 10

// ownRuntimes are where engines have a low-level runtime of their own, which none on
// the PATH tells of: the packages of CRI-O, K3s, RKE2, k0s, and Docker and MicroK8s as
// snaps.
var ownRuntimes = []string{"/usr/libexec/crio/*", "/var/lib/rancher/*/data/*/bin/runc", "/var/lib/k0s/bin/runc", "/snap/docker/current", "/snap/microk8s/current"}

// Loaders asks the programs of the host, and the kernel.
func (h Host) Loaders(ctx context.Context) Loaders {
	said, _ := h.Versions(ctx)
	return ReadLoaders(h.Kernel(), said)
}

// Kernel returns the release of the running kernel, "" if it cannot be read.
func (h Host) Kernel() string { return h.value("/proc/sys/kernel/osrelease").Text }

// Versions returns what the programs that load policy print of their versions, by their
// names; "" is one that is there and does not say, and one that is not installed is
// left out. So are all runtimes where an engine has one of its own: which of them
// loaded a filter is not known then. The error names those that are not run.
func (h Host) Versions(ctx context.Context) (said map[string]string, err error) {
	said = map[string]string{}
	if h.Run == nil {
		return said, nil
	}
	programs := loaderPrograms
	for _, place := range ownRuntimes {
		if found, _ := filepath.Glob(h.Root + place); found != nil {
			programs = loaderPrograms[:1]
		}
	}
	for _, program := range programs {
		out, failed := h.Run(ctx, program, "--version")
		if errors.Is(failed, exec.ErrNotFound) {
			continue
		}
		if errors.As(failed, new(*disk.Changeable)) {
			err = errors.Join(err, failed)
		}
		if failed != nil {
			out = nil
		}
		said[program] = string(out[:min(len(out), maxSaid)])
	}
	return said, err
}

// Parser returns the version of the host's apparmor_parser, "" if there is none or it
// does not say.
func (h Host) Parser(ctx context.Context) string {
	if h.Run == nil {
		return ""
	}
	said, _ := h.Run(ctx, loaderPrograms[0], "--version")
	return parserIn(string(said))
}

// parserIn returns the version in what apparmor_parser --version prints.
func parserIn(said string) string {
	if m := parserLine.FindStringSubmatch(said); m != nil {
		return m[1]
	}
	return ""
}

// parserLine is what apparmor_parser --version begins with.
var parserLine = regexp.MustCompile(`^AppArmor parser version (\d+\.\d+(\.\d+)*)`)

// ReadLoaders reads what Versions returned on a host with a kernel.
func ReadLoaders(kernel string, said map[string]string) Loaders {
	l := Loaders{Kernel: kernel, Parser: parserIn(said[loaderPrograms[0]])}
	for _, runtime := range loaderPrograms[1:] {
		text, there := said[runtime]
		if !there {
			continue
		}
		of := container.Host{Runtime: runtime}
		for _, h := range container.ReadHosts([]byte(text)) {
			of.Merge(h)
		}
		l.Runtimes = append(l.Runtimes, of)
	}
	return l
}
