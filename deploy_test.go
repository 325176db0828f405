package whydenied

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"

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
	assertMetrics(t, string(text))
	checkRules(t, name)
	if promtool, err := exec.LookPath("promtool"); err == nil {
		file := filepath.Join(t.TempDir(), "test.yaml")
		rules, err := filepath.Abs(name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, newDenials, strconv.Quote(rules)), 0o600))
		out, err := exec.Command(promtool, "test", "rules", file).CombinedOutput()
		assert.NoError(t, err, "%s", out)
	}
}

// newDenials is a test of promtool: of what is refused, only what comes for the first time is
// told, even if it comes once, and neither what comes each day nor what was long ago.
const newDenials = `
rule_files: [%s]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'whydenied_denials_total{layer="apparmor",cause="no-rule",profile="once",namespace="shop",decision="refused",instance="n"}', values: '_x1499 1x60'}
      - {series: 'whydenied_denials_total{layer="apparmor",cause="no-rule",profile="more",namespace="shop",decision="refused",instance="n"}', values: '3x1500 4x60'}
      - {series: 'whydenied_denials_total{layer="apparmor",cause="no-rule",profile="daily",namespace="shop",decision="refused",instance="n"}', values: '_x63 1x1435 2x60'}
      - {series: 'whydenied_denials_total{layer="apparmor",cause="no-rule",profile="quiet",namespace="shop",decision="refused",instance="n"}', values: '5x1600'}
    alert_rule_test:
      - alertname: WhydeniedNewDenials
        eval_time: 1508m
        exp_alerts:
          - exp_labels: {severity: warning, layer: apparmor, cause: no-rule, profile: once, namespace: shop}
            exp_annotations:
              summary: 'apparmor refuses what it did not a day ago: no-rule of once'
              description: whydenied compare on a node of it, or its logs in the receiver, say what and why.
          - exp_labels: {severity: warning, layer: apparmor, cause: no-rule, profile: more, namespace: shop}
            exp_annotations:
              summary: 'apparmor refuses what it did not a day ago: no-rule of more'
              description: whydenied compare on a node of it, or its logs in the receiver, say what and why.
`

// assertMetrics holds that a text names metrics, and only such as there are.
func assertMetrics(t *testing.T, text string) {
	var metrics bytes.Buffer
	require.NoError(t, export.NewMetrics("v1").Write(&metrics))
	named := regexp.MustCompile(`\bwhydenied_[a-z_]+`).FindAllString(text, -1)
	assert.NotEmpty(t, named, text)
	for _, metric := range named {
		assert.Contains(t, metrics.String(), "# TYPE "+metric+" ")
	}
}

// checkRules has promtool, where it is installed, read a file of rules.
func checkRules(t *testing.T, name string) {
	if promtool, err := exec.LookPath("promtool"); err == nil {
		out, err := exec.Command(promtool, "check", "rules", name).CombinedOutput()
		assert.NoError(t, err, "%s", out)
	}
}

// TestDashboard holds that the panels of the dashboard for Grafana ask for metrics and labels
// that there are, in expressions that promtool reads, and do not lie over each other.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("deploy/grafana/whydenied.json")
	require.NoError(t, err)
	var dashboard struct {
		UID        string
		Templating struct{ List []struct{ Name string } }
		Panels     []struct {
			ID      int
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &dashboard))
	assert.NotEmpty(t, dashboard.UID)
	variables := map[string]bool{"__range": true, "__rate_interval": true}
	for _, v := range dashboard.Templating.List {
		variables[v.Name] = true
	}
	labels := []string{"layer", "cause", "profile", "namespace", "decision", "outcome", "output", "instance"} // the last is Prometheus' own
	taken := map[[2]int]string{}
	rules := strings.Builder{}
	rules.WriteString("groups:\n  - name: dashboard\n    rules:\n")
	for _, panel := range dashboard.Panels {
		require.NotEmpty(t, panel.Targets, panel.Title)
		for x := range panel.GridPos.W {
			for y := range panel.GridPos.H {
				place := [2]int{panel.GridPos.X + x, panel.GridPos.Y + y}
				assert.Empty(t, taken[place], panel.Title)
				assert.Less(t, place[0], 24, panel.Title)
				taken[place] = panel.Title
			}
		}
		for _, target := range panel.Targets {
			assertMetrics(t, target.Expr)
			for _, v := range regexp.MustCompile(`\$(\w+)`).FindAllStringSubmatch(target.Expr, -1) {
				assert.True(t, variables[v[1]], "%s: $%s", panel.Title, v[1])
			}
			for _, by := range regexp.MustCompile(`by \(([^)]*)\)`).FindAllStringSubmatch(target.Expr, -1) {
				assert.Subset(t, labels, strings.Split(by[1], ", "), panel.Title)
			}
			plain := strings.NewReplacer("$__range", "1d", "$__rate_interval", "5m").Replace(target.Expr)
			fmt.Fprintf(&rules, "      - record: dashboard:panel:%d\n        expr: %s\n", panel.ID, strconv.Quote(plain))
		}
	}
	name := filepath.Join(t.TempDir(), "rules.yaml")
	require.NoError(t, os.WriteFile(name, []byte(rules.String()), 0o600))
	checkRules(t, name)
}

