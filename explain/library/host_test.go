package library_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// hosts reads saved texts about hosts.
func hosts(t *testing.T, texts ...string) (all []container.Host) {
	t.Helper()
	for _, text := range texts {
		found := container.ReadHosts([]byte(text))
		require.NotEmpty(t, found, text)
		all = append(all, found...)
	}
	return all
}

// What docker version says of the host decides entries for architectures and kernels.
func TestHostOfDocker(t *testing.T) {
	l := library.New(t.TempDir(), nil)
	l.UseHosts(hosts(t, `{"Client":{"Version":"1"},"Server":{"Version":"20.10.24","Arch":"arm64","KernelVersion":"5.10.0-21-arm64",
		"Components":[{"Name":"Engine","Version":"20.10.24"},{"Name":"runc","Version":"1.1.5"}]}}`, "runc version 1.1.5\nlibseccomp: 2.5.4\n"))
	assert.Equal(t, seccomp.AARCH64, l.Arch)
	c := container.Container{Runtime: "docker", Caps: []string{}}
	p, name := l.Seccomp(c, "", l.Arch)
	require.NotNil(t, p, name)
	assert.Equal(t, "Docker's default seccomp profile of moby v20.10.18", name)
	call := l.Call(c, l.Arch)
	assert.Equal(t, seccomp.Loader{Runtime: "runc", Version: "1.1.5", Libseccomp: "2.5.4"}, call.Loader)
	for name, want := range map[string]seccomp.Action{"arm_sync_file_range": seccomp.Errno, "ptrace": seccomp.Allow} {
		call.Name = name
		if name != "ptrace" {
			call.Arch = seccomp.ARM
			want = seccomp.Allow // the entry is for hosts of arm64, too
		}
		d := p.Decide(call)
		assert.Equal(t, want, d.Action, name)
		assert.False(t, d.Undecidable, name)
	}
	assert.Equal(t, "docker-default of Docker 20.10.24 (github.com/docker/docker v20.10.14)", l.Source(l.Profile(c, "docker-default")))
}

// Each node has an engine, a kernel and an architecture of its own.
func TestHostOfNode(t *testing.T) {
	l := library.New(t.TempDir(), nil)
	l.UseHosts(hosts(t, `{"kind":"List","items":[
		{"kind":"Node","metadata":{"name":"old"},"status":{"nodeInfo":{"architecture":"amd64","kernelVersion":"5.4.0","containerRuntimeVersion":"containerd://1.6.4"}}},
		{"kind":"Node","metadata":{"name":"new"},"status":{"nodeInfo":{"architecture":"arm64","kernelVersion":"6.12.0","containerRuntimeVersion":"containerd://2.2.5"}}}]}`))
	assert.Zero(t, l.Arch)
	for node, want := range map[string][2]string{
		"old":   {"containerd's default seccomp profile of containerd v1.6.0", "cri-containerd.apparmor.d of containerd 1.6.4 (github.com/containerd/containerd v1.5.10)"},
		"new":   {"containerd's default seccomp profile of containerd v2.2.4", "cri-containerd.apparmor.d of containerd 2.2.5 (github.com/containerd/containerd v1.7.31)"},
		"other": {"containerd's default seccomp profile of containerd v2.3.7; the version of containerd is not known", "cri-containerd.apparmor.d of containerd 2.3.0 to 2.4.2 (github.com/containerd/containerd/v2 v2.3.4); the version of containerd is not known"},
	} {
		c := container.Container{Runtime: "containerd", Node: node}
		_, name := l.Seccomp(c, "", seccomp.X86_64)
		assert.Equal(t, want[0], name)
		assert.Equal(t, want[1], l.Source(l.Profile(c, "cri-containerd.apparmor.d")))
	}
	assert.Equal(t, seccomp.AARCH64, l.Call(container.Container{Runtime: "containerd", Node: "new"}, seccomp.AARCH64).Host)
	assert.Equal(t, "5.4.0", l.Call(container.Container{Runtime: "containerd", Node: "old"}, seccomp.X86_64).Kernel)
}

