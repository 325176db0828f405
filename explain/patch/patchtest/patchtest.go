// Package patchtest makes patches for the tests of the forms that they are written in.
package patchtest

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/explain/patch"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
)

// Before and after.
var (
	//go:embed testdata/web.apparmor
	profile string
	//go:embed testdata/docker-db.json
	dockerDB string
)

// Of returns the patch for AppArmor records (bodies) in a profile, whose
// file is named as given. All of them are of one container.
func Of(t testing.TB, name, profile string, c container.Container, bodies ...string) *patch.Patch {
	t.Helper()
	t.Chdir(t.TempDir())
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
	require.NoError(t, os.WriteFile(name, []byte(profile), 0o600))
	explainer := explain.New(library.New("none", nil))
	_, _, err := explainer.Library.AddProfile(name)
	require.NoError(t, err)
	var log strings.Builder
	for i, body := range bodies {
		fmt.Fprintf(&log, "type=AVC msg=audit(1795427169.844:%d): apparmor=\"DENIED\" %s\n", i+1, body)
	}
	found, stats := parser.Scan(nil, parser.Block{File: "log", Body: []byte(log.String())})
	require.Zero(t, stats.Unparsed)
	group := explain.NewGroup(nil, explain.Filter{})
	for _, d := range found {
		group.Add(d)
	}
	findings := group.Findings()
	for _, f := range findings {
		f.Container = c
	}
	return patch.Make(explainer, explainer.DiagnoseAll(findings))
}

// Opened returns the body of a refused open.
func Opened(profile, path, mask string) string {
	return fmt.Sprintf(`operation="open" profile="%s" name="%s" pid=7 comm="nginx" requested_mask="%[3]s" denied_mask="%[3]s" fsuid=0 ouid=0`, profile, path, mask)
}

// Container is one of Compose.
var Container = container.Container{
	ID: strings.Repeat("3f", 32), Name: "shop-web-1", Image: "nginx:1.27", Runtime: "docker", Service: "web", Confidence: container.High,
}

// WithSeccomp adds a change of a seccomp profile, and a new one, to a patch.
func WithSeccomp(t testing.TB, p *patch.Patch, c container.Container) *patch.Patch {
	old := rules.NewFile("seccomp/web.json", "{\n  \"defaultAction\": \"SCMP_ACT_ERRNO\",\n  \"syscalls\": [\n    {\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\"}\n  ]\n}\n")
	made := rules.NewFile("/var/lib/kubelet/seccomp/profiles/docker-db.json", "")
	made.Absent = true
	p.Changes = append(p.Changes,
		rules.Change{File: old, New: strings.Replace(old.Text, `"read"`, `"mkdir", "read"`, 1)},
		rules.Change{File: made, New: dockerDB})
	p.Profiles = append(p.Profiles,
		patch.Patched{Seccomp: true, File: old.Name, Containers: []container.Container{c}},
		patch.Patched{Seccomp: true, File: made.Name, Derived: true})
	return p
}

// Some is a patch of everything that a resource can and cannot express.
func Some(t testing.TB, c container.Container) *patch.Patch {
	return Of(t, "web.apparmor", profile, c, Opened("web", "/etc/nginx/mime.types", "w"), Opened("web", "/var/cache/nginx/x", "r"),
		`operation="capable" profile="web" pid=7 comm="nginx" capability=21  capname="sys_admin"`)
}
