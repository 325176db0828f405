package track

import (
	"strconv"
	"strings"
)

// A cgroup is one line of /proc/PID/cgroup (cgroups(7)).
type cgroup struct {
	hierarchy int    // 0 is cgroup v2
	path      string // from the hierarchy's root
}

// A cgroupID is what the kernel calls a cgroup: the ID of its folder (struct
// kernfs_node), which no later one of the hierarchy has.
type cgroupID struct {
	hierarchy int
	id        uint64
}

// parseCgroups reads /proc/PID/cgroup of a host with cgroup v1, v2 or both. Lines
// that it does not understand are left out.
func parseCgroups(text string) []cgroup {
	var all []cgroup
	for line := range strings.Lines(text) {
		number, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		_, path, ok := strings.Cut(rest, ":") // controllers have no colon, paths may
		hierarchy, err := strconv.Atoi(number)
		if err != nil || hierarchy < 0 || !ok || !strings.HasPrefix(path, "/") {
			continue
		}
		// The kernel says so of v2 (proc_cgroup_show of kernel/cgroup/cgroup.c).
		path = strings.TrimSuffix(path, " (deleted)")
		all = append(all, cgroup{hierarchy, path})
	}
	return all
}
