package seccomp

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

// Of every combination of truths that a value of eight bits has, cells has a
// value.
func TestCells(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		var conditions []Arg
		for range r.IntN(6) {
			conditions = append(conditions, Arg{Op: Op(1 + r.IntN(7)), Value: r.Uint64N(256), ValueTwo: r.Uint64N(256)})
		}
		truths := func(v uint64) string {
			var s strings.Builder
			for _, c := range conditions {
				fmt.Fprint(&s, c.holds(v))
			}
			return s.String()
		}
		want := map[string]bool{}
		for v := range uint64(256) {
			want[truths(v)] = true
		}
		values, ok := cells(conditions, 8, 1000, enough())
		require.True(t, ok)
		got := map[string]bool{}
		for _, v := range values {
			got[truths(v)] = true
		}
		require.Equal(t, want, got, "%v: %v", conditions, values)
	}
	two := []Arg{{Op: EQ, Value: 1}, {Op: EQ, Value: 2}}
	_, ok := cells(two, 64, 1, enough())
	assert.False(t, ok)
	little := 100
	_, ok = cells(two, 64, 1000, &little)
	assert.False(t, ok)
}

func enough() *int {
	work := maxCellWork
	return &work
}

// cells returns what going through all conditions at each bit does.
func TestCellsPlainly(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 3000 {
		var conditions []Arg
		width := r.IntN(17)
		for range r.IntN(12) {
			conditions = append(conditions, Arg{Op: Op(1 + r.IntN(7)), Value: r.Uint64N(1 << width), ValueTwo: r.Uint64N(1 << width)})
		}
		bits, limit := []int{8, 16, 32, 64}[r.IntN(4)], 1+r.IntN(60)
		want, wantOK := plainCells(conditions, bits, limit)
		got, ok := cells(conditions, bits, limit, enough())
		require.Equal(t, wantOK, ok, conditions)
		require.Equal(t, want, got, conditions)
	}
}

// plainCells is cells with the state of every condition at every bit.
func plainCells(conditions []Arg, bits, limit int) (values []uint64, ok bool) {
	if len(conditions) == 0 {
		return []uint64{0}, true
	}
	type prefix struct {
		state string // a byte per condition: equal, less, greater
		value uint64
	}
	const equal, less, greater = '=', '<', '>'
	open := []prefix{{strings.Repeat("=", len(conditions)), 0}}
	for bit := bits - 1; bit >= 0; bit-- {
		seen := map[string]bool{}
		var next []prefix
		for _, p := range open {
			for b := range uint64(2) {
				state := []byte(p.state)
				for i, c := range conditions {
					want, looks := c.Value>>bit&1, true
					if c.Op == MaskedEQ {
						want, looks = c.ValueTwo>>bit&1, c.Value>>bit&1 == 1
					}
					switch {
					case state[i] != equal || !looks || b == want:
					case b < want && !equality(c.Op):
						state[i] = less
					default:
						state[i] = greater
					}
				}
				if !seen[string(state)] {
					seen[string(state)] = true
					next = append(next, prefix{string(state), p.value | b<<bit})
				}
			}
		}
		if open = next; len(open) > limit {
			return nil, false
		}
	}
	for _, p := range open {
		values = append(values, p.value)
	}
	return values, true
}

// The answers to a call in one case are those of Decide.
func TestAnswersAgainstDecide(t *testing.T) {
	names := strings.Fields("read clone socket personality semop accept clone3 openat2 ioctl socketcall ipc close_range mseal mkdir")
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 13))
		text := randomProfileText(r, 1+r.IntN(80))
		p := parse(t, "p", text)
		for range 300 {
			arch := []Arch{X86_64, I386, AARCH64, ARM, S390X}[r.IntN(5)]
			nr, ok := SyscallNumber(arch, names[r.IntN(len(names))])
			if !ok {
				continue
			}
			i := arch.index(nr)
			c := Call{Arch: arch, Syscall: nr, Host: arch.host(), Caps: []string{}, Kernel: []string{"0.0", "4.8", "5.10"}[r.IntN(3)], Loader: runc15}
			for _, name := range []string{"CAP_SYS_ADMIN", "CAP_BPF"} {
				if r.IntN(2) == 0 {
					c.Caps = append(c.Caps, name)
				}
			}
			c.generation = c.Loader.generation()
			a := p.answers(i, nr, &c)
			for range 5 {
				c.Args = []uint64{r.Uint64N(70) | r.Uint64N(2)<<33, r.Uint64N(70), 0, 0, 0, 0}
				d := p.Decide(c)
				require.False(t, d.Undecidable)
				got, ambiguous, _ := a.to(c.Args)
				require.Equal(t, plain(d.Outcome), plain(got), "%v %v\n%s", c, d, text)
				require.Equal(t, d.Ambiguous, ambiguous, "%v %v\n%s", c, d, text)
			}
		}
	}
}

