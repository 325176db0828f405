package track

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fixtures are those of the package container, whose reader they are for.
const fixtures = "../container/testdata/"

// place copies fixtures to where runtimes have them.
func place(t *testing.T, files map[string]string) folders {
	t.Helper()
	d := folders{root: t.TempDir()}
	for to, from := range files {
		text := []byte(from)
		if strings.HasPrefix(from, fixtures) {
			var err error
			text, err = os.ReadFile(from)
			require.NoError(t, err)
		}
		name := d.root + to
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, text, 0o600))
	}
	return d
}

func TestDiskDocker(t *testing.T) {
	const id = "c4719afa76fa448b5eca99e6736885846501d17956f2fcb2de5c916d723f3a87"
	const bundle = "/run/containerd/io.containerd.runtime.v2.task/moby/" + id + "/config.json"
	d := place(t, map[string]string{
		bundle: fixtures + "bundle/io.containerd.runtime.v2.task/moby/" + id + "/config.json",
		"/var/lib/docker/containers/" + id + "/config.v2.json":       fixtures + "docker/containers/" + id + "/config.v2.json",
		"/run/docker/runtime-runc/moby/" + id + "/state.json":        `{"id":"` + id + `","init_process_pid":77,"created":"2026-03-05T07:00:00Z","config":{}}`,
		"/run/containerd/io.containerd.runtime.v2.task/moby/x":       "no folder",
		"/run/containerd/io.containerd.runtime.v2.task/moby/y/z.txt": "of another",
	})
	c, found := d.read(id, 0, "")
	require.True(t, found)
	assert.Equal(t, id, c.ID)
	assert.Equal(t, "docker", c.Runtime)
	assert.NotEmpty(t, c.Name, "from config.v2.json")
	assert.NotEmpty(t, c.Image)
	assert.Equal(t, bundle, c.SeccompFile, "what is resolved goes first")
	assert.Contains(t, c.SeccompProfile, `"seccomp"`)
	assert.NotEmpty(t, c.Caps)
	assert.Equal(t, 4242, c.PID)
	_, found = d.read(strings.Repeat("0", 64), 0, "")
	assert.False(t, found)
	_, found = d.read(id, 1000, "")
	assert.False(t, found, "it is not that user's")
}

func TestDiskKubernetesAndPodman(t *testing.T) {
	const pod = "f463b892db274bcfd31ee534f86b31939b6e160c7ac02bbc41d768c0ce543d65"
	const podman = "5e1ecee06a7fc06f305ae5c12acfe7a7f67b8ece7af76932ed3afab00c3c6921"
	d := place(t, map[string]string{
		"/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/" + pod + "/config.json":                    fixtures + "bundle/io.containerd.runtime.v2.task/k8s.io/" + pod + "/config.json",
		"/var/lib/containers/storage/overlay-containers/" + podman + "/userdata/config.json":                  fixtures + "bundle/overlay-containers/" + podman + "/userdata/config.json",
		"/var/lib/containers/storage/overlay-containers/containers.json":                                      `[{"id":"x"},{"id":"` + podman + `","layer":"y","names":["web"],"metadata":"{\"image-name\":\"docker.io/library/nginx:1\",\"name\":\"web\"}"}]`,
		"/var/lib/containers/storage/overlay-containers/" + strings.Repeat("1", 64) + "/userdata/config.json": `{"ociVersion":"1","linux":{}}`,
	})
	c, found := d.read(pod, 0, "")
	require.True(t, found)
	assert.Equal(t, "containerd", c.Runtime)
	assert.NotEmpty(t, c.Pod)
	assert.NotEmpty(t, c.Namespace)
	assert.NotEmpty(t, c.Image)
	c, found = d.read(podman, 0, "")
	require.True(t, found)
	assert.Equal(t, "podman", c.Runtime)
	assert.Equal(t, "web", c.Name)
	assert.Equal(t, "docker.io/library/nginx:1", c.Image)
	c, found = d.read(strings.Repeat("1", 64), 0, "")
	require.True(t, found)
	assert.Empty(t, c.Name)
	assert.Equal(t, "unconfined", c.SeccompProfile)
}

