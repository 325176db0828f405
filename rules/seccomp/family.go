package seccomp

import (
	"slices"
	"strings"
)

// A family is calls that do the same work: C libraries move from one to another
// between their versions and between architectures, so that a profile that has
// one of them should have the others.
type family struct {
	names []string
	why   string
}

var families = []family{
	{strings.Fields("clone clone3 fork vfork"), "C libraries start processes and threads with any of them: glibc 2.34 and later try clone3 first"},
	{strings.Fields("futex futex_time64 futex_waitv futex_wait futex_wake futex_requeue"), "locks of all C libraries"},
	{strings.Fields("open openat openat2 creat"), "opening files"},
	{strings.Fields("stat lstat fstat newfstatat fstatat64 stat64 lstat64 fstat64 statx"), "file attributes: newer C libraries use newfstatat or statx for all"},
	{strings.Fields("access faccessat faccessat2"), "access checks"},
	{strings.Fields("chmod fchmod fchmodat fchmodat2"), "file modes"},
	{strings.Fields("chown lchown fchown fchownat chown32 lchown32 fchown32"), "file owners"},
	{strings.Fields("mkdir mkdirat"), "making directories"},
	{strings.Fields("mknod mknodat"), "making device files and pipes"},
	{strings.Fields("link linkat"), "hard links"},
	{strings.Fields("symlink symlinkat"), "symbolic links"},
	{strings.Fields("readlink readlinkat"), "reading links"},
	{strings.Fields("rename renameat renameat2"), "renaming"},
	{strings.Fields("unlink unlinkat rmdir"), "removing files"},
	{strings.Fields("utime utimes futimesat utimensat utimensat_time64"), "file times"},
	{strings.Fields("execve execveat"), "running programs"},
	{strings.Fields("dup dup2 dup3"), "copying descriptors"},
	{strings.Fields("pipe pipe2"), "pipes"},
	{strings.Fields("poll ppoll ppoll_time64"), "waiting for descriptors"},
	{strings.Fields("select _newselect pselect6 pselect6_time64"), "waiting for descriptors"},
	{strings.Fields("epoll_create epoll_create1"), "epoll"},
	{strings.Fields("epoll_wait epoll_pwait epoll_pwait2"), "waiting with epoll"},
	{strings.Fields("eventfd eventfd2"), "event descriptors"},
	{strings.Fields("signalfd signalfd4"), "signal descriptors"},
	{strings.Fields("inotify_init inotify_init1"), "inotify"},
	{strings.Fields("accept accept4 socketcall"), "accepting connections"},
	{strings.Fields("socket socketcall"), "sockets"},
	{strings.Fields("sendmsg sendmmsg sendto send"), "sending"},
	{strings.Fields("recvmsg recvmmsg recvmmsg_time64 recvfrom recv"), "receiving"},
	{strings.Fields("getdents getdents64"), "reading directories"},
	{strings.Fields("pread64 preadv preadv2 readv read"), "reading"},
	{strings.Fields("pwrite64 pwritev pwritev2 writev write"), "writing"},
	{strings.Fields("getrlimit ugetrlimit setrlimit prlimit64"), "resource limits: C libraries use prlimit64 for all"},
	{strings.Fields("time gettimeofday clock_gettime clock_gettime64"), "reading clocks"},
	{strings.Fields("nanosleep clock_nanosleep clock_nanosleep_time64"), "sleeping"},
	{strings.Fields("timerfd_settime timerfd_settime64 timerfd_gettime timerfd_gettime64 timerfd_create"), "timer descriptors"},
	{strings.Fields("timer_settime timer_settime64 timer_gettime timer_gettime64 timer_create"), "timers"},
	{strings.Fields("wait4 waitid waitpid"), "waiting for children"},
	{strings.Fields("kill tkill tgkill pidfd_send_signal"), "sending signals"},
	{strings.Fields("mmap mmap2"), "mapping memory"},
	{strings.Fields("rt_sigreturn sigreturn"), "returning from signal handlers"},
	{strings.Fields("exit exit_group"), "ending"},
	{strings.Fields("close close_range"), "closing descriptors"},
	{strings.Fields("set_thread_area arch_prctl set_tls"), "thread-local storage"},
	{strings.Fields("mount umount umount2 fsopen fsconfig fsmount fspick move_mount open_tree mount_setattr"), "mounting: util-linux 2.39 and later use the calls from fsopen on"},
}

// Relatives returns the calls that do the same work as a call, without itself,
// and one phrase on what that work is; nil if none are known.
func Relatives(name string) (names []string, why string) {
	for _, f := range families {
		if i := slices.Index(f.names, name); i >= 0 {
			return slices.Delete(slices.Clone(f.names), i, i+1), f.why
		}
	}
	return nil, ""
}

