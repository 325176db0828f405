package bundle

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/host"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/disk"
)

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "b")
	c := &Collection{Texts: []Text{{Name: "a", Data: []byte("A")}}}
	size, err := c.WriteFile(name)
	require.NoError(t, err)
	info, err := os.Stat(name)
	require.NoError(t, err)
	assert.Equal(t, size, info.Size())
	if runtime.GOOS != "windows" {
		assert.Equal(t, os.FileMode(0o600), info.Mode())
	}
	_, err = c.WriteFile(name)
	assert.ErrorContains(t, err, "is there already")

	// What fails leaves nothing.
	c.Texts = append(c.Texts, c.Texts...)
	_, err = c.WriteFile(filepath.Join(dir, "other"))
	assert.ErrorContains(t, err, "is there twice")
	_, err = c.WriteFile(filepath.Join(dir, "none", "b"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1)
}

// An inventory that the user names is taken along with what this host knows, and
// goes before it.
func TestCollectNamedInventory(t *testing.T) {
	id := strings.Repeat("3f9c", 16)
	file := filepath.Join(t.TempDir(), "inspect.json")
	require.NoError(t, os.WriteFile(file, []byte(`[{"Id":"`+id+`","Name":"/web-1","State":{},"Config":{}}]`), 0o600))
	c := &Collection{options: Options{Inventory: []string{file}, Own: true}, names: map[string]bool{}}
	c.Manifest.Host.Engines = map[string]string{}
	require.NoError(t, c.containers(t.Context()))
	require.NotEmpty(t, c.Inventory.Containers)
	assert.Equal(t, id, c.Inventory.Containers[0].ID)
	require.NotEmpty(t, c.Manifest.Inventory)
	assert.Equal(t, file, c.Manifest.Inventory[0].Name)
}

// Of more records than are kept, the newest are.
func TestKeeper(t *testing.T) {
	k := &keeper{}
	text := strings.Repeat("x", 64<<10)
	const n = 2 * maxRecords / (64 << 10)
	for i := range n {
		shared := parser.Record{Type: parser.SYSCALL, Serial: uint32(1 + i/2), Text: fmt.Sprint("of event ", 1+i/2)}
		own := parser.Record{Type: parser.AVC, Serial: uint32(1 + i/2), Text: fmt.Sprint(i, text)}
		k.take(&parser.Denial{Event: parser.Event{Records: []parser.Record{own, shared}}}, 1)
	}
	kept := string(k.text())
	assert.LessOrEqual(t, len(kept), maxRecords+2*chunkSize)
	assert.Greater(t, len(kept), maxRecords-2*chunkSize)
	assert.Equal(t, n, k.denials)
	assert.Equal(t, n-k.dropped, strings.Count(kept, "type=AVC"))
	assert.Contains(t, kept, fmt.Sprintf("): %dx", n-1))
	assert.NotContains(t, kept, "): 0x")
	assert.Equal(t, 1, strings.Count(kept, fmt.Sprintf("of event %d\n", n/2)), "what two denials of an event share")
}

func TestVersionIn(t *testing.T) {
	for line, want := range map[string]string{
		"Docker version 20.10.24+dfsg1, build 297e128":                                "20.10.24+dfsg1",
		"containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u1": "1.6.20~ds1",
		"podman version 4.3.1": "4.3.1",
		"runc v1.2.0":          "1.2.0",
		"nothing":              "",
	} {
		assert.Equal(t, want, versionIn(line))
	}
}

// A bundle keeps what its reader needs of what programs say of themselves.
func TestCollectHost(t *testing.T) {
	root := t.TempDir()
	release := filepath.Join(root, "proc/sys/kernel/osrelease")
	require.NoError(t, os.MkdirAll(filepath.Dir(release), 0o755))
	require.NoError(t, os.WriteFile(release, []byte("6.1.0-18-amd64\n"), 0o644))
	h := host.Host{Root: root, Run: func(_ context.Context, program string, _ ...string) ([]byte, error) {
		switch program {
		case "runc":
			return []byte("runc version 1.1.5+ds1\ncommit: x\nlibseccomp: 2.5.4\n"), nil
		case "crun":
			return nil, &disk.Changeable{Name: "/opt/crun", At: "/opt", Who: "belongs to user 1000", So: "it is not run"}
		case "dockerd":
			return []byte("Docker version 20.10.24+dfsg1, build 297e128\n"), nil
		}
		return nil, exec.ErrNotFound
	}}
	c := &Collection{options: Options{Host: h}}
	c.Manifest.Host.Engines = map[string]string{}
	c.host(t.Context())
	m := c.Manifest.Host
	assert.Equal(t, map[string]string{"docker": "20.10.24+dfsg1"}, m.Engines)
	assert.Len(t, c.Manifest.Missing, 1)
	assert.Equal(t, host.Loaders{Kernel: "6.1.0-18-amd64", Runtimes: []container.Host{{Runtime: "runc", RuntimeVersion: "1.1.5+ds1", Libseccomp: "2.5.4"}, {Runtime: "crun"}}},
		host.ReadLoaders(m.Kernel, m.Versions))
}

// What is no JSON of an inventory is taken as far as it tells of a host.
func TestCollectPlainInventory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "runc.txt")
	require.NoError(t, os.WriteFile(file, []byte("runc version 1.1.5\ncommit: secret\nlibseccomp: 2.5.4\n"), 0o600))
	c := &Collection{options: Options{Inventory: []string{file}}, names: map[string]bool{}}
	require.NoError(t, c.containers(t.Context()))
	require.Len(t, c.Texts, 1)
	assert.NotContains(t, string(c.Texts[0].Data), "secret")
	assert.Equal(t, []container.Host{{Runtime: "runc", RuntimeVersion: "1.1.5", Libseccomp: "2.5.4"}}, container.ReadHosts(c.Texts[0].Data))
}
