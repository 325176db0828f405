//go:build e2e && linux && amd64

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// privileges are the lines of a status file that say what a thread may do.
func privileges(t *testing.T, status string) (lines []string) {
	text, err := os.ReadFile(status)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, ":")
		switch name {
		case "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp":
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// excess is what the threads of a process have beyond some capabilities; "" if
// nothing.
func excess(t *testing.T, pid int, kept ...uint) string {
	var allowed uint64
	for _, c := range kept {
		allowed |= 1 << c
	}
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	require.NoError(t, err)
	require.Greater(t, len(tasks), 1)
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue // it has ended
		}
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(line, ":")
			if name != "CapPrm" && name != "CapEff" && name != "CapInh" && name != "CapAmb" {
				continue
			}
			set, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			require.NoError(t, err)
			if set&^allowed != 0 {
				return task + ": " + line
			}
		}
	}
	return ""
}

// While the command runs no thread of whydenied has more than reading needs, and the
// command has what whydenied was started with, whether or not the program is linked
// with cgo. The same holds for watch and trace.
func TestAttackRunPrivileges(t *testing.T) {
	program := buildForAll(t)
	withCgo := program + "-cgo"
	build := exec.Command("go", "build", "-o", withCgo, "../../cmd/whydenied")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	log := filepath.Join(filepath.Dir(program), "audit.log")
	require.NoError(t, os.WriteFile(log, nil, 0o644))
	require.NoError(t, os.Chown(log, 65534, 65534))
	ambient := &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: 65534, Gid: 65534},
		AmbientCaps: []uintptr{unix.CAP_SYS_PTRACE, unix.CAP_NET_ADMIN, unix.CAP_SYSLOG},
	}
	for _, test := range []struct {
		name string
		attr *syscall.SysProcAttr
		args []string
	}{
		{"root", nil, []string{"run"}},
		{"root, a file", nil, []string{"run", "--source", log}},
		{"ambient capabilities", ambient, []string{"run", "--source", log}},
		{"watch", nil, []string{"watch", "--source", log}},
		{"trace", nil, []string{"trace"}},
	} {
		for _, program := range []string{program, withCgo} {
			t.Run(test.name+" "+filepath.Base(program), func(t *testing.T) {
				args := test.args
				if args[0] == "run" {
					args = append(args, "--", "sh", "-c", "echo pid $$; exec sleep 60")
				}
				started := exec.Command("sleep", "60") // as whydenied is
				started.SysProcAttr = test.attr
				launch(t, started)
				cmd := exec.Command(program, args...)
				cmd.SysProcAttr = test.attr
				w := launch(t, cmd)
				w.stderr.waitFor(t, "reading ")
				kept := []uint{unix.CAP_DAC_READ_SEARCH, unix.CAP_SYS_PTRACE, unix.CAP_BPF} // as TestDropCapabilities of parser/source
				require.Eventually(t, func() bool { return excess(t, cmd.Process.Pid, kept...) == "" }, 20*time.Second, 10*time.Millisecond)
				if args[0] == "run" {
					w.stdout.waitFor(t, "pid ")
					pid := strings.Fields(w.stdout.String())[1]
					assert.Equal(t, privileges(t, fmt.Sprintf("/proc/%d/status", started.Process.Pid)), privileges(t, "/proc/"+pid+"/status"))
				}
				for range 50 { // new threads too
					assert.Empty(t, excess(t, cmd.Process.Pid, kept...))
					time.Sleep(10 * time.Millisecond)
				}
				w.end(syscall.SIGTERM)
				assert.NotContains(t, w.stderr.String(), "capabilities", "nothing was said of them")
			})
		}
	}
}