// summary is what gains say, in short.
func summary(gains []Gain) []string {
	var lines []string
	for _, g := range gains {
		every := ""
		if g.Every {
			every = " every"
		}
		lines = append(lines, fmt.Sprintf("%s%s: %s to %s on %s", CallText(g.Example.Arch, g.Syscall, g.Example.Args), every, outcomeText(g.Before), outcomeText(g.After), strings.Join(g.Archs, " ")))
	}
	return lines
}

func outcomeText(o Outcome) string {
	if o.Action == Errno {
		return ErrnoName(o.Errno)
	}
	return o.Action.String()
}

func TestGains(t *testing.T) {
	const onX86 = `{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],"syscalls":[`
	read := `{"names":["read","openat2"],"action":"SCMP_ACT_ALLOW"}`
	socket := func(v int, op string) string {
		return fmt.Sprintf(`{"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":%d,"op":"SCMP_CMP_%s"}]}`, v, op)
	}
	alg := Want{Name: "socket", Args: []Arg{{Op: EQ, Value: 38}}}
	for _, c := range []struct {
		name          string
		before, after string
		wanted        []Want
		want          []string
	}{
		{"nothing", read, read, nil, nil},
		{"written otherwise", read, `{"names":["openat2"],"action":"SCMP_ACT_ALLOW"},{"names":["read"],"action":"SCMP_ACT_ALLOW"}`, nil, nil},
		{"what is wanted", read, read + `,{"names":["mkdir"],"action":"SCMP_ACT_ALLOW"}`, []Want{{Name: "mkdir"}}, nil},
		{"more", read, read + `,{"names":["mkdir"],"action":"SCMP_ACT_ALLOW"}`, nil, []string{"mkdir every: EPERM to allow"}},
		{"one family", read, read + "," + socket(38, "EQ"), []Want{alg}, nil},
		{"all families for one", read, read + `,{"names":["socket"],"action":"SCMP_ACT_ALLOW"}`, []Want{alg}, []string{"socket(AF_VSOCK) every: EPERM to allow"}},
		{"some families more", read + "," + socket(38, "LT"), read + "," + socket(41, "LT"), []Want{alg}, []string{"socket(AF_VSOCK): EPERM to allow"}},
		{"the one that was left out", read + "," + socket(38, "NE"), read + `,{"names":["socket"],"action":"SCMP_ACT_ALLOW"}`, []Want{alg}, nil},
		{"a capability less", read + `,{"names":["mkdir"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}}`, read + `,{"names":["mkdir"],"action":"SCMP_ACT_ALLOW"}`, nil, []string{"mkdir every: EPERM to allow"}},
		{"a newer name moves the stub", `{"names":["read","clone3"],"action":"SCMP_ACT_ALLOW"}`, read + `,{"names":["clone3"],"action":"SCMP_ACT_ALLOW"}`, []Want{{Name: "openat2"}},
			[]string{"close_range every: ENOSYS to EPERM"}},
		{"a refusal", read + `,{"names":["mkdir"],"action":"SCMP_ACT_ALLOW"}`, read, []Want{{Name: "mkdir"}}, []string{"mkdir every: allow to EPERM"}},
	} {
		gains, complete := Gains(parse(t, "before", onX86+c.before+"]}"), parse(t, "after", onX86+c.after+"]}"), c.wanted...)
		assert.True(t, complete, c.name)
		got := summary(gains)
		require.Len(t, got, len(c.want), "%s: %v", c.name, got)
		for i := range got {
			assert.True(t, strings.HasPrefix(got[i], c.want[i]), "%s: %s, want %s", c.name, got[i], c.want[i])
		}
	}
}

