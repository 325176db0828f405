/* Makes processes that end at once by a system call that seccomp refuses.
 *
 *   churn NUMBER [host]   one for each letter on standard input, and answers each
 *                         with a dot: f forks it, x also executes it, d forks it
 *                         from a process that is gone when it is refused
 *   churn -NUMBER         is one
 *
 * With "host" the filter is its own, on the host; else the container's. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void refused(int number)
{
	syscall(number, 0, 0, 0);
	_exit(1); /* it was not */
}

static void filter(int number)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof code / sizeof *code, code };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(2);
}

int main(int argc, char **argv)
{
	int number = argc > 1 ? atoi(argv[1]) : 0;
	char letter, self[32] = "-";
	if (number < 0)
		refused(-number);
	if (!number)
		return 2;
	for (int i = 0; argv[1][i] && i < 20; i++)
		self[i + 1] = argv[1][i];
	if (argc > 2)
		filter(number);
	while (read(0, &letter, 1) == 1) {
		pid_t child = fork();
		if (child == 0) {
			if (letter == 'x')
				execl("/proc/self/exe", "churn", self, (char *)0);
			if (letter == 'd' && fork() != 0)
				_exit(0);
			refused(number);
		}
		waitpid(child, 0, 0);
		while (waitpid(-1, 0, WNOHANG) > 0)
			;
		if (write(1, ".", 1) != 1)
			return 3;
	}
	return 0;
}