// A Set is calls that a program uses one after the other for one purpose, so that
// one of them alone may not get it far.
type Set struct {
	Names []string
	Why   string // what they are for
	Whole bool   // none of them is of use without the others
}

// sets are those that profiles are known to have in part. A call is in one at most.
var sets = []Set{
	{strings.Fields("io_uring_setup io_uring_enter io_uring_register"), "a ring is set up, then entered", true},
	{strings.Fields("fsopen fsconfig fsmount move_mount"), "the mount that they make is of no use before the last", true},
	{strings.Fields("landlock_create_ruleset landlock_add_rule landlock_restrict_self"), "a ruleset is made, filled, then put in force", true},
	{strings.Fields("epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2"), "an epoll set is made, filled, then waited for", true},
	{strings.Fields("inotify_init inotify_init1 inotify_add_watch inotify_rm_watch"), "watches are put into what the first makes", true},
	{strings.Fields("fanotify_init fanotify_mark"), "marks are put into what the first makes", true},
	{strings.Fields("io_setup io_submit io_getevents io_pgetevents io_cancel io_destroy"), "asynchronous I/O is set up, submitted and waited for", true},
	{strings.Fields("pkey_alloc pkey_mprotect pkey_free"), "a protection key is allocated, then given to memory", true},
	{strings.Fields("get_mempolicy set_mempolicy mbind set_mempolicy_home_node"), "programs that know NUMA ask for the policy of memory, then set it", false},
	{strings.Fields("move_pages migrate_pages"), "programs that know NUMA move pages by either", false},
	{strings.Fields("add_key request_key keyctl"), "keys are added or looked for, then used", false},
	{strings.Fields("pidfd_open pidfd_send_signal"), "a process is named by a descriptor, then signalled", false},
	{strings.Fields("mq_open mq_timedsend mq_timedreceive mq_notify mq_getsetattr mq_unlink"), "message queues", false},
	{strings.Fields("shmget shmat shmdt shmctl"), "shared memory of System V", false},
	{strings.Fields("semget semop semtimedop semctl"), "semaphores of System V", false},
	{strings.Fields("msgget msgsnd msgrcv msgctl"), "message queues of System V", false},
}

// Together returns the set that a call is of; ok is false if it is of none.
func Together(name string) (s Set, ok bool) {
	for _, s := range sets {
		if slices.Contains(s.Names, name) {
			s.Names = slices.Clone(s.Names)
			return s, true
		}
	}
	return Set{}, false
}

// fallbacks are the calls for which C libraries and runtimes turn to an older
// call when the kernel answers ENOSYS, and only then.
var fallbacks = map[string]struct{ older, who string }{
	"clone3":                 {"clone", "glibc 2.34 and later"},
	"faccessat2":             {"faccessat", "glibc 2.33 and later, musl 1.2.4 and later"},
	"fchmodat2":              {"fchmodat", "glibc 2.39 and later, musl 1.2.6 and later"},
	"statx":                  {"newfstatat", "glibc, musl and language runtimes"},
	"openat2":                {"openat", "libpathrs and other container tools"},
	"close_range":            {"close", "programs that close all descriptors"},
	"epoll_pwait2":           {"epoll_pwait", "systemd, libevent"},
	"renameat2":              {"renameat", "glibc, systemd"},
	"preadv2":                {"preadv", "glibc 2.26 and later"},
	"pwritev2":               {"pwritev", "glibc 2.26 and later"},
	"futex_time64":           {"futex", "glibc and musl on 32-bit architectures"},
	"clock_gettime64":        {"clock_gettime", "glibc and musl on 32-bit architectures"},
	"clock_nanosleep_time64": {"clock_nanosleep", "glibc and musl on 32-bit architectures"},
	"ppoll_time64":           {"ppoll", "glibc and musl on 32-bit architectures"},
	"pselect6_time64":        {"pselect6", "glibc and musl on 32-bit architectures"},
	"utimensat_time64":       {"utimensat", "glibc and musl on 32-bit architectures"},
	"mount_setattr":          {"mount", "util-linux 2.39 and later, runtimes"},
	"fsopen":                 {"mount", "util-linux 2.39 and later"},
	"open_tree":              {"mount", "util-linux 2.39 and later"},
}

// Fallback returns the older call that programs use instead when a call answers
// ENOSYS, and who does so. With another errno, EPERM above all, they fail
// instead. ok is false for calls without such a fallback.
func Fallback(name string) (older, who string, ok bool) {
	f, ok := fallbacks[name]
	return f.older, f.who, ok
}