// A pod that names no profile is unconfined unless its kubelet says otherwise.
func TestUnsetProfile(t *testing.T) {
	node := `{"kind":"Node","metadata":{"name":"n"},"status":{"nodeInfo":{"containerRuntimeVersion":"containerd://1.7.2"}}}`
	for config, want := range map[string]string{
		"":                             "unless the kubelet of its node is configured with seccompDefault: true",
		`{"kubeletconfig":{}}`:         "it is unconfined",
		"kind: KubeletConfiguration\n": "it is unconfined",
		"kind: KubeletConfiguration\nseccompDefault: true\n": "containerd's default seccomp profile of containerd v1.7.0",
	} {
		l := library.New(t.TempDir(), nil)
		texts := []string{node}
		if config != "" {
			texts = append(texts, config)
		}
		l.UseHosts(hosts(t, texts...))
		c := container.Container{Runtime: "containerd", Node: "n", SeccompUnset: true}
		_, name := l.Seccomp(c, "", seccomp.X86_64)
		assert.Contains(t, name, want, config)
		c.SeccompUnset = false
		_, name = l.Seccomp(c, "", seccomp.X86_64)
		assert.Equal(t, "containerd's default seccomp profile of containerd v1.7.0", name)
	}
}

// An engine can have another default than the one that is built in.
func TestEngineDefault(t *testing.T) {
	l := library.New(t.TempDir(), nil)
	l.UseHosts(hosts(t, `{"ServerVersion":"28.1.0","SecurityOptions":["name=seccomp,profile=/nowhere/s.json"]}`))
	p, name := l.Seccomp(container.Container{Runtime: "docker"}, "", seccomp.X86_64)
	assert.Nil(t, p)
	assert.Contains(t, name, "/nowhere/s.json is not on this machine")

	l.UseHosts(hosts(t, `{"host":{"security":{"seccompProfilePath":"/nowhere/containers/seccomp.json"}},"version":{"Version":"4.9.0"}}`))
	p, name = l.Seccomp(container.Container{Runtime: "podman"}, "", seccomp.X86_64)
	require.NotNil(t, p)
	assert.NotEmpty(t, p.Others)
	assert.Contains(t, name, "which containers-common that is of is not known")
}

// What the kernel has by its hash goes before what versions say.
func TestUseLoaded(t *testing.T) {
	l := library.New(t.TempDir(), nil)
	l.UseLoaded(map[string][]string{"docker-default": {"docker-23.0.12", "docker-25.0.6"}})
	p := l.Profile(container.Container{EngineVersion: "20.10.24"}, "docker-default")
	assert.Equal(t, "docker-default of Docker 25.0.6 to 25.0.17 or 26.1.3 to 29.4.2 (github.com/docker/docker v28.0.4), which the kernel has by its hash", l.Source(p))
	assert.Empty(t, p.Policy.Others)
}

// The engine of a container, or of its host, decides what of a profile counts.
func TestCallHasEngine(t *testing.T) {
	l := library.New(t.TempDir(), nil)
	l.UseHosts(hosts(t, `{"Server":{"Version":"20.10.24","Arch":"amd64"}}`, "containerd github.com/containerd/containerd 1.6.20~ds1 x\n"))
	assert.Equal(t, seccomp.Engine{Name: "docker", Version: "20.10.24"}, l.Call(container.Container{Runtime: "docker"}, seccomp.X86_64).Engine)
	assert.Equal(t, seccomp.Engine{Name: "containerd", Version: "1.6.20~ds1"}, l.Call(container.Container{Runtime: "containerd"}, seccomp.X86_64).Engine)
	assert.Equal(t, seccomp.Engine{Name: "podman"}, l.Call(container.Container{Runtime: "podman"}, seccomp.X86_64).Engine)
}

// docker info and docker version spell an architecture differently.
func TestHostsAlike(t *testing.T) {
	l := library.New(t.TempDir(), nil)
	l.UseHosts([]container.Host{{Arch: "x86_64", Kernel: "6.1.0"}, {Arch: "amd64"}})
	assert.Equal(t, seccomp.X86_64, l.Arch)
	assert.Equal(t, "6.1.0", l.Kernel)
}

