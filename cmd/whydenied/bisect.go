package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/bisect"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/expect"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// bisectFlags are the flags of the bisect command.
type bisectFlags struct {
	policy policyFlags
	output outputFlags
	name   string
}

func newBisect() *cobra.Command {
	var f bisectFlags
	cmd := &cobra.Command{
		Use:   "bisect ACCESS|LOG... --profile POLICY | --seccomp POLICY",
		Short: "Say since which commit of a profile an access is refused",
		Long: `bisect goes back through the versions of a policy that git has, and says which commit
made it refuse an access, with the rules of both sides: a file or directory of this disk,
changes that are not committed first, or REV:PATH. It follows merges to the side that
refuses, and names that a file or directory had before. Versions that cannot be read, or
that do not have the profile, are passed over and named.

An ACCESS is in the words of query, with owner before it where the process owns the file;
of a seccomp profile it is syscall NAME [ARG...] [caps=CAP,...] [arch=ARCH]. Of a LOG, each
access that the policy refuses now is asked about, under the profile that its record names.
What files include is of the same commit where the repository has it, else of the disk, which is
said.

Exit status: 0 all is granted now, 3 something is refused, 2 wrong usage, 1 something
could not be read.`,
		Example: `  whydenied bisect 'open /srv/x w' --profile profiles/web
  whydenied bisect audit.log --profile profiles
  whydenied bisect 'syscall clone3' --seccomp main:seccomp.json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("name the access, such as 'open /srv/x w', or a log; see whydenied bisect --help")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runBisect(cmd, args, f) },
	}
	flags := cmd.Flags()
	f.policy.addOnly(flags, "profile", "seccomp", "profile-dir", "include", "allow-includes", "runtime", "libseccomp")
	f.output.add(flags, "text", "json")
	flags.StringVar(&f.name, "name", "", "`PROFILE` to ask about an ACCESS; needed if the policy holds several")
	return cmd
}

func runBisect(cmd *cobra.Command, args []string, f bisectFlags) error {
	names := f.policy.profiles
	if f.policy.seccomp != "" {
		names = append(names, f.policy.seccomp)
	}
	if len(names) != 1 {
		return usagef("name one policy with --profile or --seccomp")
	}
	print, flush, err := printer(cmd, f.output, report.NewBisectedText)
	if err != nil {
		return err
	}
	history, err := openHistory(cmd.Context(), names[0], f.policy.searchPath())
	if err != nil {
		return err
	}
	loader, err := f.policy.loader()
	if err != nil {
		return err
	}
	b := &bisection{history: history, policy: f.policy, known: callOf(loader), texts: map[string]readText{}}
	last, err := b.text(cmd.Context(), cmd.ErrOrStderr(), history.last)
	if err != nil {
		return err
	}
	if f.name != "" && last.Profile(f.name) == nil {
		return usagef("--name: the policy has no profile %s", escape.Name(f.name))
	}
	questions, exit, err := f.questions(cmd, args, last, b.known)
	if err != nil {
		return err
	}
	refused := false
	for _, q := range questions {
		message, err := b.find(cmd.Context(), q)
		if err != nil {
			return err
		}
		refused = refused || message.Outcome != "granted"
		if err := print(message); err != nil {
			return err
		}
	}
	if err := flush(); err != nil {
		return err
	}
	if refused {
		return errFound
	}
	return exit
}

// A question is an access that a version of the policy is asked about.
type question struct {
	expect.Expectation // that it is granted
	call               bool
}

// questions returns what is asked: the accesses that are named, and those of logs that the
// last version refuses. exit stands for the exit status if none is.
func (f *bisectFlags) questions(cmd *cobra.Command, args []string, last library.Text, known seccomp.Call) (list []question, exit, err error) {
	var logs []string
	for _, arg := range args {
		if _, err := os.Stat(arg); err == nil || arg == "-" {
			logs = append(logs, arg)
			continue
		}
		e := expect.Expectation{Verb: expect.Allow, Profile: f.name, Access: arg, Text: arg}
		list = append(list, question{e, last.Seccomp != nil})
	}
	if len(logs) == 0 {
		return list, nil, nil
	}
	in := inputFlags{policy: f.policy}
	session, exit, err := in.observed(cmd, logs)
	if err != nil {
		return nil, nil, err
	}
	asked, granted, open := map[expect.Expectation]bool{}, 0, 0
	for _, finding := range session.Findings() {
		for _, p := range proposalsOf(finding, []library.Text{last}, known) {
			e := expect.Expectation{Verb: expect.Allow, Profile: p.Profile, Access: p.Access, Text: p.Access}
			switch {
			case p.err != nil:
				open++
			case p.Verb == expect.Allow || p.Verb == expect.Exec:
				granted++
			case !asked[e]:
				asked[e] = true
				list = append(list, question{e, last.Seccomp != nil})
			}
		}
	}
	say(cmd.ErrOrStderr(), "accesses that the policy refuses now: %d; that it grants: %d; of which it cannot be asked: %d", len(asked), granted, open)
	return list, exit, nil
}

// A bisection asks the versions of a policy.
type bisection struct {
	history *gitHistory
	policy  policyFlags
	known   seccomp.Call
	texts   map[string]readText // by version
}

// maxTexts bounds the versions that are kept, as each may be a large directory.
const maxTexts = 32

// A readText is what became of reading a version.
type readText struct {
	library.Text
	err error
}

// text reads a version. What cannot be read of it is said to w.
func (b *bisection) text(ctx context.Context, w io.Writer, version string) (library.Text, error) {
	read, known := b.texts[version]
	if !known {
		s, err := b.history.files(ctx, version)
		if err == nil {
			read.Text, err = textOf(ctx, w, b.policy, version, s)
		}
		read.err = err
		if len(b.texts) >= maxTexts {
			clear(b.texts)
		}
		b.texts[version] = read
	}
	return read.Text, read.err
}

// find says since which version an access is refused.
func (b *bisection) find(ctx context.Context, q question) (report.Bisected, error) {
	results, whys := map[string]expect.Result{}, map[string]string{}
	ask := func(version string) (bisect.Answer, error) {
		r, err := b.ask(ctx, q, version)
		var unread *unreadError
		switch {
		case ctx.Err() != nil:
			return bisect.Unread, ctx.Err()
		case errors.As(err, &unread) && version != b.history.last:
			whys[version] = unread.why
			return bisect.Unread, nil
		case err != nil:
			return bisect.Unread, err
		}
		results[version] = r
		if r.Holds {
			return bisect.Granted, nil
		}
		return bisect.Refused, nil
	}
	found, err := bisect.Find(b.history.last, bisect.History{
		Parents: func(version string) ([]string, error) { return b.history.parents(ctx, version) },
		Ask:     ask,
	})
	if err != nil {
		return report.Bisected{}, err
	}
	last := results[b.history.last]
	message := report.NewBisected(q.Access, last.Under, found.Asked)
	if last.Holds {
		return message, nil
	}
	message.Is = report.NewBisectedAnswer(explain.Refused, results[found.Since].Rules)
	message.Commit = report.NewCommit(b.history.commit(found.Since))
	switch {
	case found.Before == "" && b.history.shallow:
		message.Outcome = "shallow"
	case found.Before == "":
		message.Outcome = "always"
	case message.Commit == nil:
		message.Outcome = "disk"
	default:
		message.Outcome = "commit"
	}
	if found.Before != "" {
		message.Was = report.NewBisectedAnswer(explain.Granted, results[found.Before].Rules)
	}
	for _, version := range found.Unread {
		message.Unread = append(message.Unread, report.NewUnreadVersion(b.history.commit(version), whys[version]))
	}
	return message, nil
}

// An unreadError is why a version cannot be asked.
type unreadError struct{ why string }

func (e *unreadError) Error() string { return e.why }

func unread(format string, args ...any) error { return &unreadError{fmt.Sprintf(format, args...)} }

// ask holds that a version grants an access. The error is an unreadError if the version cannot
// tell, else it says what is wrong with the question.
func (b *bisection) ask(ctx context.Context, q question, version string) (r expect.Result, err error) {
	text, err := b.text(ctx, io.Discard, version)
	switch {
	case err != nil:
		return r, unread("%v", err)
	case q.call && text.Seccomp == nil:
		return r, unread("it is no seccomp profile")
	case q.call:
		r, err = expect.CheckCall(q.Expectation, text.Seccomp, b.known)
	default:
		p, missing := profileOf(text, q.Profile)
		if missing != nil {
			return r, missing
		}
		r, err = expect.Check(q.Expectation, p)
	}
	if err != nil {
		return r, usagef("%q: %v", q.Access, err)
	}
	if r.Open {
		return r, unread("%s", r.Why)
	}
	return r, nil
}

// profileOf returns the profile of a name, or the only one of a text whatever its name is.
func profileOf(text library.Text, name string) (*apparmor.Profile, error) {
	var found []*apparmor.Profile
	for _, p := range text.AppArmor {
		if p.FullName() == name {
			found = []*apparmor.Profile{p}
			break
		}
		if p.Parent == nil {
			found = append(found, p)
		}
	}
	switch {
	case len(found) != 1 && name != "":
		return nil, unread("it has no profile %s", escape.Name(name))
	case len(found) != 1:
		return nil, unread("it has %d profiles; say which one is asked with --name", len(found))
	case len(found[0].Unread) > 0:
		return nil, unread("what stands at %s was not understood", found[0].Unread[0])
	}
	return found[0], nil
}
