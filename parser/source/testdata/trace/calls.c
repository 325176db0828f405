/* Makes system calls of which a filter of its own refuses some, and many others
 * that fail for reasons of their own.
 *
 *   calls MODE [COUNT]
 *   calls under PROGRAM [ARG]...   runs a program under the filter
 *
 * The filter: mknod fails with EPERM (and mkdir of i386), swapon raises SIGSYS,
 * swapoff answers 0, acct fails with ENOSYS for want of a tracer, symlink is a
 * supervisor's: calls that x86-64 and arm64 both have, and that building a program
 * does not need. Each mode says below which of these it makes. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <elf.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define IS(nr, answer) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), BPF_STMT(BPF_RET | BPF_K, answer)

static void check(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		_exit(99);
	}
}

static int filter(unsigned flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		IS(39, SECCOMP_RET_ERRNO | EPERM), /* mkdir of i386 */
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		IS(SYS_mknodat, SECCOMP_RET_ERRNO | EPERM),
		IS(SYS_swapon, SECCOMP_RET_TRAP),
		IS(SYS_swapoff, SECCOMP_RET_ERRNO | 0),
		IS(SYS_acct, SECCOMP_RET_TRACE),
		IS(SYS_symlinkat, flags & SECCOMP_FILTER_FLAG_NEW_LISTENER ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof code / sizeof *code, code };
	check(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
	int fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	check(fd >= 0, "seccomp");
	return fd;
}

/* fails makes calls that fail without a filter. */
static void fails(void)
{
	check(open("/does/not/exist", O_RDONLY) < 0, "open");
	check(close(-1) < 0 && write(-1, "", 1) < 0, "close");
	check(syscall(1000) < 0 && syscall(-1) < 0 && syscall(0x40000000 + 2000) < 0, "no such call");
}

static void refused(void) { check(syscall(SYS_mknodat, AT_FDCWD, "/x", 0, 0) < 0 && errno == EPERM, "mknod"); }

static void nothing(int sig) { (void)sig; }

/* handle has a signal interrupt calls, or have them restarted. */
static void handle(int sig, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
	check(!sigaction(sig, &action, 0), "sigaction");
}

/* args: one mknod with six arguments. */
static void args(void)
{
	check(syscall(SYS_mknodat, 0x1122334455667788, 2, 3, 4, 5, 0xffffffffffffffff) < 0, "mknod");
}

/* args32: a mkdir through the entry of i386. */
static void args32(void)
{
#ifdef __x86_64__
	long result;
	register long r_bp __asm__("r12") = 0x66666666;
	__asm__ volatile("push %%rbp\n mov %%r12, %%rbp\n int $0x80\n pop %%rbp"
			 : "=a"(result)
			 : "a"(39), "b"(0x11111111), "c"(0x22222222), "d"(0x33333333), "S"(0x44444444), "D"(0x85555555), "r"(r_bp)
			 : "memory", "r8", "r9", "r10", "r11");
	check((int)result == -EPERM, "mkdir of i386");
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(6), "b"(-1) : "memory", "r8", "r9", "r10", "r11"); /* close */
	check((int)result == -EBADF, "close of i386");
#endif
}

/* answers: one of each answer that the program sees. */
static void answers(void)
{
	handle(SIGSYS, nothing, 0);
	refused();
	syscall(SYS_swapon, "/x", 0);
	check(syscall(SYS_swapoff, "/x") == 0, "swapoff");
	check(syscall(SYS_acct, "/x") < 0 && errno == ENOSYS, "acct");
}

/* inflight: calls that have begun before "ready" and fail after a line of standard
 * input; then a mknod of each of the four threads. */
static int unused[2];

static void *timed_out(void *word)
{
	struct timespec t = { 1, 0 };
	check(syscall(SYS_futex, word, FUTEX_WAIT, 0, &t, 0, 0) < 0 && errno == ETIMEDOUT, "futex");
	refused();
	return 0;
}

static void *no_message(void *x)
{
	struct timeval t = { 1, 0 };
	char byte;
	check(!setsockopt(unused[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t), "timeout");
	check(recv(unused[0], &byte, 1, 0) < 0 && errno == EAGAIN, "recv");
	refused();
	return x;
}

static void *interrupted(void *x)
{
	check(pause() < 0 && errno == EINTR, "pause");
	refused();
	return x;
}

static void inflight(void)
{
	int word = 0;
	char line[2];
	pthread_t thread[3];
	handle(SIGUSR1, nothing, 0);
	check(!socketpair(AF_UNIX, SOCK_DGRAM, 0, unused), "socketpair");
	pthread_create(&thread[0], 0, timed_out, &word);
	pthread_create(&thread[1], 0, no_message, 0);
	pthread_create(&thread[2], 0, interrupted, 0);
	usleep(200000);
	puts("ready");
	fflush(stdout);
	check(read(0, line, 1) == 1, "read");
	pthread_kill(thread[2], SIGUSR1);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], 0);
	refused();
}

/* restart: calls that signals interrupt and the kernel begins again, those of
 * restart_syscall included. No mknod but the last. */
