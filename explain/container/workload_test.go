package container

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWorkload(t *testing.T) {
	id := "3f9c1d2a7b410000000000000000000000000000000000000000000000000000"
	for _, c := range []struct {
		Container
		want string
	}{
		{Container{Name: "adoring_bell", ID: id, Image: "nginx:1.27"}, "image nginx"},
		{Container{Name: "web-1", ID: id, Image: "docker.io/library/nginx@sha256:" + id}, "image nginx"},
		{Container{Image: "registry:5000/team/web:3"}, "image registry:5000/team/web"},
		{Container{Image: "registry:5000/team/web"}, "image registry:5000/team/web"},
		{Container{Image: "sha256:" + id}, "image sha256:" + id},
		{Container{Image: "@sha256:" + id}, "image sha256:" + id},
		{Container{Name: "shop-db-1", Service: "db", Image: "postgres:16"}, "service db of postgres"},
		{Container{Name: "ci812-web-1", Service: "web", Image: "ci812-web"}, "service web"},
		{Container{Name: "app", Pod: "web-6d4cf56db6-x7k2p", Namespace: "shop", Image: "web:1"}, "pod shop/web container app"},
		{Container{Name: "app", Pod: "agent-x7k2p"}, "pod agent container app"},
		{Container{Name: "app", Pod: "backup-29391841-x7k2p"}, "pod backup container app"},
		{Container{Name: "app", Pod: "db-0"}, "pod db-0 container app"},
		{Container{Name: "app", Pod: "db-0", Owner: "db"}, "pod db container app"},
		{Container{Name: "app", Pod: "pod-1"}, "pod pod-1 container app"},
		{Container{ID: id}, ""},
		{Container{ID: "c1", Runtime: "runc"}, "container c1"},
		{Container{Name: "c1", Runtime: "lxc"}, "container c1"},
		{Container{}, ""},
	} {
		assert.Equal(t, c.want, c.Workload(), "%+v", c.Container)
	}
}

func TestPodOwner(t *testing.T) {
	pod := func(owner string) string {
		return `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web-6d4cf56db6-x7k2p","namespace":"shop"` + owner + `},"spec":{"containers":[{"name":"app","image":"web:1"}]}}`
	}
	for owner, want := range map[string]string{
		``: "",
		`,"ownerReferences":[{"kind":"ReplicaSet","name":"web-6d4cf56db6","controller":true}]`:                "web",
		`,"ownerReferences":[{"kind":"Job","name":"web-29391841","controller":true}]`:                         "web",
		`,"ownerReferences":[{"kind":"Node","name":"n"},{"kind":"StatefulSet","name":"w","controller":true}]`: "w",
	} {
		found, err := Read("pods.json", []byte(pod(owner)))
		require.NoError(t, err)
		assert.Equal(t, want, found[0].Owner)
	}
}
