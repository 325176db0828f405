//go:build e2e && linux && amd64

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestFleetNode says what an agent with a store takes of its node, while 1,000 denials of the
// same come each second, and while 100 new findings do. It holds that memory is bounded.
func TestFleetNode(t *testing.T) {
	if *fleetBuckets == 0 {
		t.Skip("make fleet-scale runs it")
	}
	program := buildForAll(t)
	for _, c := range []struct {
		what     string
		each     int // a second
		findings bool
	}{{"nothing", 0, false}, {"1,000 denials of one finding a second", 1000, false}, {"100 new findings a second", 100, true}} {
		dir := t.TempDir()
		name := filepath.Join(dir, "audit.log")
		log, err := os.Create(name)
		require.NoError(t, err)
		defer log.Close()
		cmd := exec.Command(program, "agent", "--node", "n", "--source", name, "--store", filepath.Join(dir, "agent.db"), "--metrics", "")
		require.NoError(t, cmd.Start())
		defer cmd.Process.Kill()
		time.Sleep(5 * time.Second) // it looks from now on
		before, _ := costs(t, cmd.Process.Pid)
		began := time.Now()
		serial := 0
		for second := range 20 {
			var lines strings.Builder
			for range c.each {
				serial++
				path := 0
				if c.findings {
					path = serial
				}
				now := time.Now()
				fmt.Fprintf(&lines, "type=AVC msg=audit(%d.%03d:%d): apparmor=\"DENIED\" operation=\"open\" profile=\"web\" name=\"/srv/data/%d/file\" pid=%d comm=\"prog\" requested_mask=\"w\" denied_mask=\"w\" fsuid=0 ouid=0\n",
					now.Unix(), now.UnixMilli()%1000, serial, path, 1000+serial%30000)
			}
			_, err := log.WriteString(lines.String())
			require.NoError(t, err)
			time.Sleep(time.Until(began.Add(time.Duration(second+1) * time.Second)))
		}
		after, peak := costs(t, cmd.Process.Pid)
		t.Logf("%s: %.2f %% of a core, at most %.1f MiB", c.what, 100*(after-before)/time.Since(began).Seconds(), peak)
		assert.Less(t, peak, 256.0) // of the unit
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		cmd.Wait()
	}
}

// costs returns the seconds of CPU that a process took so far, and its greatest resident size in MiB.
func costs(t *testing.T, pid int) (seconds, peak float64) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(t, err)
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')'):]))
	for _, f := range fields[12:14] { // utime and stime of proc_pid_stat(5), in ticks of 10 ms
		n, err := strconv.Atoi(f)
		require.NoError(t, err)
		seconds += float64(n) / 100
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	kb, err := strconv.Atoi(string(regexp.MustCompile(`VmHWM:\s+(\d+)`).FindSubmatch(status)[1]))
	require.NoError(t, err)
	return seconds, float64(kb) / 1024
}
