//go:build linux && amd64

package seccomp

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// textsOf returns the names of parts, with the index of their entries.
func textsOf(parts []Part) (texts []string) {
	for _, part := range parts {
		texts = append(texts, fmt.Sprintf("%d %s", part.Entry.Index, part.Text()))
	}
	return texts
}

func TestDead(t *testing.T) {
	const head = `{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"], "syscalls": [`
	allow := func(names, more string) string {
		return `{"names": [` + names + `], "action": "SCMP_ACT_ALLOW"` + more + `}`
	}
	for _, c := range []struct {
		name, entries   string
		dead, undecided []string
	}{
		{"nothing", allow(`"read", "openat2"`, ""), nil, nil},
		{"once more", allow(`"read", "openat2", "read"`, "") + "," + allow(`"read"`, ""), []string{"0 read", "1 read"}, nil},
		{"conditions that do not matter", allow(`"socket", "openat2"`, "") + "," + allow(`"socket"`, `, "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]`), []string{"1 socket"}, nil},
		{"a condition that holds where another does", allow(`"socket"`, `, "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_NE"}]`) + "," +
			allow(`"socket"`, `, "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]`) + "," + allow(`"openat2"`, ""), []string{"1 socket"}, nil},
		{"as the default does", allow(`"openat2"`, "") + `,{"names": ["mount"], "action": "SCMP_ACT_ERRNO"}`, []string{"1 mount"}, nil},
		{"as the default does, but runc's stub counts it", allow(`"read"`, "") + `,{"names": ["openat2"], "action": "SCMP_ACT_ERRNO"}`, nil, nil},
		{"with a capability", allow(`"openat2"`, "") + "," + allow(`"mount"`, `, "includes": {"caps": ["CAP_SYS_ADMIN"]}`) + "," + allow(`"mount"`, ""), []string{"1 mount"}, nil},
		{"another answer with a capability", allow(`"openat2"`, "") + "," + `{"names": ["mount"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "excludes": {"caps": ["CAP_SYS_ADMIN"]}},` +
			allow(`"mount"`, ""), nil, nil},
		{"of another architecture", allow(`"openat2", "arm_fadvise64_64"`, ""), []string{"0 arm_fadvise64_64"}, nil},
		{"of no architecture that is known", allow(`"openat2", "nosuchcall"`, ""), nil, []string{"0 nosuchcall"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dead, undecided := parse(t, "profile", head+c.entries+"]}").Dead()
			assert.Equal(t, c.dead, textsOf(dead))
			assert.Equal(t, c.undecided, textsOf(undecided))
		})
	}
}

var deadProfiles = flag.Uint64("dead-profiles", 8, "how many random profiles to look for dead names in")

// The filters that libseccomp builds with and without what is dead answer every call alike.
func TestDeadAsBuilt(t *testing.T) {
	o := newOracle(t)
	cache := map[string]bool{}
	var names [2][]string
	for i := range names {
		names[i] = slices.DeleteFunc(slices.Clone(randomNames), func(name string) bool {
			_, ok := SyscallNumber(hosts[i].arch, name)
			return !ok
		})
	}
	all, dead, undecided, calls := 0, 0, 0, 0
	for seed := range *deadProfiles {
		r := rand.New(rand.NewPCG(seed, 29))
		i := r.IntN(2)
		extra := [][]string{{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"}, {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"}}[i]
		oci, p := o.both(fmt.Sprintf("random-%d.json", seed), randomProfile(r, names[i], extra), cache)
		found, unknown := p.Dead()
		all, dead, undecided = all+len(p.Parts()), dead+len(found), undecided+len(unknown)
		for k := range len(found) + 1 {
			drop := found
			if k < len(found) {
				drop = found[k : k+1]
			}
			h := host{hosts[i].arch, hosts[i].goarch, randomCaps(r), [2]int{r.IntN(3) + 3, r.IntN(20)}}
			whole, less := o.build(oci, h), o.build(without(oci, drop), h)
			if whole.failed || less.failed {
				continue
			}
			for _, arch := range archsOn(h.arch) {
				if !p.covers(arch.index(0), h.arch) {
					continue
				}
				for _, name := range randomNames {
					nr, ok := SyscallNumber(arch, name)
					if !ok {
						continue
					}
					for range 8 {
						args := randomArgs(r)
						calls++
						require.Equal(t, whole.run(t, arch, nr, args), less.run(t, arch, nr, args), "%s on %s %#x without %v\n%s", name, arch, args, textsOf(drop), p.File.Text)
					}
				}
			}
		}
	}
	t.Logf("%d of %d names are dead, %d not judged; %d calls answered alike", dead, all, undecided, calls)
	assert.NotZero(t, dead)
}

// without returns a profile less some names.
func without(p *ociProfile, drop []Part) *ociProfile {
	less := *p
	less.Syscalls = slices.Clone(p.Syscalls)
	for i := range less.Syscalls {
		less.Syscalls[i].Names = slices.DeleteFunc(slices.Clone(p.Syscalls[i].Names), func(name string) bool {
			return slices.ContainsFunc(drop, func(part Part) bool { return part.Entry.Index == i && part.Text() == name })
		})
	}
	return &less
}
