package seccomp

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestNearIsNotDropped: an entry that is not in force for the container has one reason,
// and a reader is not told besides that its conditions on arguments do not hold.
func TestNearIsNotDropped(t *testing.T) {
	const amd64 = Arch(0xc000003e)
	for _, name := range builtinNames() {
		profile := builtin(name)
		for nr := range uint32(470) {
			for _, caps := range [][]string{nil, {}, {"CAP_SYS_ADMIN"}} {
				d := profile.Decide(Call{Arch: amd64, Syscall: nr, Caps: caps})
				for _, dropped := range d.Dropped {
					assert.False(t, slices.Contains(d.Near, dropped.Entry), "%s: %s", name, d.Syscall)
				}
			}
		}
	}
}
