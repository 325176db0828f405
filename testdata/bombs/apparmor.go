package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// profile writes n lines in a profile and returns how it is checked.
func profile(line func(i int) string) func(folder, int) []string {
	return func(dir folder, n int) []string {
		return []string{"check", "--profile-dir", string(dir), writeProfile(dir, n, line)}
	}
}

func writeProfile(dir folder, n int, line func(i int) string) string {
	return dir.file("policy", func(w *bufio.Writer) {
		fmt.Fprintln(w, "profile p {")
		for i := range n {
			fmt.Fprintln(w, line(i))
		}
		fmt.Fprintln(w, "}")
	})
}

// explained is profile for what explains a denial by it.
func explained(line func(i int) string) func(folder, int) []string {
	return func(dir folder, n int) []string {
		return []string{"explain", "--profile-dir", string(dir), "--profile", writeProfile(dir, n, line), dir.denial("p")}
	}
}

func plainRule(i int) string { return fmt.Sprintf("  /srv/d%d/file%d r,", i%1000, i) }

var apparmorBombs = []bomb{
	{"rules", 50_000, profile(plainRule)},
	{"rules-explained", 50_000, explained(plainRule)},
	{"rules-unlike", 90_000, profile(func(i int) string { return fmt.Sprintf("  /%d/%x/%o/%b r,", i*7919%100_003, i*i, i, i) })},
	{"rules-unlike-explained", 90_000, explained(func(i int) string { return fmt.Sprintf("  /%d/%x/%o/%b r,", i*7919%100_003, i*i, i, i) })},
	{"rules-shortest", 1_350_000, explained(func(int) string { return "/a r," })},
	{"rules-bin", 50_000, profile(func(i int) string { return fmt.Sprintf("  /bin/%d r,", i) })},
	{"rules-globs", 50_000, profile(func(i int) string { return fmt.Sprintf("  /srv/*%d/** r,", i) })},
	{"rules-globs-explained", 50_000, explained(func(i int) string { return fmt.Sprintf("  /**%d* r,", i) })},
	{"rules-exec", 50_000, profile(func(i int) string { return fmt.Sprintf("  /bin/*%d %s,", i, [...]string{"ix", "Px", "Ux"}[i%3]) })},
	{"rules-denied", 50_000, profile(func(i int) string { return fmt.Sprintf("  %s /srv/%d rw,", [...]string{"deny", ""}[i%2], i/2) })},
	{"rules-network", 100_000, profile(func(i int) string { return [...]string{"  deny network inet stream,", "  network inet,"}[i%2] })},
	{"rules-capability", 100_000, profile(func(i int) string { return [...]string{"  deny capability chown,", "  capability chown,"}[i%2] })},
	{"rules-mount", 100_000, profile(func(i int) string { return fmt.Sprintf("  mount options=(ro,bind) /a%d -> /b,", i) })},
	{"rules-peers", 100_000, explained(func(i int) string { return fmt.Sprintf("  signal send peer=a%d,", i) })},
	{"rules-wrong", 1_100_000, profile(func(int) string { return "/a zz," })},
	{"globs-wrong", 8_000, profile(func(i int) string { return "/" + strings.Repeat("a", 1000) + fmt.Sprint(i) + "] r," })},
	{"braces", 3_000, explained(func(i int) string { return fmt.Sprint("  /", i, strings.Repeat("{a,b}", 500), " r,") })},
	{"braces-deep", 4_000, explained(func(i int) string {
		return fmt.Sprint("  /", i, strings.Repeat("{a,", 48), strings.Repeat("b}", 48), "** r,")
	})},
	{"braces-stars", 200, profile(func(i int) string { return fmt.Sprint("  /**", strings.Repeat("{a,b*}*?", 200+i), " r,") })},
	{"names-long", 130, explained(func(i int) string { return fmt.Sprint("  /", i, strings.Repeat("x", 60_000), " r,") })},
	{"name-longest", 8_000_000, func(dir folder, n int) []string {
		return profile(func(int) string { return "/" + strings.Repeat("x", n) + " r," })(dir, 1)
	}},
	{"variables", 10, variables},
	{"variable-wide", 200_000, wideVariable},
	{"aliases", 3_000, aliases},
	{"profiles", 200_000, profiles},
	{"profiles-same", 100_000, func(dir folder, n int) []string {
		return checkText(dir, func(w *bufio.Writer) { fmt.Fprint(w, strings.Repeat("profile p { /a Px -> q, }\n", n)) })
	}},
	{"hats", 100_000, profile(func(i int) string { return fmt.Sprintf("^h%d { /a r, }", i) })},
	{"hats-include", 20_000, hatsThatInclude},
	{"includes-deep", 10_000, deepIncludes},
	{"includes-self", 1_000, includesOfSelf},
	{"includes-large", 40, largeIncludes},
	{"directory", 64, largeDirectory},
	{"directory-defines", 1_000, defining},
}

