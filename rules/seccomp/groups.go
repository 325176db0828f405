package seccomp

import (
	_ "embed"
	"maps"
	"slices"
	"strings"
	"sync"
)

// groupsTSV has the groups of calls that SystemCallFilter= of systemd units knows, a line
// for each: syscall_filter_sets in src/shared/seccomp-util.c.
//
//go:embed groups.tsv
var groupsTSV string

// groups are their members by the name of the group, in the order of the file.
var groups = sync.OnceValues(func() (names []string, members map[string][]string) {
	members = map[string][]string{}
	_, text, _ := strings.Cut(groupsTSV, "\n")
	for line := range strings.Lines(text) {
		name, calls, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		names = append(names, name)
		members[name] = strings.Fields(calls)
	}
	return names, members
})

// SystemdGroup returns the group of SystemCallFilter= of systemd 257 that has a call, such
// as @resources, and its calls, sorted; of several the smallest. It is "" if none has.
func SystemdGroup(call string) (name string, calls []string) {
	names, members := groups()
	for _, group := range names {
		if !slices.Contains(members[group], call) {
			continue
		}
		if all := membersOf(group); name == "" || len(all) < len(calls) {
			name, calls = group, slices.Sorted(maps.Keys(all))
		}
	}
	return name, calls
}

// membersOf returns the calls of a group and of those that are in it.
func membersOf(group string) map[string]bool {
	_, members := groups()
	all := map[string]bool{}
	for _, member := range members[group] {
		if !strings.HasPrefix(member, "@") {
			all[member] = true
			continue
		}
		for call := range membersOf(member) {
			all[call] = true
		}
	}
	return all
}
