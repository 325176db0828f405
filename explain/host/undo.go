package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/whydenied/whydenied/rules/disk"
)

// StateFile is where Apply stores how to undo what it did. What is there does
// not outlive a reboot, and neither do the settings.
const StateFile = "/run/whydenied/undo.json"

// A Change is a lever that was pulled.
type Change struct {
	Lever
	Previous string `json:"previous"`
	// Left is set by Undo where something else has changed the setting since: it is
	// what was found and left alone.
	Left string `json:"left,omitempty"`
}

// state is the form of the state file.
type state struct {
	Boot    string    `json:"boot"` // kernel.random.boot_id
	Owner   string    `json:"owner"`
	Since   time.Time `json:"since"`
	Changes []Change  `json:"changes"`
}

// Apply pulls levers, and stores in the state file how to undo it before it
// does. Those that are where they should be are left out of what it returns; if
// none is left, there is no state file. If one cannot be pulled, those before it
// are undone. It refuses to go on top of another Apply that is not undone.
func (h Host) Apply(file string, levers []Lever) ([]Change, error) {
	return h.apply(file, "", levers)
}

func (h Host) apply(file, owner string, levers []Lever) ([]Change, error) {
	s := state{Boot: h.Boot(), Owner: owner, Since: time.Now().UTC().Truncate(time.Second)}
	for _, l := range levers {
		now, err := h.get(l)
		if err != nil {
			return nil, fmt.Errorf("%s cannot be read, and is left as it is: %w", l.Target(), err)
		}
		if now != l.Value {
			s.Changes = append(s.Changes, Change{Lever: l, Previous: now})
		}
	}
	if len(s.Changes) == 0 {
		return nil, nil
	}
	if err := h.store(file, s); err != nil {
		return nil, err
	}
	for _, c := range s.Changes {
		if err := h.set(c.Lever, c.Value); err != nil {
			_, undo := h.undo(file, owner)
			return nil, errors.Join(fmt.Errorf("%s cannot be set to %q: %w", c.Target(), c.Value, err), undo)
		}
	}
	return s.Changes, nil
}

// store creates the state file. One that was left by another boot speaks of
// nothing any more.
func (h Host) store(file string, s state) error {
	old, err := readState(file)
	switch {
	case err == nil && old.Boot == s.Boot:
		return fmt.Errorf("%s: what was applied at %s is still in force; undo it first, by whydenied doctor --undo", file, old.Since.Format(time.RFC3339))
	case err == nil:
		if err := disk.Remove(file); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return disk.Create(file, 0o600, 0o700, func(f *os.File) error {
		_, err := f.Write(append(text, '\n'))
		return err
	})
}

// readState reads the state file, which must be of this user's or root's making. An
// empty one, as a full disk once left it, says that nothing was applied.
func readState(file string) (state, error) {
	var s state
	text, err := disk.ReadOwn(file, maxRead)
	if err != nil || len(text) == 0 {
		return s, err
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("%s says nothing of what was applied: %w", file, err)
	}
	return s, nil
}

// Boot identifies this boot of the kernel (/proc/sys/kernel/random/boot_id, random(4)); "" if
// it is not known.
func (h Host) Boot() string { return h.value("/proc/sys/kernel/random/boot_id").Text }

// Undo puts back what the state file holds, the last first, and removes it. A
// setting that has another value by now than Apply gave it was changed by
// somebody else, and is left alone. It returns nothing if there is nothing to be
// undone.
func (h Host) Undo(file string) ([]Change, error) { return h.undo(file, "") }

// undo is Undo of what one owner applied, or anyone if it is empty.
func (h Host) undo(file, owner string) ([]Change, error) {
	s, err := readState(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if owner != "" && s.Owner != owner {
		return nil, nil
	}
	if s.Boot != h.Boot() {
		return nil, disk.Remove(file)
	}
	var done []Change
	var failed error
	for _, c := range slices.Backward(s.Changes) {
		now, err := h.get(c.Lever)
		switch {
		case err != nil:
		case now == c.Value:
			err = h.set(c.Lever, c.Previous)
		case now != c.Previous:
			c.Left = now
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s cannot be put back; do it by hand, with %s: %w", c.Target(), c.Command(c.Previous), err))
			continue
		}
		done = append(done, c)
	}
	if failed != nil {
		return done, failed
	}
	return done, disk.Remove(file)
}
