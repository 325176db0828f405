package host

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/rules/disk"
	"github.com/whydenied/whydenied/rules/program"
)

// AppArmorFS is where the kernel shows AppArmor's policy
// (security/apparmor/apparmorfs.c).
const AppArmorFS = "/sys/kernel/security/apparmor"

// appArmor reads AppArmor's parameters and the profiles that are loaded.
func (h Host) appArmor() AppArmor {
	const parameters = "/sys/module/apparmor/parameters/"
	a := AppArmor{
		Enabled: h.value(parameters + "enabled"),
		Mode:    h.value(parameters + "mode"),
		Audit:   h.value(apparmorAudit),
	}
	list := h.value(AppArmorFS + "/profiles")
	if a.Err = list.Err; a.Err != nil {
		return a
	}
	details := map[string]Loaded{}
	h.details(AppArmorFS+"/policy/profiles", "", details)
	for line := range strings.Lines(list.Text) {
		// NAME (MODE), where a name can hold anything but a line end.
		line = strings.TrimSuffix(strings.TrimRight(line, "\n"), ")")
		name, mode := line, ""
		if i := strings.LastIndex(line, " ("); i >= 0 {
			name, mode = line[:i], line[i+2:]
		}
		l := details[name]
		l.Name, l.Mode = name, mode
		a.Profiles = append(a.Profiles, l)
	}
	slices.SortFunc(a.Profiles, func(a, b Loaded) int { return strings.Compare(a.Name, b.Name) })
	return a
}

// details reads what the kernel keeps of the profiles of a directory and their
// children (__aafs_profile_mkdir of security/apparmor/apparmorfs.c): the time of
// the directory is that of loading.
func (h Host) details(dir, parent string, found map[string]Loaded) {
	entries, _ := os.ReadDir(h.Root + dir)
	for _, e := range entries {
		at := dir + "/" + e.Name()
		name := h.value(at + "/name")
		if name.Err != nil {
			continue
		}
		l := Loaded{Name: parent + name.Text, Hash: h.value(at + "/sha256").Text, dir: at}
		if l.Hash == "" {
			l.Hash = h.value(at + "/sha1").Text
		}
		if info, err := e.Info(); err == nil {
			l.At = info.ModTime()
		}
		if h.exists(at + "/raw_data") {
			l.Raw = at + "/raw_data"
		}
		found[l.Name] = l
		h.details(at+"/profiles", l.Name+"//", found)
	}
}

// auditd reads where the audit daemon leaves records.
func (h Host) auditd(a Audit) Auditd {
	d := Auditd{PID: int(a.Status.PID), Config: h.value("/etc/audit/auditd.conf")}
	if a.Err == nil {
		return d
	}
	// A process in a container can take auditd's name, but not write here.
	pid := h.value("/run/auditd.pid").Text
	if n, err := strconv.Atoi(pid); err == nil && h.value("/proc/"+pid+"/comm").Text == "auditd" {
		d.PID = n
	}
	return d
}

// unnamed is a listener whose port is no process ID.
const unnamed = "a program that cannot be named"

