package deploy

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/escape/escapetest"
	"github.com/whydenied/whydenied/explain/patch"
	"github.com/whydenied/whydenied/explain/patch/patchtest"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a file of testdata, or rewrites it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o666))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run go test -update")
	assert.Equal(t, string(want), got, "%s; if the change is meant, run go test -update", path)
}

// TestFormats compares each form with its golden file.
func TestFormats(t *testing.T) {
	pod := container.Container{ID: "a", Name: "web", Pod: "shop-5d9-x2x", Namespace: "shop", Runtime: "containerd", Confidence: container.High}
	dir, err := os.Getwd()
	require.NoError(t, err)
	for _, format := range Formats {
		t.Run(format.Name, func(t *testing.T) {
			c := pod
			if format.Name == "compose" {
				c = patchtest.Container
			}
			p := patchtest.WithSeccomp(t, patchtest.Some(t, c), c)
			require.Len(t, p.Remedies, 3)
			for i := range p.Remedies {
				p.Remedies[i].Fix.Proof = []string{"the changed policy parses", "nothing else is"}
			}
			var out bytes.Buffer
			limits, err := format.Write(&out, p)
			require.NoError(t, err)
			for _, l := range limits {
				assert.Contains(t, out.String(), strings.SplitN(l, ": ", 2)[1], "what is said to stderr is in the document")
			}
			documents(t, out.String())
			t.Chdir(dir)
			golden(t, format.Name+".yaml", out.String())
		})
	}
}

// documents parses YAML.
func documents(t *testing.T, text string) (list []map[string]any) {
	t.Helper()
	assert.Empty(t, escapetest.Commands(text))
	require.NoError(t, (&escapetest.Terminal{}).Print(text))
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		assert.Equal(t, string(escape.Line(line)), line, "not printable")
	}
	for doc := range strings.SplitSeq(text, "\n---\n") {
		var value map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(doc), &value), "%s", doc)
		if value != nil {
			list = append(list, value)
		}
	}
	return list
}

// at returns a value below keys and indexes.
func at(t *testing.T, value any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			require.Contains(t, value, step)
			value = value.(map[string]any)[step]
		case int:
			require.Greater(t, len(value.([]any)), step)
			value = value.([]any)[step]
		}
	}
	return value
}

// write writes a patch and returns what the form cannot express.
func write(t *testing.T, format func(io.Writer, *patch.Patch) ([]string, error), out io.Writer, p *patch.Patch) []string {
	t.Helper()
	limits, err := format(out, p)
	require.NoError(t, err)
	return limits
}

// evil has what must never reach a terminal, and what would end a string.
const evil = "a\x1b]0;t\a\x1b[2J\r\nb\u0085\u009b31m\x7f\u202e\u2066\u200e\u061c\u200b\ufeff\u2028\u00ad\u3164\U000e0041\xff\xc3 %s `\"<c>"

// poison returns a finding in which a name stands wherever one can from outside.
func poison(t *testing.T, name string) *explain.Explained {
	d, _ := parser.Scan(nil, parser.Block{File: "log", Body: []byte("type=AVC msg=audit(1795427169.844:1): apparmor=\"DENIED\" " + patchtest.Opened("web", "/x", "r") + "\n")})
	require.Len(t, d, 1)
	f := &explain.Finding{Denial: d[0], Container: container.Container{Name: name, Confidence: container.Low}}
	f.Denial.Subject = parser.Subject{Comm: name, Label: name}
	return &explain.Explained{Finding: f, Explanation: explain.Explanation{
		Investigate: name,
		Fixes:       []rules.Fix{{Message: name, Grants: name, Reason: name, Proof: []string{name}}},
	}}
}

