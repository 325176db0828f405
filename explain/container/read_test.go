package container

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules/yaml"
)

var update = flag.Bool("update", false, "write the golden files")

// TestReadGolden reads every fixture; the golden file has what is known of each
// container in it.
func TestReadGolden(t *testing.T) {
	all := map[string][]Container{}
	err := filepath.WalkDir("testdata", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".json") {
			return err
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		containers, err := Read(filepath.ToSlash(path), text)
		require.NoError(t, err)
		require.NotEmpty(t, containers, path)
		all[strings.TrimPrefix(filepath.ToSlash(path), "testdata/")] = containers
		return nil
	})
	require.NoError(t, err)
	got, err := json.MarshalIndent(all, "", "  ")
	require.NoError(t, err)
	golden := filepath.Join("testdata", "read.golden")
	if *update {
		require.NoError(t, os.WriteFile(golden, append(got, '\n'), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got)+"\n")
}

func fixture(t testing.TB, name string) []Container {
	text, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	containers, err := Read(name, text)
	require.NoError(t, err)
	return containers
}

func TestReadDocker(t *testing.T) {
	c := fixture(t, "docker-20.10.json")
	require.Len(t, c, 3)
	web, db, job := c[0], c[1], c[2]
	assert.Equal(t, "web-1", web.Name)
	assert.Equal(t, "web", web.AppArmorProfile)
	assert.Equal(t, "docker", web.Runtime)
	assert.Equal(t, defaultCaps, web.Caps)
	assert.Empty(t, web.SeccompProfile)
	assert.True(t, web.Finished.IsZero())
	assert.Equal(t, []string{"/docker-entrypoint.sh", "nginx", "-g", "daemon off;"}, web.Command)

	assert.True(t, db.Finished.IsZero(), "it runs again")
	assert.Contains(t, db.Caps, "CAP_SYS_NICE")
	assert.NotContains(t, db.Caps, "CAP_NET_RAW")

	assert.JSONEq(t, `{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["read","write","exit_group"],"action":"SCMP_ACT_ALLOW"}]}`, job.SeccompProfile)
	assert.Empty(t, job.Caps)
	assert.NotNil(t, job.Caps, "none is not unknown")
	assert.Equal(t, 1, job.ExitCode)
	assert.Zero(t, job.PID)

	debug := fixture(t, "docker-28.json")[1]
	assert.True(t, debug.Privileged)
	assert.Equal(t, "unconfined", debug.SeccompProfile)
	assert.Equal(t, "unconfined", debug.AppArmorProfile)
	assert.Len(t, debug.Caps, 41)
}

func TestReadComposeService(t *testing.T) {
	c, err := Read("f", []byte(`[{"Id":"a","Name":"/shop-web-1","State":{"Pid":1},"Config":{"Labels":{"com.docker.compose.service":"web"}}}]`))
	require.NoError(t, err)
	assert.Equal(t, "web", c[0].Service)
	other := Container{ID: "a"}
	other.Merge(c[0])
	assert.Equal(t, "web", other.Service)
}

// What containerd keeps of a container, of which its Spec decides what is in force.
func TestReadContainerd(t *testing.T) {
	web := fixture(t, "ctr.json")[0]
	assert.Equal(t, []string{"web", "docker.io/library/nginx:1", "containerd"}, []string{web.ID, web.Image, web.Runtime})
	assert.Contains(t, web.SeccompProfile, `"SCMP_ACT_ERRNO"`)
	assert.Empty(t, web.SeccompFile, "it is part of another text")
	assert.Equal(t, []string{"CAP_CHOWN", "CAP_KILL"}, web.Caps)
	assert.False(t, web.Created.IsZero())

	read := func(labels, spec string) Container {
		c, err := Read("f", []byte(`{"ID":"a","Image":"","SnapshotKey":"","Labels":`+labels+`,"Spec":`+spec+`}`))
		require.NoError(t, err)
		return c[0]
	}
	assert.Equal(t, "unconfined", read("null", `{"ociVersion":"1.1.0","process":{}}`).SeccompProfile)
	assert.Equal(t, "", read("null", "null").SeccompProfile)
	assert.Equal(t, "docker", read(`{"com.docker/engine.bundle.path":"/x"}`, "null").Runtime)
	assert.Equal(t, "web", read(`{"nerdctl/name":"web"}`, `{"process":{}}`).Name)
	pod := read(`{"io.kubernetes.container.name":"c","io.kubernetes.pod.name":"p","io.kubernetes.pod.namespace":"n"}`, "null")
	assert.Equal(t, []string{"c", "p", "n"}, []string{pod.Name, pod.Pod, pod.Namespace})
}

