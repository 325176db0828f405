package patch

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// A container's config.json is changed where it is somebody's own. Where an engine
// made it, the profile that it was made of is, if the user names it.
func TestPatchOfConfig(t *testing.T) {
	const custom = `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "rmdir"], "action": "SCMP_ACT_KILL_PROCESS"}]}`
	const config = `{"ociVersion": "1.0.2", "linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
 "syscalls": [{"names": ["mkdir", "rmdir"], "action": "SCMP_ACT_KILL_PROCESS"}]}}}`
	const spaceless = `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","rmdir"],"action":"SCMP_ACT_KILL_PROCESS"}]}`
	engines := "/run/containerd/io.containerd.runtime.v2.task/moby/1/config.json"
	for _, c := range []struct {
		name, runtime, file, metadata, profile string
		changed, left                          string
	}{
		{"own bundle", "runc", "/srv/web/config.json", config, "", "/srv/web/config.json", ""},
		{"an engine's", "docker", engines, config, "", "", "name the one that it is made of with --seccomp"},
		{"an engine's, by its runtime", "runc", engines, config, "", "", "name the one that it is made of with --seccomp"},
		{"an engine's, and what it is made of", "docker", engines, config, custom, "seccomp.json", ""},
		{"an engine's, and another", "docker", engines, config, `{"defaultAction": "SCMP_ACT_ALLOW"}`, "", "name the one that it is made of with --seccomp"},
		{"own bundle, and what it is made of", "runc", "/srv/web/config.json", config, custom, "seccomp.json", ""},
		{"own bundle, named", "runc", "/srv/web/config.json", config, config, "seccomp.json", ""},
		{"docker inspect", "docker", "", spaceless, custom, "seccomp.json", ""},
		{"docker inspect, and another", "docker", "", spaceless, `{"defaultAction": "SCMP_ACT_ALLOW"}`, "seccomp-docker-custom.json", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			explainer := explain.New(library.New(t.TempDir(), nil))
			if c.profile != "" {
				_, err := explainer.Library.UseSeccomp(rules.NewFile("seccomp.json", c.profile))
				require.NoError(t, err)
			}
			in := container.Container{ID: "1", Runtime: c.runtime, SeccompFile: c.file, SeccompProfile: c.metadata, Caps: []string{}}
			g := explain.NewGroup(func(container.Subject) container.Container { return in }, explain.Filter{})
			for _, d := range denials(t, `type=SECCOMP msg=audit(1795427689.211:1270): auid=4294967295 uid=0 gid=0 ses=4294967295 subj=unconfined pid=3246 comm="x" exe="/x" sig=31 arch=c000003e syscall=83 compat=0 ip=0x401007 code=0x80000000`+"\n") {
				g.Add(d)
			}
			patch := Make(explainer, explainer.DiagnoseAll(g.Findings()))
			if c.left != "" {
				require.Len(t, patch.Left, 1)
				assert.Contains(t, patch.Left[0].Reason, c.left)
				assert.Empty(t, patch.Changes)
				return
			}
			require.Len(t, patch.Changes, 1)
			assert.Equal(t, c.changed, patch.Changes[0].File.Name)
			assert.NotContains(t, patch.Changes[0].New, "mkdir")
			assert.Contains(t, patch.Changes[0].New, "rmdir")
		})
	}
}

// containerd passes over the conditions of a profile that it reads from a file: what is made of its
// default for a container holds what they come to, and else nothing is made, and nothing said to
// be fixed.
func TestPatchOfContainerd(t *testing.T) {
	const unshare = `type=SECCOMP msg=audit(1795427689.211:1270): auid=4294967295 uid=0 gid=0 ses=4294967295 subj=cri-containerd.apparmor.d pid=3246 comm="x" exe="/x" sig=0 arch=c000003e syscall=272 compat=0 ip=0x401007 code=0x50000` + "\n"
	for _, c := range []struct {
		name string
		caps []string
		left string
	}{
		{"capabilities known", []string{"CAP_CHOWN"}, ""},
		{"capabilities not known", nil, "containerd passes over the conditions of a profile that it reads from a file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			explainer := explain.New(library.New(t.TempDir(), nil))
			explainer.Library.Kernel = "6.1"
			in := container.Container{ID: "lab", Name: "lab", Runtime: "containerd", Caps: c.caps, Confidence: container.High}
			g := explain.NewGroup(func(container.Subject) container.Container { return in }, explain.Filter{})
			for _, d := range denials(t, unshare) {
				g.Add(d)
			}
			patch := Make(explainer, explainer.DiagnoseAll(g.Findings()))
			if c.left != "" {
				require.Len(t, patch.Left, 1)
				assert.Contains(t, patch.Left[0].Reason, c.left)
				assert.Empty(t, patch.Remedies)
				return
			}
			require.Len(t, patch.Changes, 1)
			made, diagnostics, err := seccomp.Parse(rules.NewFile("made.json", patch.Changes[0].New))
			require.NoError(t, err)
			assert.Empty(t, diagnostics)
			call := seccomp.Call{Arch: seccomp.X86_64, Caps: c.caps, Kernel: "6.1", Engine: seccomp.Engine{Name: "containerd"}}
			for name, permitted := range map[string]bool{"unshare": true, "mount": false, "bpf": false, "read": true} {
				call.Name = name
				assert.Equal(t, permitted, made.Decide(call).Action.Permits(), name)
			}
			assert.Contains(t, patch.Steps, "start the container anew with the changed profile: ctr run --seccomp --seccomp-profile seccomp-containerd-lab.json, nerdctl run --security-opt seccomp=seccomp-containerd-lab.json")
		})
	}
}

