//go:build linux && amd64

package seccomp

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOracleBuiltins(t *testing.T) {
	o := newOracle(t)
	r := rand.New(rand.NewPCG(1, 2))
	cache := map[string]bool{}
	cases := 0
	for _, file := range builtinNames() {
		oci, p := o.both(file+".json", builtinTexts()[file], cache)
		for i, hh := range hosts {
			for round := range 2 {
				if round > 0 && i > 1 {
					break
				}
				h := host{hh.arch, hh.goarch, randomCaps(r), [2]int{4, 7 + round}}
				f := o.build(oci, h)
				require.False(t, f.failed, file)
				for _, arch := range archsOn(hh.arch) {
					for nr := range uint32(480) {
						o.compare(&f, p, h, arch, nr, randomArgs(r))
						cases++
						if arch == X86_64 && hh.arch == X86_64 {
							o.compare(&f, p, h, arch, x32Bit|nr+nr/400*60, randomArgs(r))
							cases++
						}
					}
					for _, nr := range []uint32{983041, 983042, 983045, 983047, 1 << 29, 0xfffffffe} {
						o.compare(&f, p, h, arch, nr, randomArgs(r))
					}
				}
			}
		}
	}
	t.Logf("%d cases", cases)
}

func TestOracleRandom(t *testing.T) {
	o := newOracle(t)
	cache := map[string]bool{}
	cases, failed, ambiguous := 0, 0, 0
	// A filter of libseccomp 2.5.4 that names a call which the architecture lacks
	// may be without the instruction that loads the number: keep to those it has.
	var names [2][]string
	for i := range names {
		names[i] = slices.DeleteFunc(slices.Clone(randomNames), func(name string) bool {
			_, ok := SyscallNumber(hosts[i].arch, name)
			return !ok
		})
	}
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 7))
		i := r.IntN(2)
		hh := hosts[i]
		extra := [][]string{{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"}, {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"}}[i]
		oci, p := o.both(fmt.Sprintf("random-%d.json", seed), randomProfile(r, names[i], extra), cache)
		h := host{hh.arch, hh.goarch, randomCaps(r), [2]int{r.IntN(3) + 3, r.IntN(20)}}
		f := o.build(oci, h)
		if f.failed {
			failed++
			continue
		}
		for _, arch := range archsOn(hh.arch) {
			for _, name := range append(randomNames, "uname") {
				nr, ok := SyscallNumber(arch, name)
				if !ok {
					continue
				}
				for range 6 {
					args := randomArgs(r)
					d := p.Decide(Call{Arch: arch, Syscall: nr, Args: args[:], Caps: append([]string{}, h.caps...), Kernel: fmt.Sprintf("%d.%d", h.kernel[0], h.kernel[1]), Host: h.arch, Loader: o.loader})
					if d.Ambiguous {
						ambiguous++
						continue
					}
					o.compare(&f, p, h, arch, nr, args)
					cases++
				}
			}
		}
	}
	t.Logf("%d cases; libseccomp refused %d profiles; %d ambiguous", cases, failed, ambiguous)
	require.Greater(t, cases, 2000)
}

var randomNames = strings.Fields("read write open openat clone socket personality mkdir semop semget shmat accept accept4 bind sendto socketcall ipc prctl ioctl keyctl set_tls")

