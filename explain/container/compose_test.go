package container

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const composed = `name: shop
services:
  web:
    cap_drop: [ALL]
    image: nginx:1.27
    container_name: web-1
    user: 101
    read_only: true
    security_opt:
      - no-new-privileges:true
      - seccomp=/etc/docker/web.json
      - apparmor:web-profile
    tmpfs: /run
    entrypoint: ["/docker-entrypoint.sh"]
    command: nginx -g off
    environment:
      PASSWORD: hunter2
    volumes:
      - /srv/data:/data:ro,z
      - type: bind
        source: /srv/log
        target: /log
  vpn:
    image: wireguard
    cap_add: [NET_ADMIN]
    devices: ["/dev/net/tun:/dev/net/tun:rwm"]
  all:
    image: box
    privileged: true
`

// A file of Compose says of each service what Docker would make of it.
func TestCompose(t *testing.T) {
	found, err := Read("compose.yml", []byte(composed))
	require.NoError(t, err)
	require.Len(t, found, 3)
	all, vpn, web := found[0], found[1], found[2]
	assert.Equal(t, []string{"all", "vpn", "web-1"}, []string{all.Name, vpn.Name, web.Name})
	assert.Equal(t, "web", web.Service)
	assert.Equal(t, []string{"web-profile", "/etc/docker/web.json"}, []string{web.AppArmorProfile, web.SeccompProfile})
	assert.Equal(t, []string{"/docker-entrypoint.sh", "nginx", "-g", "off"}, web.Command)
	assert.Empty(t, web.Caps)
	assert.NotNil(t, web.Caps)
	assert.True(t, web.Limits.ReadOnlyRoot)
	assert.True(t, web.Limits.NoNewPrivs)
	assert.Equal(t, 101, web.Limits.UID)
	data, ok := web.Limits.MountOf("/data/x")
	assert.True(t, ok && data.ReadOnly)
	log, ok := web.Limits.MountOf("/log/x")
	assert.True(t, ok && !log.ReadOnly)
	assert.Equal(t, "docker-default", vpn.AppArmorProfile)
	assert.Contains(t, vpn.Caps, "CAP_NET_ADMIN")
	assert.Equal(t, []string{"/dev/net/tun"}, vpn.Limits.Devices)
	assert.Equal(t, "unconfined", all.SeccompProfile)
	assert.Empty(t, all.AppArmorProfile)
	_, err = Read("compose.yml", []byte("x: &a {image: b}\nservices:\n  web: *a\n"))
	assert.ErrorContains(t, err, "save what `docker compose config` prints of it")
	for _, broken := range []string{"services:\n  web: [1]\n", "services: [\n", "services:\n- a\n"} {
		_, err := Read("compose.yml", []byte(broken))
		assert.Error(t, err, broken)
	}
}

const workloads = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: prod}
spec:
  template:
    metadata:
      annotations: {container.apparmor.security.beta.kubernetes.io/old: localhost/k8s-old}
    spec:
      securityContext: {runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: nginx
        image: nginx:1.27
        securityContext:
          readOnlyRootFilesystem: true
          appArmorProfile: {type: Localhost, localhostProfile: k8s-web}
      - {name: old, image: box}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: tidy, namespace: prod}
spec:
  jobTemplate:
    spec:
      template:
        spec:
          containers: [{name: tidy, image: box, securityContext: {privileged: true}}]
---
apiVersion: v1
kind: List
items:
- apiVersion: apps/v1
  kind: DaemonSet
  metadata: {name: agent}
  spec: {template: {spec: {containers: [{name: agent, image: box}]}}}
`

// What makes pods is read as the pods that it makes.
func TestWorkloads(t *testing.T) {
	found, err := Read("web.yml", []byte(workloads))
	require.NoError(t, err)
	require.Len(t, found, 4)
	nginx, old, tidy, agent := found[0], found[1], found[2], found[3]
	assert.Equal(t, []string{"nginx", "prod", "web", "", "k8s-web"}, []string{nginx.Name, nginx.Namespace, nginx.Owner, nginx.Pod, nginx.AppArmorProfile})
	assert.True(t, nginx.Limits.ReadOnlyRoot)
	assert.Equal(t, 65532, nginx.Limits.UID)
	assert.Equal(t, "k8s-old", old.AppArmorProfile)
	assert.Equal(t, []string{"tidy", "unconfined"}, []string{tidy.Owner, tidy.SeccompProfile})
	assert.Equal(t, "agent", agent.Owner)
	_, err = Read("svc.yml", []byte("apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: []}\n"))
	assert.ErrorContains(t, err, "without a pod")
}
