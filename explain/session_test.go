package explain

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/whydenied/whydenied/parser"
)

func TestFallsBack(t *testing.T) {
	const amd64, clone3, openat2, unshare, enosys, eperm = 0xc000003e, 435, 437, 272, 38, 1
	for _, test := range []struct {
		seccomp *parser.Seccomp
		want    string
	}{
		{&parser.Seccomp{Arch: amd64, Syscall: clone3, Errno: enosys, Traced: true}, "clone3"},
		{&parser.Seccomp{Arch: amd64, Syscall: openat2, Errno: enosys, Traced: true}, "openat2"},
		{&parser.Seccomp{Arch: amd64, Syscall: clone3, Errno: eperm, Traced: true}, ""},
		{&parser.Seccomp{Arch: amd64, Syscall: unshare, Errno: enosys, Traced: true}, ""},
		{&parser.Seccomp{Arch: amd64, Syscall: clone3, Code: 0x50000}, ""}, // of a log, which has no errno
		{&parser.Seccomp{Arch: amd64, Syscall: 5000, Errno: enosys, Traced: true}, ""},
		{nil, ""},
	} {
		name, ok := fallsBack(&parser.Denial{Seccomp: test.seccomp})
		assert.Equal(t, test.want != "", ok)
		if ok {
			assert.Equal(t, test.want, name)
		}
	}
}
