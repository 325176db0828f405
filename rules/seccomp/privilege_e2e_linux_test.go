//go:build e2e && amd64

package seccomp

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A nativeCall is a call whose arguments do no harm whether or not it is permitted: most
// name what is not there. Pointers are made just before it.
type nativeCall struct {
	name     string
	args     []uintptr
	text     map[int]string // arguments that are strings
	without  bool           // only without the capability, as it would do something
	undoes   func()         // what it makes when it is permitted
	possible func() bool    // the host is set so that the capability counts; nil if it always does
}

func nativeCalls(dir string) []nativeCall {
	const missing, atCwd = "/nonexistent/whydenied", ^uintptr(99)
	uts, _ := unix.Open("/proc/self/ns/uts", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	device := filepath.Join(dir, "device")
	minus := ^uintptr(0)
	sysctl := func(name, value string) func() bool {
		return func() bool {
			text, err := os.ReadFile("/proc/sys/" + name)
			return err == nil && strings.TrimSpace(string(text)) == value
		}
	}
	return []nativeCall{
		{name: "mount", args: []uintptr{0, 0, 0, 0, 0}, text: map[int]string{0: "none", 1: dir, 2: "nosuchfs"}},
		{name: "umount2", args: []uintptr{0, 0}, text: map[int]string{0: dir}},
		{name: "fsopen", args: []uintptr{0, 0}, text: map[int]string{0: "nosuchfs"}},
		{name: "fspick", args: []uintptr{atCwd, 0, 0}, text: map[int]string{1: missing}},
		{name: "fsmount", args: []uintptr{minus, 0, 0}},
		{name: "move_mount", args: []uintptr{minus, 0, minus, 0, 0}, text: map[int]string{1: "x", 3: "x"}},
		{name: "mount_setattr", args: []uintptr{minus, 0, 0, 0, 32}, text: map[int]string{1: "x"}},
		{name: "open_tree", args: []uintptr{minus, 0, 1}, text: map[int]string{1: "x"}},
		{name: "pivot_root", args: []uintptr{0, 0}},
		{name: "chroot", args: []uintptr{0}, text: map[int]string{0: "/"}},
		{name: "sethostname", args: []uintptr{0, minus}},
		{name: "setdomainname", args: []uintptr{0, minus}},
		{name: "unshare", args: []uintptr{unix.CLONE_NEWUTS}},
		{name: "clone", args: []uintptr{unix.CLONE_NEWUTS | uintptr(unix.SIGCHLD), 0, 0, 0, 0}, without: true},
		{name: "setns", args: []uintptr{uintptr(uts), unix.CLONE_NEWUTS}},
		{name: "swapon", args: []uintptr{0, 0}, text: map[int]string{0: missing}},
		{name: "swapoff", args: []uintptr{0}, text: map[int]string{0: missing}},
		{name: "acct", args: []uintptr{0}, text: map[int]string{0: missing}},
		{name: "syslog", args: []uintptr{100, 0, 0}},
		{name: "vhangup", without: true},
		{name: "fanotify_init", args: []uintptr{0, 0}},
		{name: "bpf", args: []uintptr{18, 0, 0}},
		{name: "bpf", args: []uintptr{11, 0, 0}},
		{name: "kexec_load", args: []uintptr{0, 1 << 20, 0, 0}},
		{name: "kexec_file_load", args: []uintptr{minus, minus, 0, 0, 0}},
		{name: "reboot", args: []uintptr{0, 0, 0, 0}},
		{name: "init_module", args: []uintptr{0, 0, 0}},
		{name: "finit_module", args: []uintptr{minus, 0, 0}},
		{name: "delete_module", args: []uintptr{0, unix.O_NONBLOCK}, text: map[int]string{0: "whydenied_none"}},
		{name: "iopl", args: []uintptr{3}},
		{name: "ioperm", args: []uintptr{0x80, 1, 1}},
		{name: "settimeofday", args: []uintptr{0, 0}},
		{name: "timerfd_create", args: []uintptr{8, 0}},
		{name: "mknod", args: []uintptr{0, 0x2000 | 0o600, 0x103}, text: map[int]string{0: device}, undoes: func() { _ = os.Remove(device) }},
		{name: "open_by_handle_at", args: []uintptr{atCwd, 0, 0}, text: map[int]string{1: "\x08\x00\x00\x00\x01\x00\x00\x00 no such handle "}},
		{name: "socket", args: []uintptr{unix.AF_PACKET, unix.SOCK_RAW, 0}},
		{name: "socket", args: []uintptr{unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP}},
		{name: "userfaultfd", args: []uintptr{0}, possible: sysctl("vm/unprivileged_userfaultfd", "0")},
		{name: "mbind", args: []uintptr{0, 0, 0, 0, 0, 4}},
		{name: "move_pages", args: []uintptr{0, 0, 0, 0, 0, 4}},
		{name: "ioprio_set", args: []uintptr{1, 0, 1<<13 | 4}},
		{name: "setgroups", args: []uintptr{minus, 0}},
	}
}

// What the kernel asks for, by the kernel that runs: without all of the capabilities of a
// row it refuses the call, and with any one of them it does not.
func TestPrivilegeNatively(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	tried := map[string]bool{}
	for _, c := range nativeCalls(t.TempDir()) {
		words := make([]uint64, len(c.args))
		for i, arg := range c.args {
			words[i] = uint64(arg)
		}
		p, ok := Call{Arch: X86_64, Name: c.name, Args: words}.Privilege()
		require.True(t, ok && p.Unless == "", "%s is to need a capability in any case", c.name)
		if c.possible != nil && !c.possible() {
			t.Logf("%s: the host is set otherwise", c.name)
			continue
		}
		errno := c.run(t, p.Caps)
		if errno == unix.ENOSYS {
			t.Logf("%s: this kernel does not have it", c.name)
			continue
		}
		assert.Equal(t, unix.EPERM, errno, "%s(%#x) without %v", c.name, c.args, p.Caps)
		for _, one := range p.Caps {
			if c.without {
				continue
			}
			others := slices.DeleteFunc(slices.Clone(p.Caps), func(name string) bool { return name == one })
			assert.NotEqual(t, unix.EPERM, c.run(t, others), "%s(%#x) with %s", c.name, c.args, one)
		}
		tried[c.name] = true
	}
	t.Logf("%d calls tried", len(tried))
}

// run makes the call in a thread of its own, which has given up some capabilities and
// ends with the call.
func (c *nativeCall) run(t *testing.T, drop []string) syscall.Errno {
	nr, ok := SyscallNumber(X86_64, c.name)
	require.True(t, ok, c.name)
	done := make(chan syscall.Errno)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		var args [6]uintptr
		copy(args[:], c.args)
		var keep []*byte
		for i, text := range c.text {
			keep = append(keep, unsafe.StringData(text+"\x00"))
			args[i] = uintptr(unsafe.Pointer(keep[len(keep)-1]))
		}
		if err := dropCapabilities(drop); err != nil {
			t.Errorf("%s: %v", c.name, err)
			done <- 0
			return
		}
		r, _, errno := unix.RawSyscall6(uintptr(nr), args[0], args[1], args[2], args[3], args[4], args[5])
		runtime.KeepAlive(keep)
		if errno == 0 && slices.Contains([]string{"socket", "timerfd_create", "userfaultfd", "fanotify_init"}, c.name) {
			_ = unix.Close(int(r))
		}
		done <- errno
	}()
	errno := <-done
	if c.undoes != nil {
		c.undoes()
	}
	return errno
}