// Podman keeps containers in a folder of the storage driver's, which is not overlay everywhere.
func TestDiskDrivers(t *testing.T) {
	const id = "5e1ecee06a7fc06f305ae5c12acfe7a7f67b8ece7af76932ed3afab00c3c6921"
	for _, driver := range []string{"vfs", "btrfs", "zfs"} {
		dir := "/var/lib/containers/storage/" + driver + "-containers/"
		d := place(t, map[string]string{
			dir + id + "/userdata/config.json": fixtures + "bundle/overlay-containers/" + id + "/userdata/config.json",
			dir + "containers.json":            `[{"id":"` + id + `","layer":"y","names":["web"],"metadata":"{\"image-name\":\"docker.io/library/nginx:1\"}"}]`,
		})
		c, found := d.read(id, 0, "")
		require.True(t, found, driver)
		assert.Equal(t, []string{"podman", "web", "docker.io/library/nginx:1"}, []string{c.Runtime, c.Name, c.Image}, driver)
	}
}

// Where runtimes of the system and of a user leave what is known of a container.
func TestPlaces(t *testing.T) {
	places := func(run, data string) (all []string) {
		for _, template := range slices.Concat(metadataFiles, nameFiles) {
			all = append(all, fill(template, run, data, "a"))
		}
		return all
	}
	system := places(runDir(0), systemData)
	assert.Subset(t, system, []string{
		"/run/containerd/io.containerd.runtime.v2.task/*/a/config.json",
		"/run/docker/containerd/daemon/io.containerd.runtime.v2.task/*/a/config.json",
		"/run/k3s/containerd/io.containerd.runtime.v2.task/*/a/config.json",
		"/var/lib/containers/storage/overlay-containers/a/userdata/config.json",
		"/run/containers/storage/overlay-containers/a/userdata/config.json",
		"/var/lib/docker/containers/a/config.v2.json",
		"/run/runc/a/state.json", "/run/docker/runtime-runc/*/a/state.json", "/run/containerd/runc/*/a/state.json",
		"/var/lib/containers/storage/overlay-containers/containers.json",
	})
	assert.Subset(t, places(runDir(1000), "/home/u/.local/share"), []string{
		"/run/user/1000/docker/containerd/daemon/io.containerd.runtime.v2.task/*/a/config.json",
		"/home/u/.local/share/containers/storage/overlay-containers/a/userdata/config.json",
		"/run/user/1000/containers/overlay-containers/a/userdata/config.json",
		"/home/u/.local/share/docker/containers/a/config.v2.json",
		"/run/user/1000/runc/a/state.json",
	})
	file := func(name string) int { return slices.Index(system, name) }
	assert.Less(t, file("/run/containerd/io.containerd.runtime.v2.task/*/a/config.json"), file("/var/lib/docker/containers/a/config.v2.json"), "what is resolved goes first")
	assert.Less(t, file("/var/lib/docker/containers/a/config.v2.json"), file("/run/runc/a/state.json"))
}

// Names and files are made by others.
func TestDiskHostile(t *testing.T) {
	d := place(t, map[string]string{
		"/run/runc/a/state.json":     `{"id":"b","init_process_pid":1,"config":{}}`,
		"/run/runc/torn/state.json":  `{"id":`,
		"/run/runc/long/state.json":  `{"id":"long","init_process_pid":1,"config":{}}` + strings.Repeat(" ", maxFile),
		"/run/secret/state.json":     `{"id":"../secret","init_process_pid":1,"config":{}}`,
		"/run/runc/dir/state.json/x": "",
	})
	for _, id := range []string{"a", "torn", "long", "../secret", "..", ".", "", "*", "a/b", "dir", strings.Repeat("a", 300), "-x", "a\x00"} {
		_, found := d.read(id, 0, "")
		assert.False(t, found, "%q", id)
	}
	_, found := d.read("a", 2_000_000_000, "")
	assert.False(t, found)
	for _, b := range d.bundles() {
		assert.NotContains(t, b.id, "/")
	}
}