static void restart(int count)
{
	int pipes[2];
	char byte;
	struct itimerval tick = { { 0, 500 }, { 0, 500 } };
	struct timespec pause = { 0, 2000000 };
	handle(SIGALRM, nothing, SA_RESTART);
	check(!pipe(pipes), "pipe");
	pid_t writer = fork();
	if (writer == 0) {
		for (int i = 0; i < count; i++) {
			usleep(3000);
			check(write(pipes[1], "x", 1) == 1, "write");
		}
		_exit(0);
	}
	setitimer(ITIMER_REAL, &tick, 0);
	for (int i = 0; i < count; i++) {
		check(read(pipes[0], &byte, 1) == 1, "read");
		nanosleep(&pause, 0);
		fails();
	}
	struct itimerval none = { 0 };
	setitimer(ITIMER_REAL, &none, 0);
	pid_t sleeper = fork();
	if (sleeper == 0) {
		struct timespec t = { 0, 20000000 };
		for (int i = 0; i < 10; i++)
			check(!nanosleep(&t, 0), "nanosleep");
		_exit(0);
	}
	for (int i = 0; i < 20; i++) { /* what is stopped in nanosleep goes on with restart_syscall */
		usleep(5000);
		kill(sleeper, SIGSTOP);
		usleep(5000);
		kill(sleeper, SIGCONT);
	}
	waitpid(writer, 0, 0);
	waitpid(sleeper, 0, 0);
	refused();
}

/* children: COUNT processes and as many threads, of which each fails first and
 * then makes one mknod; half of the processes are of vfork's kind, and a third
 * calls mknod at once. */
static void *thread_fails(void *x)
{
	fails();
	refused();
	return x;
}

static void children(int count)
{
	for (int i = 0; i < count; i++) {
		pid_t pid = i % 2 ? fork() : syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
		if (pid == 0) {
			if (i % 3)
				fails();
			refused();
			_exit(0);
		}
		pthread_t thread;
		pthread_create(&thread, 0, thread_fails, 0);
		pthread_join(thread, 0);
		check(waitpid(pid, 0, 0) == pid, "wait");
	}
}

/* exec: execs that fail and succeed, from the first thread and from another; one
 * mknod in each program, COUNT in all. */
static char **self;

static void *exec_on(void *count)
{
	char left[16], *argv[] = { self[0], "exec", left, 0 };
	snprintf(left, sizeof left, "%d", *(int *)count - 1);
	check(execl("/does/not/exist", "x", NULL) < 0, "execl");
	execv(self[0], argv);
	check(0, "execv");
	return 0;
}

static void exec(int count)
{
	refused();
	fails();
	if (count <= 1)
		return;
	pthread_t thread;
	if (count % 2)
		exec_on(&count);
	pthread_create(&thread, 0, exec_on, &count);
	pthread_join(thread, 0);
}

/* capability: EPERM and EACCES that no filter makes. No mknod. */
static void capability(int count)
{
	check(!setgid(65534) && !setuid(65534), "setuid");
	for (int i = 0; i < count; i++) {
		check(unshare(CLONE_NEWNS) < 0 && errno == EPERM, "unshare");
		check(chroot("/") < 0 && errno == EPERM, "chroot");
		check(setuid(0) < 0 && errno == EPERM, "setuid");
		check(sethostname("x", 1) < 0 && errno == EPERM, "sethostname");
		check(kill(1, SIGTERM) < 0 && errno == EPERM, "kill");
		check(open("/etc/shadow", O_RDWR) < 0 && errno == EACCES, "open");
		check(mkdirat(AT_FDCWD, "/x", 0) < 0 && errno == EACCES, "mkdirat");
	}
}

/* interrupts: signals while the register of results looks like EPERM. No mknod. */
static volatile int ticks;

static void tick(int sig)
{
	(void)sig;
	ticks++;
	fails();
}

static void interrupts(int count)
{
	struct itimerval every = { { 0, 300 }, { 0, 300 } };
	handle(SIGALRM, tick, 0);
	setitimer(ITIMER_REAL, &every, 0);
	while (ticks < count)
#ifdef __aarch64__
		__asm__ volatile("mov x0, #-1\n mov x1, #65535\n 1: subs x1, x1, #1\n b.ne 1b" ::: "x0", "x1", "cc");
#else
		__asm__ volatile("mov $-1, %%rax\n mov $100000, %%rcx\n 1: dec %%rcx\n jnz 1b" ::: "rax", "rcx");
#endif
}

/* dispatch: calls that are the program's own to answer. No mknod. */
static char allow; /* SYSCALL_DISPATCH_FILTER_ALLOW is 0, BLOCK 1 */

static void dispatched(int sig)
{
	(void)sig;
	allow = 0;
}

static void dispatch(int count)
{
	handle(SIGSYS, dispatched, 0);
	check(!prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &allow), "dispatch");
	for (int i = 0; i < count; i++) {
		allow = 1;
		syscall(SYS_getpid);
		allow = 1;
		syscall(SYS_close, -1);
		fails();
	}
}

