//go:build unix

package host

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A state file that another user can have made is not believed, and none is waited
// for.
func TestStateOfOthers(t *testing.T) {
	const text = `{"boot":"one","changes":[{"lever":"printk-ratelimit","value":"5","previous":"0"}]}`
	for _, test := range []struct {
		what, want string
		make       func(t *testing.T, file string)
	}{
		{"FIFO", "not a regular file", func(t *testing.T, file string) { require.NoError(t, syscall.Mkfifo(file, 0o600)) }},
		{"link", "symbolic links", func(t *testing.T, file string) {
			require.NoError(t, os.WriteFile(file+".other", []byte(text), 0o600))
			require.NoError(t, os.Symlink(file+".other", file))
		}},
		{"another user's", "belongs to user 4242; it is not believed", func(t *testing.T, file string) {
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			if err := os.Chown(file, 4242, 0); err != nil {
				t.Skip("only root can give files away")
			}
		}},
		{"everybody's", "can be written to by all users", func(t *testing.T, file string) {
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			require.NoError(t, os.Chmod(file, 0o666))
		}},
	} {
		t.Run(test.what, func(t *testing.T) {
			h, file := settings(t)
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
			test.make(t, file)
			_, err := h.Undo(file)
			assert.ErrorContains(t, err, test.want)
			_, err = h.Apply(file, []Lever{Noquiet})
			assert.ErrorContains(t, err, test.want)
			assert.Equal(t, "5", h.text(t, printkRatelimit))
			assert.Equal(t, "normal", h.text(t, apparmorAudit))
		})
	}
}