func TestBundles(t *testing.T) {
	d := place(t, map[string]string{
		"/run/runc/lab7/state.json": fixtures + "runc-state.json",
		"/run/containerd/io.containerd.runtime.v2.task/eco/eco7/config.json":                             `{"ociVersion":"1","process":{},"linux":{"cgroupsPath":"/eco/eco7"}}`,
		"/run/containerd/io.containerd.runtime.v2.task/moby/" + strings.Repeat("a", 64) + "/config.json": `{"ociVersion":"1","linux":{}}`,
	})
	k := newCache()
	k.disk = d
	for _, b := range d.bundles() {
		k.add(b)
	}
	for path, want := range map[string]string{
		"/lab7": "lab7", "/lab7/below": "lab7", "/eco/eco7": "eco7", "/eco": "", "/": "", "/x/eco7": "", "/lab7x": "",
	} {
		id, _ := k.identify(in(path))
		assert.Equal(t, want, id.id, path)
	}
	id, _ := k.identify(in("/eco/eco7"))
	c := k.container(t.Context(), id, true)
	assert.Equal(t, "eco7", c.ID)
	assert.Equal(t, "containerd", c.Runtime)
	assert.Equal(t, "unconfined", c.SeccompProfile)
}

func TestCacheByCgroup(t *testing.T) {
	k := newCache()
	k.add(bundle{id: "plain"})
	k.add(bundle{id: "relative", cgroups: []string{"lab/relative-1"}})
	k.add(bundle{id: "systemd", cgroups: []string{"system.slice:lab:systemd"}})
	k.add(bundle{id: "own", cgroups: []string{"/team/own/"}})
	for path, want := range map[string]string{
		"/plain": "plain", "/user.slice/session-1.scope/plain": "plain", "/system.slice/runc-plain.scope": "plain",
		"/x/lab/relative-1": "relative", "/system.slice/lab-systemd.scope": "systemd", "/team/own": "own", "/team": "",
		// Whoever can make cgroups in a container can name them like another.
		"/plain/own": "plain", "/team/own/plain": "own",
	} {
		id, _ := k.identify(in(path))
		assert.Equal(t, want, id.id, path)
	}
	for range 2 * maxBundles {
		k.add(bundle{id: strings.Repeat("a", 8) + string(rune('a'+len(k.bundled)%26)), cgroups: []string{"/a/b"}})
	}
	assert.LessOrEqual(t, len(k.bundled), maxBundles)
}

func TestInvocation(t *testing.T) {
	for _, test := range []struct{ line, id, dir string }{
		{"runc run web", "web", "/cwd"},
		{"runc --root /r --log l create --bundle /b --pid-file p web", "web", "/b"},
		{"/usr/bin/runc run -d -b=/b web", "web", "/b"},
		{"runc run --bundle=rel web", "web", "/cwd/rel"},
		{"crun --systemd-cgroup create --bundle /b -f c.json web", "web", "/b"},
		{"runc run --bundle web", "", ""}, // no ID
		{"runc exec web sh", "", ""},
		{"runc init", "", ""},
		{"runc create", "", ""},
		{"runc", "", ""},
		{"runc run ../x", "", ""},
	} {
		b, ok := invocation(strings.Fields(test.line), "/cwd")
		if assert.Equal(t, test.id != "", ok, test.line) && ok {
			assert.Equal(t, test.id, b.id, test.line)
			assert.Equal(t, test.dir, b.dir, test.line)
		}
	}
	b, ok := invocation(strings.Fields("/opt/bin/runc-v1.5.2 run web"), "/cwd")
	assert.True(t, ok)
	assert.Equal(t, "runc", b.runtime)
	for _, comm := range []string{"runc:[2:INIT]", "runcx", "sh", ""} {
		assert.Empty(t, runtimeOf(comm), comm)
	}
	_, ok = invocation(strings.Fields("runc run web"), "")
	assert.False(t, ok, "the bundle is not known")
}

