package source

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// DropCapabilities gives up every capability of the process but those of keep
// that it has, in all its threads and for good, in programs with cgo too. The
// bounding set stays, so that programs that root starts have theirs as always
// (capabilities(7)); those that were started before keep what they have.
func DropCapabilities(keep ...Capability) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("cannot read the capabilities of the process: %w", err)
	}
	var kept [2]uint32
	for _, c := range keep {
		kept[c/32] |= 1 << (c % 32)
	}
	for i := range data {
		data[i].Permitted &= kept[i]
		data[i].Effective &= kept[i]
		data[i].Inheritable &= kept[i]
	}
	// capset(2) is of one thread; psx runs it in all that there are, and later ones
	// inherit it.
	_, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data[0])), 0)
	if errno != 0 {
		return fmt.Errorf("cannot give up capabilities: %w", errno)
	}
	return nil
}

// boost is by how much the audit daemon has its own priority raised: priority_boost of
// auditd.conf(5).
const boost = 4

// RaisePriority has the kernel prefer the process's threads, those that come included, to
// others by as much as the audit daemon: what floods a source wants the CPU, too. Without
// CAP_SYS_NICE it does nothing. Programs that are started afterwards have it as well.
func RaisePriority() {
	left, err := unix.Getpriority(unix.PRIO_PROCESS, 0) // 20 less the nice value
	if err != nil {
		return
	}
	nice := max(20-left-boost, -20)
	// Of one thread, like capset(2) above. Each has the same right to it.
	_, _, _ = psx.Syscall3(unix.SYS_SETPRIORITY, unix.PRIO_PROCESS, 0, uintptr(nice))
}
