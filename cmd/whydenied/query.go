package main

import (
	"cmp"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// queryFlags are the flags of the query command.
type queryFlags struct {
	policy  policyFlags
	output  outputFlags
	name    string
	access  []string
	owner   bool
	near    bool
	syscall string
	args    []string
}

func newQuery() *cobra.Command {
	var f queryFlags
	cmd := &cobra.Command{
		Use:   "query --profile FILE --access ACCESS | --seccomp FILE --syscall NAME | < BATCH",
		Short: "Ask what a profile would answer to an access",
		Long: `query answers what an AppArmor profile says to an access, or a seccomp profile to
a system call: granted or refused, logged or not, and by which rules.

An ACCESS is a verb and its object, in the words of policy; quote names that hold
spaces:

` + access.Usage() + `
A name in place of FILE takes a profile that a runtime generates: --profile
builtin:docker-default (cri-containerd.apparmor.d, crio-default,
containers-default-VERSION), --seccomp builtin:docker (containerd, podman,
cri-o); a version may follow: builtin:docker@28.1. --profile loaded:NAME takes one that
this host's kernel holds, which only root may read; it has no rules any more.

Without --access and --syscall, requests are read from standard input, one JSON
object a line with the keys of the kernel's records (what "whydenied parse"
prints), and each is answered by one JSON object, in order:

  {"profile":"web","class":"file","name":"/etc/shadow","mask":"r","fsuid":33,"ouid":0}
  {"syscall":"clone3","arch":"x86_64","args":[0],"caps":["CAP_SYS_ADMIN"],"kernel":"5.15"}
  {"syscall":"statx","runtime":"runc@1.1.5","libseccomp":"2.5.4"}

A line that cannot be answered gets an object with the key error.

Exit status: 0 all granted, 3 something refused or undecidable, 2 wrong usage, 1
something could not be read or answered.`,
		Example: `  whydenied query --profile ./web.apparmor --access 'open /etc/shadow r'
  whydenied query --profile builtin:docker-default --access 'mount options=(ro, bind) /a/ -> /b/'
  whydenied query --profile loaded:docker-default --access 'open /proc/sysrq-trigger w'
  whydenied query --seccomp builtin:docker --syscall clone3 --arch amd64 --caps ''
  whydenied parse audit.log | whydenied query --profile ./edited.apparmor`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runQuery(cmd, f) },
	}
	flags := cmd.Flags()
	f.policy.addOnly(flags, "profile", "profile-dir", "include", "allow-includes", "seccomp", "inventory", "arch", "caps", "kernel", "runtime", "libseccomp")
	f.output.add(flags, "text", "json")
	flags.StringVar(&f.name, "name", "", "`PROFILE` of the file to ask; needed if it holds several")
	flags.StringArrayVar(&f.access, "access", nil, "`ACCESS` to ask about, such as 'open /etc/shadow r'; repeatable")
	flags.BoolVar(&f.owner, "owner", false, "the process owns the files it asks for")
	flags.BoolVar(&f.near, "near", false, "list the nearest rules in the answers to a batch too, which is slower")
	flags.StringVar(&f.syscall, "syscall", "", "system call to ask about: `NAME` or number")
	flags.StringSliceVar(&f.args, "args", nil, "the call's arguments from the first on, as far as known: 0x10000,0")
	return cmd
}

func runQuery(cmd *cobra.Command, f queryFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	q, err := f.load(cmd)
	if err != nil {
		return err
	}
	if len(f.access) == 0 && f.syscall == "" {
		return q.batch(cmd)
	}
	answers, err := q.answers(f)
	if err != nil {
		return err
	}
	if err := printAll(cmd, f.output, report.NewAnswerText, answers); err != nil {
		return err
	}
	if slices.ContainsFunc(answers, func(a report.Answer) bool { return a.Decision != "granted" }) {
		return errFound
	}
	return nil
}

// check reports flags that do not go together.
func (f *queryFlags) check() error {
	switch {
	case len(f.policy.profiles) == 0 && f.policy.seccomp == "":
		return usagef("name the policy to ask with --profile or --seccomp")
	case len(f.access) > 0 && len(f.policy.profiles) == 0:
		return usagef("--access needs --profile")
	case f.syscall != "" && f.policy.seccomp == "":
		return usagef("--syscall needs --seccomp")
	case len(f.args) > 0 && f.syscall == "":
		return usagef("--args needs --syscall")
	}
	return f.output.check()
}

