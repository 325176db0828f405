package container

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReadHosts(t *testing.T) {
	for text, want := range map[string][]Host{
		`{"Client":{"Version":"28.2.2","ApiVersion":"1.50","Arch":"amd64"},"Server":{"Platform":{"Name":"Docker Engine"},"Version":"20.10.24","ApiVersion":"1.41","Arch":"arm64","KernelVersion":"6.1.0-18-arm64",
			"Components":[{"Name":"Engine","Version":"20.10.24","Details":{"Arch":"arm64","KernelVersion":"6.1.0-18-arm64"}},{"Name":"containerd","Version":"1.6.20"},{"Name":"runc","Version":"1.1.5"}]}}`: {
			{Engine: "docker", Version: "20.10.24", Arch: "arm64", Kernel: "6.1.0-18-arm64", Runtime: "runc", RuntimeVersion: "1.1.5"}},
		`{"Client":{"Version":"28.2.2"},"Server":{"Version":"20.10.24"}}`: {{Engine: "docker", Version: "20.10.24"}},
		`{"ID":"X","Containers":3,"ServerVersion":"28.1.0","Architecture":"aarch64","KernelVersion":"6.8.0","DefaultRuntime":"crun","SecurityOptions":["name=apparmor","name=seccomp,profile=/etc/docker/s.json"]}`: {
			{Engine: "docker", Version: "28.1.0", Arch: "aarch64", Kernel: "6.8.0", Runtime: "crun", Seccomp: "/etc/docker/s.json"}},
		`{"ServerVersion":"28.1.0","DefaultRuntime":"nvidia","SecurityOptions":["name=seccomp,profile=builtin"]}`: {{Engine: "docker", Version: "28.1.0"}},
		`{"Client":{"APIVersion":"4.3.1","Version":"4.3.1","OsArch":"linux/amd64"}}`:                              {{Engine: "podman", Version: "4.3.1", Arch: "amd64"}},
		`{"host":{"arch":"amd64","kernel":"6.1.0","ociRuntime":{"name":"crun","version":"crun version 1.8.1\ncommit: x"},"security":{"seccompProfilePath":"/usr/share/containers/seccomp.json"}},"store":{},"version":{"APIVersion":"4.3.1","Version":"4.3.1"}}`: {
			{Engine: "podman", Version: "4.3.1", Arch: "amd64", Kernel: "6.1.0", Runtime: "crun", RuntimeVersion: "1.8.1", Seccomp: "/usr/share/containers/seccomp.json"}},
		`{"version":"0.1.0","runtimeName":"containerd","runtimeVersion":"v1.7.2","runtimeApiVersion":"v1"}`: {{Engine: "containerd", Version: "1.7.2"}},
		`{"status":{"conditions":[]},"config":{"containerd":{"defaultRuntimeName":"runc","runtimes":{"runc":{"options":{"BinaryName":"/usr/bin/crun"}}}},"unsetSeccompProfile":"runtime/default"}}`: {
			{Engine: "containerd", Runtime: "crun", Unset: "RuntimeDefault"}},
		`{"Platform":{"Name":""},"Components":[{"Name":"Engine","Version":"20.10.24+dfsg1"},{"Name":"containerd","Version":"1.6.20"}],"Version":"20.10.24+dfsg1","Arch":"s390x","KernelVersion":"6.1"}`: {
			{Engine: "docker", Version: "20.10.24+dfsg1", Arch: "s390x", Kernel: "6.1"}},
		`{"Components":[{"Name":"Podman Engine","Version":"4.3.1"}],"Version":"4.3.1"}`: {{Engine: "podman", Version: "4.3.1"}},
		`{"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"},"status":{"nodeInfo":{"architecture":"arm64","kernelVersion":"5.15.0","containerRuntimeVersion":"containerd://1.7.2"}}}`: {
			{Node: "n1", Engine: "containerd", Version: "1.7.2", Arch: "arm64", Kernel: "5.15.0"}},
		`{"kind":"List","items":[{"kind":"Pod","metadata":{"name":"web"}},{"kind":"Node","metadata":{"name":"n2"},"status":{"nodeInfo":{"containerRuntimeVersion":"cri-o://1.28.1"}}}]}`: {
			{Node: "n2", Engine: "cri-o", Version: "1.28.1"}},
		`{"kubeletconfig":{"seccompDefault":true}}`: {{Unset: "RuntimeDefault"}},
		`{"kubeletconfig":{}}`:                      {{Unset: "Unconfined"}},
		"apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nseccompDefault: true\n": {{Unset: "RuntimeDefault"}},
		"kind: KubeletConfiguration\n# seccompDefault: true\n":                                          {{Unset: "Unconfined"}},
		"runc version 1.1.5\ncommit: v1.1.5-0\nspec: 1.0.2-dev\ngo: go1.19.8\nlibseccomp: 2.5.4\n":      {{Runtime: "runc", RuntimeVersion: "1.1.5", Libseccomp: "2.5.4"}},
		"crun version 1.8.1\ncommit: f8a0\n+SYSTEMD +SECCOMP\n":                                         {{Runtime: "crun", RuntimeVersion: "1.8.1"}},
		"containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3\n":                 {{Engine: "containerd", Version: "1.6.20~ds1"}},
		"containerd containerd.io v2.1.1 cb1076646aa3740577fafbf3d914198b7fe8e3f7\n":                    {{Engine: "containerd", Version: "2.1.1"}},
		"podman version 4.3.1\n":                  {{Engine: "podman", Version: "4.3.1"}},
		"crio version 1.24.6\nVersion:  1.24.6\n": {{Engine: "cri-o", Version: "1.24.6"}},
		"Docker version 28.2.2, build e6534b4\n":  nil,
		"containerd github.com/containerd/containerd/v2 v2.0.5 fb4c\nrunc version 1.2.5\nlibseccomp: 2.5.4\n": {
			{Engine: "containerd", Version: "2.0.5"}, {Runtime: "runc", RuntimeVersion: "1.2.5", Libseccomp: "2.5.4"}},
		`[{"Id":"3f9c","Name":"/web"}]`:            nil,
		`{"ociVersion":"1.0.2","process":{}}`:      nil,
		`{"kind":"Pod","metadata":{"name":"web"}}`: nil,
		`not json`: nil,
		``:         nil,
	} {
		assert.Equal(t, want, ReadHosts([]byte(text)), text)
	}
}

