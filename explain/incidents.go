package explain

import (
	_ "embed"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// incidents.tsv has a row for each shape of record that is of a known incident: its name;
// "known", "harmless" where nothing has to be done, or "elsewhere" where no rule of the
// profile is the remedy; the shape; which versions have it;
// what happens; the remedy; and where that is known from. The first row that fits counts.
//
// A shape is conditions of which all hold: KEY=GLOB, with others after a |, for a value of
// the record, != for one that is not that; call= is a system call with its arguments, answer= the errno or the action
// that it got, container= "known" where it is known which container it was, and kernel<6.2 or
// kernel>=6.17 the kernel, as far as it is known. A * stands for any text.
//
//go:embed incidents.tsv
var incidentsTSV string

// An Incident is something that many hosts met, whose records look alike.
type Incident struct {
	ID       string
	Versions string // that have it
	What     string // happens, a clause
	Remedy   string // a clause
	Source   string // where that is known from
	// Elsewhere says that no rule of the profile is the remedy.
	Elsewhere bool
	harmless  bool
	shape     []string // its conditions
}

// Incidents returns all that are known, an ID several times where records have several shapes.
var Incidents = sync.OnceValue(func() (all []Incident) {
	for row := range strings.Lines(incidentsTSV) {
		c := strings.Split(strings.TrimSuffix(row, "\n"), "\t")
		all = append(all, Incident{ID: c[0], harmless: c[1] == "harmless", Elsewhere: c[1] == "elsewhere", shape: strings.Fields(c[2]), Versions: c[3], What: c[4], Remedy: c[5], Source: c[6]})
	}
	return all
})

// recognise notes the incident that a finding is of, if it is of a known one.
func (x *Explainer) recognise(f *Explained) {
	kernel := x.Library.Call(f.where(), x.Library.Arch).Kernel
	all, answer := Incidents(), x.answered(f)
	i := slices.IndexFunc(all, func(in Incident) bool { return in.fits(f.Finding, kernel, answer) })
	if i < 0 {
		return
	}
	f.Incident = &all[i]
	if f.Incident.Elsewhere {
		f.Fixes, f.Unchecked = nil, nil
	}
	if f.Incident.harmless && !f.Incident.hangsOn(kernel) {
		f.Harmless = f.Incident.What + " (" + f.Incident.Source + ")"
	}
}

// hangsOn reports whether the incident is of some kernels alone, and which it is is not
// known.
func (in *Incident) hangsOn(kernel string) bool {
	return kernel == "" && slices.ContainsFunc(in.shape, func(c string) bool { return strings.HasPrefix(c, "kernel") })
}

// fits reports whether a finding has the shape of an incident; answer is that of the filter.
func (in *Incident) fits(f *Finding, kernel, answer string) bool {
	for _, condition := range in.shape {
		if version, ok := strings.CutPrefix(condition, "kernel<"); ok {
			if kernel != "" && compareVersions(kernel, version) >= 0 {
				return false
			}
			continue
		}
		if version, ok := strings.CutPrefix(condition, "kernel>="); ok {
			if kernel != "" && compareVersions(kernel, version) < 0 {
				return false
			}
			continue
		}
		key, globs, _ := strings.Cut(condition, "=")
		key, not := strings.CutSuffix(key, "!")
		value := answer
		if key != "answer" {
			value = f.valueOf(key)
		}
		if not == slices.ContainsFunc(strings.Split(globs, "|"), func(glob string) bool { return globbed(glob, value) }) {
			return false
		}
	}
	return true
}

// valueOf is what the record of a finding says by a key; see incidents.tsv.
func (f *Finding) valueOf(key string) string {
	s := f.Denial.Seccomp
	switch key {
	case "call":
		if s == nil || s.Suspected {
			return ""
		}
		if s.SyscallName != "" {
			return s.SyscallName
		}
		return tracedCall(s)
	case "comm":
		return f.Denial.Subject.Comm
	case "container":
		if f.Container.Confidence > container.Unknown && f.Container.Runtime != container.Systemd {
			return "known"
		}
		return ""
	}
	return f.Denial.Event.Records[f.Denial.Record].Get(key)
}

// answered names the answer of a finding's filter: the errno, which no record has, but the
// profile may tell, or else the action; "" of what no filter answered.
func (x *Explainer) answered(f *Explained) string {
	s := f.Denial.Seccomp
	switch {
	case s == nil:
		return ""
	case s.Errno != 0:
		return seccomp.ErrnoName(s.Errno)
	case !s.Traced && f.Seccomp != nil && f.Decision == Refused && seccomp.Action(s.Code) == seccomp.Errno:
		return seccomp.ErrnoName(f.Seccomp.Decide(x.call(f.Finding)).Errno)
	}
	return seccomp.Action(s.Code).String()
}

// globbed reports whether a value is of a glob, in which * is any text.
func globbed(glob, value string) bool {
	if value == "" {
		return false
	}
	// path.Match has no * that spans a slash.
	ok, err := path.Match(strings.ReplaceAll(glob, "/", "\x00"), strings.ReplaceAll(value, "/", "\x00"))
	return ok && err == nil
}

// compareVersions compares the versions of kernels by the numbers that both have.
func compareVersions(a, b string) int {
	x, y := rules.VersionNumbers(a), rules.VersionNumbers(b)
	n := min(len(x), len(y))
	return slices.Compare(x[:n], y[:n])
}