/* taken_away has a process stopped at the entry into a call make none. */
static void taken_away(pid_t pid)
{
#ifdef __aarch64__
	int number = -1;
	struct iovec call = { &number, sizeof number };
	check(!ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &call), "number");
#else
	check(!ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, orig_rax), -1), "number");
#endif
}

/* ptrace: calls that a tracer takes away: COUNT by PTRACE_SYSEMU, which it does
 * not answer; COUNT by giving them the number -1; and one process killed at its
 * entry into a call. No mknod. */
static void ptraced(int count)
{
	int status;
	for (int way = 0; way < 3; way++) {
		pid_t pid = fork();
		if (pid == 0) {
			check(!ptrace(PTRACE_TRACEME, 0, 0, 0), "traceme");
			raise(SIGSTOP);
			for (int i = 0; i < count; i++)
				syscall(SYS_getppid);
			_exit(0);
		}
		check(waitpid(pid, &status, 0) == pid, "wait");
		for (int i = 0; i < count; i++) {
			check(!ptrace(way ? PTRACE_SYSCALL : PTRACE_SYSEMU, pid, 0, 0), "resume");
			check(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status), "stop");
			if (way == 2)
				break;
			if (way == 1) {
				taken_away(pid);
				check(!ptrace(PTRACE_SYSCALL, pid, 0, 0), "exit");
				check(waitpid(pid, &status, 0) == pid, "stop");
			}
		}
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
}

/* threads: 8 threads, COUNT times a mknod of each between calls that fail. */
static void *many(void *count)
{
	for (int i = *(int *)count; i > 0; i--) {
		if (i % 10 == 0)
			fails();
		refused();
	}
	return 0;
}

static void threads(int count)
{
	pthread_t thread[8];
	for (int i = 0; i < 8; i++)
		pthread_create(&thread[i], 0, many, &count);
	for (int i = 0; i < 8; i++)
		pthread_join(thread[i], 0);
}

/* tsync: a filter that threads get while they are in calls that fail; a mknod of
 * each of the three and of the first. Its own filter comes late. */
static void tsync(void)
{
	int word = 0;
	pthread_t thread[3];
	handle(SIGUSR1, nothing, 0);
	check(!socketpair(AF_UNIX, SOCK_DGRAM, 0, unused), "socketpair");
	pthread_create(&thread[0], 0, timed_out, &word);
	pthread_create(&thread[1], 0, no_message, 0);
	pthread_create(&thread[2], 0, interrupted, 0);
	usleep(100000);
	filter(SECCOMP_FILTER_FLAG_TSYNC);
	pthread_kill(thread[2], SIGUSR1);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], 0);
	refused();
}

/* notify: a supervisor that answers symlink with EACCES, with 0, and by having it
 * go on, in turn. No mknod. */
static void notify(int count)
{
	int fd = filter(SECCOMP_FILTER_FLAG_NEW_LISTENER);
	pid_t pid = fork();
	if (pid == 0) {
		for (int i = 0; i < count; i++)
			syscall(SYS_symlinkat, "", AT_FDCWD, "");
		_exit(0);
	}
	for (int i = 0; i < count; i++) {
		struct seccomp_notif call = { 0 };
		check(!ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &call), "receive");
		struct seccomp_notif_resp answer = { .id = call.id };
		if (i % 3 == 0)
			answer.error = -EACCES;
		if (i % 3 == 2)
			answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		check(!ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &answer), "send");
	}
	waitpid(pid, 0, 0);
}

/* loop: COUNT calls of getppid, as fast as they can be made; prints nanoseconds a
 * call. Without a filter if it is "bare". */
static void loop(int count)
{
	struct timespec from, to;
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 0; i < count; i++)
		syscall(SYS_getppid);
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%.1f\n", ((to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec)) / count);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	int count = argc > 2 ? atoi(argv[2]) : 1;
	self = argv;
	if (!strcmp(mode, "bare"))
		return loop(count), 0;
	if (!strcmp(mode, "tsync"))
		return tsync(), 0;
	if (!strcmp(mode, "notify"))
		return notify(count), 0;
	filter(0);
	if (!strcmp(mode, "under") && argc > 2)
		return execvp(argv[2], argv + 2);
	if (!strcmp(mode, "args"))
		args();
	else if (!strcmp(mode, "args32"))
		args32();
	else if (!strcmp(mode, "answers"))
		answers();
	else if (!strcmp(mode, "inflight"))
		inflight();
	else if (!strcmp(mode, "restart"))
		restart(count);
	else if (!strcmp(mode, "children"))
		children(count);
	else if (!strcmp(mode, "exec"))
		exec(count);
	else if (!strcmp(mode, "capability"))
		capability(count);
	else if (!strcmp(mode, "interrupts"))
		interrupts(count);
	else if (!strcmp(mode, "dispatch"))
		dispatch(count);
	else if (!strcmp(mode, "ptrace"))
		ptraced(count);
	else if (!strcmp(mode, "threads"))
		threads(count);
	else if (!strcmp(mode, "loop"))
		loop(count);
	else
		return 98;
	return 0;
}
