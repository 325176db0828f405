//go:build e2e && linux && amd64

package e2e

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestReleasedImage makes the container image of a release, which Docker loads and runs: it
// reads the example from a folder that is mounted.
func TestReleasedImage(t *testing.T) {
	const version = "0.1.0-rc1"
	dir := t.TempDir()
	command(t, "go", "run", "-C", "../../.ci/release", ".", "-version", version, "-out", dir, "-targets", "linux/amd64")
	tool(t, "dockerd", "docker.io")
	e := newEngine(t, "docker", "dockerd", "/", filepath.Join(dir, "whydenied_"+version+"_linux_amd64.oci.tar"))
	startDocker(t, e)
	example, err := filepath.Abs("../../docs/examples/web")
	require.NoError(t, err)
	run := []string{"run", "--rm", "--network=none", "-v", example + ":/web:ro", "whydenied:" + version}
	assert.Contains(t, string(e.run(t, slices.Concat(run, []string{"--version"})...)), "v"+version)
	assert.Contains(t, string(e.run(t, slices.Concat(run, []string{"test", "/web/web.expect", "--format", "json"})...)), `"holds":true`)
}
