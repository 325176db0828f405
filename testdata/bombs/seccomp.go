package main

import (
	"bufio"
	"fmt"
	"strings"
)

// entries writes a seccomp profile of n entries and returns how it is checked.
func entries(entry func(i int) string) func(folder, int) []string {
	return func(dir folder, n int) []string { return []string{"check", writeEntries(dir, n, entry)} }
}

func writeEntries(dir folder, n int, entry func(i int) string) string {
	return dir.file("seccomp.json", func(w *bufio.Writer) {
		fmt.Fprint(w, `{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],"syscalls":[`)
		for i := range n {
			if i > 0 {
				fmt.Fprint(w, ",\n")
			}
			fmt.Fprint(w, entry(i))
		}
		fmt.Fprintln(w, "]}")
	})
}

// patched is entries for what proposes a change of the profile.
func patched(entry func(i int) string) func(folder, int) []string {
	return func(dir folder, n int) []string {
		return []string{"explain", "--seccomp", writeEntries(dir, n, entry), dir.syscall()}
	}
}

func plainEntry(i int) string {
	return fmt.Sprintf(`{"names":["%s"],"action":"SCMP_ACT_ALLOW"}`, [...]string{"read", "write", "openat"}[i%3])
}

func equalEntry(i int) string {
	return fmt.Sprintf(`{"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":%d,"op":"SCMP_CMP_EQ"}]}`, i)
}

func maskedEntry(i int) string {
	return fmt.Sprintf(`{"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1048575,"valueTwo":%d,"op":"SCMP_CMP_MASKED_EQ"}]}`, i)
}

func orderedEntry(i int) string {
	return fmt.Sprintf(`{"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":%d,"op":"SCMP_CMP_LT"}]}`, i)
}

var seccompBombs = []bomb{
	{"entries", 65_000, entries(plainEntry)},
	{"entries-explained", 65_000, patched(plainEntry)},
	{"entries-many", 100_000, entries(plainEntry)},
	{"entries-equal", 4_000, entries(equalEntry)},
	{"entries-equal-explained", 16_000, patched(equalEntry)},
	{"entries-masked", 4_000, entries(maskedEntry)},
	{"entries-masked-explained", 16_000, patched(maskedEntry)},
	{"entries-ordered-explained", 16_000, patched(orderedEntry)},
	{"entries-gated-explained", 4_000, patched(func(i int) string {
		return fmt.Sprintf(`{"names":["read"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_%d"]}}`, i)
	})},
	{"entries-least", 4_000_000, func(dir folder, n int) []string {
		return []string{"check", dir.file("seccomp.json", func(w *bufio.Writer) {
			fmt.Fprint(w, `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[0`, strings.Repeat(",0", n), `]}`)
		})}
	}},
	{"names", 65_000, func(dir folder, n int) []string {
		return []string{"check", dir.file("seccomp.json", func(w *bufio.Writer) {
			fmt.Fprint(w, `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"action":"SCMP_ACT_ALLOW","names":["read"`)
			for i := range n {
				fmt.Fprintf(w, `,"rea%d"`, i)
			}
			fmt.Fprint(w, `]}]}`)
		})}
	}},
	{"names-same", 65_000, func(dir folder, n int) []string {
		return []string{"explain", "--seccomp", dir.file("seccomp.json", func(w *bufio.Writer) {
			fmt.Fprint(w, `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"action":"SCMP_ACT_ALLOW","names":["read"`, strings.Repeat(`,"socketpair"`, n), `]}]}`)
		}), dir.syscall()}
	}},
	{"conditions", 65_000, func(dir folder, n int) []string {
		return []string{"explain", "--seccomp", dir.file("seccomp.json", func(w *bufio.Writer) {
			fmt.Fprint(w, `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"action":"SCMP_ACT_ALLOW","names":["socket"],"args":[`)
			for i := range n {
				if i > 0 {
					fmt.Fprint(w, ",")
				}
				fmt.Fprintf(w, `{"index":%d,"value":%d,"op":"SCMP_CMP_EQ"}`, i%6, i)
			}
			fmt.Fprint(w, `]}]}`)
		}), dir.syscall()}
	}},
	{"keys", 590_000, func(dir folder, n int) []string {
		return []string{"check", dir.file("seccomp.json", func(w *bufio.Writer) {
			fmt.Fprint(w, `{"defaultAction":"SCMP_ACT_ERRNO"`)
			for i := range n {
				fmt.Fprintf(w, `,"k%d":0`, i)
			}
			fmt.Fprint(w, `}`)
		})}
	}},
	{"yaml-flow", 99_000, yaml(func(w *bufio.Writer, n int) { fmt.Fprint(w, "  syscalls: [", strings.Repeat("a,", n), "a]\n") })},
	{"yaml-too-many", 500_000, yaml(func(w *bufio.Writer, n int) { fmt.Fprint(w, "  syscalls: [", strings.Repeat("a,", n), "a]\n") })},
	{"yaml-block", 99_000, yaml(func(w *bufio.Writer, n int) { fmt.Fprint(w, "  syscalls:\n", strings.Repeat("  - a\n", n)) })},
	{"yaml-aliases", 60, yaml(func(w *bufio.Writer, n int) {
		fmt.Fprintln(w, "  a0: &a0 [x,x,x,x,x,x,x,x,x,x]")
		for i := 1; i < n; i++ {
			fmt.Fprintf(w, "  a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), i-1)
		}
	})},
	{"yaml-documents", 900, func(dir folder, n int) []string {
		return []string{"check", dir.text("seccomp.yaml", strings.Repeat("---\na: 1\n", n)+"---\nkind: SeccompProfile\n")}
	}},
}

// yaml writes a SeccompProfile resource and returns how it is checked.
func yaml(body func(w *bufio.Writer, n int)) func(folder, int) []string {
	return func(dir folder, n int) []string {
		return []string{"check", dir.file("seccomp.yaml", func(w *bufio.Writer) {
			fmt.Fprintln(w, "apiVersion: security-profiles-operator.x-k8s.io/v1beta1\nkind: SeccompProfile\nspec:\n  defaultAction: SCMP_ACT_ERRNO")
			body(w, n)
		})}
	}
}
