package source

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHostSaysWhatItTook(t *testing.T) {
	h := Host()
	if len(h.Inputs) == 0 {
		assert.Empty(t, h.Taken)
		assert.NotEmpty(t, h.Passed)
		return
	}
	assert.NotEmpty(t, h.Taken)
	if h.Inputs[0].Name == "journal" {
		assert.Len(t, h.Passed, 1)
	}
	if h.Inputs[0].Name == kmsgPath {
		assert.Len(t, h.Passed, 2)
	}
}

func TestHostAuditLog(t *testing.T) {
	dir := folder(t, map[string]string{"audit.log": avc(3), "audit.log.1": avc(2), "audit.log.2": avc(1), "audit.log.save~": "", "other.log": ""})
	inputs, taken, err := auditLogAt(filepath.Join(dir, "audit.log"), time.Time{})
	require.NoError(t, err)
	var names []string
	for _, in := range inputs {
		names = append(names, filepath.Base(in.Name))
	}
	assert.Equal(t, []string{"audit.log.2", "audit.log.1", "audit.log"}, names)
	assert.Contains(t, taken, "and 2 rotated before it")

	require.NoError(t, os.Truncate(filepath.Join(dir, "other.log"), 0))
	_, _, err = auditLogAt(filepath.Join(dir, "other.log"), time.Time{})
	assert.ErrorContains(t, err, "empty")
	_, _, err = auditLogAt(filepath.Join(dir, "absent.log"), time.Time{})
	assert.ErrorContains(t, err, "does not exist; auditd is not installed, or logs elsewhere")
}

// What was last written before a time holds nothing since.
func TestAuditLogSince(t *testing.T) {
	dir := folder(t, map[string]string{"audit.log": avc(2), "audit.log.1": avc(1)})
	now := time.Now()
	require.NoError(t, os.Chtimes(filepath.Join(dir, "audit.log.1"), now, now.Add(-2*time.Hour)))
	inputs, _, err := auditLogAt(filepath.Join(dir, "audit.log"), now.Add(-time.Hour))
	require.NoError(t, err)
	require.Len(t, inputs, 1)
	assert.Equal(t, "audit.log", filepath.Base(inputs[0].Name))
	_, _, err = auditLogAt(filepath.Join(dir, "audit.log"), now.Add(time.Hour))
	assert.ErrorContains(t, err, "nothing was written since")
}

func TestJournalReadable(t *testing.T) {
	dir := folder(t, map[string]string{"0af5b062/system.journal": "LPKSHHRH"})
	assert.NoError(t, journalReadable([]string{"/nonexistent", dir}))
	assert.ErrorContains(t, journalReadable([]string{t.TempDir()}), "no journal files in")
}

func TestCommandOutput(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("needs sh")
	}
	t.Run("whole", func(t *testing.T) {
		r, _, err := start(t.Context(), sh, "-c", "echo one; echo two")
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.Equal(t, "one\ntwo\n", string(text))
		assert.NoError(t, r.Close())
	})
	t.Run("fails", func(t *testing.T) {
		r, _, err := start(t.Context(), sh, "-c", "echo no such journal >&2; exit 3")
		require.NoError(t, err)
		_, err = io.ReadAll(r)
		require.NoError(t, err)
		assert.ErrorContains(t, r.Close(), "exit status 3: no such journal")
	})
	t.Run("stopped early", func(t *testing.T) {
		r, _, err := start(t.Context(), sh, "-c", "while :; do echo more; done")
		require.NoError(t, err)
		_, err = io.ReadFull(r, make([]byte, 100))
		require.NoError(t, err)
		assert.NoError(t, r.Close())
	})
}

func TestKmsg(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux")
	}
	r, _, err := openKmsg(t.Context())
	if err != nil {
		t.Skip("needs permission to read the ring buffer:", err)
	}
	text, err := io.ReadAll(r) // ends although the device never does
	require.NoError(t, err)
	assert.NoError(t, r.Close())
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, " ") {
			assert.Regexp(t, `^\d+,\d+,\d+,[^;]*;`, line)
		}
	}
}
