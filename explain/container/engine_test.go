package container

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestReadEngine(t *testing.T) {
	for text, want := range map[string]Engine{
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
		got, ok := ReadEngine([]byte(text))
		assert.Equal(t, want, got, text)
		assert.Equal(t, want != Engine{}, ok, text)
	}
}
