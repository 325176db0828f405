package explain

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/library"
)

// recordsOfIncidents are a record of each incident.
var recordsOfIncidents = []struct{ id, record string }{
	{"runc-in-lxc", `apparmor="DENIED" operation="open" class="file" profile="lxc-114_</var/lib/lxc>" name="/sys/net/ipv4/ip_unprivileged_port_start" pid=88121 comm="runc:[2:INIT]" requested_mask="w" denied_mask="w" fsuid=100000 ouid=100000`},
	{"docker-deb-and-snap", `apparmor="DENIED" operation="signal" class="signal" profile="docker-default" pid=4120 comm="dockerd" requested_mask="receive" denied_mask="receive" signal=kill peer="snap.docker.dockerd"`},
	{"unix-sockets-6.17", `apparmor="DENIED" operation="create" class="net" info="failed protocol match" error=-13 profile="cri-containerd.apparmor.d" pid=138752 comm="worker" family="unix" sock_type="dgram" protocol=0 requested="create" denied="create" addr=none`},
	{"af-alg-removed", `apparmor="DENIED" operation="create" class="net" profile="docker-default" pid=7 comm="openssl" family="alg" sock_type="seqpacket" protocol=0 requested="create" denied="create"`},
	{"userns-stub", `apparmor="DENIED" operation="capable" class="cap" profile="unprivileged_userns" pid=2054704 comm="nsjail" capability=6 capname="setgid"`},
	{"runtime-confined", `apparmor="DENIED" operation="change_onexec" profile="/usr/bin/dockerd" pid=19306 comm="runc:[2:INIT]" target="docker-default"`},
	{"file-lock-unix", `apparmor="DENIED" operation="file_lock" profile="q" pid=7 comm="systemd-network" family="unix" sock_type="dgram" protocol=0 addr=none requested_mask="k" denied_mask="k"`},
	{"nfs-in-process", `apparmor="DENIED" operation="sendmsg" profile="/usr/lib/snapd/snap-confine" pid=11138 comm="snap-confine" laddr=192.0.2.54 lport=895 faddr=192.0.2.4 fport=2049 family="inet" sock_type="stream" protocol=6 requested_mask="send" denied_mask="send"`},
	{"snap-confine-inherit", `apparmor="DENIED" operation="file_inherit" profile="/snap/core/7917/usr/lib/snapd/snap-confine" pid=3275 comm="snap-confine" family="unix" sock_type="stream" protocol=0 requested_mask="send receive" denied_mask="send receive" addr=none peer_addr=none`},
	{"snap-confine-bpf", `apparmor="DENIED" operation="capable" class="cap" profile="/snap/snapd/24505/usr/lib/snapd/snap-confine" pid=2355 comm="snap-confine" capability=38 capname="perfmon"`},
	{"notify-net-admin", `apparmor="DENIED" operation="capable" class="cap" profile="/usr/sbin/cupsd" pid=470 comm="cupsd" capability=12 capname="net_admin"`},
	{"sort-cpu-quota", `apparmor="DENIED" operation="open" class="file" profile="web" name="/sys/fs/cgroup/cpu.max" pid=91 comm="sort" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`},
	{"pivot-root-in-namespace", `apparmor="DENIED" operation="pivotroot" class="mount" namespace="root//incus-test_<var-lib-incus>" profile="runc" name="/var/lib/docker/overlay2/a/merged/" pid=26921 comm="runc:[2:INIT]" srcname="/var/lib/docker/overlay2/a/merged/"`},
}

// TestIncidents holds that each incident is recognised by a record of it, and told in known.md.
func TestIncidents(t *testing.T) {
	page, err := os.ReadFile("../docs/known.md")
	require.NoError(t, err)
	seen := map[string]bool{"clone3-eperm": true, "console": true} // see TestIncidentOfTracedCall, TestIncidentOfContainer
	for _, test := range recordsOfIncidents {
		f := alone(t, apparmorRecord(test.record), container.Container{})
		require.NotNil(t, f.Incident, test.id)
		assert.Equal(t, test.id, f.Incident.ID)
		assert.NotEmpty(t, f.Incident.Source)
		if f.Incident.Elsewhere {
			assert.Nil(t, f.Unchecked, "a rule would do nothing, or be for others")
		}
		seen[test.id] = true
	}
	for _, in := range Incidents() {
		assert.True(t, seen[in.ID], in.ID)
		for _, text := range []string{"`" + in.ID + "`", in.Versions, in.What, in.Remedy, in.Source} {
			assert.Contains(t, string(page), text)
		}
	}
}

