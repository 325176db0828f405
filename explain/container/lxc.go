package container

import (
	"bytes"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A container of LXC is its config (lxc.container.conf(5) of LXC 6.0), of Proxmox VE its
// /etc/pve/lxc/ID.conf (pct.conf(5)), in which the same keys stand behind colons.
var lxcKey = regexp.MustCompile(`(?m)^[ \t]*lxc\.[a-z][a-z0-9_.]*[ \t]*[=:]`)

// isLXC reports whether a text is such a config.
func isLXC(text []byte) bool {
	return lxcKey.Match(text) || bytes.HasPrefix(text, []byte("arch: ")) && bytes.Contains(text, []byte("\nrootfs: "))
}

// readLXC reads a config. What files that it includes say is not known.
func readLXC(name string, text []byte) Container {
	of := lxcValues(string(text))
	last := func(keys ...string) string { return lastOf(of, keys...) }
	rootfs := last("lxc.rootfs.path", "lxc.rootfs")
	c := Container{Name: lxcName(name, rootfs, last("lxc.uts.name", "lxc.utsname", "hostname")), Runtime: "lxc"}
	c.Command = strings.Fields(last("lxc.init.cmd"))
	switch profile := last("lxc.apparmor.profile", "lxc.aa_profile"); profile {
	case "generated":
		c.AppArmorProfile = "lxc-" + c.Name + "_</var/lib/lxc>"
	case "unchanged":
	default:
		c.AppArmorProfile = profile
	}
	// Incus and LXD stack the policy namespace of the instance upon its profile.
	c.AppArmorProfile, _, _ = strings.Cut(c.AppArmorProfile, "//&")
	raw := strings.Join(of["lxc.apparmor.raw"], "\n")
	c.Setup = &Setup{File: name, Option: "lxc.apparmor.raw", Raw: raw, Nesting: last("lxc.apparmor.allow_nesting") == "1" || strings.Contains(last("features"), "nesting=1")}
	c.SeccompProfile = last("lxc.seccomp.profile", "lxc.seccomp")
	if c.SeccompProfile == "" && rootfs != "" && of["lxc.include"] == nil {
		c.SeccompProfile = "unconfined" // liblxc has no default
	}
	if daemon := daemonOf(name); daemon != "" {
		c.Runtime, c.Setup = daemon, &Setup{File: name}
		if i := strings.LastIndexByte(c.Name, '_'); i >= 0 { // a name has none
			c.Setup.Project, c.Name = c.Name[:i], c.Name[i+1:]
		}
	}
	c.UserNamespace = len(of["lxc.idmap"])+len(of["lxc.id_map"]) > 0 || last("unprivileged") == "1"
	c.Caps = lxcCapabilities(of)
	l := &Limits{UID: 0, Effective: c.Caps, NoNewPrivs: last("lxc.no_new_privs") == "1"}
	c.Limits = l
	l.Pids, _ = strconv.ParseInt(last("lxc.cgroup2.pids.max", "lxc.cgroup.pids.max"), 10, 64)
	for _, limit := range []string{"nofile", "nproc", "memlock"} {
		l.addRlimit(limit, last("lxc.prlimit."+limit))
	}
	return c
}

// lxcValues returns what each key of a config is given, since it was last given nothing. Of
// Proxmox VE sections follow, of snapshots.
func lxcValues(text string) map[string][]string {
	values := map[string][]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			break
		}
		at := strings.IndexAny(line, "=:")
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		key, value := strings.TrimSpace(line[:at]), strings.TrimSpace(line[at+1:])
		if value == "" {
			delete(values, key)
			continue
		}
		values[key] = append(values[key], value)
	}
	return values
}

// daemonOf returns whose daemon wrote a config of LXC for an instance, by its place; "" for nobody's.
func daemonOf(file string) string {
	if path.Base(file) != daemonConfig {
		return ""
	}
	for _, daemon := range []string{"incus", "lxd"} {
		if strings.Contains(file, "/"+daemon+"/") {
			return daemon
		}
	}
	return ""
}

// daemonConfig is how Incus and LXD call the config of LXC of an instance.
const daemonConfig = "lxc.conf"

// lxcName returns the name of a container: of Proxmox VE the number that its file is called
// by, else the folder of the config or of the root file system, else the host name.
func lxcName(file, rootfs, hostname string) string {
	base := path.Base(file)
	if id, ok := strings.CutSuffix(base, ".conf"); ok {
		if _, err := strconv.Atoi(id); err == nil {
			return id
		}
	}
	if dir := path.Base(path.Dir(file)); (base == "config" || base == daemonConfig) && dir != "." && dir != "/" {
		return dir
	}
	if dir, last := path.Split(strings.TrimPrefix(rootfs, "dir:")); last == "rootfs" && len(dir) > 1 {
		return path.Base(dir)
	}
	return hostname
}

// lxcCapabilities returns what lxc.cap.keep keeps, or lxc.cap.drop leaves; nil where an
// included file may drop more.
func lxcCapabilities(of map[string][]string) []string {
	keeps, drops := of["lxc.cap.keep"], of["lxc.cap.drop"]
	kept := strings.Fields(strings.Join(keeps, " "))
	dropped := strings.Fields(strings.Join(drops, " "))
	switch {
	case keeps != nil:
	case of["lxc.include"] != nil || drops == nil:
		return nil
	default:
		kept = slices.DeleteFunc(slices.Clone(capabilityNames), func(name string) bool {
			return slices.ContainsFunc(dropped, func(d string) bool { return strings.EqualFold(d, name) })
		})
	}
	caps := []string{}
	for _, name := range kept {
		if name != "none" {
			caps = append(caps, "CAP_"+strings.ToUpper(name))
		}
	}
	slices.Sort(caps)
	return caps
}
