package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/expect"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/explain/replay"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// propose writes expectations of what policies answer to what was recorded.
func (f *testFlags) propose(cmd *cobra.Command) error {
	if len(f.policies) == 0 {
		return usagef("--from: name the policy whose answers are to be expected with --policy")
	}
	sides, err := readAllPolicies(cmd, f.policy, f.policies)
	if err != nil {
		return err
	}
	findings, exit, err := f.recorded(cmd)
	if err != nil {
		return err
	}
	loader, err := f.policy.loader()
	if err != nil {
		return err
	}
	proposals := report.Proposals{Policies: besides(f.policies)}
	others := map[string]int{}
	for _, finding := range findings {
		all := proposalsOf(finding, sides, callOf(loader))
		for _, p := range all {
			if p.err != nil {
				proposals.Leave(p.Profile, p.err.Error(), finding)
			} else {
				proposals.Add(p.Proposal, finding)
			}
		}
		if len(all) == 0 {
			others[replay.PolicyOf(&finding.Denial)] += finding.Count
		}
	}
	proposed, left := proposals.Len()
	if proposed+left == 0 && len(others) > 0 {
		return fmt.Errorf("no record is of these policies; there are those of %s", someOf(others))
	}
	if proposed+left > 0 {
		if err := proposals.Write(cmd.OutOrStdout()); err != nil {
			return err
		}
	}
	say(cmd.ErrOrStderr(), "expectations proposed: %d; accesses of which there is none: %d", proposed, left)
	if len(others) > 0 {
		say(cmd.ErrOrStderr(), "records of other policies were left out: %s", someOf(others))
	}
	return exit
}

// besides returns the names of policies for a file of expectations that lies where they do.
func besides(policies []string) (names []string) {
	for _, name := range policies {
		if isRelative(".", name) {
			name = filepath.Base(name)
		}
		names = append(names, name)
	}
	return names
}

// recorded returns the accesses that logs, bundles or saved findings have. exit stands for the
// exit status if all else is well.
func (f *testFlags) recorded(cmd *cobra.Command) (findings []*explain.Finding, exit, err error) {
	in := inputFlags{policy: f.policy}
	list, err := savedInputs(cmd, f.from)
	if err != nil {
		return nil, nil, err
	}
	if len(list) == 0 {
		session, exit, err := in.observed(cmd, f.from)
		if err != nil {
			return nil, nil, err
		}
		return session.Findings(), exit, nil
	}
	defer closeSaved(cmd.Context(), list)
	all, err := readSaved(cmd.Context(), list, in.timesOf())
	if err != nil {
		return nil, nil, err
	}
	passed := 0
	for i := range all.Findings {
		d, ok := all.Findings[i].Recorded()
		if !ok {
			passed++
			continue
		}
		findings = append(findings, &explain.Finding{Denial: d, Count: all.Findings[i].Count})
	}
	if passed > 0 {
		say(cmd.ErrOrStderr(), "%d saved findings have no record that policy decides on, and were left out", passed)
	}
	return findings, nil, nil
}

// A proposedOf is what is proposed of a finding under one profile, or why there is nothing.
type proposedOf struct {
	expect.Proposal
	err error
}

// proposalsOf returns what is proposed of the access of a finding under each of the policies
// that it is of.
func proposalsOf(f *explain.Finding, sides []library.Text, known seccomp.Call) (all []proposedOf) {
	d := &f.Denial
	add := func(profile string, list []expect.Proposal, err error) {
		if d.Event.Records[d.Record].IsLookAlike() {
			err = errors.New(access.LookAlike)
		}
		if err != nil {
			all = append(all, proposedOf{expect.Proposal{Expectation: expect.Expectation{Profile: profile}}, err})
			return
		}
		for _, p := range list {
			all = append(all, proposedOf{p, nil})
		}
	}
	for i := range sides {
		switch side := &sides[i]; {
		case d.Seccomp != nil && side.Seccomp != nil:
			p, err := expect.ProposeCall(d.Seccomp, side.Seccomp, known)
			add("", []expect.Proposal{p}, err)
		case d.AppArmor != nil:
			for name := range strings.SplitSeq(replay.PolicyOf(d), "//&") {
				name, _, _ = strings.Cut(name, apparmor.Learning)
				if p := side.Profile(name); p != nil {
					list, err := expect.Propose(d, p)
					add(name, list, err)
				}
			}
		}
	}
	return all
}
