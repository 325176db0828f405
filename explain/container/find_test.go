package container

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestFind(t *testing.T) {
	id := func(c string) string { return strings.Repeat(c, 64) }
	inv := Inventory{}
	inv.Add(
		Container{ID: id("a"), Name: "web-1", Runtime: "docker", AppArmorProfile: "web", PID: 100, Command: []string{"/usr/sbin/nginx"}, Created: at("2026-03-01T09:00:00Z"), Started: at("2026-03-01T09:00:01Z")},
		Container{ID: id("b"), Name: "db", AppArmorProfile: "docker-default", PID: 200, Command: []string{"postgres"}, Started: at("2026-03-01T09:00:00Z")},
		Container{ID: id("c"), Name: "cache", AppArmorProfile: "docker-default", PID: 300, Command: []string{"redis-server"}, Started: at("2026-03-01T09:00:00Z")},
		Container{ID: id("d"), Name: "before", AppArmorProfile: "job", Started: at("2026-03-01T09:00:00Z"), Finished: at("2026-03-01T09:01:00Z")},
		Container{ID: id("e"), Name: "after", AppArmorProfile: "job", Started: at("2026-03-01T10:00:00Z"), Finished: at("2026-03-01T10:01:00Z")},
		Container{ID: id("f"), Name: "nginx", Pod: "shop", Namespace: "prod", Node: "node-3.example.org", AppArmorProfile: "k8s"},
		Container{Name: "free", AppArmorProfile: "unconfined", CgroupPath: "/eco/free", Command: []string{"/app"}},
		Container{Name: "alone", AppArmorProfile: "crio-default", Command: []string{"/opt/a-very-long-program-name"}},
	)
	noon := at("2026-03-01T12:00:00Z")
	tests := map[string]struct {
		subject    Subject
		name       string
		confidence Confidence
		evidence   string
	}{
		"custom profile":             {Subject{Label: "web"}, "web-1", Medium, "only container with AppArmor profile web"},
		"and its program":            {Subject{Label: "web", Comm: "nginx"}, "web-1", High, "only container with AppArmor profile web; it runs nginx"},
		"hat":                        {Subject{Label: "web//worker"}, "web-1", Medium, "only container"},
		"stack":                      {Subject{Label: "outer//&web"}, "web-1", Medium, "only container"},
		"namespace":                  {Subject{Label: ":c1://web"}, "web-1", Medium, "only container"},
		"stack with namespace":       {Subject{Label: "unconfined//&:c1:web"}, "web-1", Medium, "only container"},
		"longer name":                {Subject{Label: "web2"}, "", Unknown, ""},
		"broken namespace":           {Subject{Label: ":web"}, "", Unknown, ""},
		"unconfined":                 {Subject{Label: "unconfined", Comm: "app"}, "", Unknown, ""},
		"no label":                   {Subject{Comm: "nginx"}, "", Unknown, ""},
		"default, ambiguous":         {Subject{Label: "docker-default", Comm: "sh"}, "", Unknown, "2 containers (db, cache) have AppArmor profile docker-default"},
		"default, by program":        {Subject{Label: "docker-default", Exe: "/usr/bin/redis-server"}, "cache", Low, "2 containers (db, cache) have AppArmor profile docker-default; of these only cache runs redis-server"},
		"default, only one":          {Subject{Label: "crio-default"}, "alone", Low, "only container with AppArmor profile crio-default"},
		"comm is cut":                {Subject{Label: "crio-default", Comm: "a-very-long-pro"}, "alone", Medium, "it runs a-very-long-program-name"},
		"first of two runs":          {Subject{Label: "job", Time: at("2026-03-01T09:00:30Z")}, "before", Medium, "only one of 2 containers with AppArmor profile job that existed at that time"},
		"second of two runs":         {Subject{Label: "job", Time: at("2026-03-01T10:00:30Z")}, "after", Medium, "only one of 2"},
		"between two runs":           {Subject{Label: "job", Time: at("2026-03-01T09:30:00Z")}, "", Unknown, "2 containers (before, after) have AppArmor profile job, but did not exist at the time of the record"},
		"two runs, time unknown":     {Subject{Label: "job"}, "", Unknown, "2 containers (before, after) have AppArmor profile job"},
		"during the start":           {Subject{Label: "web", Time: at("2026-03-01T09:00:00Z")}, "web-1", Medium, "only container"},
		"before it was made":         {Subject{Label: "web", Time: at("2026-03-01T08:00:00Z")}, "", Unknown, "container web-1 has AppArmor profile web, but did not exist"},
		"pid":                        {Subject{Label: "docker-default", PID: 300, Time: noon}, "cache", High, "process 300 is the first process of container cache, which ran at that time"},
		"pid without label":          {Subject{PID: 100, Time: noon}, "web-1", High, "process 100 is the first process of container web-1"},
		"pid, time unknown":          {Subject{PID: 100}, "web-1", Medium, "but whether at that time is not known"},
		"pid before the start":       {Subject{PID: 100, Time: at("2026-03-01T08:00:00Z")}, "", Unknown, ""},
		"pid of another host":        {Subject{Label: "unconfined", PID: 100, Time: noon}, "", Unknown, ""},
		"cgroup of a known one":      {Subject{CgroupPath: "/docker/" + id("b")}, "db", High, "names container bbbbbbbbbbbb"},
		"cgroup of an unknown one":   {Subject{Label: "web", CgroupPath: "/docker/" + id("9")}, "", High, "names container 999999999999"},
		"cgroup of free form":        {Subject{CgroupPath: "/eco/free"}, "free", High, "its cgroup is /eco/free"},
		"cgroup of a service":        {Subject{Label: "web", CgroupPath: "/system.slice/cron.service"}, "web-1", Medium, "only container"},
		"node, short and long name":  {Subject{Label: "k8s", Node: "node-3"}, "nginx", Medium, "only container"},
		"other node":                 {Subject{Label: "k8s", Node: "node-4"}, "", Unknown, ""},
		"nothing is known":           {Subject{}, "", Unknown, ""},
		"pid 0 is no process":        {Subject{Label: "job", PID: 0, Time: at("2026-03-01T09:30:00Z")}, "", Unknown, "2 containers"},
		"label with control, no hit": {Subject{Label: "we\x00b//&\n"}, "", Unknown, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := inv.Find(test.subject)
			assert.Equal(t, test.name, c.Name)
			assert.Equal(t, test.confidence, c.Confidence)
			evidence := strings.Join(c.Evidence, "; ")
			if test.evidence == "" {
				assert.Empty(t, evidence)
			}
			assert.Contains(t, evidence, test.evidence)
		})
	}
	for _, c := range inv.Containers {
		assert.Empty(t, c.Evidence, "Find must not change the inventory")
	}
}

