//go:build e2e && linux && amd64

package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var layersEvidence = flag.String("layers.evidence", "", "write the table of the seeded refusals to this file")

// A seed is a refusal by a layer that is known, as it was made so.
type seed struct {
	layer, name  string
	config       object   // of the container, merged into one that holds all capabilities and has no limits; nil for a plain process
	argv         []string // what is refused
	control      []string // what a plain process does without that layer; nil if there is no such thing
	refused      string   // parts of the line of the trace, or of the error output (see said), with ... between
	said         bool     // only the error output is known, and no trace
	uncontrolled bool     // it is refused in the container without config, too: the program does it to itself
}

type object = map[string]any

// A layersBed is what seeds share.
type layersBed struct {
	whydenied, runc, strace, dir, status string
	containers                           int
}

// Each seeded refusal is explained by the trace or the error output and what is known of the
// container, and the layer is the right one, or is said not to be known.
func TestLayers(t *testing.T) {
	b := newLayersBed(t)
	all := tallies{}
	for i, s := range seeds() {
		if testing.Short() && i%16 != 0 {
			continue
		}
		t.Run(s.layer+" "+s.name, func(t *testing.T) { all.add(t, s, b.seed(t, s)) })
	}
	t.Run("records", func(t *testing.T) { b.records(t, all) })
	t.Run("lab", func(t *testing.T) {
		if testing.Short() {
			t.Skip("it boots a guest")
		}
		labSeeds(t, all)
	})
	table, total := all.table()
	t.Logf("\n%s", table)
	assert.Zero(t, total.wrong)
	assert.GreaterOrEqual(t, total.right*100, total.all*95)
	if *layersEvidence != "" {
		writeLayersEvidence(t, *layersEvidence, table)
	}
}

// A tally counts the seeds of a layer by what was said of them.
type tally struct{ all, right, unknown, wrong int }

type tallies map[string]*tally

// add counts a seed of which a layer was named, "" if it was said not to be known.
func (all tallies) add(t *testing.T, s seed, got string) {
	if all[s.layer] == nil {
		all[s.layer] = &tally{}
	}
	n := all[s.layer]
	n.all++
	switch got {
	case s.layer:
		n.right++
	case "":
		n.unknown++
		t.Logf("unknown: %s %s", s.layer, s.name)
	default:
		n.wrong++
	}
}

// table is the table of docs/evidence.md.
func (all tallies) table() (text string, total tally) {
	var table strings.Builder
	for _, layer := range slices.Sorted(maps.Keys(all)) {
		n := all[layer]
		total.all, total.right, total.unknown, total.wrong = total.all+n.all, total.right+n.right, total.unknown+n.unknown, total.wrong+n.wrong
		fmt.Fprintf(&table, "| `%s` | %d | %d | %d | %d |\n", layer, n.all, n.right, n.unknown, n.wrong)
	}
	fmt.Fprintf(&table, "| all | %d | %d | %d | %d |\n", total.all, total.right, total.unknown, total.wrong)
	return table.String(), total
}

func newLayersBed(t *testing.T) *layersBed {
	if os.Geteuid() != 0 {
		missing(t, "root")
	}
	b := &layersBed{runc: tool(t, "runc", "runc"), strace: tool(t, "strace", "strace"), dir: t.TempDir()}
	tool(t, "python3", "python3")
	b.whydenied, b.status = filepath.Join(b.dir, "whydenied"), filepath.Join(b.dir, "status")
	run(t, "go", "build", "-o", b.whydenied, "../../cmd/whydenied")
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(b.status, append(status, "capability,landlock\n"...), 0o600))
	return b
}

// seed makes a refusal and returns the layer that whydenied names.
func (b *layersBed) seed(t *testing.T, s seed) string {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	trace, output, inventory := b.makes(t, dir, s, s.config)
	text := trace
	if s.said {
		text = output
	}
	require.True(t, slices.ContainsFunc(strings.Split(text, "\n"), s.isOf), "%s: %s\n%s", s.argv, s.refused, output)
	if s.config != nil && !s.uncontrolled || s.control != nil {
		without := s
		if s.control != nil {
			without.argv = s.control
		}
		trace, output, _ := b.makes(t, t.TempDir(), without, object{})
		if s.said {
			trace = output
		}
		require.False(t, slices.ContainsFunc(strings.Split(trace, "\n"), s.isOf), "it is refused without that layer, too")
	}
	args := []string{"explain", "--format", "json", "--inventory", inventory}
	if s.said {
		args = append(args, "--stderr", filepath.Join(dir, "output"))
	} else {
		args = append(args, "--strace", filepath.Join(dir, "trace"))
	}
	return s.compare(t, b.explain(t, args...))
}

// explain returns what whydenied prints.
func (b *layersBed) explain(t *testing.T, args ...string) []byte {
	out, err := exec.Command(b.whydenied, args...).Output()
	var exit *exec.ExitError
	require.True(t, err == nil || errors.As(err, &exit) && exit.ExitCode() == 3, "%v %s", err, out)
	return out
}

