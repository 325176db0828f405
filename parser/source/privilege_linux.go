package source

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// DropCapabilities gives up every capability of the process but those of keep
// that it has, in all its threads and for good. The bounding set stays, so that
// programs that root starts have theirs as always (capabilities(7)). A program
// that is linked with cgo cannot do it, and gets an error.
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
	// capset(2) is of one thread; Go runs this in all that there are, and later
	// ones inherit it.
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data[0])), 0)
	switch errno {
	case 0:
		return nil
	case syscall.ENOTSUP:
		return errors.New("cannot give up capabilities: this program is linked with cgo; build it with CGO_ENABLED=0")
	}
	return fmt.Errorf("cannot give up capabilities: %w", errno)
}
