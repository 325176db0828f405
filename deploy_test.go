package whydenied

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/export"
)

// TestAlerts holds that rules for Prometheus speak of metrics that there are; promtool,
// where it is installed, says that they are rules.
func TestAlerts(t *testing.T) {
	const name = "deploy/prometheus/alerts.yaml"
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	var metrics bytes.Buffer
	require.NoError(t, export.NewMetrics("v1").Write(&metrics))
	named := regexp.MustCompile(`\bwhydenied_[a-z_]+`).FindAllString(string(text), -1)
	assert.Greater(t, len(named), 5)
	for _, metric := range named {
		assert.Contains(t, metrics.String(), "# TYPE "+metric+" ")
	}
	if promtool, err := exec.LookPath("promtool"); err == nil {
		out, err := exec.Command(promtool, "check", "rules", name).CombinedOutput()
		assert.NoError(t, err, "%s", out)
	}
}

// TestAgentPrivileges holds that the agent has the same few capabilities wherever it is
// deployed, and changes nothing of the node.
func TestAgentPrivileges(t *testing.T) {
	unit, err := os.ReadFile("deploy/systemd/whydenied-agent.service")
	require.NoError(t, err)
	bounding := regexp.MustCompile(`(?m)^CapabilityBoundingSet=(.*)$`).FindSubmatch(unit)
	require.NotNil(t, bounding)
	want := strings.Fields(strings.ReplaceAll(string(bounding[1]), "CAP_", ""))
	assert.Contains(t, string(unit), "\nAmbientCapabilities="+string(bounding[1])+"\n")

	manifest, err := os.ReadFile("deploy/kubernetes/agent.yaml")
	require.NoError(t, err)
	documents := yaml.NewDecoder(bytes.NewReader(manifest))
	for {
		var object struct {
			Kind string
			Spec struct{ Template struct{ Spec podSpec } }
		}
		err := documents.Decode(&object)
		if err == io.EOF {
			t.Fatal("there is no DaemonSet")
		}
		require.NoError(t, err)
		if object.Kind != "DaemonSet" {
			continue
		}
		container := object.Spec.Template.Spec.Containers[0]
		security := container.SecurityContext
		slices.Sort(want)
		slices.Sort(security.Capabilities.Add)
		assert.Equal(t, want, security.Capabilities.Add)
		assert.Equal(t, []string{"ALL"}, security.Capabilities.Drop)
		assert.True(t, security.ReadOnlyRootFilesystem)
		for _, mount := range container.VolumeMounts {
			assert.True(t, mount.ReadOnly, mount.MountPath)
		}
		return
	}
}

// A podSpec is what of a pod's the test looks at.
type podSpec struct {
	Containers []struct {
		SecurityContext struct {
			ReadOnlyRootFilesystem bool `yaml:"readOnlyRootFilesystem"`
			Capabilities           struct{ Add, Drop []string }
		} `yaml:"securityContext"`
		VolumeMounts []struct {
			MountPath string `yaml:"mountPath"`
			ReadOnly  bool   `yaml:"readOnly"`
		} `yaml:"volumeMounts"`
	}
}