// A node's engine version is not taken for another engine's, nor its runtime.
func TestMergeHosts(t *testing.T) {
	h := Host{Engine: "podman"}
	h.Merge(Host{Engine: "docker", Version: "20.10.24", Arch: "arm64", Runtime: "runc", RuntimeVersion: "1.1.5"})
	h.Merge(Host{Runtime: "crun", RuntimeVersion: "1.8.1"})
	h.Merge(Host{Runtime: "runc", RuntimeVersion: "1.2.0", Libseccomp: "2.5.4"})
	assert.Equal(t, Host{Engine: "podman", Arch: "arm64", Runtime: "crun", RuntimeVersion: "1.8.1"}, h)
}

// A pod that names no profile is told from one that asks for the engine's.
func TestPodSeccomp(t *testing.T) {
	found, err := Read("pods.json", []byte(`{"apiVersion":"v1","kind":"List","items":[
		{"kind":"Pod","metadata":{"name":"a"},"spec":{"hostUsers":false,"containers":[{"name":"c"}]}},
		{"kind":"Pod","metadata":{"name":"b"},"spec":{"securityContext":{"seccompProfile":{"type":"RuntimeDefault"}},"containers":[{"name":"c"}]}},
		{"kind":"Pod","metadata":{"name":"d"},"spec":{"containers":[{"name":"c","securityContext":{"privileged":true}}]}}]}`))
	require.NoError(t, err)
	require.Len(t, found, 3)
	assert.True(t, found[0].SeccompUnset)
	assert.True(t, found[0].UserNamespace)
	assert.False(t, found[1].SeccompUnset)
	assert.False(t, found[1].UserNamespace)
	assert.Equal(t, "unconfined", found[2].SeccompProfile)
	assert.False(t, found[2].SeccompUnset)
}

