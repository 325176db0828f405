package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/message"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/explain/silent"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// failedFlags are the flags that say how a program failed.
type failedFlags struct {
	status         int // 0 if it is not known
	stderr, strace string
}

func (f *failedFlags) add(flags *pflag.FlagSet) {
	flags.IntVar(&f.status, "exit-code", 0, "`STATUS` that the program ended with, such as 126: what its profile refuses that could be why")
	flags.StringVar(&f.stderr, "stderr", "", "`FILE` of the program's error output: what it says was refused is asked of the profiles")
	flags.StringVar(&f.strace, "strace", "", "`FILE` that strace -f wrote: the calls that failed are asked of the profiles")
}

// given reports whether anything is known of how a program failed.
func (f *failedFlags) given() bool { return f.status != 0 || f.files() }

// files reports whether there are files that say it.
func (f *failedFlags) files() bool { return f.stderr != "" || f.strace != "" }

func (f *failedFlags) check(args []string) error {
	if f.status < 0 || f.status > 255 {
		return usagef("--exit-code %d is no exit status; they are 1 to 255", f.status)
	}
	readers := 0
	for _, name := range append([]string{f.stderr, f.strace}, args...) {
		if name == "-" {
			readers++
		}
	}
	if readers > 1 {
		return usagef("standard input can be read once; save the others to files")
	}
	return nil
}

// claims adds to the group what the policies refuse of what failed, and returns
// what they do not.
func (f *inputFlags) claims(cmd *cobra.Command, in input, group *explain.Group) ([]silent.Unexplained, error) {
	lib := in.explainer.Library
	targets := in.targets()
	if !f.failed.given() {
		return silent.AddKnown(lib, targets, group), nil
	}
	target, err := f.failed.onlyTarget(targets)
	if err != nil {
		return nil, err
	}
	attempts := silent.NewAttempts(lib, target, group)
	attempts.Logged = len(in.logs) > 0
	if f.failed.strace != "" {
		trace := &parser.Strace{File: f.failed.strace}
		if err := eachLine(cmd, f.failed.strace, func(line string) {
			if a, failed := trace.Line(line); failed {
				attempts.Add(a)
			}
		}); err != nil {
			return nil, err
		}
		if trace.Calls == 0 {
			return nil, fmt.Errorf("%s: no system call is in it; name what strace -f wrote", escape.Name(f.failed.strace))
		}
	}
	if f.failed.stderr != "" {
		if err := f.failed.printed(cmd, cmp.Or(lib.Arch, seccomp.X86_64), attempts); err != nil {
			return nil, err
		}
	}
	attempts.AddStatus(parser.Origin{}, f.failed.status, false)
	silent.AddSuspects(lib, target, f.failed.status, group)
	return withoutStatus(attempts.Unexplained), nil
}

// printed adds what the program's error output says was refused, else that it says of something that it is no
// refusal. Where it says neither, that is said.
func (f *failedFlags) printed(cmd *cobra.Command, arch seccomp.Arch, attempts *silent.Attempts) error {
	pasted := &parser.Strace{File: f.stderr}
	said, lines := false, 0
	var otherwise parser.Attempt // what is said and is no refusal, with why
	output := message.NewReader(f.stderr, arch, func(a parser.Attempt) {
		said = true
		attempts.Add(a)
	})
	if err := eachLine(cmd, f.stderr, func(line string) {
		lines++
		if a, failed := pasted.Line(line); failed && strings.Contains(line, ") = -1 E") { // strace's lines fall into the output
			said, line = true, ""
			attempts.Add(a)
		}
		output.Line(line)
		if !said && otherwise.Hint == "" {
			if why := message.NoRefusal(line); why != "" {
				o := parser.Origin{File: f.stderr, Line: lines, Transport: parser.ErrorOutput}
				otherwise = parser.Attempt{Origin: o, Text: strings.TrimSpace(line[:min(len(line), maxQuoted)]), Hint: why}
			}
		}
	}); err != nil {
		return err
	}
	output.End()
	switch {
	case said:
	case otherwise.Hint != "":
		attempts.AddNoRefusal(otherwise)
	default:
		say(cmd.ErrOrStderr(), nothingSaid, escape.Name(f.stderr))
	}
	return nil
}

// withoutStatus leaves out the exit status of what could not be executed, where another text says what that was.
func withoutStatus(list []silent.Unexplained) []silent.Unexplained {
	if !slices.ContainsFunc(list, func(u silent.Unexplained) bool { return u.Syscall == "execve" }) {
		return list
	}
	return slices.DeleteFunc(list, func(u silent.Unexplained) bool { return message.IsExecStatus(&u.Attempt) })
}

// nothingSaid is for a text in which nothing tells of a refusal.
const nothingSaid = "%s: no line of it is known to tell of a refusal: give the line with the error as it was printed, with those around it, " +
	"or the kernel's log of that time (journalctl -k > FILE, explain FILE)"

