package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// patchOf returns the patch for AppArmor records (bodies) in a profile, whose
// file is named as given. All of them are of one container.
func patchOf(t testing.TB, name, profile string, c container.Container, bodies ...string) *explain.Patch {
	t.Helper()
	t.Chdir(t.TempDir())
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
	require.NoError(t, os.WriteFile(name, []byte(profile), 0o600))
	policy := explain.NewPolicy("none", nil)
	_, err := policy.AddProfile(name)
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
	return policy.Patch(policy.DiagnoseAll(findings))
}

// opened is the body of a refused open.
func opened(profile, path, mask string) string {
	return fmt.Sprintf(`operation="open" profile="%s" name="%s" pid=7 comm="nginx" requested_mask="%[3]s" denied_mask="%[3]s" fsuid=0 ouid=0`, profile, path, mask)
}

var webContainer = container.Container{
	ID: strings.Repeat("3f", 32), Name: "shop-web-1", Image: "nginx:1.27", Runtime: "docker", Service: "web", Confidence: container.High,
}

// withSeccomp adds a change of a seccomp profile, and a new one, to a patch.
func withSeccomp(p *explain.Patch, c container.Container) *explain.Patch {
	old := rules.NewFile("seccomp/web.json", "{\n  \"defaultAction\": \"SCMP_ACT_ERRNO\",\n  \"syscalls\": [\n    {\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\"}\n  ]\n}\n")
	made := rules.NewFile("/var/lib/kubelet/seccomp/profiles/docker-db.json", "")
	made.Absent = true
	p.Changes = append(p.Changes,
		rules.Change{File: old, New: strings.Replace(old.Text, `"read"`, `"mkdir", "read"`, 1)},
		rules.Change{File: made, New: seccompProfile})
	p.Profiles = append(p.Profiles,
		explain.Patched{Seccomp: true, File: old.Name, Containers: []container.Container{c}},
		explain.Patched{Seccomp: true, File: made.Name, Derived: true})
	return p
}

const seccompProfile = `{
  "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
  "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}, {"architecture": "SCMP_ARCH_AARCH64"}],
  "syscalls": [
    {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"},
    {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
    {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
    {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]},
    {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
    {"names": ["arm_fadvise64_64"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm"]}}
  ]
}
`

// somePatch is a patch of everything that a resource can and cannot express.
func somePatch(t testing.TB, c container.Container) *explain.Patch {
	profile := `abi <abi/3.0>,
@{PROC}=/proc/
@{DATA}=/srv/a /srv/b
profile web flags=(attach_disconnected) {
  capability net_bind_service,
  network inet stream,
  network netlink raw,
  signal (receive) peer=unconfined,
  deny /etc/shadow r,
  deny @{PROC}/kcore rwklx,
  /usr/sbin/nginx mrix,
  /usr/bin/helper px,
  /lib/*.so* mr,
  /etc/nginx/** r,
  /var/log/** w,
  /srv/www/** r,
  /srv/www/up/* rw,
  @{DATA}/x r,
  "/srv/with space" r,
  /run/{a,b{,c1}}{,.pid} rw,
  /run/c[1-9] rw,
  /run/lock rk,
  owner @{PROC}/sys/net/core/somaxconn rw,
}
`
	return patchOf(t, "web.apparmor", profile, c, opened("web", "/etc/nginx/mime.types", "w"), opened("web", "/var/cache/nginx/x", "r"),
		`operation="capable" profile="web" pid=7 comm="nginx" capability=21  capname="sys_admin"`)
}

// TestPatchFormats compares each format with its golden file.
func TestPatchFormats(t *testing.T) {
	pod := container.Container{ID: "a", Name: "web", Pod: "shop-5d9-x2x", Namespace: "shop", Runtime: "containerd", Confidence: container.High}
	dir, err := os.Getwd()
	require.NoError(t, err)
	for _, c := range []struct {
		name      string
		container container.Container
		write     func(*bytes.Buffer, *explain.Patch) error
	}{
		{"patch.compose.yaml", webContainer, func(w *bytes.Buffer, p *explain.Patch) error { return WriteCompose(w, p) }},
		{"patch.kubernetes.yaml", pod, func(w *bytes.Buffer, p *explain.Patch) error { return WriteKubernetes(w, p) }},
		{"patch.spo.yaml", pod, func(w *bytes.Buffer, p *explain.Patch) error {
			limits, err := WriteSPO(w, p)
			for _, l := range limits {
				assert.Contains(t, w.String(), strings.SplitN(l, ": ", 2)[1], "what is said to stderr is in the document")
			}
			return err
		}},
		{"patch.files.txt", pod, func(w *bytes.Buffer, p *explain.Patch) error { return NewPatch(p).WriteFiles(w) }},
		{"patch.sarif.json", pod, func(w *bytes.Buffer, p *explain.Patch) error {
			return writeSARIF(w, &Report{Version: "v0", Patch: NewPatch(p)}, TextOptions{})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			patch := withSeccomp(somePatch(t, c.container), c.container)
			require.Len(t, patch.Remedies, 3)
			for i := range patch.Remedies {
				patch.Remedies[i].Fix.Proof = []string{"the changed policy parses", "nothing else is"}
			}
			var out bytes.Buffer
			require.NoError(t, c.write(&out, patch))
			t.Chdir(dir)
			golden(t, c.name, out.String())
			if strings.HasSuffix(c.name, ".yaml") {
				documents(t, out.String())
			}
		})
	}
}