// TestHostilePatch writes a patch in which every name is evil.
func TestHostilePatch(t *testing.T) {
	for _, name := range []string{evil, "a: b", "- x", "yes", "null", "0x1f", "1e3", "2001-01-01", "#c", "&a", "*a", "!t", "%x", "@x", "`x", "|", ">", "'", `"`, `\`, "{a}", "[a]", "=", "~", " a ", "$HOME ${x}", "a\n  b: c", "---", "##[error]x", "::error::x", "\u2028", "\ufeffx"} {
		c := container.Container{ID: name, Name: name, Image: name, Pod: name, Namespace: name, Confidence: container.Low}
		file := rules.NewFile(name, "profile x {\n}\n")
		p := &patch.Patch{
			Changes:  []rules.Change{{File: file, New: "{}"}},
			Profiles: []patch.Patched{{Name: name, File: name, Containers: []container.Container{c}}, {Seccomp: true, File: name, Containers: []container.Container{c}}},
			Steps:    []string{name},
		}
		finding := poison(t, name)
		p.Remedies = []patch.Remedy{{Finding: finding, Fix: finding.Fixes[0], File: name}}
		p.Left = []patch.Unfixed{{Finding: finding, Reason: name}}

		var compose, kubernetes, spo bytes.Buffer
		write(t, writeCompose, &compose, p)
		service := at(t, documents(t, compose.String())[0], "services").(map[string]any)
		assert.Len(t, service, 1)
		options := at(t, service[escape.UTF8(name)], "security_opt")
		assert.Equal(t, "apparmor="+strings.ReplaceAll(escape.UTF8(name), "$", "$$"), at(t, options, 0), compose.String())

		write(t, writeKubernetes, &kubernetes, p)
		pod := at(t, documents(t, kubernetes.String())[0], "spec", "template", "spec", "containers", 0)
		assert.Equal(t, escape.UTF8(name), at(t, pod, "name"))
		assert.Equal(t, escape.UTF8(name), at(t, pod, "securityContext", "appArmorProfile", "localhostProfile"))

		write(t, writeSPO, &spo, p)
		documents(t, spo.String())
	}
}

func TestComposeServices(t *testing.T) {
	other := patchtest.Container
	other.ID, other.Name = "b", "shop-web-2"
	plain := container.Container{ID: "c", Name: "db-1", Confidence: container.High}
	p := &patch.Patch{Profiles: []patch.Patched{
		{Name: "web//child", Containers: []container.Container{patchtest.Container}},
		{Name: "web", Containers: []container.Container{patchtest.Container, other}},
		{Name: "db", Containers: []container.Container{plain}},
		{Seccomp: true, File: "/etc/s.json"},
	}}
	var out bytes.Buffer
	write(t, writeCompose, &out, p)
	services := at(t, documents(t, out.String())[0], "services").(map[string]any)
	assert.Equal(t, []any{"apparmor=web"}, at(t, services, "web", "security_opt"), "two containers of one service")
	assert.Equal(t, []any{"apparmor=db"}, at(t, services, "db-1", "security_opt"))
	assert.Equal(t, []any{"seccomp=/etc/s.json"}, at(t, services, "SERVICE", "security_opt"))
	assert.Contains(t, out.String(), "this is the container's name")
}

func TestPodTemplates(t *testing.T) {
	pod := func(name string) container.Container {
		return container.Container{ID: name, Name: "web", Pod: name, Namespace: "shop", Confidence: container.High}
	}
	p := &patch.Patch{Profiles: []patch.Patched{
		{Name: "web", Containers: []container.Container{pod("web-5d9-aaaaa"), pod("web-5d9-bbbbb"), pod("api-777-ccccc")}},
		{Seccomp: true, File: "/var/lib/kubelet/seccomp/profiles/x.json"},
	}}
	var out bytes.Buffer
	write(t, writeKubernetes, &out, p)
	docs := documents(t, out.String())
	require.Len(t, docs, 3, "replicas are one, and what has no pod is for all containers")
	assert.Equal(t, "profiles/x.json", at(t, docs[2], "spec", "template", "spec", "securityContext", "seccompProfile", "localhostProfile"))
	assert.Contains(t, out.String(), "# of pod shop/web-5d9-aaaaa, shop/web-5d9-bbbbb\n")
}

// TestSPOGrants holds that what the operator makes of a resource grants all that
// the profile does, but for what is said: each access that the profile allows is
// allowed, or the rule is in the limits.
func TestSPOGrants(t *testing.T) {
	p := patchtest.Some(t, patchtest.Container)
	profile := p.Profiles[0].Profile
	a := newAbstract(profile)
	made, base := a.load(profile)
	require.NotNil(t, made)
	assert.False(t, base)
	limits := strings.Join(apparmorResource(p.Profiles[0]).limits, "\n")
	for _, c := range []struct {
		path  string
		perms apparmor.Perms
		said  string // "" if it is granted
	}{
		{"/usr/sbin/nginx", apparmor.Exec | apparmor.Read | apparmor.Mmap, ""},
		{"/usr/bin/helper", apparmor.Exec, "/usr/bin/helper px"},
		{"/srv/www/a", apparmor.Read, ""},
		{"/srv/www/up/a", apparmor.Read | apparmor.Write, ""},
		{"/var/log/a", apparmor.Write, ""},
		{"/srv/b/x", apparmor.Read, ""},
		{"/srv/with space", apparmor.Read, `"/srv/with space" r`},
		{"/run/b.pid", apparmor.Write, ""},
		{"/run/bc1", apparmor.Write, ""},
		{"/run/c1", apparmor.Write, "/run/c[1-9] rw"},
		{"/run/lock", apparmor.Lock, "/run/lock rk"},
		{"/proc/sys/net/core/somaxconn", apparmor.Write, "not granted, as the operator's own rules deny it"},
	} {
		req := apparmor.FileRequest{Path: c.path, Perms: c.perms, Owner: true}
		require.Zero(t, refused(profile, req), "the profile grants %s", c.path)
		if c.said == "" {
			assert.Zero(t, refused(made, req), c.path)
			continue
		}
		assert.NotZero(t, refused(made, req), c.path)
		assert.Contains(t, limits, c.said)
	}
	assert.Contains(t, limits, "not expressed: signal (receive) peer=unconfined")
	assert.Contains(t, limits, "not expressed: deny /etc/shadow r")
	assert.NotContains(t, limits, "not expressed: deny @{PROC}/kcore", "the operator has that rule itself")
	assert.Contains(t, limits, "not expressed: network netlink raw")
}

func refused(p *apparmor.Profile, req apparmor.FileRequest) apparmor.Perms {
	d := p.Decide(req)
	return d.Refused | d.Unmatched
}

// TestSPONeverGrantsAll holds that no resource is written of a profile that is
// only held by its deny rules.
func TestSPONeverGrantsAll(t *testing.T) {
	p := patchtest.Of(t, "web", "profile web {\n  file,\n  deny /etc/** w,\n}\n", patchtest.Container, `operation="capable" profile="web" pid=7 comm="x" capability=5  capname="kill"`)
	var out bytes.Buffer
	limits := write(t, writeSPO, &out, p)
	assert.Empty(t, documents(t, out.String()))
	assert.Contains(t, strings.Join(limits, "\n"), "no resource is written")
}
