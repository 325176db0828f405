package container

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// A Subject is what a log says of a process. Empty fields are unknown.
type Subject struct {
	Label      string // AppArmor label: a profile, a//hat, a stack a//&b, :ns:a
	PID        int    // in the host's PID namespace, as the kernel logs it
	Comm, Exe  string
	Time       time.Time // of the record
	CgroupPath string    // if something saw it while the process lived
	Node       string    // host that logged
	Call       Call      // that a seccomp filter answered
	Signal     int       // that the record says ended the process; 0 if it says none
}

// An Inventory is the containers that are known from metadata. The zero
// Inventory is empty. It may be used by several goroutines once it is filled.
type Inventory struct {
	Containers []Container
}

// Add adds containers. What is already there under the same ID is completed.
func (inv *Inventory) Add(containers ...Container) {
	if len(containers) == 1 { // of many calls
		if known := inv.ByID(containers[0].ID); known != nil {
			known.Merge(containers[0])
			return
		}
		inv.Containers = append(inv.Containers, containers[0])
		return
	}
	byID := make(map[string]int, len(inv.Containers)+len(containers))
	for i, c := range slices.Backward(inv.Containers) {
		byID[c.ID] = i
	}
	for _, c := range containers {
		if i, known := byID[c.ID]; known && c.ID != "" {
			inv.Containers[i].Merge(c)
			continue
		}
		byID[c.ID] = len(inv.Containers)
		inv.Containers = append(inv.Containers, c)
	}
}

// ByID returns the container of an ID, or nil.
func (inv *Inventory) ByID(id string) *Container {
	for i := range inv.Containers {
		if id != "" && inv.Containers[i].ID == id {
			return &inv.Containers[i]
		}
	}
	return nil
}

// Find returns the container of a process, with Evidence and Confidence. By
// cgroup and by PID it is High; by AppArmor profile it is Medium, a step less if
// the profile is an engine's default and a step more if the program agrees. If several containers fit, or none that was alive,
// the Container has nothing but Evidence that says so. A label of "unconfined"
// fits no container; for a container that could not start, give the profile that
// was to be entered as the Label. Of a nil Inventory it is the zero Container.
func (inv *Inventory) Find(s Subject) Container {
	if inv == nil {
		return Container{}
	}
	if c, ok := inv.byCgroup(s); ok {
		return c
	}
	if c, ok := inv.ByPID(s); ok {
		return c
	}
	return inv.byProfile(s)
}

func (inv *Inventory) byCgroup(s Subject) (Container, bool) {
	if s.CgroupPath == "" {
		return Container{}, false
	}
	if unit := UnitOf(s.CgroupPath); unit != "" {
		for i := range inv.Containers {
			if c := &inv.Containers[i]; c.Unit == unit {
				return c.with(High, fmt.Sprintf("its cgroup is %s", s.CgroupPath)), true
			}
		}
	}
	for i := range inv.Containers {
		if c := &inv.Containers[i]; c.CgroupPath == s.CgroupPath {
			return c.with(High, fmt.Sprintf("its cgroup is %s", s.CgroupPath)), true
		}
	}
	id, runtime, ok := FromCgroup(s.CgroupPath)
	if !ok {
		return Container{}, false
	}
	evidence := fmt.Sprintf("the cgroup of the process, %s, names container %s", s.CgroupPath, ShortID(id))
	if c := inv.ByID(id); c != nil {
		return c.with(High, evidence), true
	}
	// Some metadata have the ID's first 12 digits only.
	for i := range inv.Containers {
		if c := &inv.Containers[i]; isHex(c.ID, 12) && strings.HasPrefix(id, c.ID) {
			return c.with(High, evidence), true
		}
	}
	c := Container{ID: id, Runtime: runtime}
	return c.with(High, evidence), true
}

// ByPID returns the container whose first process a process is, if it was at the
// time, with Evidence and Confidence.
func (inv *Inventory) ByPID(s Subject) (Container, bool) {
	for i := range inv.Containers {
		c := &inv.Containers[i]
		if s.PID <= 0 || c.PID != s.PID || !SameNode(c.Node, s.Node) || contradicts(s.Label, c.AppArmorProfile) {
			continue
		}
		first := fmt.Sprintf("process %d is the first process of container %s", s.PID, c.title())
		if s.Time.IsZero() || c.Started.IsZero() {
			return c.with(Medium, first+", but whether at that time is not known"), true
		}
		// The PID is of the last start; before and after it was another process's.
		if !s.Time.Before(c.Started.Add(-time.Second)) && c.ranAt(s.Time) {
			return c.with(High, first+", which ran at that time"), true
		}
	}
	return Container{}, false
}

// contradicts reports whether a process with a label cannot be in a container
// with a profile.
func contradicts(label, profile string) bool {
	return label != "" && profile != "" && label != profile && !hasProfile(label, profile)
}