// A query is the policy that requests are answered by, and what they leave out.
type query struct {
	lib     *library.Library
	name    string // of the profile, where a request does not say
	near    bool
	seccomp *seccomp.Profile
	known   access.Known
	assumed bool // no arch was given
}

// load reads the policy that the flags name, and what the inventory says of the host and
// of the container, if it has one alone.
func (f *queryFlags) load(cmd *cobra.Command) (*query, error) {
	policy := f.policy
	policy.arch = "" // it is that of the call, which may be another than the host's
	o, err := policy.options()
	if err != nil {
		return nil, err
	}
	explainer, err := load(o, cmd.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	q := &query{lib: explainer.Library, name: f.name, near: f.near}
	if f.name != "" {
		if _, err := q.profile(f.name); err != nil {
			return nil, usagef("--name: %v", err)
		}
	}
	call := q.lib.Call(f.container(o.Inventory), 0)
	q.assumed = call.Host == 0 && f.policy.arch == ""
	call.Arch = cmp.Or(call.Host, seccomp.X86_64)
	if f.policy.arch != "" {
		if err := access.SetArch(&call, f.policy.arch); err != nil {
			return nil, usagef("--arch: %v", err)
		}
	}
	if cmd.Flags().Changed("caps") { // none is another thing than unknown
		call.Caps = access.Caps(f.policy.caps)
	}
	q.known = access.Known{Owner: f.owner, Call: call}
	var name string
	if q.seccomp, name = q.lib.NamedSeccomp(); library.IsBuiltin(f.policy.seccomp) {
		say(cmd.ErrOrStderr(), "%s", name)
	}
	return q, nil
}

// container returns the only container of an inventory, or what else is known of the one
// that is meant: the engine whose default profile is asked.
func (f *queryFlags) container(inventory *container.Inventory) (c container.Container) {
	if inventory != nil && len(inventory.Containers) == 1 {
		c = inventory.Containers[0]
	}
	if c.Runtime == "" && library.IsBuiltin(f.policy.seccomp) {
		_, engine, _ := strings.Cut(f.policy.seccomp, ":")
		c.Runtime, _, _ = strings.Cut(engine, "@")
	}
	return c
}

// profile returns the profile that a request names; "" is that of --name. See
// library.NamedProfile.
func (q *query) profile(name string) (*apparmor.Profile, error) {
	return q.lib.NamedProfile(cmp.Or(name, q.name))
}

// answers answers what the flags ask.
func (q *query) answers(f queryFlags) ([]report.Answer, error) {
	q.near = true // for a person, time is no matter
	var answers []report.Answer
	for _, text := range f.access {
		d, err := access.Parse(text, f.owner)
		if err != nil {
			return nil, usagef("--access %q: %v", text, err)
		}
		answer, err := q.ask(d)
		if err != nil {
			return nil, usagef("%v", err)
		}
		answer.Asked = text
		answers = append(answers, answer)
	}
	if f.syscall == "" {
		return answers, nil
	}
	call, err := access.ParseCall(q.known.Call, f.syscall, f.args)
	if err != nil {
		return nil, usagef("%v", err)
	}
	answer := q.askCall(access.Asked{Call: call})
	answer.Asked = answer.Syscall + " on " + answer.Arch
	return append(answers, answer), nil
}

// ask answers an AppArmor request.
func (q *query) ask(d *parser.Denial) (report.Answer, error) {
	var missing error
	v := access.Decide(d, func(name string) *apparmor.Profile {
		p, err := q.profile(name)
		missing = cmp.Or(missing, err)
		return p
	})
	switch {
	case v.Refused != "" || v.Granted != "":
	case v.Profile == nil:
		return report.Answer{}, missing
	case v.Err != nil:
		return report.Answer{}, v.Err
	}
	return report.NewAnswer(v, q.near), nil
}

// askCall answers a seccomp request.
func (q *query) askCall(asked access.Asked) report.Answer {
	answer := report.AskCall(q.seccomp, asked.Call, asked.Record, q.near)
	if q.assumed && !asked.HasArch {
		answer.Notes = append(answer.Notes, "no architecture was given: x86_64 is assumed")
	}
	return answer
}

// isTerminal reports whether r is one, where waiting for a batch would look like
// hanging.
func isTerminal(r io.Reader) bool {
	file, ok := r.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
