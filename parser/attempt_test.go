package parser

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// strace returns the attempts of an output.
func strace(text string) (attempts []Attempt, s *Strace) {
	s = &Strace{File: "strace"}
	for line := range strings.Lines(text) {
		if a, failed := s.Line(strings.TrimRight(line, "\r\n")); failed {
			attempts = append(attempts, a)
		}
	}
	return attempts, s
}

func TestStraceShapes(t *testing.T) {
	const call = `openat(AT_FDCWD, "/etc/a, \"b\"\n", O_RDONLY|O_CLOEXEC) = -1 EACCES (Permission denied)`
	for _, before := range []string{
		"", "[pid 71] ", "[pid 71<sh>] ", "71 ", "71    ", "71<sh> ", "23:21:29 ", "71 23:21:29.233416 ", "[pid    71] 1795648889.256630 ",
		"     0.000081 ", "71      0.000081 ", "71 23:21:29 (+     0.000081) ", "71 [00007f0464196a20] ", "71 [ 257] ", "71 23:21:29 [00007f0464196a20] [ 257] ",
	} {
		got, s := strace(before + call + " <0.000012>\n")
		require.Len(t, got, 1, before)
		assert.Equal(t, "openat", got[0].Syscall, before)
		assert.Equal(t, []string{"AT_FDCWD", `"/etc/a, \"b\"\n"`, "O_RDONLY|O_CLOEXEC"}, got[0].Args, before)
		assert.Equal(t, "EACCES", got[0].Errno)
		assert.Equal(t, strings.Contains(before, "71"), got[0].PID == 71, before)
		assert.Equal(t, 1, s.Calls)
		name, whole, ok := StraceString(got[0].Args[1])
		assert.Equal(t, "/etc/a, \"b\"\n", name)
		assert.True(t, whole && ok)
	}
}

func TestStraceCalls(t *testing.T) {
	for name, c := range map[string]struct{ text, call, args, errno string }{
		"unfinished": {"7 unshare(CLONE_NEWNET <unfinished ...>\n8 close(3) = 0\n7 <... unshare resumed>) = -1 EPERM (Operation not permitted)\n",
			"unshare", "CLONE_NEWNET", "EPERM"},
		"old resumed": {"7 mkdir(\"/a\",  <unfinished ...>\n7 <... mkdir resumed> 0777) = -1 EACCES (Permission denied)\n", "mkdir", `"/a" 0777`, "EACCES"},
		"attached": {"[pid 7] clone(child_stack=NULL, flags=SIGCHLDstrace: Process 8 attached\n <unfinished ...>\n[pid 7] <... clone resumed>) = -1 EPERM (x)\n",
			"clone", "child_stack=NULL flags=SIGCHLD", "EPERM"},
		"trap": {"7 unshare(CLONE_NEWNET) = 272\n7 --- SIGSYS {si_signo=SIGSYS, si_code=SYS_SECCOMP, si_call_addr=0x7f, si_syscall=__NR_unshare, si_arch=AUDIT_ARCH_X86_64} ---\n",
			"unshare", "CLONE_NEWNET", "SIGSYS"},
		"kill":      {"7 unshare(CLONE_NEWNET) = 272\n7 +++ killed by SIGSYS (core dumped) +++\n", "unshare", "CLONE_NEWNET", "SIGSYS"},
		"killed":    {"7 unshare(CLONE_NEWNET <unfinished ...>) = ?\n7 +++ killed by SIGSYS +++\n", "unshare", "CLONE_NEWNET", "SIGSYS"},
		"reported":  {"7 --- SIGSYS {si_code=SYS_SECCOMP, si_syscall=__NR_mount} ---\n7 +++ killed by SIGSYS +++\n", "mount", "", "SIGSYS"},
		"errno":     {"unshare(0x40000000) = -1 (errno 1)\n", "unshare", "0x40000000", "EPERM"},
		"directory": {"7 chdir(\"/srv\") = 0\n7 chdir(\"a\") = 0\n7 openat(AT_FDCWD, \"x\", O_RDONLY) = -1 EACCES (P)\n", "openat", `AT_FDCWD "x" O_RDONLY`, "EACCES"},
		"namespace": {"7 execve(\"/bin/sh\", [], 0x1 /* 2 vars */) = 0\n7 clone(child_stack=NULL, flags=SIGCHLD) = 3 /* 338 in strace's PID NS */\n338 mkdir(\"/a\", 0777) = -1 EACCES (P)\n",
			"mkdir", `"/a" 0777`, "EACCES"},
		"fd": {"mmap(NULL, 4, PROT_EXEC, MAP_PRIVATE, 3</lib/a,b>, 0) = -1 EACCES (P)\n", "mmap", "NULL 4 PROT_EXEC MAP_PRIVATE 3</lib/a,b> 0", "EACCES"},
		"struct": {`connect(3, {sa_family=AF_UNIX, sun_path="/run/x)"}, 110) = -1 EACCES (P)` + "\n",
			"connect", `3 {sa_family=AF_UNIX, sun_path="/run/x)"} 110`, "EACCES"},
		"not refused": {"openat(AT_FDCWD, \"/x\", O_RDONLY) = -1 ENOENT (No such file or directory)\nexit_group(0) = ?\n+++ exited with 0 +++\n", "", "", ""},
	} {
		got, _ := strace(c.text)
		if c.call == "" {
			assert.Empty(t, got, name)
			continue
		}
		require.Len(t, got, 1, name)
		assert.Equal(t, []string{c.call, c.args, c.errno}, []string{got[0].Syscall, strings.Join(got[0].Args, " "), got[0].Errno}, name)
		if name == "namespace" {
			assert.Equal(t, "sh", got[0].Comm)
		}
		if name == "directory" {
			assert.Equal(t, "/srv/a", got[0].Cwd)
		}
	}
}

