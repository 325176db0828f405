package deploy

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/patch"
)

// A capability that a container is to be given stands in each form that can say so,
// with a changed profile or without.
func TestCapabilities(t *testing.T) {
	web := container.Container{ID: "1", Name: "web", Service: "front", Confidence: container.High}
	pod := container.Container{ID: "2", Name: "app", Pod: "shop-1", Namespace: "shop", Confidence: container.High}
	p := &patch.Patch{
		Profiles:     []patch.Patched{{Seccomp: true, File: "web.json", Containers: []container.Container{web}}},
		Capabilities: []patch.Capability{{Name: "CAP_SYSLOG", Containers: []container.Container{web, pod}}, {Name: "CAP_SYS_NICE"}},
	}
	var compose, kubernetes, spo bytes.Buffer
	write(t, writeCompose, &compose, p)
	docs := documents(t, compose.String())
	services := at(t, docs[0], "services")
	assert.Equal(t, []any{"SYSLOG"}, at(t, services, "front", "cap_add"))
	assert.Equal(t, []any{"seccomp=./web.json"}, at(t, services, "front", "security_opt"))
	assert.Equal(t, []any{"SYSLOG"}, at(t, services, "app", "cap_add"))
	assert.NotContains(t, at(t, services, "app"), "security_opt")
	assert.Equal(t, []any{"SYS_NICE"}, at(t, services, "SERVICE", "cap_add"))

	write(t, writeKubernetes, &kubernetes, p)
	docs = documents(t, kubernetes.String())
	require.Len(t, docs, 3)
	found := map[any]any{}
	for _, doc := range docs {
		of := at(t, doc, "spec", "template", "spec", "containers", 0)
		found[at(t, of, "name")] = at(t, of, "securityContext", "capabilities", "add")
	}
	assert.Equal(t, map[any]any{"app": []any{"SYSLOG"}, "CONTAINER": []any{"SYS_NICE"}}, map[any]any{"app": found["app"], "CONTAINER": found["CONTAINER"]})

	limits := write(t, writeSPO, &spo, p)
	assert.Contains(t, limits[len(limits)-1], "CAP_SYS_NICE has to be given to the container itself")
	documents(t, spo.String())
}
