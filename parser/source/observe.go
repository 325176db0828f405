package source

import (
	"encoding/binary"
	"math/bits"
	"time"

	"github.com/whydenied/whydenied/parser"
)

// An Observed is what the processes of one cgroup called while they were observed.
type Observed struct {
	Cgroup   [2]uint64 // what it is known by: its IDs in a hierarchy of version 2 and in one of version 1; 0 where it has none
	Version1 int       // the number of the latter hierarchy (cgroups(7)), 0 where there is none
	PID      int       // the process that was seen first in it, in the host's PID namespace
	Time     time.Time // when it was, by the clock of the wall as it goes now
	Calls    []parser.ObservedCall
}

// Unobserved counts system calls, of all of the host, that are in no bitmap.
type Unobserved struct {
	Full   uint64 // of cgroups beyond maxCgroups
	Beyond uint64 // with numbers beyond maxCall, as x32's are
	Blind  uint64 // at which a program did not run, or could not remember the task
}

// Sum returns how many there are.
func (u Unobserved) Sum() uint64 { return u.Full + u.Beyond + u.Blind }

// Bounds of what is observed: 3.3 MB in the kernel.
const (
	maxCgroups = 4096
	maxCall    = 1024 // system calls, by number; Linux 6.18 has them up to 470
)

// What the programs keep of a cgroup: who was seen first, and a bitmap of each passage, by its
// number, and ABI, in the order of bytes of the machine.
const (
	observedTime = 0 // uint64, nanoseconds since boot
	observedPID  = 8 // uint32
	observedBits = 16
	passageSize  = 2 * abiSize // of calls of the native ABI, and of the compat one
	numPassages  = 3
	abiSize      = maxCall / 8 // bytes
	observedSize = observedBits + numPassages*passageSize
)

// decodeObserved reads what the programs keep of a cgroup. Its time is since boot, and it is
// false of a cgroup of which it is not known yet who was seen in it.
func decodeObserved(raw []byte, l layout) (o Observed, at time.Duration, ok bool) {
	if len(raw) < observedSize {
		return o, 0, false
	}
	at = time.Duration(binary.NativeEndian.Uint64(raw[observedTime:]))
	o.PID = int(binary.NativeEndian.Uint32(raw[observedPID:]))
	for how := range parser.Passage(numPassages) {
		for i, arch := range [...]uint32{l.native.arch, l.compat.arch} {
			bitmap := raw[observedBits+int(how)*passageSize+i*abiSize:][:abiSize]
			for word := 0; word < abiSize; word += 8 {
				for set := binary.NativeEndian.Uint64(bitmap[word:]); set != 0; set &= set - 1 {
					o.Calls = append(o.Calls, parser.ObservedCall{Arch: arch, Syscall: uint32(word*8 + bits.TrailingZeros64(set)), How: how})
				}
			}
		}
	}
	return o, at, at != 0 && o.PID != 0
}