func TestReadSaysWhatItTakes(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"empty":          {"", "f: empty; give saved output of `docker inspect`"},
		"spaces":         {" \n", "f: empty"},
		"words":          {"some words\n", "f:1: not JSON; give"},
		"broken YAML":    {"apiVersion: v1\nkind: Pod\nspec: {\n", "f: YAML of Kubernetes that is not read: "},
		"YAML's aliases": {"apiVersion: v1\nkind: Pod\na: &a b\nc: *a\n", "save it with `-o json`"},
		"a YAML service": {"apiVersion: v1\nkind: Service\n", `f: a Kubernetes "Service" without a pod in it`},
		"torn":           {"[{\"Id\":\n\"a\"", "f:2: broken JSON"},
		"second is torn": {"{\"kind\":\"Pod\",\"apiVersion\":\"v1\"}\n{\"kind\"", "f:2: broken JSON"},
		"a number":       {"7", "f: not container metadata; give"},
		"array of texts": {`["a"]`, "f: not container metadata; give"},
		"docker network": {`[{"Name":"bridge","Id":"a","Scope":"local"}]`, "f: not container metadata that is known"},
		"a service":      {`{"apiVersion":"v1","kind":"Service"}`, `f: a Kubernetes "Service" without a pod in it`},
		"empty list":     {`{"apiVersion":"v1","kind":"PodList","items":[]}`, "without a pod in it"},
		"wrong type":     {`[{"Id":7,"State":{},"Config":{}}]`, "looks like docker inspect, but json: cannot unmarshal"},
		"deep":           {strings.Repeat("[", 100_000), "broken JSON"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Read("f", []byte(test.text))
			assert.ErrorContains(t, err, test.want)
		})
	}
}

// What kubectl prints as YAML is read as its JSON is: a pod, a list, several documents, and hosts.
func TestReadYAML(t *testing.T) {
	for _, name := range []string{"kubectl-pod.json", "kubectl-list.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(t, err)
		var value any
		require.NoError(t, json.Unmarshal(text, &value))
		got, err := Read(name, yaml.Encode(value))
		require.NoError(t, err)
		assert.Equal(t, fixture(t, name), got)
	}
	const pod = "# of production\n---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: NAME\n  creationTimestamp: 2026-03-04T07:59:00Z\n" +
		"spec:\n  containers:\n  - name: web\n    image: web:1.20\n    securityContext: {runAsUser: 1000, capabilities: {drop: [ALL]}}\n"
	got, err := Read("f", []byte("\xef\xbb\xbf"+strings.ReplaceAll(pod, "NAME", "one")+strings.ReplaceAll(pod, "NAME", `"2"`)))
	require.NoError(t, err)
	require.Len(t, got, 2)
	assert.Equal(t, []string{"one", "2", "web:1.20"}, []string{got[0].Pod, got[1].Pod, got[1].Image})
	assert.Equal(t, time.Date(2026, 3, 4, 7, 59, 0, 0, time.UTC), got[0].Created)
	assert.Equal(t, []string{"ALL"}, got[0].CapDrop)
	assert.Equal(t, 1000, got[0].Limits.UID)

	const node = "apiVersion: v1\nkind: Node\nmetadata:\n  name: n1\nstatus:\n  nodeInfo:\n    containerRuntimeVersion: containerd://1.7.2\n    kernelVersion: 6.1.0-9-amd64\n"
	hosts := ReadHosts([]byte(node))
	require.Len(t, hosts, 1)
	assert.Equal(t, []string{"n1", "1.7.2", "6.1.0-9-amd64"}, []string{hosts[0].Node, hosts[0].Version, hosts[0].Kernel})
	assert.Equal(t, []Host{{Unset: "RuntimeDefault"}}, ReadHosts([]byte("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nseccompDefault: true\n")))
}

