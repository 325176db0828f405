package binary

import (
	"bytes"
	"encoding/binary"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules/apparmor"
)

// With -update, testdata/all.bin is compiled anew by the apparmor_parser of Debian
// 12, and testdata/new.bin by the one that APPARMOR_PARSER_50 names.
var update = flag.Bool("update", false, "compile the policies of testdata anew")

const kernelFeatures = "testdata/kernel-7.2.features"

func compiled(t testing.TB, name string) []byte {
	t.Helper()
	file := filepath.Join("testdata", name+".bin")
	if *update {
		tool, args := "/usr/sbin/apparmor_parser", []string{"-M", "/etc/apparmor.d/abi/3.0"}
		if name == "new" {
			tool, args = os.Getenv("APPARMOR_PARSER_50"), []string{"-M", kernelFeatures, "--override-policy-abi", kernelFeatures}
		}
		args = append(args, "-Q", "-K", "-q", "-S", "--config-file", os.DevNull, "-b", "/etc/apparmor.d", filepath.Join("testdata", name+".profile"))
		out, err := exec.Command(tool, args...).Output()
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, out, 0o644))
	}
	blob, err := os.ReadFile(file)
	require.NoError(t, err)
	return blob
}

func TestDecode(t *testing.T) {
	profiles, err := Decode(compiled(t, "all"))
	require.NoError(t, err)
	require.Len(t, profiles, 3)
	p := profiles[0]
	assert.Equal(t, "web", p.Name)
	assert.Equal(t, []string{"complain"}, p.Flags)
	assert.Equal(t, map[int]uint64{7: 10}, p.Rlimits)
	assert.Equal(t, Capabilities{Allow: 1 | 1<<39, Quiet: 1 << 5}, p.Capabilities)
	assert.Empty(t, p.Unknown)
	assert.Equal(t, []string{"web//child", "other"}, p.file.names)
	for program, attaches := range map[string]bool{"/usr/bin/web": true, "/usr/bin/web2": true, "/usr/bin/we": false} {
		_, ok := p.Attaches(program)
		assert.Equal(t, attaches, ok, program)
	}
	assert.Equal(t, "web//child", profiles[1].Name)
	assert.Equal(t, "web//hat", profiles[2].Name)
	assert.Equal(t, []string{"hat", "audit"}, profiles[2].Flags)

	profiles, err = Decode(compiled(t, "new"))
	require.NoError(t, err)
	assert.NotNil(t, profiles[0].file.table)
	assert.True(t, profiles[0].file.owned)
	assert.Empty(t, profiles[0].Unknown)
}

func TestDecodeNames(t *testing.T) {
	for in, want := range map[string][2]string{"a": {"", "a"}, ":ns:a": {"ns", "a"}, ":ns://a//b": {"ns", "a//b"}} {
		d := &decoder{stream: &stream{}, p: &Profile{}}
		d.name(in)
		require.NoError(t, d.err)
		assert.Equal(t, want, [2]string{d.p.Namespace, d.p.Name})
	}
	for _, in := range []string{"", ":", ":ns", "::a", ":ns:"} {
		d := &decoder{stream: &stream{}, p: &Profile{}}
		d.name(in)
		assert.Error(t, d.err, in)
	}
}

func TestDecodeCompressed(t *testing.T) {
	plain := compiled(t, "all")
	w, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	want, err := Decode(plain)
	require.NoError(t, err)
	got, err := Decode(w.EncodeAll(plain, nil))
	require.NoError(t, err)
	assert.Equal(t, len(want), len(got))
	_, err = Decode(w.EncodeAll(make([]byte, MaxSize+1), nil))
	assert.ErrorContains(t, err, "not compiled AppArmor policy")
	_, err = Decode(make([]byte, MaxSize+1))
	assert.ErrorContains(t, err, "more than 32 MiB")
}

// Policy that is cut off or changed anywhere is an error, or decides.
func TestDecodeDamaged(t *testing.T) {
	for _, name := range []string{"all", "new"} {
		blob := compiled(t, name)
		step := len(blob)/700 + 1
		ends := map[int]bool{} // where a profile ends, and the policy may
		for n := 0; n < len(blob); n += step {
			if list, err := Decode(blob[:n]); err == nil {
				ends[len(list)] = true
			}
			changed := bytes.Clone(blob)
			changed[n] ^= 0x81
			ask(changed)
		}
		assert.LessOrEqual(t, len(ends), 2)
	}
}

func TestDecodeHostile(t *testing.T) {
	version := []byte("\x04\x08\x00version\x00\x02\x07\x00\x00\x00")
	profile := append(bytes.Clone(version), "\x04\x08\x00profile\x00\x07\x05\x02\x00p\x00"...)
	flags := "\x04\x06\x00flags\x00\x07\x02\x00\x00\x00\x00\x02\x00\x00\x00\x00\x02\x00\x00\x00\x00\x08"
	for name, blob := range map[string][]byte{
		"empty":       nil,
		"version":     version,
		"old":         bytes.Replace(append(bytes.Clone(profile), flags+"\x08"...), []byte{2, 7}, []byte{2, 4}, 1),
		"no flags":    append(bytes.Clone(profile), 8),
		"nested":      append(bytes.Clone(profile), bytes.Repeat([]byte("\x04\x02\x00z\x00\x07"), 100)...),
		"mode":        append(bytes.Clone(profile), bytes.Replace([]byte(flags), []byte{2, 0, 0, 0, 0, 2, 0}, []byte{2, 0, 0, 0, 0, 2, 9}, 1)...),
		"twice":       append(bytes.Clone(profile), flags+flags+"\x08"...),
		"unnamed":     append(bytes.Clone(profile), flags+"\x05\x01\x00\x00\x08"...),
		"many caps":   append(bytes.Clone(profile), flags+"\x02\x00\x00\x00\x00\x02\x00\x00\x00\x00\x02\x00\x00\x00\x00\x02\x00\x00\x00\x00\x02\x00\x00\x00\x00\x08"...),
		"code":        append(bytes.Clone(profile), 99),
		"blob":        append(bytes.Clone(profile), "\x04\x06\x00aadfa\x00\x06\xff\xff\xff\xff"...),
		"no header":   append(bytes.Clone(profile), "\x04\x06\x00aadfa\x00\x06\x04\x00\x00\x00abcd"...),
		"many limits": append(bytes.Clone(profile), "\x04\x08\x00rlimits\x00\x07\x02\x00\x00\x00\x00\x0b\xff\x00"...),
	} {
		_, err := Decode(blob)
		assert.ErrorContains(t, err, "not compiled AppArmor policy", name)
	}
	list, err := Decode(append(bytes.Clone(profile), "\x04\x02\x00z\x00\x07\x02\x00\x00\x00\x00\x08"+flags+"\x08"...))
	require.NoError(t, err)
	assert.Equal(t, []string{"z"}, list[0].Unknown)
}

