package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/explain/silent"
	"github.com/whydenied/whydenied/parser/source"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/shell"
)

// nextSteps collects the commands to type next, each complete.
type nextSteps struct {
	flags    *inputFlags
	args     []string
	inspect  string // the command that prints the inventory; "" if that is not known
	steps    []report.Step
	trace    bool // a seccomp profile refuses without a record
	podman   bool // what was said is of Podman, or of a runtime below it
	kubelet  bool // a kubelet said what is not explained
	gathered bool // the containers of this host are known
}

func newSteps(f *inputFlags, args []string, targets []silent.Target) *nextSteps {
	n := &nextSteps{flags: f, args: args}
	if len(targets) == 1 {
		n.inspect = ofEngine("inspect", targets[0].Container)
	}
	return n
}

// ofEngine is a command of its engine about a container, inspect or logs, "" if it is not
// known how the engine calls it. crictl takes no name.
func ofEngine(command string, c container.Container) string {
	engine := container.EngineNamed(c.Runtime)
	which := c.Name
	if !engine.Docker {
		which = container.ShortID(c.ID)
	}
	if engine.Client() == "" || which == "" {
		return ""
	}
	return join(engine.Client(), []string{command, which})
}

// once is the name of what can be read but once: bash's <(command), and standard
// input as it stands in a command line.
var once = regexp.MustCompile(`/dev/fd/\d+| -( |$)`)

// add adds a command, if it is not there yet. Where an input of this one cannot be
// read again, the inventory is asked for again, and others are files to be made.
func (n *nextSteps) add(command, why string) {
	saved := false
	command = once.ReplaceAllStringFunc(command, func(input string) string {
		if strings.HasPrefix(input, "/dev/fd/") && n.inspect != "" {
			return "<(" + n.inspect + ")"
		}
		saved = true
		if strings.HasPrefix(input, "/") {
			return "saved"
		}
		return strings.Replace(input, "-", "saved", 1)
	})
	if saved {
		why += "; saved is a file to be made of what this command read once"
	}
	if !slices.ContainsFunc(n.steps, func(s report.Step) bool { return s.Command == command }) {
		n.steps = append(n.steps, report.Step{Command: command, Why: why})
	}
}

// patch is for what was found.
func (n *nextSteps) patch() {
	command := join("whydenied", append([]string{"patch"}, n.args...), n.flags.policy.words(), n.flags.selection(), n.flags.failed.words())
	n.add(command, "prints the proved change as one diff; with --write it makes the change")
}

// next are the commands to type after findings of logs.
func (f *inputFlags) next(args []string, findings []*explain.Explained) []report.Step {
	n := newSteps(f, args, nil)
	isUnknown := func(isSeccomp bool) bool {
		return slices.ContainsFunc(findings, func(f *explain.Explained) bool {
			return f.NotFound != "" && f.Product == nil && (f.Denial.Seccomp != nil) == isSeccomp
		})
	}
	switch {
	case hasFix(findings):
		n.patch()
	case isUnknown(false):
		n.add("sudo whydenied collect -o denied.tar.zst", "on the host of the log puts the log and its profiles into one file, which `whydenied explain denied.tar.zst` explains anywhere")
	case isUnknown(true):
		n.unit(findings)
		if !n.config(findings) {
			n.others(nil)
		}
	}
	return n.steps
}

// unit is for a call that the filter of a unit of systemd may have refused: it tells the unit's
// name, and then what its settings say.
func (n *nextSteps) unit(findings []*explain.Explained) {
	i := slices.IndexFunc(findings, func(f *explain.Explained) bool { return f.Unit != "" && f.NotFound != "" })
	if i < 0 {
		return
	}
	explained := join("whydenied", append([]string{"explain"}, n.args...), n.flags.policy.words(), []string{"--inventory", "unit.cat"})
	if unit := findings[i].Unit; unit != "UNIT" {
		n.add("systemctl cat "+shell.Quote(unit)+" > unit.cat && "+explained, "shows the setting of the unit that refuses it, with a drop-in that allows it")
		return
	}
	n.add("sudo journalctl --no-pager -g 'status=31/SYS'", "names the units of which a filter ended a program; then `systemctl cat UNIT > unit.cat && "+explained+"` shows the setting that refuses it")
}

// config is for a call that the filter of a container of LXC, Incus or LXD refused, whose config tells it. It
// reports whether there is one.
func (n *nextSteps) config(findings []*explain.Explained) bool {
	for _, f := range findings {
		command, file := f.Container.Config()
		if f.NotFound == "" || command == "" && file == "" {
			continue
		}
		if command != "" {
			file = f.Container.Name + ".yaml"
			command += " > " + shell.Quote(file) + " && "
		}
		n.add(command+join("whydenied", append([]string{"explain"}, n.args...), n.flags.policy.words(), []string{"--inventory", file}), "asks the container's own filter, which its config tells")
		return true
	}
	return false
}

func hasFix(findings []*explain.Explained) bool {
	return slices.ContainsFunc(findings, func(f *explain.Explained) bool {
		byOptions := f.Container.IsInstance() && f.Seccomp != nil // which patch does not change
		return slices.ContainsFunc(f.Fixes, func(fix rules.Fix) bool { return len(fix.Edits) > 0 || !byOptions })
	})
}

