package seccomp

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// The calls of a set are calls, of one set each.
func TestSets(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range sets {
		assert.Greater(t, len(s.Names), 1)
		assert.NotEmpty(t, s.Why)
		for _, name := range s.Names {
			_, ok := SyscallNumber(X86_64, name)
			assert.True(t, ok, name)
			assert.False(t, seen[name], "%s is of two sets", name)
			seen[name] = true
		}
	}
	s, ok := Together("io_uring_enter")
	assert.True(t, ok && s.Whole)
	assert.Equal(t, []string{"io_uring_setup", "io_uring_enter", "io_uring_register"}, s.Names)
	_, ok = Together("read")
	assert.False(t, ok)
}
