package fix

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// Whoever talks to an engine of the table is root on the host, or the user whose
// engine it is.
func TestEngineSockets(t *testing.T) {
	for _, name := range []string{"/run/docker.sock", "/var/run/podman/podman.sock", "/run/k3s/containerd/containerd.sock", "/run/user/1000/docker.sock"} {
		assert.Equal(t, rules.High, RequestDanger(apparmor.FileRequest{Path: name, Perms: apparmor.Write}).Risk, name)
	}
	assert.Equal(t, rules.Low, RequestDanger(apparmor.FileRequest{Path: "/run/web.sock", Perms: apparmor.Write}).Risk)
}

// Each class of request has an answer of its own; one without is never low.
func TestRequestDanger(t *testing.T) {
	for _, req := range apparmor.Requests() {
		assert.NotEqual(t, unknownDanger, RequestDanger(req), "%T", req)
	}
	type newClass struct{ apparmor.Request }
	assert.Equal(t, rules.High, RequestDanger(newClass{}).Risk)
}

// What is said of a call is right for its arguments.
func TestCallDanger(t *testing.T) {
	for _, c := range []struct {
		name   string
		args   []uint64
		risk   rules.Risk
		reason string
	}{
		{"mbind", nil, rules.Low, "own memory"},
		{"mbind", []uint64{0, 0, 0, 0, 0, 2}, rules.Low, "own memory"},
		{"mbind", []uint64{0, 0, 0, 0, 0, 4}, rules.Medium, "CAP_SYS_NICE"},
		{"get_mempolicy", nil, rules.Low, "own memory"},
		{"socket", nil, rules.Medium, "among all that it does: the kernel's crypto sockets"},
		{"socket", []uint64{38, 5, 0}, rules.High, "the kernel's crypto sockets"},
		{"socket", []uint64{40, 1, 0}, rules.Medium, "virtual machines"},
		{"socket", []uint64{17, 3, 0}, rules.Medium, "raw sockets"},
		{"socket", []uint64{2, 1, 0}, rules.Low, ""},
		{"clone", []uint64{0x3d0f00}, rules.Low, ""},
		{"clone", []uint64{0x10000011}, rules.High, "a user namespace"},
		{"clone", []uint64{0x20011}, rules.High, "it is unshare"},
		{"unshare", []uint64{0x10000000}, rules.High, "a user namespace"},
		{"personality", []uint64{0x40000}, rules.Medium, "address randomisation"},
		{"personality", []uint64{0}, rules.Low, ""},
		{"ioctl", []uint64{0, 0x5412}, rules.High, "it types into the terminal"},
		{"ioctl", []uint64{0, 0x5401}, rules.Low, ""},
		{"ioctl", nil, rules.Low, ""},
		{"ptrace", []uint64{0}, rules.Low, "lets the parent"},
		{"ptrace", []uint64{16}, rules.High, "reads and changes"},
		{"syslog", []uint64{0xffffffff00000005}, rules.Medium, "clears"},
		{"name_to_handle_at", nil, rules.Low, ""},
		{"open_by_handle_at", nil, rules.High, "past every path"},
		{"sethostname", nil, rules.Medium, "renames the container"},
		{"landlock_restrict_self", nil, rules.Low, ""},
	} {
		d := CallDanger(c.name, c.args)
		assert.Equal(t, c.risk, d.Risk, "%s %#x", c.name, c.args)
		assert.Contains(t, d.Reason, c.reason, "%s %#x", c.name, c.args)
	}
}