func variables(dir folder, n int) []string {
	return checkText(dir, func(w *bufio.Writer) {
		fmt.Fprintln(w, "@{V0} = a b c d e f g h i j")
		for i := 1; i < n; i++ {
			fmt.Fprintf(w, "@{V%d} = @{V%d}@{V%d}\n", i, i-1, i-1)
		}
		fmt.Fprintln(w, "profile p {")
		for i := range 20_000 {
			fmt.Fprintf(w, "  /%d/@{V%d}@{V0}@{V1} r,\n", i, i%n)
		}
		fmt.Fprintln(w, "}")
	})
}

func wideVariable(dir folder, n int) []string {
	return checkText(dir, func(w *bufio.Writer) {
		fmt.Fprint(w, "@{V} =")
		for i := range n {
			fmt.Fprintf(w, " v%d", i)
		}
		fmt.Fprintln(w, "\nprofile p { /@{V} r, }")
	})
}

func aliases(dir folder, n int) []string {
	return checkText(dir, func(w *bufio.Writer) {
		for i := range min(n, 100) {
			fmt.Fprintf(w, "alias / -> /mnt/%d/,\n", i)
		}
		fmt.Fprintln(w, "profile p {")
		for i := range n {
			fmt.Fprintln(w, plainRule(i))
		}
		fmt.Fprintln(w, "}")
	})
}

func profiles(dir folder, n int) []string {
	return checkText(dir, func(w *bufio.Writer) {
		for i := range n {
			fmt.Fprintf(w, "profile p%d { /a r, }\n", i)
		}
	})
}

func hatsThatInclude(dir folder, n int) []string {
	dir.file("all", func(w *bufio.Writer) {
		for i := range 1000 {
			fmt.Fprintln(w, plainRule(i))
		}
	})
	return profile(func(i int) string { return fmt.Sprintf("^h%d { include <all> }", i) })(dir, n)
}

func deepIncludes(dir folder, n int) []string {
	for i := range n {
		dir.text(fmt.Sprint("i", i), fmt.Sprintf("/a%d r,\ninclude <i%d>\n", i, i+1))
	}
	dir.text(fmt.Sprint("i", n), "/b r,\n")
	return profile(func(i int) string { return "include <i0>" })(dir, 1)
}

func includesOfSelf(dir folder, n int) []string {
	dir.text("d/a", "^h { include <d> }\n")
	for i := range n {
		dir.text(fmt.Sprint("d/", i), plainRule(i)+"\n^h"+fmt.Sprint(i)+" { include <d> }\n")
	}
	return profile(func(i int) string { return "include <d>" })(dir, 1)
}

func largeIncludes(dir folder, n int) []string {
	for i := range n {
		dir.file(fmt.Sprint("d/", i), func(w *bufio.Writer) { fmt.Fprint(w, strings.Repeat("/a r,\n", 350_000)) })
	}
	return profile(func(i int) string { return "include <d>" })(dir, 1)
}

func largeDirectory(dir folder, n int) []string {
	first := dir.file("d/0", func(w *bufio.Writer) { fmt.Fprint(w, "profile q {\n", strings.Repeat("# p\n", 1<<20), "}\n") })
	for i := 1; i < n; i++ {
		check(os.Link(first, filepath.Join(string(dir), "d", fmt.Sprint(i))))
	}
	return []string{"explain", "--profile-dir", filepath.Join(string(dir), "d"), dir.denial("p")}
}

func defining(dir folder, n int) []string {
	text := "profile q {\n" + strings.Repeat("/a r,\n", 2_000) + "}\n# profile p {\nprofile p2 {\n}\n"
	for i := range n {
		dir.text(fmt.Sprint("d/", i), fmt.Sprintf("profile p%d {\n}\n%s", i, text))
	}
	return []string{"explain", "--profile-dir", filepath.Join(string(dir), "d"), dir.denial("p")}
}

func checkText(dir folder, write func(*bufio.Writer)) []string {
	return []string{"check", "--profile-dir", string(dir), dir.file("policy", write)}
}
