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
