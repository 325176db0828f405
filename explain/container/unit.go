package container

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A unit of systemd is read as what confines its processes, like a container's metadata: the
// unit's file, what `systemctl cat` prints (with the names of the files in comments, and the
// drop-ins behind the unit) or what `systemctl show` does.
var (
	unitSection = regexp.MustCompile(`(?m)^\[(?:Service|Socket|Mount|Swap)\][ \t]*\r?$`)
	unitShown   = regexp.MustCompile(`(?m)^(?:SystemCallFilter|AppArmorProfile|NoNewPrivileges)=`)
	unitHead    = regexp.MustCompile(`(?m)^# /\S*/([\w@:.\\-]+\.(?:service|socket|mount|swap))[ \t]*\r?$`)
)

// Systemd is the Runtime of what is no container but a unit of systemd.
const Systemd = "systemd"

// isUnit reports whether a text is a unit of systemd.
func isUnit(text []byte) bool {
	start := strings.TrimLeft(string(text[:min(len(text), 64)]), " \t\r\n")
	if strings.HasPrefix(start, "{") || len(start) > 1 && start[0] == '[' && (start[1] < 'A' || start[1] > 'Z') {
		return false
	}
	return unitSection.Match(text) || unitShown.Match(text) && strings.Contains(string(text), "\nId=")
}

// unitFilters are the settings of which systemd makes a filter, as rules/seccomp reads them.
var unitFilters = strings.Fields("SystemCallFilter RestrictNamespaces RestrictAddressFamilies LockPersonality MemoryDenyWriteExecute RestrictRealtime RestrictSUIDSGID " +
	"ProtectHostname ProtectClock ProtectKernelLogs ProtectKernelModules ProtectKernelTunables PrivateDevices")

// readUnit reads a unit. What it does not set is not confined: systemd.exec(5).
func readUnit(name string, text []byte) Container {
	c := Container{Runtime: Systemd, Unit: path.Base(name), SeccompProfile: "unconfined", AppArmorProfile: "unconfined"}
	if m := unitHead.FindSubmatch(text); m != nil {
		c.Unit = string(m[1])
	}
	l := &Limits{Effective: []string{}, AllDevices: true}
	c.Limits = l
	of := unitValues(string(text))
	last := func(key string) string { return lastOf(of, key) }
	if id := last("Id"); id != "" {
		c.Unit = id
	}
	c.Name = c.Unit
	if profile := strings.TrimPrefix(last("AppArmorProfile"), "-"); profile != "" {
		c.AppArmorProfile = profile
	}
	for _, key := range unitFilters {
		if v := last(key); v != "" && v != "~" && !slices.Contains([]string{"no", "false", "off", "0"}, strings.ToLower(v)) {
			c.SeccompProfile, c.SeccompFile = string(text), name
		}
	}
	c.Command = unitCommand(last("ExecStart"))
	l.NoNewPrivs, c.UserNamespace = isTrue(last("NoNewPrivileges")), isTrue(last("PrivateUsers"))
	l.unitUser(last("User"), isTrue(last("DynamicUser")))
	c.Caps = unitCapabilities(of["CapabilityBoundingSet"], true)
	l.Effective = c.Caps
	if l.UID != 0 {
		l.Effective = unitCapabilities(of["AmbientCapabilities"], false)
	}
	if isTrue(last("PrivateDevices")) || len(of["DeviceAllow"]) > 0 || slices.Contains([]string{"closed", "strict"}, last("DevicePolicy")) {
		l.AllDevices, l.Devices = false, []string{}
		for _, allowed := range of["DeviceAllow"] {
			device, _, _ := strings.Cut(allowed, " ")
			l.Devices = append(l.Devices, device)
		}
	}
	l.protect(of)
	l.Pids, _ = strconv.ParseInt(last("TasksMax"), 10, 64)
	for _, limit := range []string{"NOFILE", "NPROC", "MEMLOCK"} {
		l.addRlimit(strings.ToLower(limit), last("Limit"+limit))
	}
	return c
}

// unitLines returns the lines of a unit without comments, those that a backslash goes on put
// together.
func unitLines(text string) (list []string) {
	var whole strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue // also within a line that goes on
		}
		said, more := strings.CutSuffix(line, `\`)
		whole.WriteString(said)
		if more {
			whole.WriteByte(' ')
			continue
		}
		list = append(list, strings.TrimSpace(whole.String()))
		whole.Reset()
	}
	return append(list, strings.TrimSpace(whole.String()))
}

// unitValues returns what each key of the sections of a unit that run programs is given, since
// it was last given nothing.
func unitValues(text string) map[string][]string {
	values := map[string][]string{}
	inside := !unitSection.MatchString(text)
	for _, line := range unitLines(text) {
		key, value, ok := strings.Cut(line, "=")
		switch key, value = strings.TrimSpace(key), strings.TrimSpace(value); {
		case strings.HasPrefix(line, "["):
			inside = unitSection.MatchString(line)
		case !ok || !inside:
		case value == "":
			delete(values, key)
		default:
			values[key] = append(values[key], value)
		}
	}
	return values
}

// lastOf returns what the first key that is given something is given last, "" if none is.
func lastOf(values map[string][]string, keys ...string) string {
	for _, key := range keys {
		if given := values[key]; len(given) > 0 {
			return given[len(given)-1]
		}
	}
	return ""
}

// addRlimit adds a limit that is written SOFT:HARD, or SOFT for both, if SOFT is a number.
func (l *Limits) addRlimit(name, value string) {
	soft, hard, _ := strings.Cut(value, ":")
	n, err := strconv.ParseUint(soft, 10, 64)
	if err != nil {
		return
	}
	most, err := strconv.ParseUint(hard, 10, 64)
	if err != nil {
		most = n
	}
	l.Rlimits = append(l.Rlimits, Rlimit{name, n, most})
}

// isTrue is parse_boolean() of systemd.
func isTrue(s string) bool {
	return slices.Contains([]string{"1", "yes", "y", "true", "t", "on"}, strings.ToLower(s))
}

// unitCommand returns the program and the arguments of ExecStart=, which has special
// characters before it, and in systemctl show is { path=/x ; argv[]=/x -a ; ... }.
func unitCommand(value string) []string {
	if _, argv, ok := strings.Cut(value, "argv[]="); ok {
		value, _, _ = strings.Cut(argv, " ; ")
	}
	return strings.Fields(strings.TrimLeft(value, "@-:+!|"))
}

// unitUser takes User=; without one it is root.
func (l *Limits) unitUser(user string, dynamic bool) {
	uid, err := strconv.Atoi(user)
	switch {
	case user == "" && !dynamic || user == "root":
	case err == nil && uid >= 0:
		l.UID = uid
	default:
		l.UID = -1
	}
}

// unitCapabilities returns what CapabilityBoundingSet= or AmbientCapabilities= leave of all, or
// of none: lists are added up, and ~ takes away.
func unitCapabilities(given []string, all bool) []string {
	caps := map[string]bool{}
	if len(given) == 0 || strings.HasPrefix(given[0], "~") {
		for _, name := range capabilityNames {
			caps["CAP_"+name] = all
		}
	}
	for _, value := range given {
		list, without := strings.CutPrefix(value, "~")
		for name := range strings.FieldsSeq(list) {
			caps[strings.ToUpper(name)] = !without
		}
	}
	held := []string{}
	for name, has := range caps {
		if has {
			held = append(held, name)
		}
	}
	slices.Sort(held)
	return held
}
