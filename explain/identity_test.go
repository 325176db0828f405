package explain

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/parser"
)

// idOf is the ID of the finding of a record in a container.
func idOf(t *testing.T, record string, c container.Container) string {
	t.Helper()
	c.Confidence = container.High
	g := NewGroup(func(container.Subject) container.Container { return c }, Filter{})
	f, _ := g.Add(denials(t, record)[0])
	require.NotNil(t, f)
	return f.ID
}

func fileRecord(name string) string {
	return apparmorRecord(fmt.Sprintf(`apparmor="DENIED" operation="open" profile="web" name=%q pid=7 comm="cat" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`, name))
}

const killed = `type=SECCOMP msg=audit(1795427172.956:1): auid=0 uid=0 gid=0 ses=1 subj=web pid=77 comm="sh" exe="/bin/sh" sig=31 arch=c000003e syscall=83 compat=0 ip=0x7f code=0x80000000` + "\n"

// The next run of the same has the same findings, and another workload, policy or access
// others.
func TestIdentity(t *testing.T) {
	hex := func(digit string) string { return strings.Repeat(digit+"0f1c92e", 8) }
	run1 := container.Container{ID: hex("a"), Name: "adoring_bell", Image: "nginx:1.27"}
	run2 := container.Container{ID: hex("b"), Name: "quirky_hopper", Image: "docker.io/library/nginx:1.28"}
	pod := func(name string) container.Container {
		return container.Container{ID: hex("c"), Name: "app", Pod: name, Namespace: "shop", Image: "web:1"}
	}
	filter := func(text string) container.Container {
		return container.Container{ID: hex("d"), Image: "nginx", SeccompProfile: text}
	}
	const allow = `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[]}`
	for name, test := range map[string]struct {
		a, b   string
		in, by container.Container
		same   bool
	}{
		"another run":                  {fileRecord("/srv/a"), fileRecord("/srv/a"), run1, run2, true},
		"another image":                {fileRecord("/srv/a"), fileRecord("/srv/a"), run1, container.Container{Name: "adoring_bell", Image: "redis"}, false},
		"another access":               {fileRecord("/srv/a"), fileRecord("/srv/b"), run1, run2, false},
		"another process":              {fileRecord("/proc/7/stat"), fileRecord("/proc/8/stat"), run1, run2, true},
		"another program":              {fileRecord("/srv/a"), strings.Replace(fileRecord("/srv/a"), `"cat"`, `"pool-3-thread-1"`, 1), run1, run2, true},
		"a path with a container's ID": {fileRecord("/run/c/" + hex("a") + "/x"), fileRecord("/run/c/" + hex("b") + "/x"), run1, run2, true},
		"a name of mktemp":             {fileRecord("/tmp/tmp.Xk3f9aQz1B"), fileRecord("/tmp/tmp.9GhTT0aaZk"), run1, run2, true},
		"another profile":              {fileRecord("/srv/a"), strings.Replace(fileRecord("/srv/a"), `profile="web"`, `profile="db"`, 1), run1, run2, false},
		"replicas of a deployment":     {fileRecord("/srv/a"), fileRecord("/srv/a"), pod("web-6d4cf56db6-x7k2p"), pod("web-6d4cf56db6-zzt5v"), true},
		"one name in two pods":         {fileRecord("/srv/a"), fileRecord("/srv/a"), pod("web"), pod("db"), false},
		"a filter somewhere else":      {killed, killed, filter(allow), filter(`{"ociVersion":"1.0.2","hostname":"x","linux":{"seccomp":{"syscalls":[],"defaultAction":"SCMP_ACT_ALLOW"}}}`), true},
		"another filter":               {killed, killed, filter(allow), filter(`{"defaultAction":"SCMP_ACT_KILL"}`), false},
		"a user's container":           {fileRecord("/srv/a"), fileRecord("/srv/a"), run1, container.Container{Image: "nginx", CgroupPath: "/user.slice/user-1000.slice/x"}, false},
		"nothing known but an ID":      {fileRecord("/srv/a"), fileRecord("/srv/a"), container.Container{ID: hex("a")}, container.Container{ID: hex("b")}, true},
	} {
		assert.Equal(t, test.same, idOf(t, test.a, test.in) == idOf(t, test.b, test.by), name)
	}
}

