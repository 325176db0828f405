package report

import (
	"io"
	"strings"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/patch"
)

// WriteRules writes sets of rules, each below comments that say whose they are and what is
// proved of them, so that a set can be pasted into the body of its profile. Of seccomp they
// are entries of "syscalls".
func WriteRules(w io.Writer, sets []patch.RuleSet) error {
	var out escape.Builder[escape.Text]
	for i := range sets {
		if i > 0 {
			out.Add("\n")
		}
		writeRuleSet(&out, &sets[i])
	}
	return escape.Write(w, out.Text())
}

func writeRuleSet(out *escape.Builder[escape.Text], s *patch.RuleSet) {
	comment := func(text string) { out.Add("# ", escape.Line(text), "\n") }
	title := "profile " + s.Name
	switch {
	case s.Seccomp:
		title = "seccomp filter of " + s.Name
	case s.File != "":
		title += " in " + s.File
	}
	comment(title + ": " + count(len(s.Findings), "finding"))
	switch {
	case s.Unproved != "":
		comment(s.Unproved)
		if len(s.Proof) > 0 {
			comment("proved of an otherwise empty one: " + strings.Join(s.Proof, ", "))
		}
	case len(s.Proof) > 0:
		comment("proved: " + strings.Join(s.Proof, ", ") + "; `whydenied patch` prints the diff")
	}
	for _, line := range s.Head {
		comment("needs before the profile: " + line)
	}
	if len(s.Flags) > 0 {
		comment("needs in its header: flags=(" + strings.Join(s.Flags, ", ") + ")")
	}
	for _, l := range s.Left {
		comment("left: " + NewFinding(*l.Finding).Message + ": " + l.Reason)
	}
	for i, rule := range s.Rules {
		text := escape.Lines(rule)
		switch {
		case string(text) != rule: // it would be another rule
			comment("not printed as it is, for what cannot be seen in it: " + rule)
			continue
		case s.Seccomp && i < len(s.Rules)-1:
			text += ","
		}
		out.Add(text, "\n")
	}
}
