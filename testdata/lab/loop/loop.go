package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	maxRounds = 5
	limit     = 2 * time.Minute  // of one run of a workload
	patience  = 10 * time.Minute // with any other program, so that none holds up the other scenarios
)

// A result is what came of a scenario.
type result struct {
	Name, Title string
	Outcome     string   // fixed, silent, explained (there is no fix to propose), or not fixed
	Rounds      int      // patches applied
	Findings    []string // of the first run
	Problems    []string // what is not as the scenario has it
	Probes      int      // accesses asked of the patched policy and the known good one
	Beyond      []string // of these, what only the patched one grants
	Compared    bool     // there is a known good one
	Seconds     float64
}

// A loop runs one scenario. Its policy is a file of the scenario's folder, which
// also keeps what happened.
type loop struct {
	*scenario
	result
	dir    string
	policy string // file, empty if there is none
}

func newLoop(s *scenario, dir string) (*loop, error) {
	l := &loop{scenario: s, result: result{Name: s.name, Title: s.title}, dir: dir}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	for _, f := range s.files {
		if err := os.MkdirAll(filepath.Dir(f.Name), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(f.Name, f.Data, 0o644); err != nil {
			return nil, err
		}
	}
	if s.policy == "" {
		return l, nil
	}
	l.policy = l.file("profile")
	if s.seccomp {
		l.policy = l.file("seccomp.json")
	}
	return l, os.WriteFile(l.policy, []byte(s.policy), 0o644)
}

func (l *loop) file(name string) string { return filepath.Join(l.dir, name) }

func (l *loop) problem(format string, args ...any) {
	l.Problems = append(l.Problems, fmt.Sprintf(format, args...))
}

// run goes around the loop. Whatever stands in its way is a problem of the result.
func (l *loop) run() {
	defer l.command("cleanup", "bash", "-c", ". /lab/lib.sh; cleanup")
	log, passed := l.workload("round-0", l.policy)
	if l.policy != "" && passed != l.atOnce {
		l.problem("the workload's first run passes: %t", passed)
	}
	findings := l.explain("round-0", log)
	l.expect(findings)
	if l.observe {
		log, findings = l.observed("observed-0")
	}
	switch {
	case l.policy == "" || len(findings) == 0:
		l.Outcome = "explained"
		if len(findings) == 0 {
			l.Outcome = "silent"
		}
	case l.scenario.rounds == 0:
		l.Outcome = "explained"
		if l.patch("round-1", log) {
			l.problem("a fix is proposed where none is wanted")
		}
	case l.scenario.learn:
		l.learnOnce()
	default:
		l.patchUntilItPasses(log)
	}
	l.checkFixed()
}

func (l *loop) patchUntilItPasses(log string) {
	l.Outcome = "not fixed"
	for l.Rounds < max(maxRounds, l.scenario.rounds) {
		round := fmt.Sprintf("round-%d", l.Rounds+1)
		if !l.patch(round, log) {
			l.problem("round %d: no fix is proposed", l.Rounds+1)
			return
		}
		l.Rounds++
		var passed bool
		if log, passed = l.workload(round, l.policy); passed {
			l.Outcome = "fixed"
			break
		}
		findings := l.explain(round, log)
		fmt.Printf("%s, %s: %d refused: %s\n", l.Name, round, len(findings), someMessages(findings))
		if len(findings) == 0 && l.observe {
			log, _ = l.observed(fmt.Sprintf("observed-%d", l.Rounds))
		}
	}
	if l.Outcome != "fixed" {
		l.problem("not fixed in %d rounds", l.Rounds)
	} else if l.Rounds > l.scenario.rounds {
		l.problem("%d rounds where %d should do", l.Rounds, l.scenario.rounds)
	}
}

// someMessages are the first of findings, for whoever watches the console.
func someMessages(findings []finding) string {
	var messages []string
	for _, f := range findings[:min(len(findings), 3)] {
		messages = append(messages, f.Message)
	}
	return strings.Join(messages, "; ")
}

// workload loads a policy and runs the workload under it. It returns the file
// with what auditd has logged meanwhile, and whether the workload passed.
func (l *loop) workload(round, policy string) (log string, passed bool) {
	if policy != "" && !l.seccomp {
		if out, err := l.command(round+".load", "apparmor_parser", "-r", "-K", policy); err != nil {
			l.problem("%s: apparmor_parser refuses the profile: %s", round, firstLine(out))
			return "", false
		}
	}
	start := mark()
	passed = l.execute(round, policy, "bash", "-c", l.script())
	log = l.file(round + ".log")
	text := logged(start, mark())
	if err := os.WriteFile(log, text, 0o644); err != nil {
		l.problem("%v", err)
	}
	if l.scenario.docker {
		l.command(round+".cleanup", "bash", "-c", ". /lab/lib.sh; cleanup")
	}
	if l.quietly {
		return log, !bytes.Contains(text, []byte("apparmor=\"ALLOWED\"")) && !bytes.Contains(text, []byte("apparmor=\"DENIED\""))
	}
	return log, passed
}

// script is the workload, after the files that it works on have been made.
func (l *loop) script() string {
	return ". /lab/lib.sh; fixtures >/dev/null 2>&1\n" + l.scenario.workload
}

// execute runs a program within the limit of a workload, keeps what it prints, and reports
// whether it ended well.
func (l *loop) execute(round, policy, name string, args ...string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = l.environment(policy)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	output, err := os.Create(l.file(round + ".output"))
	if err != nil {
		l.problem("%v", err)
		return false
	}
	defer output.Close()
	cmd.Stdout, cmd.Stderr = output, output
	err = cmd.Run()
	fmt.Fprintf(output, "%v\n", cmd.ProcessState)
	if ctx.Err() != nil {
		l.problem("%s: the workload ran into the limit of %s", round, limit)
	}
	return err == nil
}

// learnOnce has the profile complain for one run of the workload, which passes then, and takes
// the patch of it. The profile is as it was before after it.
func (l *loop) learnOnce() {
	before := loadedModes()
	patches := l.file("learnt")
	l.execute("learn", l.policy, "whydenied", "run", "--learn", "--profile", l.policy, "--patch-dir", patches, "--fail-on", "never", "--", "bash", "-c", l.script())
	if after := loadedModes(); after != before {
		l.problem("learning leaves the profiles in other modes: %s", after)
	}
	patched, err := os.ReadFile(filepath.Join(patches, l.policy))
	if err != nil {
		l.problem("learning makes no patch: %v", err)
		return
	}
	if err := os.WriteFile(l.policy, patched, 0o644); err != nil {
		l.problem("%v", err)
	}
	l.Rounds = 1
	log, passed := l.workload("round-1", l.policy)
	if l.Outcome = "fixed"; !passed {
		l.Outcome = "not fixed"
		l.problem("not fixed by one run of --learn")
		l.explain("round-1", log)
	}
}

// loadedModes lists the profiles that are loaded, with their modes, but for those that the kernel
// made while others learnt.
func loadedModes() string {
	text, err := os.ReadFile("/sys/kernel/security/apparmor/profiles")
	if err != nil {
		return err.Error()
	}
	lines := slices.DeleteFunc(strings.Split(string(text), "\n"), func(line string) bool { return strings.Contains(line, "//null-") })
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (l *loop) environment(policy string) []string {
	env := os.Environ()
	if l.seccomp {
		env = append(env, "SECCOMP="+policy)
	} else {
		env = append(env, "PROFILE="+policy)
	}
	if l.scenario.docker {
		env = append(env, "DOCKER=yes")
	}
	return env
}

// A finding is one of whydenied explain --format json, as far as it matters here.
type finding struct {
	Message  string
	Cause    string
	Decision string
	Denial   map[string]any
}

// explain has whydenied explain a log.
func (l *loop) explain(round, log string) []finding {
	out, err := l.command(round+".json", "whydenied", append(l.policyFlags("explain", "--format", "json"), log)...)
	var findings []finding
	for line := range bytes.Lines(out) {
		var answer struct{ Finding *finding }
		if json.Unmarshal(line, &answer) == nil && answer.Finding != nil {
			findings = append(findings, *answer.Finding)
		}
	}
	if want := map[bool]int{false: 0, true: 3}[len(findings) > 0]; exitStatus(err) != want {
		l.problem("%s: explain with %d findings exits with %d", round, len(findings), exitStatus(err))
	}
	return findings
}

// expect holds the findings of the first run against those of the scenario.
func (l *loop) expect(findings []finding) {
	for _, f := range findings {
		l.Findings = append(l.Findings, f.Cause+": "+f.Message)
		if len(l.finds) == 0 {
			l.problem("explain finds %q where the kernel should be silent", f.Message)
		}
	}
	for _, want := range l.finds {
		found := false
		for _, f := range findings {
			found = found || f.has(want)
		}
		if !found {
			text, _ := json.Marshal(want)
			l.problem("explain does not find %s", text)
		}
	}
}

func (f finding) has(want map[string]any) bool {
	for key, value := range want {
		got := f.Denial[key]
		switch key {
		case "cause":
			got = f.Cause
		case "decision":
			got = f.Decision
		}
		if !reflect.DeepEqual(got, value) {
			return false
		}
	}
	return true
}

// observed runs the workload under the policy that whydenied observe makes of the
// scenario's, and explains what is logged by the scenario's own.
func (l *loop) observed(round string) (log string, findings []finding) {
	args := l.policyFlags("observe", "--format", "profile")
	if l.seccomp {
		args = append(args, "--log-action") // Debian's runc refuses the log flag
	}
	text, err := l.command(round+".observe", "whydenied", args...)
	if err != nil {
		l.problem("%s: observe exits with %d", round, exitStatus(err))
	}
	text = l.inBundle(text)
	loud := l.file(round + ".policy")
	if err := os.WriteFile(loud, text, 0o644); err != nil {
		l.problem("%v", err)
	}
	log, _ = l.workload(round, loud)
	if findings = l.explain(round, log); len(findings) == 0 {
		l.problem("%s: observe shows nothing", round)
	}
	return log, findings
}

// inBundle returns the policy of the scenario with another filter, where it is a bundle's config.json, of
// which whydenied observe prints the filter alone; else the filter as it is.
func (l *loop) inBundle(filter []byte) []byte {
	old, _ := os.ReadFile(l.policy)
	var config map[string]any
	if !l.seccomp || json.Unmarshal(old, &config) != nil {
		return filter
	}
	linux, ok := config["linux"].(map[string]any)
	if !ok {
		return filter
	}
	linux["seccomp"] = json.RawMessage(filter)
	text, err := json.Marshal(config)
	if err != nil {
		l.problem("%v", err)
	}
	return text
}

// patch has whydenied patch the policy by a log, and says whether it changed.
func (l *loop) patch(round, log string) bool {
	before := l.texts()
	args := l.policyFlags("patch", "--write")
	if l.scenario.breadth != "" {
		args = append(args, "--breadth", l.scenario.breadth)
	}
	if l.scenario.risk != "" {
		args = append(args, "--risk", l.scenario.risk)
	}
	if out, err := l.command(round+".patch", "whydenied", append(args, log)...); exitStatus(err) != 3 {
		l.problem("%s: patch --write exits with %d: %s", round, exitStatus(err), firstLine(out))
	}
	after := l.texts()
	for i, text := range after {
		name := filepath.Base(l.policy)
		if i > 0 {
			name = filepath.Base(l.files[i-1].Name) + ".included"
		}
		if err := os.WriteFile(l.file(round+"."+name), text, 0o644); err != nil {
			l.problem("%v", err)
		}
	}
	return !reflect.DeepEqual(before, after)
}

// texts are those of the policy and of the scenario's own files, which it includes.
func (l *loop) texts() (texts [][]byte) {
	text, _ := os.ReadFile(l.policy)
	texts = append(texts, text)
	for _, f := range l.files {
		text, _ := os.ReadFile(f.Name)
		texts = append(texts, text)
	}
	return texts
}

// checkFixed compares the patched policy with one that is known to be good. That it is, is
// checked too.
func (l *loop) checkFixed() {
	if l.fixed == "" {
		return
	}
	good := l.file("fixed")
	if err := os.WriteFile(good, []byte(l.fixed), 0o644); err != nil {
		l.problem("%v", err)
		return
	}
	if _, passed := l.workload("fixed", good); !passed {
		l.problem("the workload does not pass under the scenario's own fixed profile")
	}
	if l.Outcome == "fixed" {
		l.compare(good)
	}
}

func (l *loop) policyFlags(args ...string) []string {
	switch {
	case l.policy == "":
		return args
	case l.seccomp:
		return append(args, "--seccomp", l.policy)
	}
	return append(args, "--profile", l.policy)
}

// command runs a program and keeps what it prints.
func (l *loop) command(keep, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = time.Second
	cmd.Env = l.environment(l.policy)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if ctx.Err() != nil {
		l.problem("%s: %s ran into the limit of %s", keep, name, patience)
	}
	if kept := append(out.Bytes(), errs.Bytes()...); len(kept) > 0 {
		os.WriteFile(l.file(keep), kept, 0o644) // for whoever reads the results
	}
	if err != nil && out.Len() == 0 {
		return errs.Bytes(), err
	}
	return out.Bytes(), err
}

func exitStatus(err error) int {
	if err == nil {
		return 0
	}
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.ExitCode()
	}
	return -1
}

func firstLine(text []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return line
}
