/*
 * Says what the filters of its container answer to system calls, and makes none of
 * them: each argument is a call, "m:NR:A0:...:A5" in hexadecimal, where m is 6 for the
 * 64-bit entry and 3 for that of i386. A line is printed for each: the errno, or
 * "passes", "trap" or "killed".
 *
 * A child puts a filter of its own on top, by which every call is notified, and makes
 * the calls; the parent answers them with an errno that nobody else has. Of two filters
 * the stronger answer counts (seccomp(2)), and only allow, log and trace are weaker than
 * a notification. A child that is killed or trapped is followed by another.
 *
 * No C library: what it calls itself must be allowed by the container's profile.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/ioctl.h>
#include <linux/seccomp.h>
#include <stddef.h>

enum { write_ = 1, poll_ = 7, mmap_ = 9, sigaction_ = 13, ioctl_ = 16, clone_ = 56, wait4_ = 61, prctl_ = 157, exit_group_ = 231, seccomp_ = 317 };
enum { unasked = 1, killed = 2, trapped = 3, passes = -199 }; /* results are 0 or less else */
#define MAX 2048

static long call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long r;
	__asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return r;
}

static long call32(const unsigned long *v)
{
	register long r9 __asm__("r9") = v[6];
	long r;
	__asm__ volatile("push %%rbp; mov %%r9, %%rbp; int $0x80; pop %%rbp"
		: "=a"(r), "+r"(r9) : "a"(v[0]), "b"(v[1]), "c"(v[2]), "d"(v[3]), "S"(v[4]), "D"(v[5]) : "memory", "r8", "r10", "r11");
	return (int)r;
}

struct shared {
	volatile int fd, at;
	volatile long result[MAX];
};
static struct shared *shared;

static void on_sigsys(int signal)
{
	(void)signal;
	shared->result[shared->at] = trapped;
	call(exit_group_, 0, 0, 0, 0, 0, 0);
}

static void child(int count, char **argv)
{
	struct { void (*handler)(int); unsigned long flags; void (*restorer)(void); unsigned long mask; } act = { on_sigsys, 0x04000000, 0, 0 };
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, exit_group_, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	};
	struct sock_fprog program = { sizeof code / sizeof *code, code };

	call(sigaction_, 31, (long)&act, 0, 8, 0, 0);
	call(prctl_, 38, 1, 0, 0, 0, 0); /* PR_SET_NO_NEW_PRIVS */
	shared->fd = call(seccomp_, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, (long)&program, 0, 0, 0);
	if (shared->fd < 0)
		call(exit_group_, 1, 0, 0, 0, 0, 0);
	while (shared->at < count) {
		const char *s = argv[shared->at];
		unsigned long v[7] = { 0 };
		int k = -1, mode = 0;

		for (; *s; s++) {
			if (*s == ':')
				k++;
			else if (k < 0)
				mode = *s;
			else
				v[k] = v[k] << 4 | (*s <= '9' ? *s - '0' : *s - 'a' + 10);
		}
		shared->result[shared->at] = killed; /* unless it returns */
		shared->result[shared->at] = mode == '3' ? call32(v) : call(v[0], v[1], v[2], v[3], v[4], v[5], v[6]);
		shared->at++;
	}
	call(exit_group_, 0, 0, 0, 0, 0, 0);
}

/* answer answers the notified calls of a child until it has ended. */
static void answer(void)
{
	struct { int fd; short events, revents; } p;
	struct seccomp_notif n;
	unsigned i;

	for (;;) {
		p.fd = shared->fd, p.events = 1, p.revents = 0;
		if (call(poll_, (long)&p, 1, -1, 0, 0, 0) < 0 || !(p.revents & 1))
			return;
		for (i = 0; i < sizeof n; i++)
			((volatile char *)&n)[i] = 0;
		if (call(ioctl_, shared->fd, SECCOMP_IOCTL_NOTIF_RECV, (long)&n, 0, 0, 0) == 0) {
			struct seccomp_notif_resp r = { n.id, 0, passes, 0 };
			call(ioctl_, shared->fd, SECCOMP_IOCTL_NOTIF_SEND, (long)&r, 0, 0, 0);
		}
	}
}

static void say(const char *s)
{
	long n = 0;
	while (s[n])
		n++;
	call(write_, 1, (long)s, n, 0, 0, 0);
}

static void report(long result)
{
	char text[24], *p = text + sizeof text;
	unsigned long v = -result;

	*--p = 0, *--p = '\n';
	switch (result) {
	case unasked: say("unasked\n"); return;
	case killed: say("killed\n"); return;
	case trapped: say("trap\n"); return;
	case passes: say("passes\n"); return;
	}
	do
		*--p = '0' + v % 10;
	while (v /= 10);
	say(p);
}

static void run(int count, char **argv)
{
	int i;

	shared = (void *)call(mmap_, 0, sizeof *shared, 3, 0x21, -1, 0);
	for (i = 0; i < count; i++)
		shared->result[i] = unasked;
	while (shared->at < count) {
		long pid, before = shared->at;
		int status = 0;

		shared->fd = 0;
		pid = call(clone_, 0x400 | 17, 0, 0, 0, 0, 0); /* CLONE_FILES | SIGCHLD */
		if (pid == 0)
			child(count, argv);
		while (shared->fd == 0 && call(wait4_, pid, (long)&status, 1, 0, 0, 0) == 0)
			;
		if (shared->fd > 0) {
			answer();
			call(wait4_, pid, (long)&status, 0, 0, 0, 0);
		}
		if (shared->fd <= 0 || (shared->at == before && shared->result[before] == unasked))
			break;
		if (shared->at < count)
			shared->at++;
	}
	for (i = 0; i < count; i++)
		report(shared->result[i]);
	call(exit_group_, 0, 0, 0, 0, 0, 0);
}

__attribute__((used)) static void start(long *stack) { run(stack[0] - 1, (char **)stack + 2); }
__asm__(".globl _start\n_start: mov %rsp, %rdi\nand $-16, %rsp\ncall start\n");