// compare returns the layer that the output names, which must be the right one, or "".
func (s *seed) compare(t *testing.T, out []byte) string {
	got, why := layerOf(t, out, *s)
	if got != "" {
		assert.Equal(t, s.layer, got, "%s: %s\n%s", s.name, s.refused, why)
	} else if testing.Verbose() {
		t.Log(why)
	}
	return got
}

// records has what programs printed beside the records that a log has of it.
func (b *layersBed) records(t *testing.T, all tallies) {
	for _, r := range recorded {
		dir := t.TempDir()
		log, said := filepath.Join(dir, "audit.log"), filepath.Join(dir, "stderr")
		require.NoError(t, os.WriteFile(log, []byte(r.log+"\n"), 0o600))
		require.NoError(t, os.WriteFile(said, []byte(r.said+"\n"), 0o600))
		s := seed{layer: r.layer, name: r.said, refused: r.said, said: true}
		all.add(t, s, s.compare(t, b.explain(t, "explain", "--format", "json", log, "--stderr", said)))
	}
}

// labSeeds has the lab's guest make the refusals of testdata/lab/layers.
func labSeeds(t *testing.T, all tallies) {
	release := cmp.Or(os.Getenv("KERNEL"), "6.1")
	lab := labOf(t, release)
	t.Setenv("LIMIT", cmp.Or(os.Getenv("LIMIT"), "600")) // of boot.sh, in seconds
	in, results := t.TempDir(), t.TempDir()
	goBuild(t, filepath.Join(in, "bin/whydenied"), "../../cmd/whydenied")
	goBuild(t, filepath.Join(in, "bin/refuse"), "../lab/refuse")
	command(t, "cp", filepath.Join(lab, "layers"), filepath.Join(in, "run"))
	runGuest(t, lab, release, in, results)
	made, err := filepath.Glob(filepath.Join(results, "seeds/*"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(made), 30)
	for _, dir := range made {
		read := func(name string) string {
			text, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			return string(text)
		}
		layer, name, _ := strings.Cut(strings.TrimSpace(read("name")), "\n")
		refused, _, _ := strings.Cut(read("stderr"), "\n")
		require.NotEmpty(t, refused, "%s was not refused", name)
		s := seed{layer: layer, name: name, refused: refused, said: true}
		out := read("out.json")
		require.NotEmpty(t, out, "%s: %s", name, read("warnings"))
		all.add(t, s, s.compare(t, []byte(out)))
	}
}

// makes runs the seed in a container with a config.json, or as a plain process.
func (b *layersBed) makes(t *testing.T, dir string, s seed, config object) (trace, output, inventory string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	argv := s.argv
	if !s.said {
		argv = append([]string{b.strace, "-f", "-y", "-qq", "-s", "256", "-o", filepath.Join(dir, "trace")}, argv...)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	inventory = b.status
	require.NoError(t, os.WriteFile(filepath.Join(dir, "trace"), nil, 0o666))
	require.NoError(t, os.Chmod(filepath.Join(dir, "trace"), 0o666))
	require.NoError(t, os.Chmod(dir, 0o755))
	if s.config != nil {
		inventory = b.writeBundle(t, dir, argv, config)
		b.containers++
		id := fmt.Sprintf("whydenied-layers-%d-%d", os.Getpid(), b.containers)
		root := filepath.Join(dir, "state")
		cmd = exec.CommandContext(ctx, b.runc, "--root", root, "run", "--bundle", dir, id)
		defer func() { _ = exec.Command(b.runc, "--root", root, "delete", "--force", id).Run() }()
	}
	said, _ := cmd.CombinedOutput() // that it fails is what is wanted
	require.NoError(t, ctx.Err(), "%s", said)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "output"), said, 0o600))
	traced, err := os.ReadFile(filepath.Join(dir, "trace"))
	require.True(t, s.said || err == nil, "%v: %s", err, said)
	return string(traced), string(said), inventory
}

// all are the capabilities of the container without limits.
var all = strings.Fields("CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP " +
	"CAP_NET_BIND_SERVICE CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN " +
	"CAP_SYS_NICE CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_AUDIT_WRITE CAP_SETFCAP")

// with are the capabilities that a container holds: an object to be merged.
func with(caps ...string) object {
	return object{"process": object{"capabilities": object{"bounding": caps, "effective": caps, "permitted": caps}}}
}

// without are all but some.
func without(caps ...string) object {
	return with(slices.DeleteFunc(slices.Clone(all), func(c string) bool { return slices.Contains(caps, c) })...)
}