// listeners reads who listens to the audit netlink's multicast group
// (netlink_native_seq_show of net/netlink/af_netlink.c): the port is mostly the
// process ID.
func (h Host) listeners() []string {
	const audit, readLog = "9", 1
	var names []string
	lines := bufio.NewScanner(strings.NewReader(h.value("/proc/net/netlink").Text))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || fields[1] != audit {
			continue
		}
		groups, err := strconv.ParseUint(fields[3], 16, 32)
		if err != nil || groups&readLog == 0 {
			continue
		}
		name := h.value("/proc/" + fields[2] + "/comm").Text
		if name == "" {
			name = unnamed
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// cgroups tells the hierarchy by what is mounted where systemd and the runtimes
// mount it.
func (h Host) cgroups() string {
	switch {
	case h.exists("/sys/fs/cgroup/cgroup.controllers"):
		return "v2"
	case h.exists("/sys/fs/cgroup/unified/cgroup.controllers"):
		return "hybrid"
	}
	if entries, err := os.ReadDir(h.Root + "/sys/fs/cgroup"); err == nil && len(entries) > 0 {
		return "v1"
	}
	return ""
}

// sockets lists the sockets of container engines: of the host itself that which the
// environment names, as the tracker asks it.
func (h Host) sockets() []string {
	users, _ := filepath.Glob(h.Root + "/run/user/*")
	var places []string
	for i, run := range append([]string{h.Root + "/run"}, users...) {
		for _, e := range container.Engines {
			if i > 0 && !e.Rootless {
				continue
			}
			sockets := e.Sockets
			if own, ok := strings.CutPrefix(os.Getenv(e.Endpoint), "unix://"); ok && i == 0 && h.Root == "" {
				sockets = []string{own}
			}
			for _, socket := range sockets {
				places = append(places, strings.Replace(socket, "RUN", strings.TrimPrefix(run, h.Root), 1))
			}
		}
	}
	return slices.DeleteFunc(places, func(place string) bool { return !h.exists(place) })
}

// elsewhere lists the environment variables that name an engine which is asked over the
// network. What they say is not returned, as it may have who asks.
func (h Host) elsewhere() (names []string) {
	for _, e := range container.Engines {
		named := e.Endpoint != "" && strings.Contains(os.Getenv(e.Endpoint), "://")
		if named && h.Root == "" && !strings.HasPrefix(os.Getenv(e.Endpoint), "unix://") && !slices.Contains(names, e.Endpoint) {
			names = append(names, e.Endpoint)
		}
	}
	return names
}

func (h Host) capabilities() Value {
	status := h.value("/proc/self/status")
	for line := range strings.Lines(status.Text) {
		if mask, ok := strings.CutPrefix(line, "CapEff:"); ok {
			return Value{Text: strings.TrimSpace(mask)}
		}
	}
	if status.Err == nil {
		status.Err = fs.ErrNotExist
	}
	return Value{Err: status.Err}
}

// runtimes asks the installed runtimes for their version and what they can do.
func (h Host) runtimes(ctx context.Context) []Runtime {
	if h.Run == nil {
		return nil
	}
	var found []Runtime
	for _, name := range loaderPrograms[1:] {
		said, err := h.Run(ctx, name, "--version")
		if errors.Is(err, exec.ErrNotFound) {
			continue
		}
		r := Runtime{Name: name}
		if errors.As(err, new(*disk.Changeable)) {
			r.Err = err
		}
		if m := versionLine.FindSubmatch(said); m != nil {
			r.Version = string(m[1])
		}
		if m := libseccompLine.FindSubmatch(said); m != nil {
			r.Libseccomp = string(m[1])
		}
		features, _ := h.Run(ctx, name, "features") // old ones have no such command
		r.LogFlag = takesLogFlag(name, r.Version, features)
		found = append(found, r)
	}
	return found
}

// versionLine finds the version in "runc version 1.1.5+ds1" and "crun version 1.8".
var versionLine = regexp.MustCompile(`(?m)^\w+ version:? v?(\d+\.\d+\S*)`)

// libseccompLine finds the version in "libseccomp: 2.5.4", of runc.
var libseccompLine = regexp.MustCompile(`(?m)^libseccomp: (\d+\.\d+\S*)`)

// takesLogFlag says whether a runtime takes SECCOMP_FILTER_FLAG_LOG: as its
// features say (features.md of the OCI runtime specification 1.1), else by its
// version. runc takes flags since 1.2.0 (its pull request 3390) and refuses them
// before; crun since 0.9.1 (its pull request 85).
func takesLogFlag(name, version string, features []byte) Answered {
	var said struct {
		Linux struct {
			Seccomp struct {
				Enabled        *bool
				SupportedFlags []string
			}
		}
	}
	if json.Unmarshal(features, &said) == nil {
		if on := said.Linux.Seccomp.Enabled; on != nil && !*on {
			return No
		}
		if flags := said.Linux.Seccomp.SupportedFlags; flags != nil {
			return answered(slices.Contains(flags, "SECCOMP_FILTER_FLAG_LOG"))
		}
	}
	switch {
	case version == "":
		return NotKnown
	case name == "runc":
		return answered(!before(version, 1, 2, 0))
	case name == "crun":
		return answered(!before(version, 0, 9, 1))
	}
	return NotKnown
}

func answered(yes bool) Answered {
	if yes {
		return Yes
	}
	return No
}

var numbers = regexp.MustCompile(`\d+`)

// before reports whether a version is older than that of the numbers.
func before(version string, than ...int) bool {
	version, _, _ = strings.Cut(version, "+")
	release, _, _ := strings.Cut(version, "-") // a release candidate counts as its release
	for i, part := range numbers.FindAllString(release, len(than)) {
		if n, err := strconv.Atoi(part); err != nil || n != than[i] {
			return n < than[i]
		}
	}
	return false
}

// RunProgram is a Host.Run on this host, of a program as disk.Program finds it. It has
// 20 s.
func RunProgram(ctx context.Context, name string, args ...string) ([]byte, error) {
	path, err := disk.Program(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", name, exec.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, programTimeout)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdout = &out
	err = program.Run(cmd, program.Limits{Memory: programMemory, CPU: programTimeout})
	return out.Bytes(), err
}

// The bounds of one program: a hanging runtime must not hang the doctor. Programs
// in Go reserve more address space than they use.
const (
	programTimeout = 20 * time.Second
	programMemory  = 4 << 30
)
