package library

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// compiledFile is the profile web with the child web//child and the hat web//hat.
const compiledFile = "../../rules/apparmor/binary/testdata/all.bin"

// loadedTree makes what the kernel shows of a profile that is loaded from that.
func loadedTree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	policy := filepath.Join(root, loadedPolicy)
	raw, err := os.ReadFile(compiledFile)
	require.NoError(t, err)
	for dir, name := range map[string]string{"profiles/web.3": "web", "profiles/other.4": "other", "namespaces/ns/profiles/web.7": "web"} {
		require.NoError(t, os.MkdirAll(filepath.Join(policy, dir), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(policy, dir, "name"), []byte(name+"\n"), 0o600))
	}
	require.NoError(t, os.MkdirAll(filepath.Join(policy, "raw_data/0"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(policy, "raw_data/0/raw_data"), raw, 0o600))
	require.NoError(t, os.Symlink("../../raw_data/0/raw_data", filepath.Join(policy, "profiles/web.3/raw_data")))
	require.NoError(t, os.Symlink("../../../../raw_data/0/raw_data", filepath.Join(policy, "namespaces/ns/profiles/web.7/raw_data")))
	require.NoError(t, os.WriteFile(filepath.Join(policy, "profiles/other.4/raw_data"), raw, 0o600))
	return root
}

func TestAddLoaded(t *testing.T) {
	read := apparmor.FileRequest{Path: "/etc/hosts", Perms: apparmor.Read}
	write := apparmor.FileRequest{Path: "/etc/hosts", Perms: apparmor.Write}
	for _, name := range []string{"loaded:web", "loaded:web//hat", "loaded::ns:web", compiledFile} {
		l := New(t.TempDir(), nil)
		l.Root = loadedTree(t)
		policy, problems, err := l.AddProfile(name)
		require.NoError(t, err, name)
		assert.Empty(t, problems)
		assert.Len(t, policy.Profiles, 3)
		p, err := l.NamedProfile("")
		require.NoError(t, err, "children and hats do not count")
		assert.True(t, p.Loaded())
		assert.Equal(t, name, l.Source(p))
		assert.True(t, p.Grants(read))
		assert.False(t, p.Grants(write))
		d := p.Decide(write)
		assert.Equal(t, []string{"nothing in the loaded profile grants w below /etc/"}, d.Notes)
		assert.Empty(t, d.Near())
	}
}

func TestAddLoadedMissing(t *testing.T) {
	root := loadedTree(t)
	for name, want := range map[string]string{
		"loaded:none":       "no profile of that name is loaded",
		"loaded:other":      "does not hold it",
		"loaded::ns2:web":   "the kernel shows no policy here",
		"loaded::..:web":    "names no profile of a namespace",
		"loaded::ns":        "names no profile of a namespace",
		"library_test.gone": "cannot read the profile",
	} {
		l := New(t.TempDir(), nil)
		l.Root = root
		_, _, err := l.AddProfile(name)
		assert.ErrorContains(t, err, want, name)
	}
	require.NoError(t, os.Remove(filepath.Join(root, loadedPolicy, "profiles/web.3/raw_data")))
	l := New(t.TempDir(), nil)
	l.Root = root
	_, _, err := l.AddProfile("loaded:web")
	assert.ErrorContains(t, err, "CONFIG_SECURITY_APPARMOR_EXPORT_BINARY")
	damaged := filepath.Join(t.TempDir(), "damaged")
	require.NoError(t, os.WriteFile(damaged, []byte("\x04\x08\x00version\x00\x02\x07"), 0o600))
	_, _, err = l.AddProfile(damaged)
	assert.ErrorContains(t, err, "not compiled AppArmor policy")
}

func TestUseKernel(t *testing.T) {
	l := New(t.TempDir(), nil)
	l.Root = loadedTree(t)
	assert.Nil(t, l.Profile(container.Container{}, "web"), "the log may be another host's")
	l.UseKernel()
	p := l.Profile(container.Container{}, "web//hat")
	require.NotNil(t, p)
	assert.Equal(t, "web//hat", p.Name)
	assert.Nil(t, l.Profile(container.Container{}, "none"))
	assert.False(t, l.Profile(container.Container{}, "docker-default").Loaded(), "its text says more")
}

// A bundle holds what the kernel of its host has.
func TestUseKernelOfBundle(t *testing.T) {
	raw, err := os.ReadFile(compiledFile)
	require.NoError(t, err)
	l := In(rules.NewTree("/", map[string]string{loadedPolicy + "/profiles/web.3/name": "web\n", loadedPolicy + "/profiles/web.3/raw_data": string(raw)}), "/etc/apparmor.d", nil)
	l.UseKernel()
	assert.NotNil(t, l.Profile(container.Container{}, "web"))
	assert.Nil(t, l.Profile(container.Container{}, "other"))
}
