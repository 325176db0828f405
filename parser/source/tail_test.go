package source

import (
	"fmt"
	"io"
	"log"
	"path/filepath"
	"testing"
	"time"

	nxadm "github.com/nxadm/tail"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestFollowFileAsTail follows one file with nxadm/tail, the field's library for
// that, beside our own: what is appended in pieces of any length comes out as
// the same lines. Through fast rotation it loses lines, which is why we follow
// files ourselves; see docs/architecture.md.
func TestFollowFileAsTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	appended(t, path, "")
	l, err := Open(path, Start{})
	require.NoError(t, err)
	w := watch(t, l)
	library, err := nxadm.TailFile(path, nxadm.Config{Follow: true, Poll: true, CompleteLines: true, MustExist: true, Logger: log.New(io.Discard, "", 0)})
	require.NoError(t, err)
	t.Cleanup(func() { library.Stop(); library.Cleanup() })
	const lines = 200
	text, want := "", make([]int, lines)
	for i := range lines {
		text += avc(i + 1)
		want[i] = i + 1
	}
	for n := 1; len(text) > 0; n = n*7%97 + 1 {
		appended(t, path, text[:min(n*20, len(text))])
		text = text[min(n*20, len(text)):]
	}
	w.sees(want...)
	for i := range lines {
		select {
		case line := <-library.Lines:
			require.NoError(t, line.Err)
			assert.Equal(t, avc(i+1), line.Text+"\n", fmt.Sprint(i))
		case <-time.After(10 * time.Second):
			t.Fatalf("nxadm/tail gave %d lines of %d", i, lines)
		}
	}
}