func TestFindNamesAFewCandidates(t *testing.T) {
	var inv Inventory
	for i := range 40 {
		inv.Add(Container{Name: fmt.Sprint("c", i), AppArmorProfile: "same"})
	}
	assert.Equal(t, []string{"40 containers (c0, c1, c2, c3, c4 and 35 more) have AppArmor profile same"}, inv.Find(Subject{Label: "same"}).Evidence)
}

func TestAddCompletes(t *testing.T) {
	var inv Inventory
	inv.Add(fixture(t, "kubectl-pod.json")...)
	before := len(inv.Containers)
	inv.Add(fixture(t, "crictl-containerd.json")...)
	assert.Len(t, inv.Containers, before)
	c := inv.Find(Subject{Label: "k8s-nginx", Node: "node-3"})
	assert.Equal(t, 15012, c.PID, "from crictl")
	assert.Equal(t, "node-3.example.org", c.Node, "from kubectl")
	assert.Equal(t, "/var/lib/kubelet/seccomp/profiles/nginx.json", c.SeccompProfile)
	assert.Equal(t, []string{"/docker-entrypoint.sh", "nginx", "-g", "daemon off;"}, c.Command)
}

func TestFromCgroup(t *testing.T) {
	hex := strings.Repeat("0123456789abcdef", 4)
	outer := strings.Repeat("f", 64)
	tests := []struct{ path, id, runtime string }{
		{"/docker/" + hex, hex, "docker"},
		{"0::/docker/" + hex + "\n", hex, "docker"},
		{"12:cpu,cpuacct:/docker/" + hex, hex, "docker"},
		{"1:name=systemd:/docker/" + hex, hex, "docker"},
		{"/docker/" + hex + "/system.slice/cron.service", hex, "docker"},
		{"/docker/" + hex + "/init.scope", hex, "docker"},
		{"/system.slice/docker-" + hex + ".scope", hex, "docker"},
		{"/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" + hex + ".scope", hex, "docker"},
		{"/default/my-container", "my-container", "containerd"},
		{"/k8s.io/" + hex, hex, "containerd"},
		{"/system.slice/nerdctl-" + hex + ".scope", hex, "containerd"},
		{"/app.slice/team-" + hex + ".scope", hex, ""},
		{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0b3c8a1e_5f8b.slice/cri-containerd-" + hex + ".scope", hex, "containerd"},
		{"/kubepods.slice/kubepods-pod0b3c8a1e_5f8b.slice/crio-" + hex + ".scope", hex, "cri-o"},
		{"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod0b3c.slice/docker-" + hex + ".scope", hex, "docker"},
		{"/kubepods/burstable/pod0b3c8a1e-5f8b-4f3c-9a61-2f1d2c3b4a59/" + hex, hex, ""},
		{"/kubepods/pod0123456789abcdef0123456789abcdef/" + hex, hex, ""},
		{"/system.slice/k3s.service/kubepods/besteffort/pod0b3c/" + hex, hex, ""},
		{"system.slice:cri-containerd:" + hex, hex, "containerd"},
		{"kubepods-burstable-pod0b3c.slice:crio:" + hex, hex, "cri-o"},
		{"machine.slice:libpod:" + hex, hex, "podman"},
		{"/libpod_parent/libpod-" + hex, hex, "podman"},
		{"/machine.slice/libpod-" + hex + ".scope", hex, "podman"},
		{"/machine.slice/libpod-" + hex + ".scope/container", hex, "podman"},
		{"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + hex + ".scope/container", hex, "podman"},
		{"/system.slice/web.service/libpod-payload-" + hex, hex, "podman"}, // Quadlet
		{"/libpod_parent/" + outer + "/libpod-" + hex, hex, "podman"},
		{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0b3c.slice/crio-" + hex + ".scope/container", hex, "cri-o"},
		{"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod0b3c.slice/cri-containerd-" + hex + ".scope", hex, "containerd"},
		{"/lxc.payload.default_c1/docker/" + hex + "/init.scope", hex, "docker"},
		{"/buildkit/abcdefghijklmnopqrstuvwxy", "abcdefghijklmnopqrstuvwxy", "buildkit"},
		{"/machine.slice/machine-libpod_pod_" + outer + ".slice/libpod-" + hex + ".scope", hex, "podman"},
		{"/lxc.payload.c1", "c1", "lxc"},
		{"/lxc.payload.c1/system.slice/ssh.service", "c1", "lxc"},
		{"/lxc.payload.project_c1", "project_c1", "lxc"},
		{"/lxc/c1", "c1", "lxc"},
		{"/machine.slice/systemd-nspawn@deb12.service/payload/init.scope", "deb12", "systemd-nspawn"},
		{`/machine.slice/systemd-nspawn@my\x2dbox.service`, "my-box", "systemd-nspawn"},
		{"/machine.slice/lab.scope/payload", "lab", "systemd-nspawn"},
		{`/machine.slice/my\x2dbox.scope/payload/system.slice`, "my-box", "systemd-nspawn"},
		{"/machine.slice/libpod-" + hex + ".scope/payload", hex, "podman"},
		{"/machine.slice/vm.scope", "", ""},
		{`/machine.slice/machine-my\x2dbox.scope`, "my-box", "systemd-nspawn"},
		{"/ecs/cluster/task1/" + hex, hex, "docker"},
		{"/ecs/task1/" + hex, hex, "docker"},
		{"/ecs/0123456789abcdef0123456789abcdef/0123456789abcdef0123456789abcdef-1234567890", "0123456789abcdef0123456789abcdef-1234567890", "containerd"},
		{"/ecstasks.slice/ecstasks-task1.slice/docker-" + hex + ".scope", hex, "docker"},
		{"/docker/buildkit/abcdefghijklmnopqrstuvwxy", "abcdefghijklmnopqrstuvwxy", "buildkit"},
		{"/system.slice/docker.service/buildkit/abcdefghijklmnop", "abcdefghijklmnop", "buildkit"},
		{"/machine.slice/buildah-buildah2839.scope", "buildah2839", "buildah"},
		// Nested: the innermost.
		{"/docker/" + outer + "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod0b.slice/cri-containerd-" + hex + ".scope", hex, "containerd"},
		{"/lxc.payload.host/docker/" + hex, hex, "docker"},
		{"/../" + "docker/" + hex, hex, "docker"},
		// The monitor is not the container, though it is in what encloses it.
		{"/docker/" + outer + "/kubepods.slice/crio-conmon-" + hex + ".scope", outer, "docker"},

		{"/system.slice/web.service/supervisor", "", ""}, // conmon of Quadlet
		{"/system.slice/system-getty.slice/getty@tty1.service", "", ""},
		{"/", "", ""},
		{"", "", ""},
		{"/init.scope", "", ""},
		{"/system.slice/cron.service", "", ""},
		{"/system.slice/docker.service", "", ""},
		{"/libpod_parent/conmon", "", ""},
		{"/machine.slice/libpod-conmon-" + hex + ".scope", "", ""},
		{"/kubepods.slice/kubepods-pod0b3c.slice/crio-conmon-" + hex + ".scope", "", ""},
		{"/lxc.monitor.c1", "", ""},
		{`/machine.slice/machine-qemu\x2d1\x2dvm.scope`, "", ""},
		{"/user.slice/user-1000.slice/session-4.scope", "", ""},
		{"/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox-1234.scope", "", ""},
		{"/system.slice/run-r0123456789abcdef0123456789abcdef.scope", "", ""},
		{"/kubepods.slice/kubepods-pod0b3c8a1e_5f8b.slice", "", ""},
		{"/eco/eco7", "", ""}, // ctr with a namespace of one's own: could be anything
		{"/" + hex, "", ""},
		{"/docker/" + hex[:63] + "g", "", ""},
		{"::", "", ""},
		{strings.Repeat("/docker/"+hex, 100), "", ""}, // longer than any path
	}
	for _, test := range tests {
		id, runtime, ok := FromCgroup(test.path)
		assert.Equal(t, test.id, id, test.path)
		assert.Equal(t, test.runtime, runtime, test.path)
		assert.Equal(t, test.id != "", ok, test.path)
	}
}

// Adding many at once is adding one after the other.
func TestAddMany(t *testing.T) {
	var list []Container
	for i := range 20 {
		list = append(list, Container{ID: []string{"", "a", "b", "c"}[i%4], PID: i % 7, Image: []string{"", "image"}[i%2]})
	}
	var one, many Inventory
	for _, c := range list {
		one.Add(c)
	}
	many.Add(list[:5]...)
	many.Add(list[5:]...)
	assert.Equal(t, one, many)
}
