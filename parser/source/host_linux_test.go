package source

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// journalctl ends with us, even when we are killed, and what the terminal sends to our
// process group is not for it.
func TestStartedEndsWithUs(t *testing.T) {
	const child = "WHYDENIED_TEST_STARTS"
	if os.Getenv(child) != "" { // the process that is killed
		out, _, err := start(t.Context(), "/bin/sh", "-c", "echo $$; exec sleep 600")
		require.NoError(t, err)
		_, _ = io.Copy(os.Stdout, out)
		return
	}
	parent := exec.Command(os.Args[0], "-test.run=^TestStartedEndsWithUs$")
	parent.Env = append(os.Environ(), child+"=1")
	out, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	defer parent.Wait()
	defer parent.Process.Kill()
	var pid, group int
	_, err = fmt.Fscan(out, &pid)
	require.NoError(t, err)
	stat := func() string {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return string(text[strings.LastIndex(string(text), ")")+1:])
	}
	_, err = fmt.Sscanf(stat(), " %1s %d %d", new(string), new(int), &group)
	require.NoError(t, err)
	assert.Equal(t, pid, group)
	require.NoError(t, parent.Process.Kill())
	require.Eventually(t, func() bool { s := stat(); return s == "" || strings.HasPrefix(s, " Z") }, time.Minute, 10*time.Millisecond, "process %d is there still", pid)
}
