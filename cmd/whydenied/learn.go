package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/host"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// A learner has the profiles that --profile names in complain mode until it is stopped or this
// process ends, in whatever way.
type learner struct {
	host     host.Host
	profiles []string // of the top level
	changes  []host.Change
	release  func() error
}

// learn puts profiles in complain mode, and with silent has what deny rules refuse logged as
// well.
func learn(h host.Host, lib *library.Library, silent bool) (*learner, error) {
	l := &learner{host: h, release: func() error { return nil }}
	for _, policy := range lib.Named() {
		for _, p := range policy.Profiles {
			if p.Parent == nil && p.Namespace == "" {
				l.profiles = append(l.profiles, p.Name)
			}
		}
	}
	if len(l.profiles) == 0 {
		return nil, usagef("--learn: name the profile that is to learn with --profile FILE, or --profile loaded:NAME")
	}
	if _, err := os.Stat(h.Root + host.AppArmorFS); err != nil {
		return nil, fmt.Errorf("--learn: the kernel shows no policy here: AppArmor is off, or securityfs is not mounted: %w", err)
	}
	levers, err := h.Learn(l.profiles)
	if err != nil {
		return nil, fmt.Errorf("--learn: %w; load the file: apparmor_parser -r FILE", err)
	}
	if silent {
		levers = append(levers, host.Noquiet)
	}
	if l.changes, l.release, err = hold(h, host.StateFile, levers, 0); err != nil {
		return nil, fmt.Errorf("--learn: %w", err)
	}
	return l, nil
}

// permits says what is permitted meanwhile.
func (l *learner) permits() report.Message {
	var names, modes []string
	for _, c := range l.changes {
		if c.Profile != "" {
			names, modes = append(names, c.Profile), append(modes, c.Previous)
		}
	}
	text := fmt.Sprintf("%s in complain mode already; what their rules do not allow is permitted before this and after it", strings.Join(l.profiles, ", "))
	if len(names) > 0 {
		text = fmt.Sprintf("in complain mode until the command ends, before that %s: %s. What their rules do not allow is logged and permitted meanwhile, to every process under them; what a deny rule refuses stays refused",
			strings.Join(unique(modes), ", "), strings.Join(names, ", "))
	}
	return report.Message{Notice: &report.Notice{Kind: "learning", Text: text}}
}

// stop puts the profiles back in the mode that they had, and says what is not as it was.
func (l *learner) stop() (report.Message, error) {
	if err := l.release(); err != nil {
		return report.Message{}, fmt.Errorf("profiles may still be in complain mode: %w", err)
	}
	text := "every profile is in the mode that it had before"
	if left := l.host.StillLearning(l.profiles); len(left) > 0 {
		text += fmt.Sprintf("; but to programs that ran without a rule, all stays permitted until they are started anew: process %s", strings.Join(left, ", "))
	}
	return report.Message{Notice: &report.Notice{Kind: "learnt", Text: text}}, nil
}

// ranWithoutRule reports whether a finding is of a program that was executed without a rule for it.
func ranWithoutRule(f *explain.Explained) bool {
	a := f.Denial.AppArmor
	return a != nil && strings.Contains(a.Profile, apparmor.Learning)
}

// unlearnt says what was not logged of programs that ran without a rule: the profile that the kernel
// makes for them has neither rules nor classes of them, aa_new_null_profile() in
// security/apparmor/policy.c (Linux 6.1), so that sockets, mounts and signals are nothing to it.
func unlearnt() *report.Notice {
	return &report.Notice{Kind: "learnt", Text: "programs were executed without a rule for them, and of such the kernel logs what they do to files and with capabilities alone: " +
		"have the patch loaded and run it with --learn once more, for what they ask of the network, of mounts and of other processes"}
}

// undoLeft undoes what a process of whydenied left in force that was killed, and says so.
func undoLeft(h host.Host, state string, stderr io.Writer) error {
	changes, err := h.UndoLeft(state)
	for _, c := range changes {
		say(stderr, "%s is %s again: it was left at %s by a whydenied that was killed", escape.Name(c.Target()), escape.Name(c.Previous), escape.Name(c.Value))
	}
	return err
}
