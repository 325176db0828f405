package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/secret"
)

// The exit codes, the same for every command.
const (
	exitClean  = 0 // nothing refused or found
	exitFailed = 1 // the tool itself failed
	exitUsage  = 2
	exitFound  = 3 // denials or problems found
)

// errFound makes a command that did its work exit with exitFound.
var errFound = errors.New("found")

// errReported makes a command exit with exitFailed for a failure that it has
// said already.
var errReported = errors.New("failed")

// An exitStatus makes a command exit with the status of another program.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// A usageError is a mistake in the command line.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// run is the program: it runs the command that args name and returns its exit
// code. stdout gets the answer, stderr everything else.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var usage usageError
	var status exitStatus
	switch {
	case err == nil:
		return exitClean
	case errors.As(err, &status):
		return int(status)
	case errors.Is(err, errFound):
		return exitFound
	case errors.Is(err, errReported):
		return exitFailed
	case errors.Is(err, syscall.EPIPE): // the reader of stdout has seen enough
		return exitClean
	case errors.Is(err, context.Canceled):
		say(stderr, "interrupted")
		return exitFailed
	}
	complain(stderr, err)
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

// say prints one line of what is not the answer to stderr, safe for a terminal and
// without secrets.
func say(stderr io.Writer, format string, args ...any) {
	escape.Write(stderr, "whydenied: "+escape.Line(secret.Text(fmt.Sprintf(format, args...), nil))+"\n")
}

// complain says an error, a line for each of its causes.
func complain(stderr io.Writer, err error) {
	for _, cause := range causes(err) {
		say(stderr, "%s", cause)
	}
}

// causes words an error: each of several that it joins by itself, and the name of a
// file as one word.
func causes(err error) (list []string) {
	if e, ok := err.(*fs.PathError); ok {
		return []string{e.Op + " " + string(escape.Name(e.Path)) + ": " + e.Err.Error()}
	}
	text := err.Error()
	if joined, ok := err.(interface{ Unwrap() []error }); ok && text == errors.Join(joined.Unwrap()...).Error() {
		for _, inner := range joined.Unwrap() {
			list = append(list, causes(inner)...)
		}
		return list
	}
	inner := errors.Unwrap(err)
	if inner == nil {
		return []string{text}
	}
	before, after, found := strings.Cut(text, inner.Error())
	if !found {
		return []string{text}
	}
	for _, cause := range causes(inner) {
		list = append(list, before+cause+after)
	}
	return list
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "whydenied",
		Short: "Explain why AppArmor or seccomp refused something to a container",
		Long: `whydenied reads the kernel's records of what AppArmor and seccomp refused,
finds the rule responsible and its line, and proposes the smallest patch.
"whydenied help CAUSE" has a page on each cause that a finding can name, and
"whydenied help help" lists all pages.

Exit status: 0 nothing refused or found, 1 whydenied failed, 2 wrong usage,
3 denials or problems found.`,
		Version:                    version(),
		SilenceErrors:              true,
		SilenceUsage:               true,
		DisableAutoGenTag:          true,
		SuggestionsMinimumDistance: 2,
		Args:                       noSubcommand,
		PersistentPreRunE:          func(*cobra.Command, []string) error { return enoughFiles() },
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%v; see %s --help", err, cmd.CommandPath())
	})
	root.SetVersionTemplate("whydenied {{.Version}}\n")
	group := func(id, title string, commands ...*cobra.Command) {
		root.AddGroup(&cobra.Group{ID: id, Title: title})
		for _, c := range commands {
			c.GroupID = id
		}
		root.AddCommand(commands...)
	}
	group("explain", "Explain refusals:", newExplain(), newWatch(), newRun(), newTrace(), newParse())
	group("overview", "Overview:", newSummary(), newCompare(), newReport(), newSoak())
	group("policy", "Profiles:", newPatch(), newCheck(), newTest(), newDiff(), newReplay(), newBisect(), newCoverage(), newMinimise(), newQuery(), newWhoCan(), newObserve())
	group("host", "Hosts:", newDoctor(), newCollect(), newAgent())
	root.AddCommand(newPluginMetadata())
	addHelp(root)
	addCompletions(root)
	return root
}

// noSubcommand refuses a word that is no command, with the commands that are
// spelled alike.
func noSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usagef("there is no command %q; %s", args[0], cmp.Or(meant(cmd, args[0]), "whydenied help lists them"))
}

// meant asks whether one of the commands was meant that are spelled like a name; it
// returns "" if none is.
func meant(cmd *cobra.Command, name string) string {
	var quoted []string
	for _, s := range cmd.SuggestionsFor(name) {
		quoted = append(quoted, strconv.Quote(s))
	}
	if len(quoted) == 0 {
		return ""
	}
	return "did you mean " + strings.Join(quoted, " or ") + "?"
}

// noArgs refuses a word after a command that takes none.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usagef("%s takes no argument, and %q is one; see %[1]s --help", cmd.CommandPath(), args[0])
}

// release is the version of a release, which its build sets: -ldflags "-X main.release=v0.1.0".
var release string

// version is that of the release, else the module's as the Go tool stamped it: a tag, or
// one made of the revision of the work tree that it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return cmp.Or(release, "unknown")
	}
	stamped := info.Main.Version
	if stamped == "(devel)" { // go run, or no repository
		stamped = "devel"
	}
	return cmp.Or(release, stamped, "devel") + " (" + info.GoVersion + ")"
}
