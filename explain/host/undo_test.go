package host

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var unlimited = Lever{Name: "printk-ratelimit", Value: "0"}

// settings is a host whose levers are plain files, and where its state goes.
func settings(t *testing.T) (Host, string) {
	t.Helper()
	root := tree(t, map[string]string{
		apparmorAudit:                    "normal",
		printkRatelimit:                  "5\n",
		"proc/sys/kernel/random/boot_id": "one\n",
	})
	return Host{Root: root}, filepath.Join(t.TempDir(), "run", "undo.json")
}

func (h Host) text(t *testing.T, path string) string {
	t.Helper()
	v := h.value(path)
	require.NoError(t, v.Err)
	return v.Text
}

func TestApplyAndUndo(t *testing.T) {
	h, file := settings(t)
	changes, err := h.Apply(file, []Lever{Noquiet, unlimited})
	require.NoError(t, err)
	assert.Equal(t, []Change{{Lever: Noquiet, Previous: "normal"}, {Lever: unlimited, Previous: "5"}}, changes)
	assert.Equal(t, "noquiet", h.text(t, apparmorAudit))
	assert.Equal(t, "0", h.text(t, printkRatelimit))
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	_, err = h.Apply(file, []Lever{{Name: "printk-ratelimit", Value: "1"}})
	assert.ErrorContains(t, err, "undo it first")
	changes, err = h.Apply(file, []Lever{Noquiet})
	require.NoError(t, err, "it is so already, and undone with the rest")
	assert.Empty(t, changes)

	done, err := h.Undo(file)
	require.NoError(t, err)
	assert.Equal(t, []Change{{Lever: unlimited, Previous: "5"}, {Lever: Noquiet, Previous: "normal"}}, done)
	assert.Equal(t, "normal", h.text(t, apparmorAudit))
	assert.Equal(t, "5", h.text(t, printkRatelimit))
	assert.NoFileExists(t, file)
	done, err = h.Undo(file)
	require.NoError(t, err)
	assert.Empty(t, done)
}

func TestApplyWithGrants(t *testing.T) {
	h, file := settings(t)
	levers := WithGrants([]Lever{Noquiet, unlimited})
	assert.Equal(t, []Lever{unlimited, LogGrants}, levers)
	assert.Equal(t, []Lever{LogGrants}, WithGrants(nil))
	_, err := h.Apply(file, levers)
	require.NoError(t, err)
	assert.Equal(t, "all", h.text(t, apparmorAudit))
	_, err = h.Undo(file)
	require.NoError(t, err)
	assert.Equal(t, "normal", h.text(t, apparmorAudit))
}

// TestApplyFails holds that either all levers are pulled or none.
func TestApplyFails(t *testing.T) {
	h, file := settings(t)
	_, err := h.Apply(file, []Lever{Noquiet, {Name: "seccomp-actions-logged", Value: "errno"}})
	assert.ErrorContains(t, err, "kernel.seccomp.actions_logged cannot be read")
	assert.Equal(t, "normal", h.text(t, apparmorAudit))
	assert.NoFileExists(t, file)

	if runtime.GOOS != "linux" {
		return
	}
	// The first write works, the second does not: not even for root.
	setting := h.Root + actionsLogged
	require.NoError(t, os.MkdirAll(filepath.Dir(setting), 0o755))
	require.NoError(t, os.Symlink("/proc/version", setting))
	_, err = h.Apply(file, []Lever{Noquiet, {Name: "seccomp-actions-logged", Value: "errno"}})
	assert.ErrorContains(t, err, `kernel.seccomp.actions_logged cannot be set to "errno"`)
	assert.Equal(t, "normal", h.text(t, apparmorAudit))
	assert.NoFileExists(t, file)
}

func TestUndoLeavesWhatOthersChanged(t *testing.T) {
	h, file := settings(t)
	_, err := h.Apply(file, []Lever{Noquiet, unlimited})
	require.NoError(t, err)
	require.NoError(t, h.set(Noquiet, "all"))
	done, err := h.Undo(file)
	require.NoError(t, err)
	assert.Equal(t, []Change{{Lever: unlimited, Previous: "5"}, {Lever: Noquiet, Previous: "normal", Left: "all"}}, done)
	assert.Equal(t, "all", h.text(t, apparmorAudit))
	assert.NoFileExists(t, file)
}

// TestUndoOfAnotherBoot holds that a state that outlived a reboot, which undid
// everything, sets nothing.
func TestUndoOfAnotherBoot(t *testing.T) {
	h, file := settings(t)
	_, err := h.Apply(file, []Lever{unlimited})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(h.Root+"/proc/sys/kernel/random/boot_id", []byte("two\n"), 0o644))
	done, err := h.Undo(file)
	require.NoError(t, err)
	assert.Empty(t, done)
	assert.Equal(t, "0", h.text(t, printkRatelimit))
	assert.NoFileExists(t, file)

	require.NoError(t, os.WriteFile(file, []byte(`{"boot":"one","changes":[{"lever":"printk-ratelimit","value":"0","previous":"5"}]}`), 0o600))
	_, err = h.Apply(file, []Lever{Noquiet})
	assert.NoError(t, err, "the old state is in nobody's way")
}

// TestUndoOfOwner holds that a guardian leaves alone what somebody else applied
// meanwhile.
func TestUndoOfOwner(t *testing.T) {
	h, file := settings(t)
	_, err := h.Apply(file, []Lever{unlimited})
	require.NoError(t, err)
	done, err := h.undo(file, "a guardian")
	require.NoError(t, err)
	assert.Empty(t, done)
	assert.Equal(t, "0", h.text(t, printkRatelimit))
	assert.FileExists(t, file)
}

// TestHostileState holds that a state file sets nothing but what levers set.
func TestHostileState(t *testing.T) {
	h, file := settings(t)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	for _, text := range []string{
		"not json", `[]`, `{"boot":"one","changes":[{"lever":"/etc/passwd","value":"x","previous":"y"}]}`,
		`{"boot":"one","changes":[{"lever":"","value":"x","previous":"y"}]}`,
	} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err := h.Undo(file)
		assert.Error(t, err, "%s", text)
		assert.FileExists(t, file)
	}
	assert.Equal(t, "normal", h.text(t, apparmorAudit))
}

// An empty state file, as a full disk once left it, is in nobody's way.
func TestEmptyState(t *testing.T) {
	h, file := settings(t)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	done, err := h.Undo(file)
	require.NoError(t, err)
	assert.Empty(t, done)
	assert.NoFileExists(t, file)
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = h.Apply(file, []Lever{unlimited})
	require.NoError(t, err)
	_, err = h.Undo(file)
	require.NoError(t, err)
	assert.Equal(t, "5", h.text(t, printkRatelimit))
}

func TestCommands(t *testing.T) {
	assert.Equal(t, "printf %s normal >/sys/module/apparmor/parameters/audit", Noquiet.Command("normal"))
	assert.Equal(t, "printf %s '' >/sys/module/apparmor/parameters/audit", Noquiet.Command(""))
	assert.Equal(t, "sysctl -w kernel.printk_ratelimit=5", unlimited.Command("5"))
	assert.Equal(t, `sysctl -w 'kernel.printk_ratelimit=5'\''; reboot'`, unlimited.Command("5'; reboot"))
	assert.Equal(t, "auditctl -r 100", Lever{Name: "audit-rate-limit", Value: "0"}.Command("100"))
	assert.Equal(t, "auditctl -b 64", Lever{Name: "audit-backlog-limit", Value: "8192"}.Command("64"))
}
