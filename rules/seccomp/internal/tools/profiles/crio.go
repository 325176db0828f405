package main

import (
	"slices"
	"strings"
)

// How CRI-O changes the default profile of containers-common: DefaultProfile of
// internal/config/seccomp, since 1.24, and since 1.29.9, 1.30.6 and 1.31.0.
const cloneFlags = 0x7e020000 // CLONE_NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, NEWCGROUP

// changeAsCRIO changes the profile as the CRI-O of a text's name does.
func changeAsCRIO(p *profile, name string) {
	taken := []string{"clone", "clone3", "unshare"}
	if strings.HasPrefix(name, "crio-1.24.") || strings.HasPrefix(name, "crio-1.25.") {
		taken = []string{"unshare"}
	}
	p.Syscalls[1].Names = slices.DeleteFunc(p.Syscalls[1].Names, func(n string) bool { return slices.Contains(taken, n) })
	admin := &filter{Caps: []string{"CAP_SYS_ADMIN"}}
	p.Syscalls = append(p.Syscalls, entry{Names: taken, Action: "SCMP_ACT_ALLOW", Includes: admin})
	if len(taken) == 1 {
		return
	}
	eperm, enosys := uint(1), uint(38)
	s390 := []string{"s390", "s390x"}
	for index, of := range []struct{ includes, excludes *filter }{
		{nil, &filter{Arches: s390}},
		{&filter{Arches: s390[1:]}, nil},
	} {
		none := []arg{{uint(index), cloneFlags, 0, "SCMP_CMP_MASKED_EQ"}}
		var any []arg
		for _, flag := range []uint64{0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000, 0x2000000} {
			any = append(any, arg{uint(index), flag, flag, "SCMP_CMP_MASKED_EQ"})
		}
		refused := filter{Caps: admin.Caps}
		if of.excludes != nil {
			refused.Arches = of.excludes.Arches
		}
		p.Syscalls = append(p.Syscalls,
			entry{Names: []string{"clone"}, Action: "SCMP_ACT_ALLOW", Args: none, Includes: of.includes, Excludes: of.excludes},
			entry{Names: []string{"clone"}, Action: "SCMP_ACT_ERRNO", Errno: "EPERM", ErrnoRet: &eperm, Args: any, Includes: of.includes, Excludes: &refused})
	}
	p.Syscalls = append(p.Syscalls, entry{Names: []string{"clone3"}, Action: "SCMP_ACT_ERRNO", Errno: "ENOSYS", ErrnoRet: &enosys, Excludes: admin})
}