// documents parses YAML.
func documents(t *testing.T, text string) (list []map[string]any) {
	t.Helper()
	assertPrintable(t, text)
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

func TestOneFileAlone(t *testing.T) {
	patch := patchOf(t, "web", "profile web {\r\n  /a r,\r\n}", webContainer, opened("web", "/b", "r"))
	require.Len(t, patch.Changes, 1)
	var out bytes.Buffer
	require.NoError(t, NewPatch(patch).WriteFiles(&out))
	assert.Equal(t, patch.Changes[0].New, out.String(), "nothing but its text")
}

// TestHostilePatch writes a patch in which every name is evil.
func TestHostilePatch(t *testing.T) {
	for _, name := range []string{evil, "a: b", "- x", "yes", "null", "0x1f", "1e3", "2001-01-01", "#c", "&a", "*a", "!t", "%x", "@x", "`x", "|", ">", "'", `"`, `\`, "{a}", "[a]", "=", "~", " a ", "$HOME ${x}", "a\n  b: c", "---", "\u2028", "\ufeffx"} {
		c := container.Container{ID: name, Name: name, Image: name, Pod: name, Namespace: name, Confidence: container.Low}
		file := rules.NewFile(name, "profile x {\n}\n")
		patch := &explain.Patch{
			Changes:  []rules.Change{{File: file, New: "{}"}},
			Profiles: []explain.Patched{{Name: name, File: name, Containers: []container.Container{c}}, {Seccomp: true, File: name, Containers: []container.Container{c}}},
			Steps:    []string{name},
		}
		finding := poison(t)
		patch.Remedies = []explain.Remedy{{Finding: &finding, Fix: finding.Fixes[0], File: name}}
		patch.Left = []explain.Unfixed{{Finding: &finding, Reason: name}}

		var compose, kubernetes, spo, sarif bytes.Buffer
		require.NoError(t, WriteCompose(&compose, patch))
		service := at(t, documents(t, compose.String())[0], "services").(map[string]any)
		assert.Len(t, service, 1)
		options := at(t, service[text(name)], "security_opt")
		assert.Equal(t, "apparmor="+strings.ReplaceAll(text(name), "$", "$$"), at(t, options, 0), compose.String())

		require.NoError(t, WriteKubernetes(&kubernetes, patch))
		pod := at(t, documents(t, kubernetes.String())[0], "spec", "template", "spec", "containers", 0)
		assert.Equal(t, text(name), at(t, pod, "name"))
		assert.Equal(t, text(name), at(t, pod, "securityContext", "appArmorProfile", "localhostProfile"))

		_, err := WriteSPO(&spo, patch)
		require.NoError(t, err)
		documents(t, spo.String())

		require.NoError(t, writeSARIF(&sarif, &Report{Patch: NewPatch(patch)}, TextOptions{}))
		assertPrintable(t, sarif.String())
		var log map[string]any
		require.NoError(t, json.Unmarshal(sarif.Bytes(), &log))
		checkSARIF(t, "log", "log", log)
	}
}

func TestComposeServices(t *testing.T) {
	other := webContainer
	other.ID, other.Name = "b", "shop-web-2"
	plain := container.Container{ID: "c", Name: "db-1", Confidence: container.High}
	patch := &explain.Patch{Profiles: []explain.Patched{
		{Name: "web//child", Containers: []container.Container{webContainer}},
		{Name: "web", Containers: []container.Container{webContainer, other}},
		{Name: "db", Containers: []container.Container{plain}},
		{Seccomp: true, File: "/etc/s.json"},
	}}
	var out bytes.Buffer
	require.NoError(t, WriteCompose(&out, patch))
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
	patch := &explain.Patch{Profiles: []explain.Patched{
		{Name: "web", Containers: []container.Container{pod("web-5d9-aaaaa"), pod("web-5d9-bbbbb"), pod("api-777-ccccc")}},
		{Seccomp: true, File: "/var/lib/kubelet/seccomp/profiles/x.json"},
	}}
	var out bytes.Buffer
	require.NoError(t, WriteKubernetes(&out, patch))
	docs := documents(t, out.String())
	require.Len(t, docs, 3, "replicas are one, and what has no pod is for all containers")
	assert.Equal(t, "profiles/x.json", at(t, docs[2], "spec", "template", "spec", "securityContext", "seccompProfile", "localhostProfile"))
	assert.Contains(t, out.String(), "# of pod shop/web-5d9-aaaaa, shop/web-5d9-bbbbb\n")
}

// TestSPOGrants holds that what the operator makes of a resource grants all that
// the profile does, but for what is said: each access that the profile allows is
// allowed, or the rule is in the limits.
func TestSPOGrants(t *testing.T) {
	patch := somePatch(t, webContainer)
	profile := patch.Profiles[0].Profile
	a := newAbstract(profile)
	made, base := a.load(profile)
	require.NotNil(t, made)
	assert.False(t, base)
	limits := strings.Join(apparmorResource(patch.Profiles[0]).limits, "\n")
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
	patch := patchOf(t, "web", "profile web {\n  file,\n  deny /etc/** w,\n}\n", webContainer, `operation="capable" profile="web" pid=7 comm="x" capability=5  capname="kill"`)
	var out bytes.Buffer
	limits, err := WriteSPO(&out, patch)
	require.NoError(t, err)
	assert.Empty(t, documents(t, out.String()))
	assert.Contains(t, strings.Join(limits, "\n"), "no resource is written")
}

// TestSARIFFixes holds, for random patches, that the replacements of all results,
// each once, make the new texts of the old.
func TestSARIFFixes(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 60 {
		name := func() string {
			return fmt.Sprintf("/srv/%c/%c%c", 'a'+random.IntN(4), 'a'+random.IntN(26), 'a'+random.IntN(26))
		}
		newline := [...]string{"\n", "\r\n"}[random.IntN(2)]
		profile := "profile web {" + newline
		for range random.IntN(20) {
			profile += "  " + name() + " " + [...]string{"r", "w", "rw"}[random.IntN(3)] + "," + [...]string{"", " # \u00fc"}[random.IntN(2)] + newline
		}
		if random.IntN(3) == 0 {
			profile += "  deny /srv/a/** w," + newline
		}
		profile += "}" + [...]string{"", newline, newline + newline}[random.IntN(3)]
		var bodies []string
		for range 1 + random.IntN(20) {
			bodies = append(bodies, opened("web", name(), [...]string{"r", "w", "wr"}[random.IntN(3)]))
		}
		if random.IntN(2) == 0 {
			bodies = append(bodies, strings.Replace(opened("web", name(), "r"), "requested", `info="Failed name lookup - disconnected path" error=-13 requested`, 1))
		}
		patch := patchOf(t, "web", profile, webContainer, bodies...)
		if random.IntN(2) == 0 {
			withSeccomp(patch, webContainer)
		}
		checkSARIFFixes(t, patch)
	}
}

// TestSARIFBytes holds that texts that are not UTF-8 come out exactly.
func TestSARIFBytes(t *testing.T) {
	f := rules.NewFile("f", "a\xff\nb\n")
	finding := poison(t)
	checkSARIFFixes(t, &explain.Patch{
		Changes:  []rules.Change{{File: f, New: "a\xff\n\xfe\nb\n"}},
		Remedies: []explain.Remedy{{Finding: &finding, File: "f"}},
	})
}

// checkSARIFFixes writes a patch as SARIF and applies it.
func checkSARIFFixes(t *testing.T, patch *explain.Patch) {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, writeSARIF(&out, &Report{Patch: NewPatch(patch)}, TextOptions{}))
	var log sarifLog
	require.NoError(t, json.Unmarshal(out.Bytes(), &log))
	require.Len(t, log.Runs[0].Results, len(patch.Remedies)+len(patch.Left))
	replacements := map[string][]sarifReplacement{}
	for _, r := range log.Runs[0].Results {
		for _, fix := range r.Fixes {
			for _, change := range fix.ArtifactChanges {
				uri := change.ArtifactLocation.URI
				for _, replacement := range change.Replacements {
					known := slices.ContainsFunc(replacements[uri], func(o sarifReplacement) bool { return assert.ObjectsAreEqual(o, replacement) })
					if !known {
						replacements[uri] = append(replacements[uri], replacement)
					}
				}
			}
		}
	}
	if len(patch.Remedies) == 0 {
		return
	}
	for _, c := range patch.Changes {
		var edits []rules.Edit
		for _, r := range replacements[fileURI(c.File.Name)] {
			edits = append(edits, rules.Edit{At: rules.Location{File: c.File, Span: spanOf(c.File, r.DeletedRegion)}, New: contentOf(r)})
		}
		changes, err := rules.Apply(edits)
		require.NoError(t, err)
		require.Len(t, changes, 1, out.String())
		require.Equal(t, c.New, changes[0].New, "of\n%s\nby\n%s", c.File.Text, out.String())
	}
}

func contentOf(r sarifReplacement) string {
	if r.InsertedContent == nil {
		return ""
	}
	return r.InsertedContent.Text + string(r.InsertedContent.Binary)
}

// spanOf is the region as SARIF defines it: lines and columns count from 1.
func spanOf(f *rules.File, r sarifRegion) rules.Span {
	if r.ByteOffset != nil {
		return rules.Span{Start: *r.ByteOffset, End: *r.ByteOffset + *r.ByteLength}
	}
	offset := func(line, column int) int {
		lines := slices.Collect(strings.Lines(f.Text))
		before := len(strings.Join(lines[:line-1], ""))
		if line > len(lines) {
			return before
		}
		return before + len(string([]rune(lines[line-1])[:column-1]))
	}
	return rules.Span{Start: offset(r.StartLine, r.StartColumn), End: offset(r.EndLine, r.EndColumn)}
}