func TestStraceTexts(t *testing.T) {
	s, whole, ok := StraceString(`"/a\303\244\x41\\\""...`)
	assert.Equal(t, "/aäA\\\"", s)
	assert.True(t, ok)
	assert.False(t, whole)
	for arg, want := range map[string]string{"3</a b>": "/a b", "AT_FDCWD</srv>": "/srv", "0</dev/null<char 1:3>>": "/dev/null", "3</a\\76b>(deleted)": "/a>b"} {
		got, ok := StraceFD(arg)
		assert.True(t, ok)
		assert.Equal(t, want, got)
	}
	_, ok = StraceFD("3<socket:[12]>")
	assert.False(t, ok)
}

// TestStraceReal reads what strace 6.1 wrote of real programs.
func TestStraceReal(t *testing.T) {
	for name, want := range map[string][]string{
		"seccomp-errno.strace": {"unshare EPERM unshare ", "mount EPERM mount "},
		"seccomp-trap.strace":  {"unshare SIGSYS unshare "},
		"seccomp-kill.strace":  {"unshare SIGSYS unshare "},
		"unprivileged.strace":  {"openat EACCES cat /", "openat EACCES cat /", "mkdir EACCES mkdir /"},
	} {
		text, err := os.ReadFile("testdata/strace/" + name)
		require.NoError(t, err)
		attempts, _ := strace(string(text))
		var got []string
		for _, a := range attempts {
			got = append(got, strings.Join([]string{a.Syscall, a.Errno, a.Comm, a.Cwd}, " "))
		}
		assert.Equal(t, want, got, name)
	}
}

// FuzzStrace reads arbitrary lines: no panic, and nothing is made up.
func FuzzStrace(f *testing.F) {
	f.Add("[pid 7] 23:21:29 openat(AT_FDCWD, \"/x\\303\"..., O_RDONLY <unfinished ...>\n[pid 7] <... openat resumed>) = -1 EACCES (P)\n")
	f.Add("7 --- SIGSYS {si_code=SYS_SECCOMP, si_syscall=__NR_unshare} ---\n7 +++ killed by SIGSYS +++\n")
	f.Fuzz(func(t *testing.T, text string) {
		attempts, s := strace(text)
		if len(attempts) > s.Lines {
			t.Fatal("more failed calls than lines")
		}
		for _, a := range attempts {
			if !isWord(a.Syscall) || a.Errno == "" || len(a.Args) > maxArgs {
				t.Fatalf("%+v", a)
			}
			for _, arg := range a.Args {
				StraceString(arg)
				StraceFD(arg)
			}
		}
	})
}
