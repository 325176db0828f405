package silent

import (
	"path"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/layer"
	"github.com/whydenied/whydenied/parser"
)

// A logged is a record of the log by which a security module refused something.
type logged struct {
	layer layer.Layer
	name  string // of the object: a path, or the last part of one (SELinux); "" if the record names none
	comm  string
	call  string // by the SYSCALL record of the event; "" if the log has none
	errno string // the same
	pid   int
	why   string
}

// moduleLayers are the layers that other modules than AppArmor are of.
var moduleLayers = map[parser.Neighbour]layer.Layer{
	parser.SELinux: layer.SELinux, parser.Smack: layer.SELinux, parser.LandlockAccess: layer.Landlock,
	parser.IPE: layer.Integrity, parser.IMA: layer.Integrity, parser.Fanotify: layer.Integrity,
}

// errnos are the errors that modules answer, where no SYSCALL record tells.
var errnos = map[layer.Layer][]string{
	layer.SELinux: {"EACCES", "EPERM"}, layer.Landlock: {"EACCES", "EPERM"}, layer.Integrity: {"EACCES", "EPERM"}, layer.AppArmor: {"EACCES", "EPERM"},
}

// newLogged returns what a denial of the log tells of who was refused what.
func newLogged(d *parser.Denial) (l logged, ok bool) {
	if d.Mode != parser.Denied {
		return l, false
	}
	l = logged{comm: d.Subject.Comm, pid: d.Subject.PID}
	what, by := "", ""
	switch {
	case d.Other != nil:
		l.layer, l.name = moduleLayers[d.Other.Module], d.Other.Name
		what, by = d.Other.Access, d.Other.Module.String()
	case d.AppArmor != nil:
		l.layer, l.name = layer.AppArmor, d.AppArmor.Name
		what, by = d.AppArmor.Operation, "profile "+d.AppArmor.Profile
	}
	if l.layer == "" {
		return l, false
	}
	l.call, l.errno = access.Called(d)
	l.why = "the log has the record: " + by + " refused " + what
	if l.name != "" {
		l.why += " of " + l.name
	}
	return l, true
}

// recordsOf returns of which layers the log has a record of what was tried, with words for
// each.
func (s *Attempts) recordsOf(a *parser.Attempt) map[layer.Layer]string {
	if s.logged == nil {
		s.logged = []logged{}
		for _, f := range s.group.Findings() {
			if l, ok := newLogged(&f.Denial); ok && !f.IsClaim() {
				s.logged = append(s.logged, l)
			}
		}
	}
	var of map[layer.Layer]string
	name := layer.PathOf(a)
	for i := range s.logged {
		if l := &s.logged[i]; l.isOf(a, name) {
			if of == nil {
				of = map[layer.Layer]string{}
			}
			of[l.layer] = l.why
		}
	}
	return of
}

// isOf reports whether a record is of what was tried: of the same object, or, where one of
// the two names none, of the same call by the same program.
func (l *logged) isOf(a *parser.Attempt, name string) bool {
	switch {
	case a.Comm != "" && l.comm != "" && l.comm != comm(a):
		return false
	case a.PID != 0 && l.pid != 0 && a.PID != l.pid, l.errno != "" && l.errno != a.Errno, !slices.Contains(errnos[l.layer], a.Errno):
		return false
	case name != "" && l.name != "":
		return resolved(l.name) == resolved(name) || !strings.Contains(l.name, "/") && (l.name == path.Base(name) || l.name == path.Base(path.Dir(name)))
	}
	made := l.call != "" && (l.call == a.Syscall || slices.ContainsFunc(a.Or, func(t parser.Tried) bool { return t.Syscall == l.call }))
	return made && a.Comm != "" && l.comm != ""
}

// resolved is a path without the symbolic links that most distributions have, and without the
// slash that AppArmor puts behind a directory.
func resolved(name string) string {
	for _, link := range links {
		if rest, ok := strings.CutPrefix(name, link[0]); ok {
			name = link[1] + rest
		}
	}
	return strings.TrimSuffix(name, "/")
}
