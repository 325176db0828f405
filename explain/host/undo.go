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
	changes, _, err := h.apply(file, "", levers)
	return changes, err
}

// apply is Apply. The state file is locked while held is open, which it is only if there is an
// owner.
func (h Host) apply(file, owner string, levers []Lever) (changes []Change, held *os.File, err error) {
	s := state{Boot: h.Boot(), Owner: owner, Since: time.Now().UTC().Truncate(time.Second)}
	for _, l := range levers {
		now, err := h.get(l)
		if err != nil {
			return nil, nil, fmt.Errorf("%s cannot be read, and is left as it is: %w", l.Target(), err)
		}
		if now != l.Value {
			s.Changes = append(s.Changes, Change{Lever: l, Previous: now})
		}
	}
	if len(s.Changes) == 0 {
		return nil, nil, nil
	}
	if held, err = h.store(file, s); err != nil {
		return nil, nil, err
	}
	for _, c := range s.Changes {
		if err := h.set(c.Lever, c.Value); err != nil {
			_, undo := h.undo(file, owner)
			held.Close() // which does nothing if there is none
			return nil, nil, errors.Join(fmt.Errorf("%s cannot be set to %q: %w", c.Target(), c.Value, err), undo)
		}
	}
	return s.Changes, held, nil
}

// store creates the state file, and keeps it locked if there is an owner. One that was left by
// another boot speaks of nothing any more.
func (h Host) store(file string, s state) (held *os.File, err error) {
	old, err := readState(file)
	switch {
	case err == nil && old.Boot == s.Boot:
		return nil, fmt.Errorf("%s: what was applied at %s is still in force; undo it first, by whydenied doctor --undo", file, old.Since.Format(time.RFC3339))
	case err == nil:
		if err := disk.Remove(file); err != nil {
			return nil, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, err
	}
	err = disk.Create(file, 0o600, 0o700, func(f *os.File) error {
		if s.Owner != "" {
			if held, err = lockState(f); err != nil {
				return err
			}
		}
		_, err := f.Write(append(text, '\n'))
		return err
	})
	if err != nil {
		held.Close()
	}
	return held, err
}

// An Applied is what a state file holds of this boot.
type Applied struct {
	Since   time.Time
	Changes []Change
	// Held says that a process of whydenied undoes it that still runs, and Left that there was
	// one, which was killed together with the one that looks after it. Neither is what stays
	// until whydenied doctor --undo.
	Held, Left bool
}

// Applied reads a state file. There are no changes if there is none, or none that can be
// believed.
func (h Host) Applied(file string) Applied {
	s, err := readState(file)
	if err != nil || s.Boot != h.Boot() {
		return Applied{}
	}
	held := s.Owner != "" && stateLocked(file)
	return Applied{Since: s.Since, Changes: s.Changes, Held: held, Left: s.Owner != "" && !held}
}

// UndoLeft is Undo of what a process had applied for a while that was killed, together with the
// one that should have undone it. What is in force by intent it leaves alone.
func (h Host) UndoLeft(file string) ([]Change, error) {
	if !h.Applied(file).Left {
		return nil, nil
	}
	return h.Undo(file)
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
		return nil, removeState(file)
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
	return done, removeState(file)
}

// removeState removes the state file, which another process may have done that undoes the same.
func removeState(file string) error {
	if err := disk.Remove(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