func TestReadTakesLines(t *testing.T) {
	one := `{"Id":"a","Name":"/x","State":{"Pid":1},"Config":{}}`
	for name, text := range map[string]string{
		"lines": one + "\n" + one + "\n", "BOM": "\xef\xbb\xbf[" + one + "," + one + "]", "arrays in a row": "[" + one + "]\n[" + one + "]",
	} {
		c, err := Read(name, []byte(text))
		require.NoError(t, err)
		assert.Len(t, c, 2)
	}
	c, err := Read("none", []byte("[]"))
	assert.NoError(t, err)
	assert.Empty(t, c)
}

func TestTimestamp(t *testing.T) {
	for text, want := range map[string]time.Time{
		`"2026-03-01T09:00:01.5Z"`: time.Date(2026, 3, 1, 9, 0, 1, 5e8, time.UTC),
		`"0001-01-01T00:00:00Z"`:   {}, `"1970-01-01T00:00:00Z"`: {}, `"-62135596800000000000"`: {}, `0`: {}, `null`: {}, `{}`: {}, `""`: {},
		`"1772355601500000000"`: time.Date(2026, 3, 1, 9, 0, 1, 5e8, time.UTC),
		`1772355601500000000`:   time.Date(2026, 3, 1, 9, 0, 1, 5e8, time.UTC),
	} {
		var got Timestamp
		require.NoError(t, json.Unmarshal([]byte(text), &got), text)
		assert.True(t, want.Equal(got.Time), "%s: %v", text, got.Time)
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"docker-28.json", "podman-5.json", "crictl-crio.json", "crictl-containerd.json", "kubectl-pod.json", "kubectl-list.json", "runc-state.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(f, err)
		f.Add(text)
	}
	f.Add([]byte(`{"ociVersion":"1","process":{},"linux":{"cgroupsPath":":::"}}`))
	for _, text := range []string{instanceConfig, domainXML, snapYAML, "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - {name: a}\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		containers, err := Read("bundle/x/config.json", text)
		if err != nil {
			assert.Empty(t, containers)
			return
		}
		if kept := ConfigLines("bundle/x/config.json", text); kept != nil {
			again, err := Read("bundle/x/config.json", kept)
			require.NoError(t, err, "%s", kept)
			assert.Len(t, again, len(containers))
		}
		var inv Inventory
		inv.Add(containers...)
		for _, c := range containers {
			found := inv.Find(Subject{Label: c.AppArmorProfile, PID: c.PID, Time: c.Started, CgroupPath: c.CgroupPath, Comm: c.Name})
			if found.Confidence != Unknown {
				assert.NotEmpty(t, found.Evidence)
			}
		}
	})
}

// An engine leaves out the lists of capabilities that are empty: that is none, and
// not that they are unknown.
func TestNoCapabilities(t *testing.T) {
	for text, want := range map[string][]string{
		`{"process":{"capabilities":{}}}`:                        {},
		`{"process":{"capabilities":{"bounding":["CAP_KILL"]}}}`: {"CAP_KILL"},
		`{"process":{}}`: nil,
	} {
		c, err := readOCI("config.json", []byte(text))
		require.NoError(t, err)
		assert.Equal(t, want, c.Caps, text)
	}
}

