package parser

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a process did to itself is known of it and of those that it starts, and of no other.
func TestStraceSelf(t *testing.T) {
	const begin = "1 execve(\"/bin/a\", [\"a\"], 0x1 /* 0 vars */) = 0\n"
	const end = "openat(AT_FDCWD, \"/x\", O_RDONLY) = -1 EACCES (P)\n"
	for name, c := range map[string]struct {
		text string
		want Self
	}{
		"nothing":        {begin + "1 " + end, Self{Traced: true}},
		"in the middle":  {"1 close(3) = 0\n1 " + end, Self{}},
		"landlock":       {begin + "1 landlock_restrict_self(3, 0) = 0\n1 clone(child_stack=NULL, flags=SIGCHLD) = 2\n2 " + end, Self{Traced: true, Landlock: true}},
		"another's":      {begin + "1 clone(child_stack=NULL, flags=SIGCHLD) = 2\n1 landlock_restrict_self(3, 0) = 0\n2 " + end, Self{Traced: true}},
		"failed":         {begin + "1 landlock_restrict_self(3, 0) = -1 EPERM (O)\n1 " + end, Self{Traced: true}},
		"filter":         {begin + "1 prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) = 0\n1 seccomp(SECCOMP_SET_MODE_FILTER, 0, {len=4, filter=0x1}) = 0\n1 " + end, Self{Traced: true, NoNewPrivs: true, Filter: true}},
		"asked only":     {begin + "1 seccomp(SECCOMP_GET_ACTION_AVAIL, 0, [SECCOMP_RET_LOG]) = 0\n1 " + end, Self{Traced: true}},
		"user namespace": {begin + "1 unshare(CLONE_NEWNS|CLONE_NEWUSER) = 0\n1 " + end, Self{Traced: true, UserNamespace: true}},
		"cloned":         {begin + "1 clone(child_stack=NULL, flags=CLONE_NEWUSER|SIGCHLD) = 2\n2 " + end, Self{Traced: true, UserNamespace: true}},
		"capabilities": {begin + "1 capset({version=_LINUX_CAPABILITY_VERSION_3, pid=0}, {effective=1<<CAP_CHOWN|1<<CAP_FOWNER, permitted=1<<CAP_KILL, inheritable=0}) = 0\n1 " + end,
			Self{Traced: true, Effective: []string{"CAP_CHOWN", "CAP_FOWNER"}}},
		"user":       {begin + "1 setresuid(33, 33, 33) = 0\n1 " + end, Self{Traced: true, Became: true, UID: 33, Effective: []string{}}},
		"root again": {begin + "1 prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN) = 0\n1 execve(\"/bin/b\", [\"b\"], 0x1) = 0\n1 " + end, Self{Traced: true, Dropped: []string{"CAP_SYS_ADMIN"}}},
		"limit":      {begin + "1 prlimit64(0, RLIMIT_NOFILE, {rlim_cur=8, rlim_max=8}, NULL) = 0\n1 prlimit64(0, RLIMIT_CORE, NULL, {rlim_cur=8}) = 0\n1 " + end, Self{Traced: true, Rlimits: []string{"RLIMIT_NOFILE"}}},
	} {
		got, _ := strace(c.text)
		require.NotEmpty(t, got, name)
		assert.Equal(t, &c.want, got[len(got)-1].Self, name)
	}
}

// Errors that limits give are refusals of those calls alone of which they seldom are
// anything else.
func TestStraceLimits(t *testing.T) {
	for text, is := range map[string]bool{
		"clone(child_stack=NULL, flags=SIGCHLD) = -1 EAGAIN (R)": true,
		"read(3, 0x1, 9) = -1 EAGAIN (R)":                        false,
		"openat(AT_FDCWD, \"/x\", O_WRONLY) = -1 EROFS (R)":      true,
		"unshare(CLONE_NEWUSER) = -1 ENOSPC (N)":                 true,
		"write(3, \"x\", 1) = -1 ENOSPC (N)":                     false,
		"setuid(70000) = -1 EINVAL (I)":                          true,
		"ioctl(3, TCGETS, 0x1) = -1 EINVAL (I)":                  false,
		"mlock(0x1, 4) = -1 ENOMEM (C)":                          true,
		"unshare(0x10000000) = -1 (errno 28)":                    true,
	} {
		got, _ := strace(text + "\n")
		assert.Equal(t, is, len(got) == 1, text)
	}
}
