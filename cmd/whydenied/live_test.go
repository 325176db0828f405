package main

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

func TestFollowingGetsWorse(t *testing.T) {
	was := following{tier: "ebpf", lost: 1}
	assert.Empty(t, was.since(was))
	assert.Empty(t, was.since(following{tier: "ebpf", lost: 1}))
	assert.Contains(t, following{tier: "ebpf", lost: 3}.since(was)[0], "2 times processes came and went faster")
	assert.Contains(t, following{tier: "proc", why: "ebpf: gone", lost: 1}.since(was)[0], "followed by ebpf no more (ebpf: gone)")
}
