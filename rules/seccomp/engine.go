package seccomp

import (
	"slices"

	"github.com/whydenied/whydenied/rules"
)

// An Engine is what gave a profile to a runtime, such as docker, and its version. What is
// not known of it is empty.
type Engine struct{ Name, Version string }

// ignored is what of a profile's text an engine passes over in silence.
type ignored struct {
	conditions bool // includes, excludes and archMap
	kernels    bool // minKernel
	fields     bool // flags and defaultErrnoRet
}

// ignores returns what the engine passes over of a profile that a user wrote for it.
// containerd reads a file as the OCI's form, which has no conditions (WithProfile of
// contrib/seccomp); the loader of containers-common has no minKernel (Filter of
// pkg/seccomp); Docker's and that one had fewer fields once, see flagsSince.
func (p *Profile) ignores(e Engine) (i ignored) {
	if p.Form != Moby || p.File.Builtin != "" {
		return i
	}
	switch e.Name {
	case "containerd":
		i.conditions = true
	case "podman", "cri-o", "containers-common":
		i.kernels = true
	case "docker":
		takes, _, known := TakesFlags(e.Name, e.Version)
		i.fields = known && !takes
	}
	return i
}

// PassedOver says what of a profile's text an engine passes over in silence, as a
// sentence; "" if it is nothing.
func (p *Profile) PassedOver(e Engine) string {
	i := p.ignores(e)
	has := func(of func(*Filter) bool) bool {
		return slices.ContainsFunc(p.Entries, func(e *Entry) bool { return of(&e.Includes) || of(&e.Excludes) })
	}
	switch {
	case i.conditions && (p.ArchMap != nil || has(func(f *Filter) bool { return !f.IsZero() })):
		return "containerd passes over includes, excludes and archMap: all entries are in force."
	case i.kernels && has(func(f *Filter) bool { return f.MinKernel != "" }):
		return e.Name + " passes over minKernel, whatever the kernel is."
	case i.fields && (p.DefaultErrno != 1 || p.Flags != nil):
		return "Docker passes over flags and defaultErrnoRet before " + flagsSince["docker"] + ", and this is " + e.Version + "."
	}
	return ""
}

// without returns a profile as it is where something is passed over. Its entries are the
// same, whose conditions Call.ignored has to do with.
func (p *Profile) without(i ignored) *Profile {
	if !(i.conditions && p.ArchMap != nil) && !(i.fields && (p.DefaultErrno != 1 || p.Flags != nil)) {
		return p
	}
	if made, ok := p.made.Load(i); ok {
		return made.(*Profile)
	}
	q := p.clone()
	if i.conditions {
		q.ArchMap = nil
	}
	if i.fields {
		q.DefaultErrno, q.Flags = 1, nil
	}
	made, _ := p.made.LoadOrStore(i, q)
	return made.(*Profile)
}

// Logs reports whether the kernel logs what the profile refuses, as an engine gives it to
// the runtime: whether it has FlagLog.
func (p *Profile) Logs(e Engine) bool {
	takes, _, known := TakesFlags(e.Name, e.Version)
	return slices.Contains(p.Flags, FlagLog) && (p.Form != Moby || takes || !known)
}

// flagsSince are the first releases of engines that give the runtime the flags of a
// profile; older ones drop them in silence. From the engines' release tags: Seccomp of
// moby's profiles/seccomp has had the fields of specs.LinuxSeccomp since 23.0, flags and
// defaultErrnoRet among them, and
// containers-common's loader copies flags since 0.48, which Podman 4.1 and CRI-O 1.25
// took. containerd hands a file on as it is.
var flagsSince = map[string]string{
	"docker": "23.0.0", "containerd": "", "podman": "4.1.0", "cri-o": "1.25.0", "containers-common": "0.48.0",
}

// TakesFlags reports whether an engine of a version gives the runtime the flags of a
// profile, and since which release it does, "" for all; known is false for another
// engine, or where the version is needed and is none.
func TakesFlags(engine, version string) (takes bool, since string, known bool) {
	releases, ok := rules.FindReleases(engine, version)
	if !ok {
		return false, "", false
	}
	since = flagsSince[releases.Engine]
	numbers := rules.VersionNumbers(version)
	if since == "" {
		return true, since, true
	}
	return slices.Compare(numbers, rules.VersionNumbers(since)[:min(max(len(numbers), 1), 3)]) >= 0, since, numbers != nil
}