// words is for logs without a denial in which a program says that something was refused.
func (n *nextSteps) words(logs []source.Input) {
	for _, log := range logs {
		if line := inWords(log.Name); line > 0 {
			n.add(join("whydenied", []string{"explain", "--stderr", log.Name}, n.flags.policy.words(), n.flags.selection()),
				fmt.Sprintf("reads what its line %d says in words, which no record of the kernel does", line))
			return
		}
	}
}

// observe is for a profile that refuses without a record.
func (n *nextSteps) observe(s silent.Policy) {
	switch {
	case s.IsSeccomp:
		n.trace = n.trace || len(s.Refusals) > 0 || s.Source == "" && s.Target.Container.SeccompProfile == ""
		return
	case len(s.Refusals) == 0:
		return
	}
	places := policyFlags{profileDir: n.flags.policy.profileDir, include: n.flags.policy.include, allow: n.flags.policy.allow}
	observed := places
	if s.Profile.At.File.Builtin != "" { // which explain finds by its name
		observed.profiles = []string{"builtin:" + s.Profile.Name}
	} else {
		places.profiles = []string{s.Profile.At.File.Name}
		observed = places
	}
	n.add(join("whydenied", []string{"observe"}, observed.words(), []string{"--format", "profile"})+" | sudo apparmor_parser -r",
		"has the same profile log what its deny rules refuse, until it is loaded again as it is; then make the program fail again and read the log: "+
			join("sudo whydenied", []string{"explain", "--since", "10m", "--profile-name", s.Profile.FullName()}, places.words()))
}

// host is for what the kernel's log alone can tell of.
func (n *nextSteps) host(why string) {
	n.add("sudo journalctl -k --since '1 hour ago' > kernel.log && "+join("whydenied", []string{"explain"}, n.flags.policy.words(), []string{"kernel.log"}), why)
	n.add("sudo whydenied doctor", "says what on this host keeps refusals out of the log")
}

// others are for what the policies do not say.
func (n *nextSteps) others(targets []silent.Target) {
	switch {
	case len(targets) == 0 && n.gathered:
		n.add(join("sudo whydenied", append([]string{"explain"}, n.args...), n.flags.policy.words(), []string{"--container", "NAME"}, n.flags.failed.words()),
			"names what the policies of that container refuse without a record")
	case len(targets) == 0:
		client, why := "docker", "; where the runtime is not Docker, `crictl inspect $(crictl ps -aq)` prints them"
		switch {
		case n.podman:
			client, why = "podman", ""
		case n.kubelet:
			client, why = "crictl", ""
		}
		n.add(client+" inspect $("+client+" ps -aq) > containers.json && "+
			join("whydenied", append([]string{"explain"}, n.args...), n.flags.policy.words(), []string{"--inventory", "containers.json"}, n.flags.failed.words()),
			"names what the containers' own profiles refuse without a record: none is known here"+why)
	}
	if n.trace {
		n.add("sudo whydenied trace --for 1m", "shows the system calls that a filter refuses without a record, while the program is made to fail again")
	}
	logs := ""
	if len(targets) == 1 && !n.flags.failed.given() {
		logs = ofEngine("logs", targets[0].Container)
	}
	if logs != "" {
		n.add(join("whydenied", append([]string{"explain"}, n.args...), n.flags.policy.words(), n.flags.selection())+
			" --stderr <("+logs+" 2>&1)",
			"asks the profiles about what the program says was refused")
	}
	n.add("sudo whydenied doctor", "says what on this host keeps refusals out of the log")
}

// words returns the flags as they are typed.
func (f *policyFlags) words() (words []string) {
	for _, name := range f.profiles {
		words = append(words, "--profile", name)
	}
	if f.profileDir != library.SystemProfiles {
		words = append(words, "--profile-dir", f.profileDir)
	}
	for _, dir := range f.include {
		words = append(words, "-I", dir)
	}
	for _, dir := range f.allow {
		words = append(words, "--allow-includes", dir)
	}
	if f.seccomp != "" {
		words = append(words, "--seccomp", f.seccomp)
	}
	for _, name := range f.inventory {
		words = append(words, "--inventory", name)
	}
	if f.arch != "" {
		words = append(words, "--arch", f.arch)
	}
	if len(f.caps) > 0 {
		words = append(words, "--caps", strings.Join(f.caps, ","))
	}
	if f.kernel != "" {
		words = append(words, "--kernel", f.kernel)
	}
	return words
}

// selection returns the flags that choose the container and the time.
func (f *inputFlags) selection() (words []string) {
	if f.since != "" {
		words = append(words, "--since", f.since)
	}
	if f.until != "" {
		words = append(words, "--until", f.until)
	}
	for _, name := range f.filter.Containers {
		words = append(words, "--container", name)
	}
	for _, name := range f.filter.Profiles {
		words = append(words, "--profile-name", name)
	}
	return words
}

// words returns the flags as they are typed.
func (f *failedFlags) words() (words []string) {
	if f.status != 0 {
		words = append(words, "--exit-code", strconv.Itoa(f.status))
	}
	if f.stderr != "" {
		words = append(words, "--stderr", f.stderr)
	}
	if f.strace != "" {
		words = append(words, "--strace", f.strace)
	}
	return words
}

// join returns a command line of a program and its words, quoted for a shell.
func join(program string, lists ...[]string) string {
	return shell.Command(program, slices.Concat(lists...)...)
}
