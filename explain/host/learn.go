package host

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/apparmor/binary"
	"github.com/whydenied/whydenied/rules/disk"
)

// Learn returns the levers that put profiles, with their children and hats, in complain mode:
// what they do not allow is logged and permitted then, but for what a deny rule refuses. A
// profile that is in that mode already has none, and neither has one in a mode in which it
// refuses nothing.
//
// What is loaded then is the very profile that the kernel has, in another mode. Its source is
// not asked, so that one that was edited since is not put in force in passing.
func (h Host) Learn(names []string) ([]Lever, error) {
	loaded := h.loaded()
	var levers []Lever
	for _, name := range names {
		if _, ok := loaded[name]; !ok {
			return nil, fmt.Errorf("profile %s is not loaded", name)
		}
		for full, l := range loaded {
			of, _, child := strings.Cut(full, "//")
			if full != name && (!child || of != name) || strings.Contains(full, apparmor.Learning) {
				continue
			}
			switch mode, err := h.mode(full); {
			case err != nil:
				return nil, err
			case !slices.Contains([]string{"enforce", "kill", "user"}, mode):
				continue
			case l.Raw == "":
				return nil, fmt.Errorf("the kernel does not keep what profile %s was loaded from (CONFIG_SECURITY_APPARMOR_EXPORT_BINARY), so that it cannot be put in another mode", full)
			}
			levers = append(levers, Lever{Name: profileMode, Value: "complain", Profile: full})
		}
	}
	slices.SortFunc(levers, func(a, b Lever) int { return strings.Compare(a.Profile, b.Profile) })
	return slices.Compact(levers), nil
}

// StillLearning returns the processes that are in a profile which the kernel made for a program
// that ran without a rule while the profiles learnt: "7 in web//null-/bin/x". All is permitted to
// them, also when learning is over.
func (h Host) StillLearning(names []string) (processes []string) {
	entries, _ := os.ReadDir(h.Root + "/proc")
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		label, _, _ := strings.Cut(h.value("/proc/"+e.Name()+"/attr/current").Text, " (")
		if of, _, _ := strings.Cut(label, "//"); strings.Contains(label, apparmor.Learning) && slices.Contains(names, of) {
			processes = append(processes, e.Name()+" in "+label)
		}
	}
	return processes
}

// loaded reads what the kernel keeps of the profiles of its root namespace, by name.
func (h Host) loaded() map[string]Loaded {
	found := map[string]Loaded{}
	h.details(AppArmorFS+"/policy/profiles", "", found)
	return found
}

// mode reads the mode that a profile is in.
func (h Host) mode(profile string) (string, error) {
	l, ok := h.loaded()[profile]
	if !ok {
		return "", fmt.Errorf("profile %s is not loaded", profile)
	}
	v := h.value(path.Join(l.dir, "mode"))
	return v.Text, v.Err
}

// setMode loads the profile that the kernel has in another mode.
func (h Host) setMode(profile, mode string) error {
	l, ok := h.loaded()[profile]
	if !ok {
		return fmt.Errorf("profile %s is not loaded", profile)
	}
	raw, err := disk.ReadKernels(h.Root+l.Raw, binary.MaxSize)
	if err != nil {
		return err
	}
	if mode == "user" { // as the kernel calls it, of flags=(prompt)
		mode = "prompt"
	}
	policy, err := binary.InMode(raw, profile, mode)
	if err != nil {
		return err
	}
	return h.write(AppArmorFS+"/.replace", policy)
}
