// Command loop runs the scenarios of the lab inside its guest, one after the
// other: it loads a profile, runs a workload that the profile refuses, has
// whydenied explain the log and patch the profile, loads that and runs the
// workload again, until it passes or maxRounds patches did not help. The programs
// it calls are the real ones: whydenied, apparmor_parser, auditd, docker and runc.
//
//	loop SCENARIOS RESULTS
//	loop -list [-smoke] [-only REGEXP] [-kernel 6.1] SCENARIOS
//
// RESULTS gets results.jsonl, a line on the guest and one on each scenario, and
// for each scenario a folder with every version of its policy, every log and what
// was said about it. With -list it prints the files of the scenarios that are wanted,
// and runs none.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

func main() {
	list := flag.Bool("list", false, "print the files of the wanted scenarios")
	smoke := flag.Bool("smoke", false, "only the scenarios marked smoke")
	only := flag.String("only", "", "only the scenarios whose name matches this regular expression")
	kernel := flag.String("kernel", "6.1", "leave out the scenarios of other kernels than this")
	programs := flag.String("programs", "", "only the scenarios of the guest with these programs")
	flag.Parse()
	var err error
	switch {
	case *list && flag.NArg() == 1:
		err = printWanted(flag.Arg(0), func(s *scenario) bool {
			return (!*smoke || s.smoke) && (len(s.kernels) == 0 || slices.Contains(s.kernels, *kernel)) && s.programs == *programs
		}, *only)
	case !*list && flag.NArg() == 2:
		err = run(flag.Arg(0), flag.Arg(1))
	default:
		fmt.Fprintln(os.Stderr, "usage: loop SCENARIOS RESULTS, or loop -list [-smoke] [-only REGEXP] [-kernel VERSION] [-programs all] SCENARIOS")
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "loop:", err)
		os.Exit(1)
	}
}

func printWanted(scenarios string, wanted func(*scenario) bool, only string) error {
	match, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(scenarios, "*.txtar"))
	if err != nil {
		return err
	}
	for _, file := range files {
		s, err := readScenario(file)
		if err != nil {
			return err
		}
		if match.MatchString(s.name) && wanted(s) {
			fmt.Println(file)
		}
	}
	return nil
}

func run(scenarios, results string) error {
	files, err := filepath.Glob(filepath.Join(scenarios, "*.txtar"))
	if err != nil {
		return err
	}
	out, err := os.Create(filepath.Join(results, "results.jsonl"))
	if err != nil {
		return err
	}
	defer out.Close()
	lines := json.NewEncoder(out)
	if err := lines.Encode(guest()); err != nil {
		return err
	}
	for _, file := range files {
		s, err := readScenario(file)
		if err != nil {
			return err
		}
		began := time.Now()
		l, err := newLoop(s, filepath.Join(results, s.name))
		if err != nil {
			return err
		}
		if err := startDocker(s); err != nil {
			l.problem("%v", err)
		} else {
			l.run()
		}
		l.result.Seconds = time.Since(began).Seconds()
		fmt.Printf("%s: %s %s\n", s.name, l.result.Outcome, strings.Join(l.result.Problems, "; "))
		if err := lines.Encode(l.result); err != nil {
			return err
		}
	}
	return nil
}

// guest says what the scenarios run on.
func guest() map[string]string {
	versions := map[string]string{}
	for name, command := range map[string]string{
		"kernel":    "uname -r",
		"packages":  "cat /packages",
		"whydenied": "whydenied --version",
	} {
		out, _ := exec.Command("sh", "-c", command).Output()
		versions[name] = strings.TrimSpace(string(out))
	}
	return versions
}

// startDocker starts dockerd if a scenario needs it and it does not run.
func startDocker(s *scenario) error {
	if !s.docker || exec.Command("docker", "version").Run() == nil {
		return nil
	}
	cmd := exec.Command("bash", "-c", ". /lab/docker")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("dockerd does not start: %w", err)
	}
	return nil
}
