package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules"
)

func TestContainerNamed(t *testing.T) {
	all := []container.Container{
		{ID: "aa", Name: "web"}, {ID: "bb", Name: "web", PID: 7}, {ID: "bb", Name: "web"},
		{ID: "cc", Name: "db"}, {ID: "dd", Name: "db"}, {ID: "ee", Pod: "pod", Namespace: "default"},
	}
	for name, want := range map[string]string{"web": "bb", "aa": "aa", "default/pod": "ee"} {
		c, err := containerNamed(all, name)
		require.NoError(t, err, name)
		assert.Equal(t, want, c.ID, name)
	}
	for name, want := range map[string]string{"db": "2 containers are called db; give the ID of one", "nosuch": "no container nosuch is known"} {
		_, err := containerNamed(all, name)
		assert.ErrorContains(t, err, want, name)
	}
}

func TestContainerText(t *testing.T) {
	lib := library.New(t.TempDir(), nil)
	lib.UseProfile(rules.NewFile("web", "profile web {\n}\n"))
	for _, c := range []struct {
		of            container.Container
		said          string
		apps, filters int
	}{
		{container.Container{Name: "a", AppArmorProfile: "web", SeccompProfile: `{"defaultAction": "SCMP_ACT_ALLOW"}`}, "", 1, 1},
		{container.Container{Name: "a", AppArmorProfile: "web", SeccompProfile: "unconfined"}, "container:a has no seccomp profile", 1, 0},
		{container.Container{ID: "bb", AppArmorProfile: "unconfined", Runtime: "docker"}, "container:bb has no AppArmor profile", 0, 1},
		{container.Container{Name: "a", AppArmorProfile: "other", Runtime: "docker"}, "the AppArmor profile other of container:a was not found", 0, 1},
	} {
		var said bytes.Buffer
		text, err := containerText(&said, lib, c.of)
		require.NoError(t, err)
		assert.Contains(t, said.String(), c.said)
		assert.Len(t, text.AppArmor, c.apps)
		assert.Equal(t, c.filters == 1, text.Seccomp != nil)
	}
	_, err := containerText(&bytes.Buffer{}, lib, container.Container{Name: "a", AppArmorProfile: "unconfined", SeccompProfile: "unconfined"})
	assert.ErrorContains(t, err, "no profile of container:a is known")
}