func TestTooManyContainers(t *testing.T) {
	one := `{"Id":"","State":{},"Config":{}},`
	_, err := Read("f", []byte("["+strings.Repeat(one, MaxContainers)+strings.TrimSuffix(one, ",")+"]"))
	assert.EqualError(t, err, "f: more than 50000 containers are too many; save those that the log is about")
}

// The kubelet has a pod's UID in the cgroup that it makes for it, for runtimes that do not say it
// in an annotation.
func TestPodUIDOfCgroup(t *testing.T) {
	const uid, id = "0b3c8a1e-5f8b-4f3c-9a61-2f1d2c3b4a59", "f463b892db274bcfd31ee534f86b31939b6e160c7ac02bbc41d768c0ce543d65"
	for path, want := range map[string]string{
		"/kubepods/burstable/pod" + uid + "/" + id:                                                                    uid,
		"/kubepods/pod" + uid + "/" + id:                                                                              uid, // guaranteed
		"kubepods-besteffort-pod0b3c8a1e_5f8b_4f3c_9a61_2f1d2c3b4a59.slice:cri-containerd:" + id:                      uid,
		"kubelet-kubepods-pod0b3c8a1e_5f8b_4f3c_9a61_2f1d2c3b4a59.slice:crio:" + id:                                   uid,                                // in kind
		"/kubepods/burstable/pod5c7d0f3b2a5c7d0f3b2a5c7d0f3b2a00/" + id:                                               "5c7d0f3b2a5c7d0f3b2a5c7d0f3b2a00", // static
		"/kubepods/burstable/podx/" + id:                                                                              "",
		"/system.slice/" + id:                                                                                         "",
		"/user/pod" + uid + "/" + id:                                                                                  "",
		"kubepods-besteffort-pod0b3c8a1e_5f8b_4f3c_9a61_2f1d2c3b4a590.slice:cri-containerd:" + id:                     "",
		"/kubepods/burstable/pod" + uid + "/pod00000000-5f8b-4f3c-9a61-2f1d2c3b4a59/" + strings.Repeat("0", 64) + "/": uid,
	} {
		c, err := readOCI("", fmt.Appendf(nil, `{"ociVersion": "1.2.0", "annotations": {"io.kubernetes.cri.sandbox-name": "shop"}, "linux": {"cgroupsPath": %q}}`, path))
		require.NoError(t, err)
		assert.Equal(t, want, c.PodUID, path)
	}
}

// CRI-O 1.37 says in annotations alone whose container a bundle is of where no kubelet made it, and which file
// its filter was made of.
func TestReadCRIOBundle(t *testing.T) {
	c, err := readOCI("/run/containers/storage/overlay-containers/1/userdata/config.json", []byte(`{"ociVersion": "1.2.0", "linux": {}, "annotations": {"io.container.manager": "cri-o",
		"io.kubernetes.cri-o.Name": "k8s_web_shop-0_prod_0b3c8a1e-5f8b-4f3c-9a61-2f1d2c3b4a59_3", "io.kubernetes.cri-o.SeccompProfilePath": "/var/lib/kubelet/seccomp/a.json"}}`))
	require.NoError(t, err)
	assert.Equal(t, []string{"web", "shop-0", "prod", "0b3c8a1e-5f8b-4f3c-9a61-2f1d2c3b4a59", "cri-o", "/var/lib/kubelet/seccomp/a.json"},
		[]string{c.Name, c.Pod, c.Namespace, c.PodUID, c.Runtime, c.SeccompFrom})
	assert.Equal(t, 3, c.Restarts)
	c, err = readOCI("x", []byte(`{"ociVersion": "1.2.0", "linux": {}, "annotations": {"io.kubernetes.cri-o.Name": "k8s_shop-0_prod_0b3c_1", "io.kubernetes.cri-o.SeccompProfilePath": "runtime/default"}}`))
	require.NoError(t, err)
	assert.Empty(t, c.Pod+c.SeccompFrom, "a pod's sandbox")
}