// What is installed counts where nobody knows better, and is of one version.
func TestUseRuntimes(t *testing.T) {
	runc, crun := container.Host{Runtime: "runc", RuntimeVersion: "1.1.5+ds1", Libseccomp: "2.5.4"}, container.Host{Runtime: "crun", RuntimeVersion: "1.8.1"}
	youki := container.Host{Runtime: "youki"}
	whole := seccomp.Loader{Runtime: "runc", Version: "1.1.5+ds1", Libseccomp: "2.5.4"}
	for name, c := range map[string]struct {
		installed []container.Host
		hosts     []container.Host
		said      seccomp.Loader
		container container.Container
		want      seccomp.Loader
	}{
		"the only one":                        {installed: []container.Host{runc}, want: whole},
		"one of two":                          {installed: []container.Host{runc, crun}},
		"one beside another":                  {installed: []container.Host{runc, youki}},
		"none of ours":                        {installed: []container.Host{youki}},
		"the container's":                     {installed: []container.Host{runc, crun}, container: container.Container{OCIRuntime: "crun"}, want: seccomp.Loader{Runtime: "crun", Version: "1.8.1"}},
		"the container's, which is not there": {installed: []container.Host{runc}, container: container.Container{OCIRuntime: "crun"}, want: seccomp.Loader{Runtime: "crun"}},
		"the container's, which is no loader": {installed: []container.Host{runc}, container: container.Container{OCIRuntime: "kata"}},
		"the engine's":                        {installed: []container.Host{runc, crun}, hosts: []container.Host{{Engine: "docker", Runtime: "runc", RuntimeVersion: "1.1.5"}}, want: seccomp.Loader{Runtime: "runc", Version: "1.1.5", Libseccomp: "2.5.4"}},
		"the engine's, of another version":    {installed: []container.Host{runc}, hosts: []container.Host{{Engine: "docker", Runtime: "runc", RuntimeVersion: "1.3.0"}}, want: seccomp.Loader{Runtime: "runc", Version: "1.3.0"}},
		"the user's":                          {installed: []container.Host{runc}, said: seccomp.Loader{Runtime: "crun", Version: "1.4"}, want: seccomp.Loader{Runtime: "crun", Version: "1.4"}},
		"the user's libseccomp":               {installed: []container.Host{runc}, said: seccomp.Loader{Libseccomp: "2.6.0"}, want: seccomp.Loader{Runtime: "runc", Version: "1.1.5+ds1", Libseccomp: "2.6.0"}},
	} {
		l := library.New(t.TempDir(), nil)
		l.UseHosts(c.hosts)
		l.UseRuntimes(c.installed)
		l.SeccompLoader = c.said
		if c.container.Runtime == "" {
			c.container.Runtime = "docker"
		}
		assert.Equal(t, c.want, l.Call(c.container, seccomp.X86_64).Loader, name)
	}
}

// A node is told by its name, with its domain or without; of two such names by neither.
func TestNodeNames(t *testing.T) {
	l := library.New(t.TempDir(), nil)
	l.UseHosts([]container.Host{{Node: "a.x", Kernel: "1.0"}, {Node: "b.x", Kernel: "2.0"}, {Node: "b.y", Kernel: "3.0"}})
	for name, want := range map[string]string{"a.x": "1.0", "a": "1.0", "A": "1.0", "b": "", "b.x": "2.0", "b.y": "3.0", "c": "", "": ""} {
		assert.Equal(t, want, l.Call(container.Container{Node: name}, 0).Kernel, name)
	}
	l = library.New(t.TempDir(), nil)
	l.UseHosts([]container.Host{{Node: "a.x", Runtime: "runc"}})
	for name, want := range map[string]string{"": "runc", "a": "runc", "b": ""} {
		assert.Equal(t, want, l.Call(container.Container{Node: name}, 0).Loader.Runtime, name)
	}
}