// randomChange returns two random profiles that differ by an entry or two.
func randomChange(r *rand.Rand) (before, after string) {
	before = randomProfileText(r, 1+r.IntN(8))
	after = before
	for range 1 + r.IntN(2) {
		entry := randomEntry(r)
		after = strings.TrimSuffix(after, "]}") + "," + entry + "]}"
	}
	if r.IntN(2) == 0 {
		before, after = after, before
	}
	return before, after
}

func randomProfileText(r *rand.Rand, entries int) string {
	var list []string
	for range entries {
		list = append(list, randomEntry(r))
	}
	archs := []string{`"SCMP_ARCH_X86_64"`, `"SCMP_ARCH_X86_64","SCMP_ARCH_X86","SCMP_ARCH_X32"`, `"SCMP_ARCH_AARCH64","SCMP_ARCH_ARM"`}[r.IntN(3)]
	return `{"defaultAction":"` + []string{"SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW", "SCMP_ACT_KILL"}[r.IntN(3)] + `","architectures":[` + archs + `],"syscalls":[` + strings.Join(list, ",") + "]}"
}

func randomEntry(r *rand.Rand) string {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	names := pick("read", "clone", "socket", "personality", "semop", "accept", "clone3", "openat2", "ioctl")
	text := `{"names":["` + names + `"],"action":"` + pick("SCMP_ACT_ALLOW", "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_LOG", "SCMP_ACT_TRAP") + `"`
	if r.IntN(2) == 0 {
		text += fmt.Sprintf(`,"args":[{"index":%d,"value":%d,"valueTwo":%d,"op":"SCMP_CMP_%s"}]`, r.IntN(2), r.IntN(64), r.IntN(64), pick("EQ", "NE", "LT", "LE", "GE", "GT", "MASKED_EQ"))
	}
	switch r.IntN(6) {
	case 0:
		text += `,"includes":{"caps":["` + pick("CAP_SYS_ADMIN", "CAP_BPF") + `"]}`
	case 1:
		text += `,"excludes":{"caps":["CAP_SYS_ADMIN"],"arches":["` + pick("amd64", "arm64") + `"]}`
	case 2:
		text += `,"includes":{"minKernel":"` + pick("4.8", "5.10") + `"}`
	}
	return text + "}"
}

// Every call that two profiles answer otherwise is in a gain, and every gain has
// an example that they do.
func TestGainsAgainstDecisions(t *testing.T) {
	names := strings.Fields("read clone socket personality semop accept clone3 openat2 ioctl socketcall ipc close_range mseal mkdir")
	cases, differ, unclear := 0, 0, 0
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 11))
		first, second := randomChange(r)
		before, after := parse(t, "before", first), parse(t, "after", second)
		gains, complete := Gains(before, after)
		if !complete {
			unclear++
		}
		for _, g := range gains {
			c := g.Example
			c.Name = ""
			assert.Equal(t, g.Before, plain(before.Decide(c).Outcome), "%s\n%s\n%s", g.Syscall, first, second)
			assert.Equal(t, g.After, plain(after.Decide(c).Outcome), "%s\n%s\n%s", g.Syscall, first, second)
			assert.NotEqual(t, g.Before, g.After)
		}
		for range 2000 {
			arch := []Arch{X86_64, I386, AARCH64, ARM}[r.IntN(4)]
			if !slices.Contains(before.hosts(), arch.host()) {
				continue // not what the profiles are made for
			}
			nr, ok := SyscallNumber(arch, names[r.IntN(len(names))])
			if !ok {
				continue
			}
			c := Call{Arch: arch, Syscall: nr, Caps: []string{}, Kernel: []string{"4.4", "4.8", "5.4", "6.1"}[r.IntN(4)], Loader: runc15}
			for _, name := range []string{"CAP_SYS_ADMIN", "CAP_BPF"} {
				if r.IntN(2) == 0 {
					c.Caps = append(c.Caps, name)
				}
			}
			c.Args = []uint64{r.Uint64N(70), r.Uint64N(70), 0, 0, 0, 0}
			b, a := before.Decide(c), after.Decide(c)
			cases++
			if same(b.Outcome, a.Outcome) || b.Ambiguous || a.Ambiguous {
				continue
			}
			differ++
			name := syscallLabel(arch, nr)
			found := slices.ContainsFunc(gains, func(g Gain) bool {
				return g.Syscall == name && slices.Contains(g.Archs, arches[arch.index(nr)].name) && same(g.Before, b.Outcome) && same(g.After, a.Outcome)
			})
			require.True(t, found, "%s%v on %s, caps %v, kernel %s: %s to %s is in no gain\n%s\n%s\n%v", name, c.Args[:2], arch, c.Caps, c.Kernel,
				outcomeText(b.Outcome), outcomeText(a.Outcome), first, second, summary(gains))
		}
	}
	t.Logf("%d cases, %d of them answered otherwise; %d of 300 changes not defined by libseccomp", cases, differ, unclear)
	require.Greater(t, differ, 5000)
}

