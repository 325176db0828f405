package source

import (
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/assert"
)

// What a cgroup is known by can be had on hosts of either kind of cgroups, or of both.
func TestCgroupOf(t *testing.T) {
	for _, ways := range [][2][]int{{{8, 16}, {24, 32}}, {{8, 16}, nil}, {nil, {24, 32}}} {
		list := cgroupOf(ways)
		for _, instruction := range list {
			assert.NotEqual(t, asm.InvalidOpCode, instruction.OpCode, "%v: %v", ways, list)
		}
	}
}
