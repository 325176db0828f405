package container

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestReadEngine(t *testing.T) {
	for text, want := range map[string][2]string{
		`{"Client":{"Version":"28.2.2","ApiVersion":"1.50"},"Server":{"Platform":{"Name":"Docker Engine"},"Version":"20.10.24","ApiVersion":"1.41"}}`:                                  {"docker", "20.10.24"},
		`{"ID":"X","Containers":3,"Driver":"overlay2","ServerVersion":"28.1.0","SecurityOptions":["name=apparmor"]}`:                                                                   {"docker", "28.1.0"},
		`{"Client":{"APIVersion":"4.3.1","Version":"4.3.1","GoVersion":"go1.19.8"}}`:                                                                                                   {"podman", "4.3.1"},
		`{"host":{"arch":"amd64"},"store":{},"version":{"APIVersion":"4.3.1","Version":"4.3.1"}}`:                                                                                      {"podman", "4.3.1"},
		`{"version":"0.1.0","runtimeName":"containerd","runtimeVersion":"v1.7.2","runtimeApiVersion":"v1"}`:                                                                            {"containerd", "1.7.2"},
		`{"Platform":{"Name":""},"Components":[{"Name":"Engine","Version":"20.10.24+dfsg1"},{"Name":"containerd","Version":"1.6.20"}],"Version":"20.10.24+dfsg1","ApiVersion":"1.41"}`: {"docker", "20.10.24+dfsg1"},
		`{"Platform":{"Name":"linux"},"Components":[{"Name":"Podman Engine","Version":"4.3.1"}],"Version":"4.3.1"}`:                                                                    {"podman", "4.3.1"},
		`[{"Id":"3f9c","Name":"/web"}]`:            {},
		`{"ociVersion":"1.0.2","process":{}}`:      {},
		`{"kind":"Pod","metadata":{"name":"web"}}`: {},
		`not json`: {},
	} {
		name, version, ok := ReadEngine([]byte(text))
		assert.Equal(t, want, [2]string{name, version}, text)
		assert.Equal(t, want != [2]string{}, ok, text)
	}
}

func TestEngines(t *testing.T) {
	for profile, want := range map[string]string{
		"docker-default": "docker", "cri-containerd.apparmor.d": "containerd", "crio-default": "cri-o", "containers-default-0.57.4": "podman",
		"lxc-container-default-cgns": "lxc", "docker-default2": "", "containers-default": "", "unconfined": "", "": "",
	} {
		e := EngineOf(profile)
		assert.Equal(t, want, e.Name, profile)
		assert.Equal(t, e, EngineNamed(want), profile)
	}
	for _, e := range Engines {
		for _, file := range slices.Concat(e.Sockets, e.Bundles, e.Configs, e.States, e.Names) {
			assert.Regexp(t, `^(RUN|DATA)/`, file)
		}
		for _, file := range slices.Concat(e.Bundles, e.Configs, e.States) {
			assert.Equal(t, 1, strings.Count(file, "/ID/"), file)
		}
	}
}