// maxQuoted bounds the bytes that are shown of a line which is no refusal.
const maxQuoted = 8192

// targets returns what policies can be asked of. Where all containers of this host are known, none of several
// was meant until it is named.
func (in *input) targets() []silent.Target {
	targets := silent.Targets(in.explainer.Library, in.inventory, in.filter)
	if in.gathered && len(in.filter.Containers) == 0 && len(targets) > 1 {
		return nil
	}
	return targets
}

// onlyTarget returns the one whose policies are to be asked; without any, what was said
// is asked of the defaults of engines.
func (f *failedFlags) onlyTarget(targets []silent.Target) (silent.Target, error) {
	switch {
	case len(targets) == 1:
		return targets[0], nil
	case len(targets) == 0 && (f.files() || f.status > 128):
		return silent.Target{}, nil
	case len(targets) == 0:
		return silent.Target{}, usagef("which profiles were in force is not known; name them by --profile, --seccomp or --inventory")
	}
	const shown = 5
	var names []string
	for _, t := range targets[:min(len(targets), shown)] {
		names = append(names, string(escape.Line(t.Name())))
	}
	if len(targets) > shown {
		names = append(names, "...")
	}
	return silent.Target{}, usagef("how one program failed is asked of one container's profiles, and there are %d: %s; choose by --container or --profile-name",
		len(targets), strings.Join(names, ", "))
}

// maxLine bounds the bytes of a line that are read; the rest of it is passed over.
const maxLine = 1 << 20

// eachLine calls with each line of a file, or of standard input for "-", without
// its end.
func eachLine(cmd *cobra.Command, name string, call func(line string)) error {
	var in io.Reader = cmd.InOrStdin()
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	lines := bufio.NewReaderSize(in, maxLine)
	for {
		line, isPrefix, err := lines.ReadLine()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", escape.Name(name), err)
		}
		call(string(line))
		for isPrefix && err == nil {
			_, isPrefix, err = lines.ReadLine()
		}
		if err := cmd.Context().Err(); err != nil {
			return err
		}
	}
}

// silent says what the policies refuse without a record, what they do not explain, and
// what to type next.
func (f *inputFlags) silent(in input, args []string, findings []*explain.Explained, unexplained []silent.Unexplained) *report.Silent {
	s := &report.Silent{Policies: []report.SilentPolicy{}, Unexplained: report.NewUnexplained(unexplained)}
	targets := in.targets()
	next := newSteps(f, args, targets)
	if hasFix(findings) {
		next.patch()
	}
	if len(findings) == 0 && !f.failed.given() {
		next.words(in.logs)
	}
	next.podman = slices.ContainsFunc(unexplained, func(u silent.Unexplained) bool { return message.IsPodman(u.Text) })
	next.gathered = in.gathered
	next.kubelet = slices.ContainsFunc(unexplained, func(u silent.Unexplained) bool { return message.IsKubelet(u.Text) })
	open := slices.DeleteFunc(slices.Clone(unexplained), silent.Unexplained.IsDecided)
	isDecided := len(unexplained) > 0 && len(open) == 0 // what is said of the layer is the next step
	isOfAppArmor := len(unexplained) == 0 || slices.ContainsFunc(open, silent.Unexplained.MayBeAppArmor)
	for _, t := range targets[:min(len(targets), maxTargets)] {
		for _, policy := range silent.Of(in.explainer.Library, t, f.failed.status) {
			s.Policies = append(s.Policies, report.NewSilentPolicy(policy))
			if !isDecided && (policy.IsSeccomp || isOfAppArmor) {
				next.observe(policy)
			}
		}
	}
	next.trace = next.trace || slices.ContainsFunc(unexplained, func(u silent.Unexplained) bool { return u.Syscall != "" })
	isInside := func(u silent.Unexplained) bool { return !u.Outside }
	isOfContainer := func(u silent.Unexplained) bool { return !u.Outside && !u.Host }
	switch {
	case isDecided:
	case len(open) > 0 && !slices.ContainsFunc(open, isInside):
		next.host("has what a policy of the host, or of a container around the runtime, refused: those of the container itself were not asked")
	case len(open) > 0 && len(targets) == 0 && !slices.ContainsFunc(open, isOfContainer):
		next.host("has what a policy of the host refused, by its record")
	case len(unexplained)+len(findings)+len(targets) == 0 && f.failed.stderr != "" && f.failed.strace == "":
		next.host("has what the kernel logged of it")
	case len(open) > 0 && !slices.ContainsFunc(open, func(u silent.Unexplained) bool { return u.Errno != "SIGSYS" }):
		next.host("has the record of the kill, which names the call, unless auditing is off")
	default:
		next.others(targets)
	}
	s.Next = next.steps
	return s
}

// maxTargets bounds the containers whose policies are listed.
const maxTargets = 20
