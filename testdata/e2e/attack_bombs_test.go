//go:build e2e && linux

package e2e

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// maxPeak is the memory, in bytes, that any input within the limits takes, and any
// beyond them until it is refused.
const maxPeak = 256 << 20

// Input that is made to exhaust memory, by testdata/bombs, takes no more than other
// input, and ends. docs/performance.md has the figures. With -short a quarter are tried.
func TestAttackBombs(t *testing.T) {
	dir := t.TempDir()
	whydenied, bombs := filepath.Join(dir, "whydenied"), filepath.Join(dir, "bombs")
	for program, source := range map[string]string{whydenied: "../../cmd/whydenied", bombs: "../bombs"} {
		out, err := exec.Command("go", "build", "-o", program, source).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	list, err := exec.Command(bombs, "-list").Output()
	require.NoError(t, err)
	for i, line := range slices.Collect(strings.Lines(string(list))) {
		if testing.Short() && i%4 != 0 {
			continue
		}
		name := strings.Fields(line)[0]
		t.Run(name, func(t *testing.T) {
			args, err := exec.Command(bombs, name, t.TempDir()).Output()
			require.NoError(t, err)
			cmd := exec.CommandContext(t.Context(), whydenied, strings.Split(strings.TrimSpace(string(args)), "\n")...)
			cmd.Env = append(cmd.Environ(), "GOGC=", "GOMEMLIMIT=")
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			_ = cmd.Run()
			state := cmd.ProcessState
			assert.Contains(t, []int{0, 1, 3}, state.ExitCode(), "%.2000s", stderr.String())
			assert.NotContains(t, stderr.String(), "goroutine ")
			peak := state.SysUsage().(*syscall.Rusage).Maxrss << 10
			t.Logf("%d MB, %v of CPU time", peak>>20, state.UserTime()+state.SystemTime())
			assert.LessOrEqual(t, peak, int64(maxPeak))
		})
	}
}