// TestChart holds that the chart for Helm makes the objects of the plain manifest of its values
// as they are, but for the namespace, and that values are what they are in YAML, whatever they hold.
func TestChart(t *testing.T) {
	plain, err := os.ReadFile("deploy/kubernetes/agent.yaml")
	require.NoError(t, err)
	want := objects(t, plain)
	require.Equal(t, "Namespace", want[0]["kind"])
	assert.Equal(t, want[1:], objects(t, renderChart(t, "")))

	hostile := "a: b # \"'\n- {{ .Values }}"
	changed := objects(t, renderChart(t, "image: "+strconv.Quote(hostile)+"\nargs: ["+strconv.Quote(hostile)+"]\nsecret: token\nmetricsPort: 9000\nnodeSelector: {a: b}\n"))
	spec := changed[len(changed)-1]["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
	agent := spec["containers"].([]any)[0].(map[string]any)
	assert.Equal(t, hostile, agent["image"])
	assert.Equal(t, []any{"agent", "--kubernetes", "--metrics", ":9000", hostile}, agent["args"])
	assert.Contains(t, agent["volumeMounts"], map[string]any{"name": "secret", "mountPath": "/etc/whydenied", "readOnly": true})
	assert.Contains(t, spec["volumes"], map[string]any{"name": "secret", "secret": map[string]any{"secretName": "token"}})
	assert.Equal(t, map[string]any{"a": "b"}, spec["nodeSelector"])
	assert.NotContains(t, agent["securityContext"], "appArmorProfile")

	changed = objects(t, renderChart(t, "seccompProfile: {type: Localhost, localhostProfile: whydenied-agent.json}\nappArmorProfile: {type: Localhost, localhostProfile: whydenied-agent}\n"))
	spec = changed[len(changed)-1]["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
	context := spec["containers"].([]any)[0].(map[string]any)["securityContext"].(map[string]any)
	assert.Equal(t, map[string]any{"type": "Localhost", "localhostProfile": "whydenied-agent.json"}, context["seccompProfile"])
	assert.Equal(t, map[string]any{"type": "Localhost", "localhostProfile": "whydenied-agent"}, context["appArmorProfile"])
}

// objects reads a stream of YAML.
func objects(t *testing.T, text []byte) (list []map[string]any) {
	t.Helper()
	documents := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var object map[string]any
		err := documents.Decode(&object)
		if err == io.EOF {
			return list
		}
		require.NoError(t, err, "%s", text)
		list = append(list, object)
	}
}

// renderChart makes the objects of the chart as Helm does, whose functions that it uses are
// defined here, with other values than its own.
func renderChart(t *testing.T, values string) []byte {
	t.Helper()
	own, err := os.ReadFile("deploy/helm/whydenied/values.yaml")
	require.NoError(t, err)
	all := map[string]any{}
	for _, text := range []string{string(own), values} {
		var some map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(text), &some))
		maps.Copy(all, some)
	}
	chart := template.New("agent.yaml").Option("missingkey=error").Funcs(template.FuncMap{
		"toJson": func(v any) (string, error) {
			text, err := json.Marshal(v)
			return string(text), err
		},
		"toString": func(v any) string { return fmt.Sprint(v) },
	})
	chart, err = chart.ParseFiles("deploy/helm/whydenied/templates/agent.yaml")
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, chart.Execute(&out, map[string]any{"Values": all, "Release": map[string]any{"Namespace": "whydenied"}}))
	return out.Bytes()
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

// TestAgentProfiles holds that the agent's own profiles are such, that the resource of the
// Security Profiles Operator has what the file has, and that the unit permits bpf(2), without
// which processes are followed worse: it is of the group that is taken out.
func TestAgentProfiles(t *testing.T) {
	text, err := os.ReadFile("deploy/seccomp/whydenied-agent.json")
	require.NoError(t, err)
	type syscalls struct {
		Names    []string
		Action   string
		ErrnoRet int `json:"errnoRet" yaml:"errnoRet"`
		Args     []struct {
			Index, Value int
			Op           string
		}
	}
	type profile struct {
		DefaultAction string `json:"defaultAction" yaml:"defaultAction"`
		Architectures []string
		Syscalls      []syscalls
	}
	var own profile
	require.NoError(t, json.Unmarshal(text, &own))
	assert.Equal(t, "SCMP_ACT_ERRNO", own.DefaultAction)
	assert.True(t, slices.IsSorted(own.Syscalls[0].Names))
	resource, err := os.ReadFile("deploy/kubernetes/profiles.yaml")
	require.NoError(t, err)
	var of struct{ Spec profile }
	require.NoError(t, yaml.Unmarshal(resource, &of))
	assert.Equal(t, own, of.Spec)

	unit, err := os.ReadFile("deploy/systemd/whydenied-agent.service")
	require.NoError(t, err)
	_, last, found := strings.Cut(string(unit), "\nSystemCallFilter=~@privileged")
	require.True(t, found)
	assert.Regexp(t, `(?m)^SystemCallFilter=bpf `, last)

	if parser, err := exec.LookPath("apparmor_parser"); err == nil {
		out, err := exec.Command(parser, "--skip-kernel-load", "--skip-cache", "deploy/apparmor/whydenied-agent").CombinedOutput()
		assert.NoError(t, err, "%s", out)
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
