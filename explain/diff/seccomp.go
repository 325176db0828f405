package diff

import (
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/fix"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// compareSeccomp compares two seccomp profiles by the filters that a loader makes.
func compareSeccomp(old, new library.Text, loader seccomp.Loader) Profile {
	p := Profile{Name: new.Name, Language: "seccomp", At: rules.Location{File: new.Seccomp.File}}
	gains, complete := seccomp.GainsBy(loader, old.Seccomp, new.Seccomp)
	for _, g := range gains {
		p.Changes = append(p.Changes, callChange(g, old.Seccomp, new.Seccomp))
	}
	p.Changes = append(p.Changes, logChanges(old.Seccomp, new.Seccomp)...)
	slices.SortStableFunc(p.Changes, func(a, b Change) int { return rank(a.Kind) - rank(b.Kind) })
	if !complete {
		p.Unknown = "the entries that differ have too many cases to be compared, or libseccomp does not define their answer"
	}
	return p
}

func callChange(g seccomp.Gain, old, new *seccomp.Profile) Change {
	c := Change{Kind: Answer, Class: "syscall", What: callWords(g), Example: seccomp.CallText(g.Example.Arch, g.Syscall, g.Example.Args), From: g.Before.String(), To: g.After.String()}
	switch {
	case g.Permits():
		danger := fix.CallDanger(g.Syscall, g.Example.Args)
		c.Kind, c.Risk, c.Reason = Gain, danger.Risk, danger.Reason
	case g.Refuses():
		c.Kind = Loss
	}
	before, after := old.Decide(g.Example), new.Decide(g.Example)
	c.OldAt, c.NewAt = before.At(old), after.At(new)
	return c
}

// callWords says which calls one gain is, and in which case they are an example if it is
// not every call of the name.
func callWords(g seccomp.Gain) string {
	words, example := g.Syscall, seccomp.CallText(g.Example.Arch, g.Syscall, g.Example.Args)
	switch {
	case !g.Every:
		words += " in some cases"
	case example != g.Syscall:
		words += " with all arguments that were answered so"
	}
	if such := strings.Join(inCase(g.Example, example != g.Syscall), " "); such != "" {
		words += ", such as " + such
	}
	if !slices.Contains(g.Archs, "x86_64") {
		words += ", on " + strings.Join(g.Archs, ", ")
	}
	return words
}

// inCase words a call: its arguments, if they matter, and what else decides.
func inCase(c seccomp.Call, arguments bool) (words []string) {
	if arguments {
		words = append(words, seccomp.CallText(c.Arch, c.Name, c.Args))
	}
	if len(c.Caps) > 0 {
		words = append(words, "with "+strings.Join(c.Caps, ", "))
	}
	if c.Kernel != "" && c.Kernel != "0.0" {
		words = append(words, "since Linux "+c.Kernel)
	}
	return words
}

// logChanges says whether refusals that are not logged by themselves are logged now, or
// no longer.
func logChanges(old, new *seccomp.Profile) []Change {
	before, after := strings.Join(old.Flags, ", "), strings.Join(new.Flags, ", ")
	logged, logs := old.Logs(seccomp.Engine{}), new.Logs(seccomp.Engine{})
	var changes []Change
	switch {
	case logged && !logs:
		changes = append(changes, Change{Kind: Silenced, Class: "syscall", What: "every refusal by errno, trap, trace or notification", From: before, To: after})
	case !logged && logs:
		changes = append(changes, Change{Kind: Logged, Class: "syscall", What: "every refusal by errno, trap, trace or notification", From: before, To: after})
	case before != after:
		changes = append(changes, Change{Kind: Header, What: "the flags", From: before, To: after})
	}
	return changes
}