// writeBundle writes an OCI bundle whose root has the programs of this machine.
func (b *layersBed) writeBundle(t *testing.T, dir string, argv []string, more object) (config string) {
	root := filepath.Join(dir, "rootfs")
	for _, name := range []string{"usr", "etc", "proc", "dev", "sys", "tmp", "mnt", "srv", "data", "root", "var", "run", strings.TrimPrefix(dir, "/"), strings.TrimPrefix(filepath.Dir(b.whydenied), "/")} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, name), 0o755))
	}
	require.NoError(t, os.Chmod(filepath.Join(root, "tmp"), 0o777|fs.ModeSticky))
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		require.NoError(t, os.Symlink("usr/"+name, filepath.Join(root, name)))
	}
	require.NoError(t, os.WriteFile(filepath.Join(root, "srv/secret"), []byte("x"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(root, "srv/script"), []byte("#!/bin/sh\nexit 0\n"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "srv/plain"), []byte("#!/bin/sh\nexit 0\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(root, "etc/passwd"), []byte("root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n"), 0o644))
	bind := func(from, to string) object {
		return object{"destination": to, "type": "bind", "source": from, "options": []string{"rbind", "rprivate"}}
	}
	base := object{
		"ociVersion": "1.0.2",
		"process":    object{"user": object{"uid": 0, "gid": 0}, "args": argv, "env": []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, "cwd": "/"},
		"root":       object{"path": "rootfs"},
		"mounts": []object{{"destination": "/proc", "type": "proc", "source": "proc"}, {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": []string{"nosuid", "mode=755"}},
			bind("/usr", "/usr"), bind(dir, dir)},
		"linux": object{"namespaces": []object{{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}, {"type": "network"}},
			"resources": object{"devices": []object{{"allow": true, "access": "rwm"}}}},
	}
	merge(base, with(all...))
	merge(base, more)
	text, err := json.MarshalIndent(base, "", "\t")
	require.NoError(t, err)
	config = filepath.Join(dir, "config.json")
	require.NoError(t, os.WriteFile(config, text, 0o600))
	return config
}

// merge merges objects; lists are put behind one another.
func merge(to, from object) {
	for key, value := range from {
		inner, isObject := value.(object)
		have, isThere := to[key].(object)
		list, isList := value.([]object)
		before, wasList := to[key].([]object)
		switch {
		case isObject && isThere:
			merge(have, inner)
		case isList && wasList:
			to[key] = append(slices.Clone(before), list...)
		case isObject:
			to[key] = object{}
			merge(to[key].(object), inner)
		default:
			to[key] = value
		}
	}
}

// isOf reports whether a line is that of what is refused. strace puts spaces before results.
func (s *seed) isOf(line string) bool {
	line = strings.Join(strings.Fields(line), " ")
	for part := range strings.SplitSeq(s.refused, "...") {
		if !strings.Contains(line, part) {
			return false
		}
	}
	return true
}

// layerOf returns the layer that the output names for the last line with a text, "" if it
// says that it is not known.
func layerOf(t *testing.T, out []byte, s seed) (layer, why string) {
	t.Helper()
	found := false
	for line := range strings.Lines(string(out)) {
		var m struct {
			Finding *struct {
				Message string
				Claim   struct{ Text string }
				Seccomp *struct{}
			}
			Silent struct {
				Unexplained []struct {
					Text    string
					Verdict struct {
						Layer      string
						Candidates []struct{ Layer, Standing, Why string }
					}
				}
			}
		}
		require.NoError(t, json.Unmarshal([]byte(line), &m), line)
		if m.Finding != nil && s.isOf(m.Finding.Claim.Text) {
			found, layer, why = true, "apparmor", m.Finding.Message
			if m.Finding.Seccomp != nil {
				layer = "seccomp"
			}
		}
		for _, u := range m.Silent.Unexplained {
			if s.isOf(u.Text) {
				found, layer, why = true, u.Verdict.Layer, fmt.Sprintf("%s %+v", u.Text, u.Verdict.Candidates)
			}
		}
	}
	require.True(t, found || s.said, "nothing is said of %q: %s", s.refused, out)
	return layer, why
}

// layersHeading begins the part of docs/evidence.md that is written.
const layersHeading = "\n## The layer that said no\n"

func writeLayersEvidence(t *testing.T, file, table string) {
	page, err := os.ReadFile(file)
	require.NoError(t, err)
	before, rest, _ := strings.Cut(string(page), layersHeading)
	after := ""
	if i := strings.Index(rest, "\n## "); i >= 0 {
		after = rest[i:]
	}
	kernel, _, _ := strings.Cut(kernelRelease(t), "-")
	text := fmt.Sprintf(`
    sudo go test -tags e2e -run TestLayers ./testdata/e2e -args -layers.evidence ../../docs/evidence.md

%s, Linux %s, containers by runc and plain processes: each refusal is made by one layer, and explained by what strace or the
program printed and by config.json, or /proc/PID/status. Where a layer can be left out, it is checked that the same is not
refused then. Those of AppArmor, of IMA, fanotify (as fapolicyd does) and of programs of BPF at LSM hooks are made in the lab's
guest (%s, testdata/lab/layers), by plain processes and in containers, and explained by what the program printed and by what a
person has besides: the profile where the refusal is quiet, else the log alone, or bpftool's list. SELinux and IPE are in force on
neither: of them there are records of other hosts. [layers.md](layers.md) has what the layers are.

| layer | seeded | named right | said to be unknown | wrong |
|---|---|---|---|---|
%s`, time.Now().UTC().Format(time.DateOnly), kernel, "Linux "+cmp.Or(os.Getenv("KERNEL"), "6.1"), table)
	require.NoError(t, os.WriteFile(file, []byte(before+layersHeading+text+after), 0o644))
}
