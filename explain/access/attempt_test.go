package access_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// TestCloneArguments holds that a filter is asked with the arguments of clone in the order
// that the architecture has them in.
func TestCloneArguments(t *testing.T) {
	for _, c := range []struct {
		args string
		arch seccomp.Arch
		want []uint64
	}{
		{"child_stack=NULL, flags=CLONE_NEWUSER|SIGCHLD", seccomp.X86_64, []uint64{0x10000011}},
		{"child_stack=NULL, flags=CLONE_NEWUSER|SIGCHLD", seccomp.S390X, []uint64{0, 0x10000011}},
		{"child_stack=0x3ffb3006000, flags=CLONE_VM|CLONE_THREAD", seccomp.S390X, []uint64{0x3ffb3006000, 0x10100}},
		{"child_stack=0x3ffb3006000, flags=CLONE_UNHEARD_OF", seccomp.S390X, []uint64{0x3ffb3006000}},
		{"flags=SIGCHLD", seccomp.S390X, nil},
	} {
		a := &parser.Attempt{Syscall: "clone", Args: strings.Split(c.args, ", ")}
		assert.Equal(t, c.want, access.Arguments(a, c.arch), "%s on %s", c.args, c.arch)
	}
}
