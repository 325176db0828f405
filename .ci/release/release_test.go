package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// version is one that needs no notes.
const version = "0.1.0-rc1"

// makeOnce makes a release for linux/amd64 of a copy of sources in a folder of its own.
// What could differ between two builds (paths, times, orders, users) does not depend on the
// target, and one of them takes minutes.
func makeOnce(t *testing.T, of string) (sources, out string) {
	t.Helper()
	sources, out = filepath.Join(t.TempDir(), "sources"), filepath.Join(t.TempDir(), "dist")
	must(t, "git", "clone", "-q", "--shared", of, sources)
	cmd := exec.Command("go", "run", "-C", filepath.Join(sources, ".ci/release"), ".", "-version", version, "-out", out, "-targets", "linux/amd64")
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1796000000")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	return sources, out
}

func must(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestRelease makes a release twice, in two folders, which must be the same, and looks into
// what was made with the tools of the formats, where they are installed.
func TestRelease(t *testing.T) {
	sources, first := makeOnce(t, "../..")
	_, second := makeOnce(t, sources) // as a commit may come meanwhile
	sums, err := os.ReadFile(filepath.Join(first, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := os.ReadFile(filepath.Join(second, "SHA256SUMS")); !bytes.Equal(sums, again) {
		t.Errorf("not the same bytes:\n%s\n%s", sums, again)
	}
	name := func(suffix string) string { return filepath.Join(first, "whydenied_"+version+suffix) }
	if _, err := exec.LookPath("dpkg-deb"); err == nil {
		list := must(t, "dpkg-deb", "-c", name("_linux_amd64.deb"))
		for _, file := range []string{"/usr/bin/whydenied", "/usr/share/man/man1/whydenied-explain.1.gz", "/etc/apparmor.d/whydenied-watch", "docker-whydenied -> "} {
			if !strings.Contains(list, file) {
				t.Errorf("the deb has no %s", file)
			}
		}
	}
	if _, err := exec.LookPath("rpm"); err == nil {
		got := must(t, "rpm", "-qp", "--qf", "%{NAME} %{VERSION} %{ARCH} %{LICENSE}", name("_linux_amd64.rpm"))
		if want := "whydenied 0.1.0~rc1 x86_64 Apache-2.0"; got != want {
			t.Errorf("the rpm is %q, not %q", got, want)
		}
	}
	checkImage(t, name("_linux_amd64.oci.tar"))
	checkSBOM(t, name(".cdx.json"))
}

// maxImage is how large an image may be, in bytes.
const maxImage = 25 << 20

// checkImage holds that an image is small, and that all that its index names is there.
func checkImage(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > maxImage {
		t.Errorf("the image has %d bytes", len(text))
	}
	files := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(text)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	type descriptor struct{ Digest string }
	blob := func(d descriptor, into any) {
		text, ok := files["blobs/"+strings.Replace(d.Digest, ":", "/", 1)]
		if !ok {
			t.Fatalf("no blob %s", d.Digest)
		}
		if into == nil {
			return
		}
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	var index struct{ Manifests []descriptor }
	if err := json.Unmarshal(files["index.json"], &index); err != nil || len(index.Manifests) != 1 {
		t.Fatalf("index.json: %v, %d manifests", err, len(index.Manifests))
	}
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	blob(index.Manifests[0], &manifest)
	var config struct {
		OS, Architecture string
		Config           struct{ Entrypoint []string }
	}
	blob(manifest.Config, &config)
	for _, layer := range manifest.Layers {
		blob(layer, nil)
	}
	if got := fmt.Sprintf("%s %s %v", config.OS, config.Architecture, config.Config.Entrypoint); got != "linux amd64 [/usr/bin/whydenied]" {
		t.Errorf("the image is %s", got)
	}
}

// checkSBOM holds that each component has a version and a licence.
func checkSBOM(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var bom struct {
		SpecVersion string
		Components  []struct {
			Name, Version string
			Licenses      []struct{ License struct{ ID string } }
		}
	}
	if err := json.Unmarshal(text, &bom); err != nil {
		t.Fatal(err)
	}
	if bom.SpecVersion != "1.6" || len(bom.Components) < 5 {
		t.Errorf("CycloneDX %s with %d components", bom.SpecVersion, len(bom.Components))
	}
	for _, c := range bom.Components {
		if c.Version == "" || len(c.Licenses) == 0 || c.Licenses[0].License.ID == "" {
			t.Errorf("%+v", c)
		}
	}
}

func TestCheckChangelog(t *testing.T) {
	const good = "# Changes\n\n## Unreleased\n\n## v0.2.0 - 2027-01-02\n\n- Something.\n\n## v0.1.0 - 2026-11-30\n\n- First.\n"
	if err := checkChangelog(good, "0.2.0"); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{
		"",
		strings.Replace(good, "## Unreleased\n", "## Unreleased\n\n- Waits.\n", 1),
		strings.Replace(good, "v0.2.0 - 2027-01-02", "v0.2.0", 1),
		strings.Replace(good, "- Something.", "", 1),
	} {
		if checkChangelog(bad, "0.2.0") == nil {
			t.Errorf("taken: %q", bad)
		}
	}
	if checkChangelog(good, "0.1.0") == nil {
		t.Error("an older version is taken")
	}
	if err := checkChangelog("", "0.3.0-rc1"); err != nil {
		t.Error(err)
	}
}

func TestLicences(t *testing.T) {
	if got := fmt.Sprint(licences([]byte("/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */\n"))); got != "[BSD-3-Clause GPL-2.0-only]" {
		t.Error(got)
	}
}