// The narrowest entry for each call that Docker's default refuses allows that
// call and no other.
func TestConditionsOnDefault(t *testing.T) {
	p := builtin("moby-v0.2.4")
	for _, c := range []struct {
		name  string
		args  []uint64
		gains []string
	}{
		{"socket", []uint64{38, 5, 0, 0}, nil},
		{"socket", []uint64{40, 1, 0, 0}, nil},
		{"personality", []uint64{0x40000, 0, 0, 0}, nil},
		{"clone", []uint64{0x10000011, 0, 0, 0}, nil},
		{"unshare", []uint64{0x20000, 0, 0, 0}, nil},
		{"keyctl", []uint64{1<<32 | 11, 0, 0, 0}, nil},
		{"setns", []uint64{3, 0x40000000, 0, 0}, nil},
		{"bpf", []uint64{5, 0, 0, 0}, nil},
	} {
		call := Call{Arch: X86_64, Name: c.name, Args: c.args, Caps: []string{}, Kernel: "6.1", Loader: runc15}
		require.Equal(t, Errno, p.Decide(call).Action, c.name)
		conditions, _, known := p.Conditions(call)
		require.True(t, known)
		edits, err := p.AllowWhen(c.name, conditions...)
		require.NoError(t, err)
		after := applyEdits(t, edits)
		assert.Equal(t, Allow, after.Decide(call).Action, c.name)
		gains, complete := Gains(p, after, Want{c.name, conditions})
		assert.True(t, complete)
		assert.Equal(t, c.gains, summary(gains), c.name)
	}
}

func TestGainsBounds(t *testing.T) {
	var entries []string
	for i := range 4 {
		for v := range 60 {
			entries = append(entries, fmt.Sprintf(`{"names":["prctl"],"action":"SCMP_ACT_ALLOW","args":[{"index":%d,"value":%d,"op":"SCMP_CMP_EQ"}]}`, i, v))
		}
	}
	text := `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[` + strings.Join(entries, ",")
	before, _, err := Parse(rules.NewFile("before", text+"]}"))
	require.NoError(t, err)
	after, _, err := Parse(rules.NewFile("after", text+`,{"names":["prctl"],"action":"SCMP_ACT_ALLOW"}]}`))
	require.NoError(t, err)
	_, complete := Gains(before, after)
	assert.False(t, complete)
}

func BenchmarkGains(b *testing.B) {
	p := builtin("moby-v0.2.4")
	edits, err := p.Allow("mount")
	require.NoError(b, err)
	after, err := p.Edited(edits)
	require.NoError(b, err)
	for b.Loop() {
		Gains(p, after)
	}
}

// A newer call that is allowed moves runc's stub, and nothing where there is none.
func TestGainsByLoader(t *testing.T) {
	const rest = `"syscalls":[{"names":["read"%s],"action":"SCMP_ACT_ALLOW"}]}`
	before := parse(t, "before", `{"defaultAction":"SCMP_ACT_ERRNO",`+fmt.Sprintf(rest, `,"stat"`))
	after := parse(t, "after", `{"defaultAction":"SCMP_ACT_ERRNO",`+fmt.Sprintf(rest, `,"stat","statx"`))
	count := func(l Loader) int {
		gains, complete := GainsBy(l, before, after, Want{Name: "statx"})
		assert.True(t, complete)
		return len(slices.DeleteFunc(gains, func(g Gain) bool { return !slices.Contains(g.Archs, "x86_64") }))
	}
	assert.NotZero(t, count(Loader{}))
	assert.NotZero(t, count(Loader{Runtime: Runc, Version: "1.5.2"}))
	assert.Zero(t, count(Loader{Runtime: Runc, Version: "1.1.5"}), "it has none without architectures")
	assert.Zero(t, count(Loader{Runtime: Crun}))
	assert.Zero(t, count(Loader{Runtime: Runc, Version: "1.5.2", Libseccomp: "2.3.1"}), "the name is dropped")
}