// Containers of one workload are one finding, which counts them apart.
func TestTally(t *testing.T) {
	n := 0
	g := NewGroup(func(container.Subject) container.Container {
		return container.Container{ID: fmt.Sprintf("%064x", n), Name: fmt.Sprint("c", n), Image: "web:1.27", Confidence: container.High}
	}, Filter{})
	for n = range 2 * maxTally {
		for range 2 {
			g.Add(denials(t, fileRecord("/srv/a"))[0])
		}
	}
	require.Len(t, g.Findings(), 1)
	f := g.Findings()[0]
	assert.Equal(t, 4*maxTally, f.Count)
	assert.Len(t, f.Containers, maxTally)
	assert.Equal(t, &Tallied{Name: "c0", ID: strings.Repeat("0", 64), Image: "web:1.27", Count: 2}, f.Containers[0])
	assert.Equal(t, &Tallied{Name: "cat", Count: 4 * maxTally}, f.Programs[0])
	c := f.Clone()
	f.Containers[0].add()
	f.Times.Add(f.First, 1)
	assert.Equal(t, 2, c.Containers[0].Count)
	assert.NotEqual(t, c.Times, f.Times)
}

// Buckets hold all times, in whatever order they come.
func TestTimes(t *testing.T) {
	start := time.Date(2026, 11, 29, 3, 4, 5, 0, time.UTC)
	all := []time.Duration{0, time.Second, 90 * time.Second, -time.Hour, 48 * time.Hour, 48*time.Hour + 1, 365 * 24 * time.Hour, -time.Minute}
	var forth, back Times
	for i := range all {
		forth.Add(start.Add(all[i]), 1)
		back.Add(start.Add(all[len(all)-1-i]), 1)
		assert.LessOrEqual(t, len(forth.Counts), maxBuckets)
	}
	assert.Equal(t, forth, back)
	sum := uint32(0)
	for _, n := range forth.Counts {
		sum += n
	}
	assert.EqualValues(t, len(all), sum)
	assert.False(t, forth.Start().After(start.Add(-time.Hour)))
	assert.True(t, forth.Start().Add(time.Duration(len(forth.Counts))*forth.Width()).After(start.Add(365*24*time.Hour)))
	before := forth.Start()
	forth.move(24 * time.Hour)
	assert.WithinDuration(t, before.Add(24*time.Hour), forth.Start(), forth.Width())
	assert.Zero(t, new(Times).Start())
	var old Times // before 1970, as a broken clock has it
	old.Add(time.Unix(-100, 0), 1)
	old.Add(time.Unix(100, 0), 1)
	assert.LessOrEqual(t, len(old.Counts), maxBuckets)
}

// A repeat is counted as the denial that it repeats is.
func TestRepeatTally(t *testing.T) {
	text := ""
	for i := range 9 {
		text += strings.Replace(strings.Replace(fileRecord("/srv/a"), "pid=7", fmt.Sprint("pid=", i%3+1), 1), ":13)", fmt.Sprintf(":%d)", i+13), 1)
	}
	find := func(s container.Subject) container.Container {
		return container.Container{ID: fmt.Sprintf("%064x", s.PID), Name: fmt.Sprint("c", s.PID), Image: "web:1.27", Confidence: container.High}
	}
	folded, plain := NewSession(find, Filter{}), NewSession(find, Filter{})
	forms := parser.NewForms(false)
	all, repeats, _ := forms.Scan(nil, nil, &parser.Block{Body: []byte(text)})
	require.NotEmpty(t, repeats)
	for _, d := range all {
		folded.Add(d)
	}
	for i := range repeats {
		folded.AddRepeat(&repeats[i])
	}
	for _, d := range denials(t, text) {
		plain.Add(d)
	}
	want, got := plain.Findings()[0], folded.Findings()[0]
	assert.Equal(t, 9, got.Count)
	assert.ElementsMatch(t, want.Containers, got.Containers)
	assert.Equal(t, want.Programs, got.Programs)
	assert.Equal(t, want.Times, got.Times)
}