// randomProfile returns a profile with few names, many of them several times.
func randomProfile(r *rand.Rand, known, extra []string) string {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	actions := []string{"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_LOG", "SCMP_ACT_TRAP", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL", "SCMP_ACT_TRACE"}
	p := map[string]any{"defaultAction": pick(actions...)}
	if r.IntN(2) == 0 {
		p["defaultErrnoRet"] = 1 + r.IntN(40)
	}
	if r.IntN(2) == 0 {
		p["architectures"] = extra[r.IntN(len(extra)):]
	}
	var entries []any
	one := pick("SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO")
	mixed := r.IntN(2) == 0
	for range 1 + r.IntN(12) {
		e := map[string]any{"action": one}
		if mixed {
			e["action"] = pick(actions...)
		}
		if r.IntN(3) == 0 {
			e["errnoRet"] = r.IntN(40)
		}
		var names []string
		for range 1 + r.IntN(3) {
			names = append(names, pick(known...))
		}
		slices.Sort(names)
		e["names"] = slices.Compact(names)
		var args []any
		for range r.IntN(4) {
			op := pick("SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ")
			value := interesting[r.IntN(len(interesting))]
			if op != "SCMP_CMP_EQ" {
				value &= 1<<32 - 1 // see Decision.Ambiguous: beyond, libseccomp shares blocks between calls that differ
			}
			args = append(args, map[string]any{"index": r.IntN(3), "value": value, "valueTwo": interesting[r.IntN(len(interesting))], "op": op})
		}
		e["args"] = args
		if r.IntN(4) == 0 {
			e["includes"] = map[string]any{"caps": []string{pick(allCapNames...)}}
		}
		if r.IntN(4) == 0 {
			e["excludes"] = map[string]any{"caps": []string{pick(allCapNames...)}, "arches": []string{pick("amd64", "arm64", "s390x")}}
		}
		if r.IntN(6) == 0 {
			e["includes"] = map[string]any{"minKernel": "4.8"}
		}
		entries = append(entries, e)
	}
	p["syscalls"] = entries
	text, _ := json.Marshal(p)
	return string(text)
}

// Conditional entries added to Docker's default are applied by libseccomp as they
// are proposed: what is gained is the call, and no other.
func TestOracleConditions(t *testing.T) {
	o := newOracle(t)
	cache := map[string]bool{}
	text := builtinTexts()["moby-v0.2.4"]
	cases, gained := 0, 0
	for _, c := range []struct {
		name string
		args []uint64
	}{
		{"socket", []uint64{38, 5, 0, 0}}, {"socket", []uint64{40, 1, 0, 0}}, {"personality", []uint64{0x40000, 0, 0, 0}},
		{"clone", []uint64{0x10000011, 0, 0, 0}}, {"clone", []uint64{0x7e020011, 0, 0, 0}}, {"unshare", []uint64{0x20000, 0, 0, 0}},
		{"setns", []uint64{3, 0x40000000, 0, 0}}, {"keyctl", []uint64{1<<32 | 11, 0, 0, 0}}, {"bpf", []uint64{5, 0, 0, 0}},
	} {
		oci, before := o.both("before", string(text), cache)
		call := Call{Arch: X86_64, Name: c.name, Args: c.args}
		conditions, _, known := before.Conditions(call)
		require.True(t, known)
		edits, err := before.AllowWhen(c.name, conditions...)
		require.NoError(t, err)
		edited, err := before.Edited(edits)
		require.NoError(t, err)
		changed, after := o.both("after", edited.File.Text, cache)
		gains, complete := Gains(before, after, Want{c.name, conditions})
		require.True(t, complete)
		require.Empty(t, gains, c.name)
		for _, hh := range hosts[:3] {
			h := host{hh.arch, hh.goarch, nil, [2]int{6, 1}}
			f, g := o.build(oci, h), o.build(changed, h)
			require.False(t, g.failed, c.name)
			for _, arch := range archsOn(hh.arch) {
				nr, ok := SyscallNumber(arch, c.name)
				if !ok {
					continue
				}
				r := rand.New(rand.NewPCG(9, uint64(nr)))
				for i := range 400 {
					args := randomArgs(r)
					if i%2 == 0 {
						for _, a := range conditions {
							args[a.Index] = c.args[a.Index]
						}
					}
					o.compare(&g, after, h, arch, nr, args)
					cases++
					if f.run(t, arch, nr, args) != g.run(t, arch, nr, args) {
						gained++
						for _, a := range conditions {
							v := args[a.Index]
							if arches[arch.index(nr)].bits32 {
								v &= low32 // which is all that the filter looks at
							}
							require.True(t, narrowed(a, arch.index(nr)).holds(v), "%s %s %#x", c.name, arch, args)
						}
					}
				}
			}
		}
	}
	t.Logf("%d cases, %d of them allowed by the entry that was added", cases, gained)
	require.Greater(t, gained, 1000)
}
