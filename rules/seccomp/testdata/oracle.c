/*
 * Builds filters with libseccomp as runc does and prints them.
 *
 * Reads lines: "init ACTION", "noarch" (take the native architecture out),
 * "arch NAME", "optimize", "rule ACTION SYSCALL [INDEX OP A B]...", "newest ARCH SYSCALL...",
 * "known SYSCALL", "export". ACTION is the 32-bit answer; OP is libseccomp's
 * number.
 */
#include <errno.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static scmp_filter_ctx ctx;

static void rule(void)
{
	uint32_t action = strtoul(strtok(NULL, " "), NULL, 0);
	int nr = seccomp_syscall_resolve_name(strtok(NULL, " "));
	struct scmp_arg_cmp args[6];
	unsigned n = 0;
	char *word;

	while (n < 6 && (word = strtok(NULL, " "))) {
		args[n].arg = strtoul(word, NULL, 0);
		args[n].op = strtoul(strtok(NULL, " "), NULL, 0);
		args[n].datum_a = strtoull(strtok(NULL, " "), NULL, 0);
		args[n].datum_b = strtoull(strtok(NULL, " "), NULL, 0);
		n++;
	}
	printf("%d\n", nr == __NR_SCMP_ERROR ? -1 : seccomp_rule_add_array(ctx, action, nr, n, args));
}

static void export(void)
{
	FILE *f = tmpfile();
	uint64_t insn;

	if (!f || seccomp_export_bpf(ctx, fileno(f)))
		exit(1);
	rewind(f);
	while (fread(&insn, sizeof insn, 1, f) == 1)
		printf("%016" PRIx64, insn);
	printf("\n");
	fclose(f);
}

static void newest(void)
{
	uint32_t arch = seccomp_arch_resolve_name(strtok(NULL, " "));
	int max = 0;
	char *name;

	while ((name = strtok(NULL, " "))) {
		int nr = seccomp_syscall_resolve_name_arch(arch, name);
		if (nr > max)
			max = nr;
	}
	printf("%d\n", max);
}

int main(void)
{
	static char line[1 << 16];

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = 0;
		if (!strtok(line, " "))
			continue;
		if (!strcmp(line, "init")) {
			if (ctx)
				seccomp_release(ctx);
			ctx = seccomp_init(strtoul(strtok(NULL, " "), NULL, 0));
		} else if (!strcmp(line, "noarch")) {
			seccomp_arch_remove(ctx, SCMP_ARCH_NATIVE);
		} else if (!strcmp(line, "arch")) {
			int rc = seccomp_arch_add(ctx, seccomp_arch_resolve_name(strtok(NULL, " ")));
			if (rc && rc != -EEXIST)
				return 1;
		} else if (!strcmp(line, "optimize")) {
			seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
		} else if (!strcmp(line, "rule")) {
			rule();
		} else if (!strcmp(line, "newest")) {
			newest();
		} else if (!strcmp(line, "known")) {
			printf("%d\n", seccomp_syscall_resolve_name(strtok(NULL, " ")));
		} else if (!strcmp(line, "export")) {
			export();
		}
	}
	return 0;
}
