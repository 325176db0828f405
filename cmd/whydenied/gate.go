package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/disk"
)

// A gate says whether findings make a run fail.
type gate struct {
	on    string           // any, new, risk=high or never
	known map[string]known // what is in the baseline, by ID
	old   int              // entries of another version of IDs, which match nothing
	file  string           // of the baseline; "" if there is none
	today string           // a date
}

// newGate returns the gate of --fail-on and --baseline.
func newGate(on, baseline string) (*gate, error) {
	g := &gate{on: on, file: baseline, today: time.Now().Format(time.DateOnly)}
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
	return g, g.readBaseline(baseline)
}

// known is a line of a baseline: a finding that was there before. The ID counts, and
// Expires: from the day after it on, the finding fails the run again. The rest is for
// people, who write all but the ID and the message by hand.
type known struct {
	ID        string `json:"id"`
	Message   string `json:"message"`
	IDVersion int    `json:"id_version"`
	Owner     string `json:"owner,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Expires   string `json:"expires,omitempty"` // 2026-12-31
}

// maxBaseline is the size of the largest baseline that is read, in bytes.
const maxBaseline = 64 << 20

func (g *gate) readBaseline(name string) error {
	text, err := disk.ReadNamed(name, maxBaseline)
	if err != nil {
		return fmt.Errorf("cannot read the baseline: %w; --write-baseline makes one", err)
	}
	g.known = map[string]known{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var k known
		if err := json.Unmarshal(lines.Bytes(), &k); err != nil || k.ID == "" {
			return fmt.Errorf("%s:%d: not a line of a baseline, which --write-baseline writes", escape.Name(name), n)
		}
		if _, err := time.Parse(time.DateOnly, k.Expires); k.Expires != "" && err != nil {
			return fmt.Errorf("%s:%d: expires %q is no date; write it as 2026-12-31", escape.Name(name), n, k.Expires)
		}
		if k.IDVersion != explain.IDVersion {
			g.old++
		}
		g.known[k.ID] = k
	}
	return lines.Err()
}

// expired reports whether an entry was to be gone by now.
func (g *gate) expired(k known) bool { return k.Expires != "" && k.Expires < g.today }

// mark says on a finding what the gate makes of it.
func (g *gate) mark(f *report.Finding) {
	k, isKnown := g.known[f.ID]
	f.Gate = &report.Gate{Owner: k.Owner, Reason: k.Reason, Expires: k.Expires}
	switch {
	case isKnown && g.expired(k):
		f.Gate.State = "expired"
	case isKnown:
		f.Gate.State = "known"
	case g.file != "":
		f.Gate.State = "new"
	}
	f.Gate.Fails = g.fails(f.Gate.State, f.Investigate != "" || len(f.Fixes) > 0 && f.Fixes[0].Risk == rules.High.String())
}

// fails reports whether a finding makes the run fail, of which the baseline says so much.
func (g *gate) fails(state string, dangerous bool) bool {
	switch g.on {
	case "never":
		return false
	case "new":
		return state != "known"
	case "risk=high":
		return state != "known" && dangerous
	}
	return true
}

// exit says how many findings trip the gate, and returns errFound if any does.
// Denials that were seen and not understood trip it, as nothing says that they are
// known or harmless.
func (g *gate) exit(w io.Writer, findings []*explain.Explained, unparsed int) error {
	tripped, total := 0, len(findings)
	for _, f := range findings {
		wire := report.Finding{ID: f.ID, Investigate: f.Investigate}
		if len(f.Fixes) > 0 {
			wire.Fixes = []report.Fix{{Risk: f.Fixes[0].Risk.String()}}
		}
		g.mark(&wire)
		if wire.Gate.Fails {
			tripped++
		}
		if wire.Gate.State == "expired" {
			say(w, "%s: %s was to be gone by %s%s, and is there still", escape.Name(g.file), f.ID, wire.Gate.Expires, ownedBy(wire.Gate.Owner))
		}
	}
	if g.old > 0 {
		say(w, "%s: %d entries are of another id_version than %d and match nothing; write the baseline again with --write-baseline", escape.Name(g.file), g.old, explain.IDVersion)
	}
	if total > 0 {
		say(w, "--fail-on %s: %d of %d findings fail the run", g.on, tripped, total)
	}
	if tripped > 0 || unparsed > 0 && g.on != "never" {
		return errFound
	}
	return nil
}

// ownedBy names the owner of an entry, if it has one.
func ownedBy(owner string) string {
	if owner == "" {
		return ""
	}
	return " (owner " + owner + ")"
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
func (f *runFlags) keep(findings []*explain.Explained, patch *report.Patch, g *gate) error {
	if f.writeBaseline != "" {
		if err := g.writeBaseline(f.writeBaseline, findings); err != nil {
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

// writeBaseline writes the findings as a baseline, with what the one that was read says of
// those that are in it.
func (g *gate) writeBaseline(name string, findings []*explain.Explained) error {
	var lines bytes.Buffer
	for _, f := range findings {
		k := g.known[f.ID]
		k.ID, k.IDVersion, k.Message = f.ID, explain.IDVersion, report.NewFinding(*f).Message
		if err := escape.JSON(&lines, k); err != nil {
			return err
		}
	}
	return disk.Put(name, lines.Bytes())
}