// TestNoIncident holds that a record which is alike in part is of no incident.
func TestNoIncident(t *testing.T) {
	for _, record := range []string{
		`apparmor="DENIED" operation="change_onexec" info="label not found" error=-2 profile="unconfined" name="web" pid=19306 comm="runc:[2:INIT]"`,
		`apparmor="DENIED" operation="open" profile="web" name="/sys/net/x" pid=1 comm="runc:[2:INIT]" requested_mask="w" denied_mask="w" fsuid=0 ouid=0`,
		`apparmor="DENIED" operation="open" class="file" profile="web" name="/sys/fs/cgroup/cpu.max" pid=1 comm="sort" requested_mask="w" denied_mask="w" fsuid=0 ouid=0`,
		`apparmor="DENIED" operation="open" class="file" profile="web" name="/sys/fs/cgroup/cpu.max" pid=1 comm="nproc" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`,
		`apparmor="DENIED" operation="signal" profile="docker-default" pid=1 comm="a" requested_mask="receive" denied_mask="receive" signal=kill peer="snap.other.x"`,
		`apparmor="DENIED" operation="capable" profile="q" pid=1 comm="snap-confine" capability=21 capname="sys_admin"`,
		`apparmor="DENIED" operation="capable" profile="q" pid=1 comm="ip" capability=12 capname="net_admin"`,
		`apparmor="DENIED" operation="pivotroot" profile="runc" name="/a/" pid=1 comm="runc" srcname="/a/"`,
		`apparmor="DENIED" operation="sendmsg" profile="q" pid=1 comm="a" fport=20490 family="inet" sock_type="stream" protocol=6 requested_mask="send" denied_mask="send"`,
	} {
		assert.Nil(t, alone(t, apparmorRecord(record), container.Container{}).Incident, record)
	}
}

// TestIncidentOfTracedCall holds that an incident of a system call is told by its arguments
// and its answer.
func TestIncidentOfTracedCall(t *testing.T) {
	clone3 := `type=SECCOMP msg=audit(1795427169.844:1): auid=0 uid=0 gid=0 ses=1 pid=7 comm="x" exe="/opt/x" sig=0 arch=c000003e syscall=%d compat=0 ip=0x1 code=0x50000` + "\n"
	for _, test := range []struct {
		number int
		args   []uint64
		errno  int
		want   string
	}{
		{435, nil, 1, "clone3-eperm"}, {435, nil, 38, ""}, {435, nil, 0, ""},
		{41, []uint64{38, 5, 0, 0, 0, 0}, 1, "af-alg-removed"}, {41, []uint64{40, 1, 0, 0, 0, 0}, 1, ""}, {41, nil, 0, ""},
	} {
		d := denials(t, fmt.Sprintf(clone3, test.number))[0]
		record := *d.Seccomp
		record.Args, record.Errno = test.args, test.errno
		d.Seccomp = &record
		group := NewGroup(nil, Filter{})
		group.Add(d)
		f := New(library.New(t.TempDir(), nil)).ExplainAll(group.Findings())[0]
		if test.want == "" {
			assert.Nil(t, f.Incident, test)
			continue
		}
		require.NotNil(t, f.Incident, test)
		assert.Equal(t, test.want, f.Incident.ID)
	}
}

// TestKernelOfIncident holds that a harmless incident of old kernels is harmless where the
// kernel is known to be one, and none of a new one.
func TestKernelOfIncident(t *testing.T) {
	const lock = `apparmor="DENIED" operation="file_lock" profile="q" pid=7 comm="a" family="unix" sock_type="dgram" protocol=0 addr=none requested_mask="k" denied_mask="k"`
	for kernel, want := range map[string]struct{ known, harmless bool }{"": {true, false}, "6.1.0-18-amd64": {true, true}, "6.2": {false, false}, "6.12.5": {false, false}} {
		group := NewGroup(nil, Filter{})
		group.Add(denials(t, apparmorRecord(lock))[0])
		x := New(library.New(t.TempDir(), nil))
		x.Library.Kernel = kernel
		f := x.ExplainAll(group.Findings())[0]
		assert.Equal(t, want.known, f.Incident != nil, kernel)
		assert.Equal(t, want.harmless, f.Harmless != "", kernel)
	}
}

// TestIncidentOfContainer holds that the console is a container's own terminal in that alone.
func TestIncidentOfContainer(t *testing.T) {
	record := apparmorRecord(`apparmor="DENIED" operation="open" profile="web" name="/dev/console" pid=7 comm="sh" requested_mask="w" denied_mask="w" fsuid=0 ouid=0`)
	f := alone(t, record, container.Container{Name: "web", Confidence: container.High})
	require.NotNil(t, f.Incident)
	assert.Equal(t, "console", f.Incident.ID)
	for _, c := range []container.Container{{}, {Name: "x.service", Unit: "x.service", Runtime: container.Systemd, Confidence: container.High}} {
		assert.Nil(t, alone(t, record, c).Incident)
	}
}
