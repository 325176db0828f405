//go:build linux

package kernel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A Logged is a program that makes system calls that a seccomp filter logs. It is
// the test's own program again.
type Logged struct {
	Calls int
	Comm  string        // the program's name; "" is "exe"
	Pause time.Duration // after each call
	// Call is the number of the call, of those that no kernel has; 0 is getppid.
	Call int
	// Names has every call made under another name (comm), "n0", "n1", ..., and each of
	// another number, from Call on, so that each is a finding of its own; see Times.
	Names bool
	// Cgroup is the folder of the cgroup that it starts in (v2); "" is this program's.
	Cgroup string
}

// NoCall is the first of the numbers that no kernel has a call of, and that the filter logs.
const NoCall = 1 << 20

// Main is to be called first by TestMain: in the program that Start starts it
// makes the calls and does not return.
func Main() {
	calls, err := strconv.Atoi(os.Getenv("LOGGED_CALLS"))
	if err != nil {
		return
	}
	pause, _ := time.ParseDuration(os.Getenv("LOGGED_PAUSE"))
	call, _ := strconv.Atoi(os.Getenv("LOGGED_CALL"))
	Logged{Calls: calls, Call: call, Comm: os.Getenv("LOGGED_COMM"), Pause: pause, Names: os.Getenv("LOGGED_NAMES") == "true"}.run()
	os.Exit(0)
}

// Start starts the program. It is killed at the end of the test if it still runs.
func (l Logged) Start(t testing.TB) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), fmt.Sprint("LOGGED_CALLS=", l.Calls), fmt.Sprint("LOGGED_CALL=", l.Call), "LOGGED_COMM="+l.Comm, fmt.Sprint("LOGGED_PAUSE=", l.Pause), fmt.Sprint("LOGGED_NAMES=", l.Names))
	cmd.Stdout, cmd.Stderr = new(bytes.Buffer), os.Stderr
	if l.Cgroup != "" {
		dir, err := os.Open(l.Cgroup)
		require.NoError(t, err)
		defer dir.Close()
		cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd
}

// Times are when a program with Names that has ended made its calls.
func Times(cmd *exec.Cmd) (times []time.Time) {
	stamps := cmd.Stdout.(*bytes.Buffer).Bytes()
	for ; len(stamps) >= 8; stamps = stamps[8:] {
		times = append(times, time.Unix(0, int64(binary.NativeEndian.Uint64(stamps))))
	}
	return times
}

func (l Logged) run() {
	runtime.LockOSThread()
	logCalls()
	if l.Comm != "" {
		setComm(l.Comm)
	}
	stamps := make([]byte, 0, 8*l.Calls)
	number := l.Call
	switch {
	case number == 0 && l.Names:
		number = NoCall
	case number == 0:
		number = unix.SYS_GETPPID
	}
	for i := range l.Calls {
		if l.Names {
			if i > 0 {
				number++
			}
			setComm("n" + strconv.Itoa(i))
			stamps = binary.NativeEndian.AppendUint64(stamps, uint64(time.Now().UnixNano()))
		}
		unix.RawSyscall(uintptr(number), 0, 0, 0)
		if l.Pause > 0 {
			time.Sleep(l.Pause)
		}
	}
	os.Stdout.Write(stamps)
}

// setComm sets the name that records have of this thread.
func setComm(name string) {
	text := append([]byte(name), 0)
	if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&text[0])), 0, 0, 0); err != nil {
		panic(err)
	}
}

// logCalls has the thread's calls of getppid logged, and those of numbers without a call.
func logCalls() {
	const returnLog, returnAllow = 0x7ffc0000, 0x7fff0000 // SECCOMP_RET_*
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // seccomp_data.nr
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: NoCall, Jt: 1},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_GETPPID, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: returnLog},
		{Code: unix.BPF_RET | unix.BPF_K, K: returnAllow},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		panic(err)
	}
}
