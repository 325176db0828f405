package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
)

// A scenario is a file NAME.txtar: a line that says what it is about, lines "key: value", and
// the files profile or seccomp.json, workload and fixed, a policy under which
// the workload is known to pass, and files of the guest by their absolute names.
// docs/lab.md has the keys.
type scenario struct {
	name, title string

	finds    []map[string]any // each must be in a finding of the first run; none: the kernel is silent
	rounds   int              // patches until the workload passes; 0: there is no fix to propose
	atOnce   bool             // nothing is refused: the kernel does not mediate it
	quietly  bool             // the workload always passes: it is done when nothing is logged
	observe  bool             // the refusals are silent, but whydenied observe shows them
	learn    bool             // the patch is that of one run of whydenied run --learn
	breadth  string           // how wide the rules of patches are to be, if not as they are by default
	risk     string           // up to which patches are written, likewise
	docker   bool
	smoke    bool
	kernels  []string // the only ones it is for, if any
	programs string   // which guest has its programs: all, or "" for the one that is built for every run
	workload string

	files   []txtar.File // of the guest: what the policy includes
	policy  string       // text of the AppArmor or seccomp profile
	fixed   string
	seccomp bool // which of the two it is
}

func readScenario(file string) (*scenario, error) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		return nil, err
	}
	name := strings.TrimSuffix(filepath.Base(file), ".txtar")
	title, keys, _ := strings.Cut(strings.TrimSpace(string(archive.Comment)), "\n")
	s := &scenario{name: name, title: title, rounds: 1}
	for line := range strings.Lines(keys) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if err := s.set(key, value); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", file, key, err)
		}
	}
	for _, f := range archive.Files {
		switch text := string(f.Data); f.Name {
		case "profile":
			s.policy = text
		case "seccomp.json":
			s.policy, s.seccomp = text, true
		case "workload":
			s.workload = text
		case "fixed":
			s.fixed = text
		default:
			if !filepath.IsAbs(f.Name) {
				return nil, fmt.Errorf("%s: %s is no file of a scenario", file, f.Name)
			}
			s.files = append(s.files, f)
		}
	}
	if s.workload == "" {
		return nil, fmt.Errorf("%s: there is no workload", file)
	}
	if s.policy == "" || len(s.finds) == 0 && !s.observe {
		s.rounds = 0 // nothing to patch, or nothing to go by
	}
	return s, nil
}

func (s *scenario) set(key, value string) (err error) {
	switch key {
	case "finds":
		if value == "nothing" {
			return nil
		}
		var want map[string]any
		err = json.Unmarshal([]byte(value), &want)
		s.finds = append(s.finds, want)
	case "rounds":
		s.rounds, err = strconv.Atoi(value)
	case "passes":
		s.atOnce, s.quietly = value == "at once", value == "quietly"
	case "observe":
		s.observe = value == "yes"
	case "learn":
		s.learn = value == "yes"
	case "breadth":
		s.breadth = value
	case "risk":
		s.risk = value
	case "docker":
		s.docker = value == "yes"
	case "smoke":
		s.smoke = value == "yes"
	case "programs":
		s.programs = value
	case "kernel":
		s.kernels = strings.Fields(value)
	default:
		err = fmt.Errorf("there is no such key")
	}
	return err
}