// dropCapabilities takes capabilities out of the effective set of this thread.
func dropCapabilities(names []string) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	for _, name := range names {
		i, ok := capabilityNumbers[name]
		if !ok {
			return fmt.Errorf("%s has no number here", name)
		}
		data[i/32].Effective &^= 1 << (i % 32)
	}
	return unix.Capset(&header, &data[0])
}

var capabilityNumbers = map[string]int{
	"CAP_DAC_READ_SEARCH": unix.CAP_DAC_READ_SEARCH, "CAP_SETGID": unix.CAP_SETGID, "CAP_NET_RAW": unix.CAP_NET_RAW, "CAP_SYS_MODULE": unix.CAP_SYS_MODULE,
	"CAP_SYS_RAWIO": unix.CAP_SYS_RAWIO, "CAP_SYS_CHROOT": unix.CAP_SYS_CHROOT, "CAP_SYS_PTRACE": unix.CAP_SYS_PTRACE, "CAP_SYS_PACCT": unix.CAP_SYS_PACCT,
	"CAP_SYS_ADMIN": unix.CAP_SYS_ADMIN, "CAP_SYS_BOOT": unix.CAP_SYS_BOOT, "CAP_SYS_NICE": unix.CAP_SYS_NICE, "CAP_SYS_TIME": unix.CAP_SYS_TIME,
	"CAP_SYS_TTY_CONFIG": unix.CAP_SYS_TTY_CONFIG, "CAP_MKNOD": unix.CAP_MKNOD, "CAP_SYSLOG": unix.CAP_SYSLOG, "CAP_WAKE_ALARM": unix.CAP_WAKE_ALARM, "CAP_BPF": unix.CAP_BPF,
}