// Automata whose tables lead out of them, or round in a ring, are refused.
func TestAutomatonVerified(t *testing.T) {
	make := func(change func(a *automaton)) error {
		a := &automaton{
			accept: []uint32{0, 0, 0}, accept2: []uint32{0, 0, 0}, base: []uint32{0, 0, 0}, def: []uint32{0, 0, 0},
			next: make([]uint32, equivalents), check: make([]uint32, equivalents), flags: headerDiff,
		}
		change(a)
		return a.verify()
	}
	require.NoError(t, make(func(*automaton) {}))
	require.NoError(t, make(func(a *automaton) { a.base[1], a.base[2], a.def[2] = stateDiff, stateDiff, 1 }))
	for name, change := range map[string]func(a *automaton){
		"default":    func(a *automaton) { a.def[1] = 3 },
		"base":       func(a *automaton) { a.base[1] = 1 },
		"next":       func(a *automaton) { a.next[7] = 3 },
		"check":      func(a *automaton) { a.check[7] = 1 << 31 },
		"states":     func(a *automaton) { a.accept = a.accept[1:] },
		"self":       func(a *automaton) { a.base[1], a.def[1] = stateDiff, 1 },
		"ring":       func(a *automaton) { a.base[1], a.base[2], a.def[1], a.def[2] = stateDiff, stateDiff, 2, 1 },
		"flags":      func(a *automaton) { a.base[1] = 1 << 28 },
		"no oob":     func(a *automaton) { a.base[1] = stateOOB },
		"equivalent": func(a *automaton) { a.equiv = []uint32{1} },
	} {
		assert.Error(t, make(change), name)
	}
}

// ask decodes policy and asks it about one access of each class.
func ask(blob []byte) {
	list, err := Decode(blob)
	if err != nil {
		return
	}
	for _, p := range list {
		for _, req := range apparmor.Requests() {
			p.Decide(req)
		}
		for _, req := range requests {
			p.Decide(req)
		}
		p.Attaches("/usr/bin/web")
	}
}

var requests = []apparmor.Request{
	apparmor.FileRequest{Path: "/usr/bin/x", Perms: apparmor.FilePerms, Owner: true},
	apparmor.FileRequest{Path: "/usr/bin/y", Perms: apparmor.FilePerms},
	apparmor.FileRequest{Path: "/srv/a", Perms: apparmor.Link, Target: "/srv/b"},
	apparmor.CapabilityRequest{Name: "bpf"},
	apparmor.NetworkRequest{Family: "inet", Type: "stream"},
	apparmor.UnixRequest{Perms: apparmor.UnixPerms, Type: "stream", Addr: "@a", PeerAddr: "@b", PeerLabel: "peer"},
	apparmor.MountRequest{Op: "mount", Source: "none", Target: "/mnt/", Fstype: "tmpfs", Flags: []string{"ro"}, Data: "size=1"},
	apparmor.PtraceRequest{Perms: apparmor.Trace, Peer: "a//&b"},
	apparmor.SignalRequest{Perms: apparmor.Send, Signal: "rtmin+32", Peer: "a"},
	apparmor.ChangeProfileRequest{Target: "other", OnExec: "/bin/sh"},
	apparmor.MqueueRequest{Perms: apparmor.Read, Type: "sysv", Name: "7"},
	apparmor.RlimitRequest{Name: "nofile", Value: 11},
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"all", "new"} {
		f.Add(compiled(f, name))
	}
	small := binary.LittleEndian.AppendUint32([]byte("\x04\x08\x00version\x00\x02"), 7)
	f.Add(append(small, "\x04\x08\x00profile\x00\x07\x05\x02\x00p\x00\x04\x06\x00flags\x00\x07\x02\x00\x00\x00\x00\x02\x00\x00\x00\x00\x02\x00\x00\x00\x00\x08\x08"...))
	f.Fuzz(func(t *testing.T, blob []byte) { ask(blob) })
}

// A row of states that are differences to the next costs a name no more than it must.
func TestAutomatonRows(t *testing.T) {
	const states = maxDifferences + 3
	row := func(n int) error {
		a := &automaton{accept: make([]uint32, states), base: make([]uint32, states), def: make([]uint32, states),
			next: make([]uint32, equivalents), check: make([]uint32, equivalents), flags: headerDiff}
		for i := 1; i <= n; i++ {
			a.base[i], a.def[i] = stateDiff, uint32(i-1)
		}
		return a.verify()
	}
	require.NoError(t, row(maxDifferences))
	assert.ErrorContains(t, row(maxDifferences+1), "differences to the next")
}