func (inv *Inventory) byProfile(s Subject) Container {
	var named, fit []*Container
	for i := range inv.Containers {
		c := &inv.Containers[i]
		if !hasProfile(s.Label, c.AppArmorProfile) || !SameNode(c.Node, s.Node) {
			continue
		}
		named = append(named, c)
		if c.ranAt(s.Time) {
			fit = append(fit, c)
		}
	}
	switch {
	case len(named) == 0:
		return Container{}
	case len(fit) == 0 && len(named) == 1 && named[0].startedSince(s.Time) != "":
		return named[0].with(Low, "only container with AppArmor profile "+named[0].AppArmorProfile, named[0].startedSince(s.Time))
	case len(fit) == 0:
		return unknown(fmt.Sprintf("%s AppArmor profile %s, but did not exist at the time of the record", have(named), named[0].AppArmorProfile))
	}
	if len(fit) == 1 {
		confidence := Medium
		if EngineOf(fit[0].AppArmorProfile).Name != "" {
			confidence = Low // other containers, not in the inventory, have it too
		}
		evidence := []string{"only container with AppArmor profile " + fit[0].AppArmorProfile}
		if len(named) > 1 {
			evidence[0] = fmt.Sprintf("only one of %d containers with AppArmor profile %s that existed at that time", len(named), fit[0].AppArmorProfile)
		}
		if program := fit[0].runs(s); program != "" {
			confidence++
			evidence = append(evidence, "it runs "+program)
		}
		return fit[0].with(confidence, evidence...)
	}
	evidence := fmt.Sprintf("%s AppArmor profile %s", have(fit), fit[0].AppArmorProfile)
	var running []*Container
	for _, c := range fit {
		if c.runs(s) != "" {
			running = append(running, c)
		}
	}
	if len(running) == 1 {
		return running[0].with(Low, evidence, "of these only "+running[0].title()+" runs "+running[0].runs(s))
	}
	var imaged []*Container
	for _, c := range fit {
		if c.imageRuns(s) != "" {
			imaged = append(imaged, c)
		}
	}
	if len(running) == 0 && len(imaged) == 1 {
		return imaged[0].with(Low, evidence, "of these only "+imaged[0].title()+" has an image of that name, "+imaged[0].imageRuns(s))
	}
	return unknown(evidence)
}

func (c *Container) with(confidence Confidence, evidence ...string) Container {
	found := *c
	found.Confidence, found.Evidence = confidence, evidence
	return found
}

func unknown(evidence string) Container {
	return Container{Evidence: []string{evidence}}
}

// have says which containers have something: "containers a, b and 3 more have".
func have(containers []*Container) string {
	if len(containers) == 1 {
		return "container " + containers[0].title() + " has"
	}
	var names []string
	for _, c := range containers[:min(len(containers), shown)] {
		names = append(names, c.title())
	}
	if n := len(containers) - shown; n > 0 {
		return fmt.Sprintf("%d containers (%s and %d more) have", len(containers), strings.Join(names, ", "), n)
	}
	return fmt.Sprintf("%d containers (%s) have", len(containers), strings.Join(names, ", "))
}

// runs returns the program that both the process and the container's command
// name, or "". A shell says nothing: what it runs is in its arguments.
func (c *Container) runs(s Subject) string {
	if len(c.Command) == 0 {
		return ""
	}
	program := path.Base(c.Command[0])
	switch program {
	case "sh", "bash", "dash", "ash", "busybox", "tini", "dumb-init", "env", ".", "/":
		return ""
	}
	if s.Exe != "" && path.Base(s.Exe) == program {
		return program
	}
	// systemd calls a process so that has yet to execute its program (rename_process_from_path
	// in src/core/exec-invoke.c of systemd 257): the last 8 bytes.
	if inner, ok := strings.CutSuffix(s.Comm, ")"); ok && c.Runtime == Systemd && inner == "("+program[max(len(program)-8, 0):] {
		return program
	}
	// comm is cut at 15 bytes (TASK_COMM_LEN of linux/sched.h).
	if s.Comm != "" && s.Comm == program[:min(len(program), 15)] {
		return program
	}
	return ""
}

// hasProfile reports whether a label is of a profile, or of a hat or child of
// it, alone or in a stack, in whatever policy namespace.
func hasProfile(label, profile string) bool {
	if profile == "" || profile == "unconfined" {
		return false
	}
	for part := range strings.SplitSeq(label, "//&") {
		if strings.HasPrefix(part, ":") { // :ns:profile or :ns://profile
			_, rest, ok := strings.Cut(part[1:], ":")
			if !ok {
				continue
			}
			part = strings.TrimPrefix(rest, "//")
		}
		if part == profile || strings.HasPrefix(part, profile+"//") {
			return true
		}
	}
	return false
}

// SameNode reports whether two names can be of the same host: either unknown, or
// the same up to the first dot.
func SameNode(a, b string) bool {
	a, _, _ = strings.Cut(a, ".")
	b, _, _ = strings.Cut(b, ".")
	return a == "" || b == "" || strings.EqualFold(a, b)
}
