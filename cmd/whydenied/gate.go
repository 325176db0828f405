package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/disk"
)

// A gate says whether findings make a run fail.
type gate struct {
	on    string          // any, new, risk=high or never
	known map[string]bool // IDs in the baseline
	file  string          // of the baseline
}

// newGate returns the gate of --fail-on and --baseline.
func newGate(on, baseline string) (*gate, error) {
	g := &gate{on: on, file: baseline}
	if on == "" {
		g.on = "any"
		if baseline != "" {
			g.on = "new"
		}
	}
	switch g.on {
	case "any", "risk=high", "never":
	case "new":
		if baseline == "" {
			return nil, usagef("--fail-on new needs --baseline FILE")
		}
	default:
		return nil, usagef("--fail-on %q is unknown; use any, new, risk=high or never", on)
	}
	if baseline == "" {
		return g, nil
	}
	var err error
	g.known, err = readBaseline(baseline)
	return g, err
}

// known is a line of a baseline: a finding that was there before. Only the ID
// counts; the message is for people.
type known struct {
	ID      string `json:"id"`
	Message string `json:"message"`
}

// maxBaseline is the size of the largest baseline that is read, in bytes.
const maxBaseline = 64 << 20

func readBaseline(name string) (map[string]bool, error) {
	text, err := disk.ReadNamed(name, maxBaseline)
	if err != nil {
		return nil, fmt.Errorf("cannot read the baseline: %w; --write-baseline makes one", err)
	}
	ids := map[string]bool{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var k known
		if err := json.Unmarshal(lines.Bytes(), &k); err != nil || k.ID == "" {
			return nil, fmt.Errorf("%s:%d: not a line of a baseline, which --write-baseline writes", escape.Name(name), n)
		}
		ids[k.ID] = true
	}
	return ids, lines.Err()
}

// trips reports whether a finding makes the run fail.
func (g *gate) trips(f *explain.Explained) bool {
	switch g.on {
	case "never":
		return false
	case "new":
		return !g.known[f.ID]
	case "risk=high":
		return !g.known[f.ID] && (f.Investigate != "" || len(f.Fixes) > 0 && f.Fixes[0].Risk == rules.High)
	}
	return true
}

// exit says how many findings trip the gate, and returns errFound if any does.
// Denials that were seen and not understood trip it, as nothing says that they are
// known or harmless.
func (g *gate) exit(w io.Writer, findings []*explain.Explained, unparsed int) error {
	tripped := 0
	for _, f := range findings {
		if g.trips(f) {
			tripped++
		}
	}
	if len(findings) > 0 {
		say(w, "--fail-on %s: %d of %d findings fail the run", g.on, tripped, len(findings))
	}
	if tripped > 0 || unparsed > 0 && g.on != "never" {
		return errFound
	}
	return nil
}

// patchFile is the name of the merged patch below --patch-dir.
const patchFile = "whydenied.patch"

// canKeep returns why keep could not write, before the command has run for nothing.
func (f *runFlags) canKeep() error {
	if f.writeBaseline != "" {
		if err := disk.CanPut(f.writeBaseline); err != nil {
			return fmt.Errorf("--write-baseline: %w", err)
		}
	}
	if f.patchDir == "" {
		return nil
	}
	if err := disk.CanPut(filepath.Join(f.patchDir, patchFile)); err != nil {
		return fmt.Errorf("--patch-dir: %w", err)
	}
	return nil
}

// keep writes what --write-baseline and --patch-dir ask for.
func (f *runFlags) keep(findings []*explain.Explained, patch *report.Patch) error {
	if f.writeBaseline != "" {
		if err := writeBaseline(f.writeBaseline, findings); err != nil {
			return err
		}
	}
	if f.patchDir == "" || len(patch.Files) == 0 {
		return nil
	}
	var diff strings.Builder
	if err := patch.WriteDiff(&diff); err != nil {
		return err
	}
	files := map[string]string{patchFile: diff.String()}
	for _, file := range patch.Files {
		if file.Part {
			continue // it would not be the file; the patch has it
		}
		files[strings.TrimPrefix(filepath.Clean("/"+file.File), "/")] = file.Text
	}
	for name, text := range files {
		if err := disk.Put(filepath.Join(f.patchDir, name), []byte(text)); err != nil {
			return err
		}
	}
	return nil
}

func writeBaseline(name string, findings []*explain.Explained) error {
	var lines bytes.Buffer
	for _, f := range findings {
		if err := escape.JSON(&lines, known{f.ID, report.NewFinding(*f).Message}); err != nil {
			return err
		}
	}
	return disk.Put(name, lines.Bytes())
}
