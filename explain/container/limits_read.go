package container

import (
	"bytes"
	"fmt"
	"math/bits"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ociLimits are the keys of an OCI config.json that Limits are made of.
type ociLimits struct {
	Process struct {
		User            struct{ UID int }
		NoNewPrivileges bool
		SelinuxLabel    string
		Capabilities    *struct{ Effective, Ambient []string }
		Rlimits         []struct {
			Type       string
			Soft, Hard uint64
		}
	}
	Root   struct{ Readonly bool }
	Mounts []struct {
		Destination string
		Options     []string
	}
	Linux struct {
		MaskedPaths, ReadonlyPaths []string
		Devices                    []struct{ Path string }
		Resources                  struct {
			Devices []struct {
				Allow bool
				Type  string
				Major *int64
			}
			Pids *struct{ Limit int64 }
		}
	}
}

// limits returns what a config.json says; without a list of devices runc and crun refuse
// all but the usual ones.
func (in *ociLimits) limits() *Limits {
	p := &in.Process
	l := &Limits{Resolved: true, UID: p.User.UID, NoNewPrivs: p.NoNewPrivileges, SELinux: p.SelinuxLabel, ReadOnlyRoot: in.Root.Readonly,
		ReadOnly: in.Linux.ReadonlyPaths, Masked: in.Linux.MaskedPaths, Devices: []string{}}
	l.Effective = []string{} // without capabilities there are none
	if c := p.Capabilities; c != nil {
		if l.Effective = append(l.Effective, c.Effective...); l.UID != 0 { // after execve(2)
			l.Effective = append([]string{}, c.Ambient...)
		}
	}
	for _, r := range p.Rlimits {
		l.Rlimits = append(l.Rlimits, Rlimit{rlimitName(r.Type), r.Soft, r.Hard})
	}
	for _, m := range in.Mounts {
		l.addMount(m.Destination, m.Options)
	}
	l.sortMounts()
	for _, d := range in.Linux.Devices {
		l.Devices = append(l.Devices, d.Path)
	}
	for _, d := range in.Linux.Resources.Devices { // the last that fits counts
		if d.Major == nil && (d.Type == "" || d.Type == "a") {
			l.AllDevices = d.Allow
		}
	}
	if pids := in.Linux.Resources.Pids; pids != nil && pids.Limit > 0 {
		l.Pids = pids.Limit
	}
	return l
}

func rlimitName(name string) string {
	return strings.TrimPrefix(strings.ToLower(name), "rlimit_")
}

// dockerHost are the keys of HostConfig that Limits are made of, of Docker and Podman.
type dockerHost struct {
	SecurityOpt                []string
	ReadonlyRootfs             bool
	MaskedPaths, ReadonlyPaths []string
	Tmpfs                      map[string]string
	PidsLimit                  *int64
	Ulimits                    []struct {
		Name       string
		Soft, Hard uint64
	}
	Devices           []struct{ PathInContainer string }
	DeviceCgroupRules []string
}

// dockerMount is one of Mounts.
type dockerMount struct {
	Destination, Mode string
	Options           []string // Podman's
	RW                bool
}

// limits returns what an inspect says of a container, and what Docker does unasked.
func (in *dockerHost) limits(c *Container, user string, mounts []dockerMount) *Limits {
	l := &Limits{ReadOnlyRoot: in.ReadonlyRootfs, ReadOnly: in.ReadonlyPaths, Masked: in.MaskedPaths, AllDevices: c.Privileged, Devices: []string{}}
	l.setUser(user, c.Caps)
	l.securityOptions(in.SecurityOpt)
	if !c.Privileged {
		l.usualMounts()
	}
	for at, options := range in.Tmpfs {
		l.addMount(at, []string{"noexec,nosuid,nodev", options}) // the default of docker run --tmpfs
	}
	for _, m := range mounts {
		options := append([]string{m.Mode}, m.Options...)
		if !m.RW {
			options = append(options, "ro")
		}
		l.addMount(m.Destination, options)
	}
	l.sortMounts()
	for _, u := range in.Ulimits {
		l.Rlimits = append(l.Rlimits, Rlimit{rlimitName(u.Name), u.Soft, u.Hard})
	}
	for _, d := range in.Devices {
		l.Devices = append(l.Devices, d.PathInContainer)
	}
	for _, rule := range in.DeviceCgroupRules {
		l.AllDevices = l.AllDevices || strings.HasPrefix(rule, "a ")
	}
	if in.PidsLimit != nil && *in.PidsLimit > 0 {
		l.Pids = *in.PidsLimit
	}
	return l
}

// give takes the label of SELinux, and the effective capabilities, which Podman says.
func (l *Limits) give(label string, effective []string) {
	l.SELinux = label
	if effective != nil {
		l.Effective = effective
	}
}

// limits returns what a pod says of a container. Which user the image has is not in it.
func (p *podContainer) limits(c *Container, pod securityContext) *Limits {
	own := p.SecurityContext
	l := &Limits{UID: -1, AllDevices: c.Privileged, ReadOnlyRoot: own.ReadOnlyRootFilesystem, Devices: []string{}}
	l.NoNewPrivs = own.AllowPrivilegeEscalation != nil && !*own.AllowPrivilegeEscalation
	uid := own.RunAsUser
	if uid == nil {
		uid = pod.RunAsUser
	}
	if uid != nil {
		l.setUser(strconv.FormatInt(*uid, 10), bounding(c.CapAdd, c.CapDrop, c.Privileged))
	}
	if !c.Privileged {
		l.usualMounts()
	}
	for _, m := range p.VolumeMounts {
		if m.ReadOnly {
			l.addMount(m.MountPath, []string{"ro"})
		}
	}
	for _, d := range p.VolumeDevices {
		l.Devices = append(l.Devices, d.DevicePath)
	}
	l.sortMounts()
	return l
}

// isStatus reports whether a text is /proc/PID/status.
func isStatus(text []byte) bool {
	return bytes.HasPrefix(text, []byte("Name:\t")) && bytes.Contains(text, []byte("\nCapEff:\t"))
}

// readStatus reads /proc/PID/status, which says of a process without a container what
// metadata say of one: proc_pid_status(5). Behind it may stand /proc/PID/attr/current, the
// label, /sys/kernel/security/lsm, the list of modules, and what bpftool lists, which
// ReadHosts reads.
func readStatus(name string, text []byte) (Container, error) {
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if ofBPFTool.MatchString(line) {
			continue
		}
		key, value, isPair := strings.Cut(line, ":\t")
		if text := strings.TrimRight(strings.TrimSpace(line), "\x00"); !isPair && text != "" {
			key, value = "label", text
			if strings.Contains(text, "capability") {
				key = "modules"
			}
		}
		values[key] = strings.TrimSpace(value)
	}
	effective, err := capabilitiesOf(values["CapEff"])
	if err != nil {
		return Container{}, fmt.Errorf("%s: looks like /proc/PID/status, but CapEff %w", name, err)
	}
	caps, err := capabilitiesOf(values["CapBnd"])
	if err != nil {
		return Container{}, fmt.Errorf("%s: looks like /proc/PID/status, but CapBnd %w", name, err)
	}
	l := &Limits{UID: -1, Effective: effective, NoNewPrivs: values["NoNewPrivs"] == "1"}
	if ids := strings.Fields(values["Uid"]); len(ids) == 4 {
		if uid, err := strconv.Atoi(ids[1]); err == nil {
			l.UID = uid
		}
	}
	c := Container{Name: values["Name"], Caps: caps, Limits: l, State: "running"}
	if values["modules"] != "" {
		l.Modules = strings.Split(values["modules"], ",")
	}
	c.AppArmorProfile, _, _ = strings.Cut(values["label"], " (")
	if l.Lacks("apparmor") {
		c.AppArmorProfile = "unconfined"
	}
	c.PID, _ = strconv.Atoi(values["Pid"])
	if values["Seccomp"] == "0" { // no filter
		c.SeccompProfile = "unconfined"
	}
	return c, nil
}

// ofBPFTool are the lines of what bpftool lists.
var ofBPFTool = regexp.MustCompile(`^(?:\d+: |\t)`)

// capabilitiesOf returns the names of a mask, in their order.
func capabilitiesOf(mask string) ([]string, error) {
	n, err := strconv.ParseUint(mask, 16, 64)
	if err != nil {
		return nil, fmt.Errorf("is no mask of capabilities: %.40q", mask)
	}
	caps := []string{}
	for ; n != 0; n &= n - 1 {
		if i := bits.TrailingZeros64(n); i < len(capabilityNames) {
			caps = append(caps, "CAP_"+capabilityNames[i])
		}
	}
	slices.Sort(caps)
	return caps, nil
}

// capabilityNames are the capabilities by their numbers (include/uapi/linux/capability.h).
var capabilityNames = strings.Fields("CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE " +
	"NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE " +
	"SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE")