func TestFromMount(t *testing.T) {
	for _, test := range [][3]string{
		{"cpu", "/sys/fs/cgroup/cpu/docker/a", "/docker/a"},
		{"cpu", "/sys/fs/cgroup/cpu,cpuacct/a", "/a"},
		{"", "/sys/fs/cgroup/lab7", "/lab7"},
		{"", "/sys/fs/cgroup/unified/lab7", "/lab7"},
		{"", "/sys/fs/cgroup/system.slice/a.scope", "/system.slice/a.scope"},
		{"cpu", "/sys/fs/cgroup/cpu", "/cpu"},
	} {
		assert.Equal(t, test[2], fromMount(test[0], test[1]), test)
	}
}

// An ID becomes a part of a path, and containers choose it.
func TestSafeID(t *testing.T) {
	for _, id := range []string{"a", "_", "web-1", "3f9c1d2a7b41", "a.b+c_d-e", strings.Repeat("a", 255)} {
		assert.True(t, safeID(id), "%q", id)
	}
	for _, id := range []string{"", ".", "..", "-rf", "+", "a/b", "a b", "a\x00", "a\n", "\xff", "ä", strings.Repeat("a", 256)} {
		assert.False(t, safeID(id), "%q", id)
	}
}

// A container of LXC is known by its name alone, which other runtimes' can have, too.
func TestDiskLXC(t *testing.T) {
	d := place(t, map[string]string{
		"/var/lib/lxc/web/config":                    "lxc.include = /usr/share/lxc/config/common.conf\nlxc.rootfs.path = dir:/var/lib/lxc/web/rootfs\nlxc.apparmor.profile = generated\n",
		"/usr/share/lxc/config/common.conf":          "lxc.seccomp.profile = /usr/share/lxc/config/common.seccomp\nlxc.include = /usr/share/lxc/config/common.conf.d/\n",
		"/usr/share/lxc/config/common.conf.d/a":      "lxc.seccomp.profile = /not/read\n",
		"/usr/share/lxc/config/common.conf.d/x.conf": "lxc.cap.drop = sys_time\nlxc.include = /usr/share/lxc/config/common.conf\n",
		"/run/incus/team_db/lxc.conf":                "lxc.rootfs.path = dir:/x\nlxc.apparmor.profile = incus-team_db_</var/lib/incus>//&:incus-team_db_<var-lib-incus>:\n",
	})
	c, found := d.readLXC("web", 0)
	require.True(t, found)
	assert.Equal(t, "web", c.Name)
	assert.Equal(t, "/usr/share/lxc/config/common.seccomp", c.SeccompProfile, "what is included says so; that it includes itself ends")
	assert.Equal(t, "lxc-web_</var/lib/lxc>", c.AppArmorProfile)
	c, found = d.readLXC("team_db", 0)
	require.True(t, found)
	assert.Equal(t, "incus", c.Runtime)
	assert.Equal(t, "db", c.Name)
	_, found = d.read("web", 0, "")
	assert.False(t, found, "one of containerd may be called so")
	_, found = d.readLXC("none", 0)
	assert.False(t, found)
}

// Lines that include beyond the bound cost nothing: a user's config may have any number of them.
func TestIncludesAreBounded(t *testing.T) {
	d := place(t, map[string]string{"/usr/share/lxc/a": "lxc.cap.drop = sys_time\n"})
	left := maxIncludes
	text := d.withIncluded([]byte(strings.Repeat("lxc.include = /usr/share/lxc/a\n", 3*maxIncludes)), 0, maxIncludeDepth, &left)
	assert.Equal(t, maxIncludes, strings.Count(string(text), "sys_time"))
	assert.Equal(t, 2*maxIncludes, strings.Count(string(text), "lxc.include"))
	assert.Zero(t, left, "what is beyond is not looked for")
}