// Any text is a host's, or none, and quickly so.
func FuzzReadHosts(f *testing.F) {
	f.Add([]byte(`{"kind":"List","items":[{"kind":"Node","metadata":{"name":"n"},"status":{"nodeInfo":{"containerRuntimeVersion":"containerd://1.7.2"}}}]}`))
	f.Add([]byte(`{"Server":{"Version":"1","Components":[{"Name":"runc","Version":"1.1.5"}]}}`))
	f.Add([]byte("kind: KubeletConfiguration\nseccompDefault: true\n"))
	f.Add([]byte("runc version 1.1.5\nlibseccomp: 2.5.4\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var all Host
		for _, h := range ReadHosts(text) {
			all.Merge(h)
			assert.Contains(t, []string{"", "runc", "crun"}, h.Runtime)
			assert.Contains(t, []string{"", "RuntimeDefault", "Unconfined"}, h.Unset)
		}
	})
}

// PlainLines keeps what ReadHosts reads, and nothing else.
func TestPlainLines(t *testing.T) {
	for text, want := range map[string]string{
		"runc version 1.1.5+ds1\ncommit: secret\nlibseccomp: 2.5.4\n":       "runc version 1.1.5+ds1\nlibseccomp: 2.5.4\n",
		"token: secret\nseccompDefault: true\nkind: KubeletConfiguration\n": "kind: KubeletConfiguration\nseccompDefault: true\n",
		"containerd containerd.io v2.1.1 secret\n":                          "containerd containerd.io v2.1.1\n",
		"some words":                   "",
		`{"ServerVersion":"20.10.24"}`: "",
	} {
		got := PlainLines([]byte(text))
		assert.Equal(t, want, string(got))
		if want != "" {
			assert.Equal(t, ReadHosts([]byte(text)), ReadHosts(got))
		}
	}
}

// What bpftool lists is of a host. Of its programs those count that the kernel asks as a
// security module.
func TestReadHostsBPF(t *testing.T) {
	const list = `2: tracing  name hid_tail_call  tag 7cc47bbf07148bfe  gpl
	loaded_at 2026-11-29T10:02:11+0000  uid 0
50: lsm  name restrict_filesy  tag 713a545fe0530ce7  gpl
	loaded_at 2026-11-29T10:02:14+0000  uid 0
51: lsm  tag 713a545fe0530ce8  gpl
52: lsm  name restrict_filesy  tag 713a545fe0530ce7  gpl
53: cgroup_device  name sd_devices  tag 40ddf486530245f5  gpl
`
	for _, text := range []string{list, "Name:\tcat\nUid:\t0\t0\t0\t0\nCapEff:\t0\nCapBnd:\t0\ncapability,bpf\n" + list} {
		assert.Equal(t, []Host{{BPF: "restrict_filesy unnamed"}}, ReadHosts([]byte(text)))
	}
	assert.Equal(t, "50: lsm  name restrict_filesy  tag 713a545fe0530ce7\n51: lsm  tag 713a545fe0530ce8\n52: lsm  name restrict_filesy  tag 713a545fe0530ce7\n", string(PlainLines([]byte(list))))
	found, err := Read("status", []byte("Name:\tcat\nUid:\t0\t0\t0\t0\nCapEff:\t0\nCapBnd:\t0\ncapability,bpf\n"+list))
	require.NoError(t, err)
	assert.Equal(t, []string{"capability", "bpf"}, found[0].Limits.Modules)
	assert.Equal(t, "unconfined", found[0].AppArmorProfile, "the kernel lacks it, and no line is a label")
}