// A package's policy is of other containers, too, and written anew by an update: a changed copy is made.
func TestPatchOfPackaged(t *testing.T) {
	for file, text := range map[string]string{
		"/usr/share/lxc/config/common.seccomp": "2\ndenylist\n[all]\nmkdir errno 1\nrmdir errno 1\n",
		"/usr/share/containers/seccomp.json":   `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "rmdir"], "action": "SCMP_ACT_ERRNO"}]}`,
		"/etc/lxc/web.seccomp":                 "2\ndenylist\n[all]\nmkdir errno 1\nrmdir errno 1\n",
	} {
		explainer := explain.New(library.In(rules.NewTree("/", map[string]string{file: text}), "/etc/apparmor.d", nil))
		in := container.Container{ID: "web", Name: "web", Runtime: "lxc", SeccompProfile: file, Caps: []string{}, Confidence: container.High}
		g := explain.NewGroup(func(container.Subject) container.Container { return in }, explain.Filter{})
		for _, d := range denials(t, `type=SECCOMP msg=audit(1795427689.211:1270): auid=4294967295 uid=0 gid=0 ses=4294967295 subj=unconfined pid=3246 comm="x" exe="/x" sig=0 arch=c000003e syscall=83 compat=0 ip=0x401007 code=0x50000`+"\n") {
			g.Add(d)
		}
		patch := Make(explainer, explainer.DiagnoseAll(g.Findings()))
		require.Len(t, patch.Changes, 1, file)
		copied := explain.IsPackaged(file)
		assert.Equal(t, copied, patch.Changes[0].File.Absent, file)
		assert.Equal(t, copied, patch.Changes[0].File.Name != file, file)
		assert.NotContains(t, patch.Changes[0].New, "mkdir")
		assert.Contains(t, patch.Changes[0].New, "rmdir")
	}
}

// A pod's filter was made of a file of its node's, which is what is changed: the one that the kubelet named, or the
// only one that says the same.
func TestPatchOfLocalhost(t *testing.T) {
	const profile = `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "rmdir"], "action": "SCMP_ACT_KILL_PROCESS"}]}`
	const config = `{"ociVersion": "1.0.2", "linux": {"seccomp": ` + profile + `}}`
	const a, b = "/var/lib/kubelet/seccomp/profiles/a.json", "/var/lib/kubelet/seccomp/b.json"
	for _, c := range []struct {
		name, pod, from string
		files           map[string]string
		changed, left   string
	}{
		{"named", "web-0", a, map[string]string{a: profile, b: profile}, a, ""},
		{"the only one", "web-0", "", map[string]string{a: profile, b: `{"defaultAction": "SCMP_ACT_ALLOW"}`, "/var/lib/kubelet/seccomp/c": "x"}, a, ""},
		{"two that say the same", "web-0", "", map[string]string{a: profile, b: profile}, "", "name the one that it is made of"},
		{"of no pod", "", "", map[string]string{a: profile}, "", "name the one that it is made of"},
		{"not here", "web-0", a, nil, "", "name " + a + " of the node, which it is made of, with --seccomp"},
		{"changed since", "web-0", a, map[string]string{a: `{"defaultAction": "SCMP_ACT_ALLOW"}`}, "", "name " + a},
	} {
		explainer := explain.New(library.In(rules.NewTree("/", c.files), "/etc/apparmor.d", nil))
		in := container.Container{ID: "1", Pod: c.pod, Runtime: "containerd", SeccompProfile: config, SeccompFrom: c.from, Caps: []string{}, Confidence: container.High,
			SeccompFile: "/run/containerd/io.containerd.runtime.v2.task/k8s.io/1/config.json"}
		g := explain.NewGroup(func(container.Subject) container.Container { return in }, explain.Filter{})
		for _, d := range denials(t, `type=SECCOMP msg=audit(1795427689.211:1270): auid=4294967295 uid=0 gid=0 ses=4294967295 subj=unconfined pid=3246 comm="x" exe="/x" sig=31 arch=c000003e syscall=83 compat=0 ip=0x401007 code=0x80000000`+"\n") {
			g.Add(d)
		}
		patch := Make(explainer, explainer.DiagnoseAll(g.Findings()))
		if c.left != "" {
			require.Len(t, patch.Left, 1, c.name)
			assert.Contains(t, patch.Left[0].Reason, c.left, c.name)
			continue
		}
		require.Len(t, patch.Changes, 1, c.name)
		assert.Equal(t, c.changed, patch.Changes[0].File.Name, c.name)
		assert.Contains(t, patch.Steps[0], "localhostProfile: profiles/a.json}", c.name)
	}
}
