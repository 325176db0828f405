package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// terminal opens a terminal: the end where keys are typed, and the one of programs.
func terminal(t *testing.T) (keys, programs *os.File) {
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("needs pseudo terminals:", err)
	}
	t.Cleanup(func() { keys.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(keys.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	programs, err = os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { programs.Close() })
	return keys, programs
}

// ^C reaches the command of run once: many take the second for an order to end at once.
func TestTerminalInterruptsOnce(t *testing.T) {
	keys, programs := terminal(t)
	log := t.TempDir() + "/log"
	require.NoError(t, os.WriteFile(log, nil, 0o600))
	cmd := exec.Command(os.Args[0])
	cmd.Args = []string{"whydenied", "run", "--all", "--source", log, "--", "sh", "-c",
		`trap 'echo interrupted' INT; echo ready; n=0; while [ $n -lt 20 ]; do n=$((n+1)); sleep 0.05; done; echo over; exit 7`}
	cmd.Stdin, cmd.Stdout = programs, programs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, cmd.Start())
	defer cmd.Process.Kill()
	said := 0
	for lines := bufio.NewScanner(keys); lines.Scan() && !strings.Contains(lines.Text(), "over"); {
		if strings.Contains(lines.Text(), "ready") {
			_, err := keys.WriteString("\x03")
			require.NoError(t, err)
		}
		said += strings.Count(lines.Text(), "interrupted")
	}
	_ = cmd.Wait()
	assert.Equal(t, 7, cmd.ProcessState.ExitCode())
	assert.Equal(t, 1, said)
}
