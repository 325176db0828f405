package seccomp

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTakesFlags(t *testing.T) {
	for _, test := range []struct {
		engine, version string
		takes, known    bool
	}{
		{"docker", "20.10.24+dfsg1", false, true},
		{"docker", "23.0.0", true, true},
		{"docker", "23.0", true, true},
		{"docker", "20.10", false, true},
		{"docker", "23", true, true},
		{"docker", "", false, false},
		{"podman", "4.0.3", false, true},
		{"podman", "4.1.0", true, true},
		{"crio", "1.24.6", false, true},
		{"containerd", "", true, true},
		{"lxc", "5.0", false, false},
	} {
		takes, _, known := TakesFlags(test.engine, test.version)
		assert.Equal(t, [2]bool{test.takes, test.known}, [2]bool{takes, known}, test)
	}
}
