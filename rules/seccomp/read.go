package seccomp

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// The bounds of a profile. Those that people write have some hundred rules.
const (
	// maxRules bounds the rules: the names of entries, each with every condition.
	// All filters of a process together may have half as many instructions
	// (MAX_INSNS_PER_PATH in kernel/seccomp.c, Linux 6.18).
	maxRules = 1 << 16
	// maxValues bounds the values of the JSON or YAML text.
	maxValues = 600_000
)

// Parse reads a seccomp profile: Docker's and Podman's JSON, linux.seccomp
// inside a whole OCI config.json, a SeccompProfile resource as YAML or JSON, a
// policy of LXC, or a unit of systemd.
// The diagnostics are what a runtime refuses, or reads otherwise than it looks;
// the profile is whole but for the parts they are about. The error is for text
// that is no seccomp profile.
func Parse(file *rules.File) (*Profile, []rules.Diagnostic, error) {
	if len(file.Text) > rules.MaxFile {
		return nil, nil, fmt.Errorf("%s: %d bytes are too many for a seccomp profile (limit %d)", file.Name, len(file.Text), rules.MaxFile)
	}
	root, docs, err := readTree(file)
	if err != nil {
		return nil, nil, err
	}
	r := &reader{file: file}
	if docs > 1 {
		r.report(root.at, rules.Warning, "more-documents", "only the first of %d SeccompProfile documents is read", docs)
	}
	n, form, err := r.find(root)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", file.Name, err)
	}
	if form == OCI { // which holds the container's environment besides
		file.Policy = n.at
	}
	p := r.profile(n, form)
	if r.rules > maxRules {
		return nil, nil, fmt.Errorf("%s: more than %d rules (names of entries with their conditions), and a kernel takes no filter of so many; remove those that repeat others", r.at(r.many), maxRules)
	}
	if i := slices.IndexFunc(r.diagnostics, func(d rules.Diagnostic) bool { return d.Severity == rules.Error }); i >= 0 {
		p.refused = r.diagnostics[i].At.String() + ": " + r.diagnostics[i].Message
	}
	return p, r.diagnostics, nil
}

// Load reads the profile in a file; see Parse.
func Load(name string) (*Profile, []rules.Diagnostic, error) {
	text, err := rules.ReadFile(name)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the seccomp profile: %w", err)
	}
	return Parse(rules.NewFile(name, text))
}

// readTree reads the text as JSON or YAML, and returns how many documents of it
// are SeccompProfile resources.
func readTree(file *rules.File) (*node, int, error) {
	trimmed := strings.TrimLeft(file.Text, " \t\r\n")
	switch {
	case trimmed == "":
		return nil, 0, fmt.Errorf("%s: the file is empty: a seccomp profile is a JSON object with defaultAction", file.Name)
	case isLXC(file.Text):
		n, err := readLXC(file)
		return n, 1, err
	case IsUnit(file.Text):
		n, err := readUnit(file)
		return n, 1, err
	case !strings.ContainsAny(trimmed[:1], "{[\"") && strings.Contains(file.Text, "SeccompProfile"):
		return readYAML(file)
	}
	n, offset, err := readJSON(file.Text)
	if err != nil {
		return nil, 0, errorAt(file, offset, fmt.Errorf("not a seccomp profile in JSON: %w", err))
	}
	return n, 1, nil
}

// A placedError is about one place of a file.
type placedError struct {
	at rules.Location
	error
}

func errorAt(file *rules.File, offset int, err error) error {
	return &placedError{rules.Location{File: file, Span: rules.Span{Start: offset, End: offset}}, err}
}

func (e *placedError) Error() string { return e.at.String() + ": " + e.error.Error() }

// IsProfile reports whether the text of a policy file is meant as a seccomp profile:
// it is JSON, which AppArmor policy never is, a SeccompProfile resource, a policy of LXC, or a unit of systemd.
func IsProfile(text string) bool {
	start := strings.TrimLeft(strings.TrimPrefix(text, "\ufeff"), " \t\r\n")
	return strings.HasPrefix(start, "{") || strings.HasPrefix(start, "[") || isResource(text) || isLXC(text) || IsUnit(text)
}

// isResource looks for the name first, as the expression takes long over what has none.
func isResource(text string) bool {
	return strings.Contains(text, "SeccompProfile") && kindYAML.MatchString(text)
}

var kindYAML = regexp.MustCompile(`(?m)^kind:[ \t]*["']?SeccompProfile\b`)

// NotProfile turns the error of Parse into a diagnostic, at the place that it is about.
func NotProfile(file *rules.File, err error) rules.Diagnostic {
	d := rules.Diagnostic{At: rules.Location{File: file}, Code: "not-a-profile", Message: strings.TrimPrefix(err.Error(), file.Name+": ")}
	var placed *placedError
	if errors.As(err, &placed) {
		d.At, d.Message = placed.at, placed.error.Error()
	}
	return d
}

// A reader turns a tree into a profile and collects what is wrong with it.
type reader struct {
	file        *rules.File
	diagnostics []rules.Diagnostic
	rules       int        // so far; see maxRules
	many        rules.Span // the entry with which they were too many
}

// at returns a place in the file.
func (r *reader) at(s rules.Span) rules.Location { return rules.Location{File: r.file, Span: s} }

// maxDiagnostics bounds what is said about a file.
const maxDiagnostics = 1000

// report adds a diagnostic.
func (r *reader) report(s rules.Span, severity rules.Severity, code, format string, args ...any) {
	if len(r.diagnostics) >= maxDiagnostics {
		return
	}
	r.diagnostics = append(r.diagnostics, rules.Diagnostic{
		At: r.at(s), Severity: severity, Code: code, Message: fmt.Sprintf(format, args...),
	})
}

// find returns the object of a tree that holds the profile.
func (r *reader) find(root *node) (*node, Form, error) {
	if root.kind != object {
		return nil, 0, fmt.Errorf("not a seccomp profile: the file holds %s instead of an object with defaultAction", root.kind)
	}
	if k := root.get("kind"); k != nil && k.value == "SeccompProfile" {
		spec := root.get("spec")
		if spec == nil || spec.kind != object {
			return nil, 0, errors.New("the SeccompProfile has no spec")
		}
		return spec, SPO, nil
	}
	switch {
	case isLXC(r.file.Text):
		return root, LXC, nil
	case IsUnit(r.file.Text):
		return root, Unit, nil
	case root.get("defaultAction") != nil || root.get("syscalls") != nil:
		return root, Moby, nil
	}
	if linux := root.get("linux"); linux != nil || root.get("ociVersion") != nil {
		var s *node
		if linux != nil {
			s = linux.get("seccomp")
		}
		if s == nil || s.kind != object {
			return nil, 0, errors.New("the config.json has no linux.seccomp: the container runs without a seccomp filter")
		}
		return s, OCI, nil
	}
	return nil, 0, errors.New("not a seccomp profile: no defaultAction, no linux.seccomp, and not of kind SeccompProfile")
}

// The keys of each object. Those of conditional are read by the loaders of
// Docker and Podman alone.
var (
	profileKeys = []string{"defaultAction", "defaultErrnoRet", "architectures", "flags", "listenerPath", "listenerMetadata", "syscalls"}
	entryKeys   = []string{"names", "action", "errnoRet", "args"}
	argKeys     = []string{"index", "value", "valueTwo", "op"}
	archMapKeys = []string{"architecture", "subArchitectures"}
	filterKeys  = []string{"caps", "arches", "minKernel"}
	conditional = []string{"defaultErrno", "archMap", "name", "comment", "includes", "excludes", "errno"}
	spoKeys     = []string{"baseProfileName", "disabled"}
)

// keys reports the keys of an object that are given twice or not known.
func (r *reader) keys(n *node, what string, form Form, known ...[]string) {
	var seen map[string]bool
	if len(n.keys) > 1 {
		seen = make(map[string]bool, len(n.keys))
	}
	for _, m := range n.keys {
		same := func(name string) bool { return strings.EqualFold(name, m.name) }
		lower := strings.ToLower(m.name)
		if seen[lower] {
			r.report(m.at, rules.Warning, "duplicate-key", "%s has the key %.40q twice: the last one counts", what, m.name)
			continue
		}
		if seen != nil {
			seen[lower] = true
		}
		found := slices.ContainsFunc(known, func(names []string) bool { return slices.ContainsFunc(names, same) })
		switch {
		case found:
		case form != Moby && slices.ContainsFunc(conditional, same):
			r.report(m.at, rules.Warning, "ignored-key", "%q is read by Docker and Podman only: in %s it has no effect", m.name, article(form))
		default:
			r.report(m.at, rules.Warning, "unknown-key", "%s has no key %.40q: it has no effect", what, m.name)
		}
	}
}

// article returns the form with its article.
func article(f Form) string {
	if f == OCI {
		return "an " + f.String()
	}
	return "a " + f.String()
}

// profile reads the object of a profile.
func (r *reader) profile(n *node, form Form) *Profile {
	p := &Profile{File: r.file, Form: form, At: r.at(n.at), node: n, Default: Errno, DefaultErrno: 1}
	known := [][]string{profileKeys}
	switch form {
	case Moby, LXC, Unit:
		known = append(known, []string{"defaultErrno", "archMap"})
	case SPO:
		known = append(known, spoKeys)
		if base := n.get("baseProfileName"); base != nil {
			p.setBase(r.string(base), base, r)
		}
	}
	r.keys(n, "a profile", form, known...)
	if d := n.get("defaultAction"); d == nil || d.value == "" {
		r.report(n.at, rules.Error, "missing-default-action", "the profile has no defaultAction: runtimes refuse it")
	} else {
		p.DefaultAt = r.at(d.at)
		p.Default, _ = r.action(d)
	}
	if e := n.get("defaultErrnoRet"); e != nil {
		p.DefaultErrno = r.errno(e)
	}
	p.Archs = r.archs(n.get("architectures"))
	p.archs = archIndexes(p.Archs)
	p.Flags = r.flags(n.get("flags"))
	if form == Moby || form == LXC || form == Unit {
		if e := n.get("defaultErrno"); e != nil && e.value != "" {
			p.DefaultErrno = r.errno(e)
		}
		p.ArchMap = r.archMap(n.get("archMap"))
		if len(p.Archs) > 0 && len(p.ArchMap) > 0 {
			r.report(n.get("archMap").at, rules.Error, "architectures-and-archmap", "the profile has both architectures and archMap: runtimes refuse it, use one of them")
		}
	}
	for i, e := range r.list(n.get("syscalls"), "syscalls") {
		if e.kind != object {
			r.wrong(&e, "an entry of syscalls", object)
			continue
		}
		entry := r.entry(i, &e, form)
		if r.rules += max(len(entry.Names), 1) * max(len(entry.Args), 1); r.rules > maxRules {
			r.many = e.at
			break
		}
		p.Entries = append(p.Entries, entry)
	}
	return p
}

// entry reads one element of syscalls.
func (r *reader) entry(i int, n *node, form Form) *Entry {
	e := &Entry{Index: i, At: r.at(n.at), node: n, Errno: 1}
	known := [][]string{entryKeys}
	if form == Moby || form == LXC || form == Unit {
		known = append(known, []string{"name", "comment", "includes", "excludes", "errno"})
	}
	r.keys(n, "an entry of syscalls", form, known...)
	if names := n.get("names"); names != nil {
		e.NamesAt = r.at(names.at)
		ids := knownNames()
		for _, s := range r.strings(names, "names") {
			e.Names = append(e.Names, Name{s.value, r.at(s.at), ids[s.value]})
		}
	}
	if form == Moby || form == LXC || form == Unit {
		r.oldName(e, n)
		e.Comment = r.string(n.get("comment"))
		e.Includes = r.filter(n.get("includes"), "includes")
		e.Excludes = r.filter(n.get("excludes"), "excludes")
		e.caps = "needs " + strings.Join(e.Includes.Caps, " and ")
	}
	if a := n.get("action"); a != nil && a.value != "" {
		e.ActionAt = r.at(a.at)
		e.Action, e.valid = r.action(a)
	} else {
		r.report(n.at, rules.Error, "missing-action", "the entry has no action: runtimes refuse the profile")
	}
	if errno := n.get("errnoRet"); errno != nil {
		e.Errno = r.errno(errno)
	}
	if errno := n.get("errno"); errno != nil && form == Moby && errno.value != "" {
		e.Errno = r.errno(errno)
	}
	for _, a := range r.list(n.get("args"), "args") {
		if arg, ok := r.arg(&a); ok {
			e.Args = append(e.Args, arg)
		} else {
			e.valid = false
		}
	}
	return e
}

// oldName reads name, which profiles had before names.
func (r *reader) oldName(e *Entry, n *node) {
	name := n.get("name")
	if name == nil || r.string(name) == "" {
		return
	}
	if len(e.Names) > 0 {
		r.report(name.at, rules.Error, "name-and-names", "the entry has both name and names: runtimes refuse the profile, use names")
		return
	}
	e.NamesAt = r.at(name.at)
	e.Names = []Name{{name.value, r.at(name.at), knownNames()[name.value]}}
}

// action reads the name of an action.
func (r *reader) action(n *node) (Action, bool) {
	a, ok := ParseAction(n.value)
	if n.kind != text || !ok {
		r.report(n.at, rules.Error, "unknown-action", "%.40q is not an action: runtimes refuse the profile; the actions are SCMP_ACT_ALLOW, ERRNO, LOG, TRAP, TRACE, NOTIFY, KILL, KILL_THREAD, KILL_PROCESS", n.value)
		return Errno, false
	}
	return a, true
}

// arg reads one condition.
func (r *reader) arg(n *node) (Arg, bool) {
	if n.kind != object {
		r.wrong(n, "a condition of args", object)
		return Arg{}, false
	}
	r.keys(n, "a condition of args", Moby, argKeys)
	a := Arg{At: r.at(n.at)}
	index, ok := r.uint(n.get("index"), "index")
	if ok && index > 5 {
		r.report(n.at, rules.Error, "bad-argument-index", "the argument index %d is above 5: runtimes refuse the profile, as a call has six arguments", index)
		ok = false
	}
	a.Index = int(min(index, 5))
	var valid [2]bool
	a.Value, valid[0] = r.uint(n.get("value"), "value")
	a.ValueTwo, valid[1] = r.uint(n.get("valueTwo"), "valueTwo")
	op := n.get("op")
	if op != nil {
		a.Op = opNames[op.value]
	}
	if a.Op == 0 {
		at := n.at
		if op != nil {
			at = op.at
		}
		r.report(at, rules.Error, "unknown-operator", "the condition has no known op: runtimes refuse the profile; the operators are SCMP_CMP_EQ, NE, LT, LE, GE, GT, MASKED_EQ")
	}
	return a, ok && valid[0] && valid[1] && a.Op != 0
}

var opNames = map[string]Op{
	"SCMP_CMP_NE": NE, "SCMP_CMP_LT": LT, "SCMP_CMP_LE": LE, "SCMP_CMP_EQ": EQ,
	"SCMP_CMP_GE": GE, "SCMP_CMP_GT": GT, "SCMP_CMP_MASKED_EQ": MaskedEQ,
}

// filter reads includes or excludes.
func (r *reader) filter(n *node, what string) Filter {
	if n == nil || n.kind == null {
		return Filter{}
	}
	if n.kind != object {
		r.wrong(n, what, object)
		return Filter{}
	}
	r.keys(n, what, Moby, filterKeys)
	f := Filter{At: r.at(n.at)}
	for _, c := range r.strings(n.get("caps"), "caps") {
		f.Caps = append(f.Caps, c.value)
	}
	for _, a := range r.strings(n.get("arches"), "arches") {
		f.Arches = append(f.Arches, a.value)
	}
	switch k := n.get("minKernel"); {
	case k == nil || k.kind == null:
	case r.string(k) == "": // KernelVersion of moby's profiles/seccomp is then 0.0, which every kernel is at least
		f.MinKernel = anyKernel
	default:
		if _, ok := kernelVersion(k.value); !ok || strings.Count(k.value, ".") != 1 {
			r.report(k.at, rules.Error, "bad-kernel-version", "minKernel %.40q is not of the form 4.8: runtimes refuse the profile", k.value)
			return f
		}
		f.MinKernel = k.value
	}
	return f
}

// archs reads a list of SCMP_ARCH_* names.
func (r *reader) archs(n *node) []string {
	var names []string
	for _, a := range r.strings(n, "a list of architectures") {
		if a.value != "SCMP_ARCH_NATIVE" && scmpIndex(a.value) < 0 {
			r.report(a.at, rules.Error, "unknown-architecture", "%.40q is not an architecture: runtimes refuse the profile", a.value)
		}
		names = append(names, a.value)
	}
	return names
}

// scmpIndex returns the index in arches of a SCMP_ARCH_* name, or -1.
func scmpIndex(name string) int {
	short, ok := strings.CutPrefix(name, "SCMP_ARCH_")
	if !ok {
		return -1
	}
	return slices.IndexFunc(arches[:], func(a arch) bool { return a.scmp == short })
}

// archIndexes returns the indexes in arches of SCMP_ARCH_* names.
func archIndexes(names []string) []int {
	var list []int
	for _, name := range names {
		if i := scmpIndex(name); i >= 0 {
			list = append(list, i)
		}
	}
	return list
}

// archMap reads archMap.
func (r *reader) archMap(n *node) []ArchMap {
	var maps []ArchMap
	for _, m := range r.list(n, "archMap") {
		if m.kind != object {
			r.wrong(&m, "an element of archMap", object)
			continue
		}
		r.keys(&m, "an element of archMap", Moby, archMapKeys)
		a := ArchMap{At: r.at(m.at), Sub: r.archs(m.get("subArchitectures")), host: -1}
		a.sub = archIndexes(a.Sub)
		if name := m.get("architecture"); name != nil {
			a.Arch = r.string(name)
			a.host = scmpIndex(a.Arch)
			if a.host < 0 {
				r.report(name.at, rules.Error, "unknown-architecture", "%.40q is not an architecture: no host has it, the element has no effect", a.Arch)
			}
		}
		maps = append(maps, a)
	}
	return maps
}

// flags reads the flags of the filter.
func (r *reader) flags(n *node) []string {
	var flags []string
	for _, f := range r.strings(n, "flags") {
		switch f.value {
		case FlagTSYNC, FlagLog, FlagSpecAllow, FlagWaitKill:
		default:
			r.report(f.at, rules.Error, "unknown-flag", "%.60q is not a flag: runtimes refuse the profile", f.value)
		}
		flags = append(flags, f.value)
	}
	return flags
}

// The flags of a filter that runtimes know.
const (
	FlagTSYNC     = "SECCOMP_FILTER_FLAG_TSYNC"
	FlagLog       = "SECCOMP_FILTER_FLAG_LOG"
	FlagSpecAllow = "SECCOMP_FILTER_FLAG_SPEC_ALLOW"
	FlagWaitKill  = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"
)

// wrong reports a value of the wrong kind.
func (r *reader) wrong(n *node, what string, want kind) {
	r.report(n.at, rules.Error, "wrong-type", "%s must be %s, not %s: runtimes refuse the profile", what, want, n.kind)
}

// list returns the elements of a list; nil and null are empty.
func (r *reader) list(n *node, what string) []node {
	if n == nil || n.kind == null {
		return nil
	}
	if n.kind != array {
		r.wrong(n, what, array)
	}
	return n.items
}

// strings returns the strings of a list.
func (r *reader) strings(n *node, what string) []node {
	items := r.list(n, what)
	for i := range items {
		if items[i].kind != text {
			r.wrong(&items[i], "an element of "+what, text)
			return slices.DeleteFunc(slices.Clone(items), func(n node) bool { return n.kind != text })
		}
	}
	return items
}

// string returns the value of a string; nil and null are empty.
func (r *reader) string(n *node) string {
	if n == nil || n.kind == null {
		return ""
	}
	if n.kind != text {
		r.wrong(n, "the value", text)
		return ""
	}
	return n.value
}

// uint returns the value of an unsigned number; nil and null are 0.
func (r *reader) uint(n *node, what string) (uint64, bool) {
	if n == nil || n.kind == null {
		return 0, true
	}
	v, err := strconv.ParseUint(n.value, 10, 64)
	if n.kind != number || err != nil {
		r.report(n.at, rules.Error, "wrong-type", "%s must be a whole number from 0 to %d in decimal: runtimes refuse the profile", what, uint64(1<<64-1))
		return 0, false
	}
	return v, true
}

// errno returns an errno given as a number or, for Podman, by name.
func (r *reader) errno(n *node) int {
	if n.kind == text {
		if v, ok := errnoNumber(n.value); ok {
			return v
		}
		r.report(n.at, rules.Error, "bad-errno", "%.40q is not an errno: give a number, or a name such as EPERM", n.value)
		return 1
	}
	if n.kind == null {
		return 1
	}
	v, ok := r.uint(n, "an errno")
	if ok && v > 4095 {
		r.report(n.at, rules.Warning, "bad-errno", "the errno %d is above 4095, the largest that the kernel returns", v)
		return 4095
	}
	return int(v)
}

// kernelVersion returns the first two numbers of a version as one that orders
// as the versions do; what follows them is ignored, as moby's loader does.
func kernelVersion(s string) (uint64, bool) {
	major, rest, ok := strings.Cut(s, ".")
	end := strings.IndexFunc(rest, func(c rune) bool { return c < '0' || c > '9' })
	if end >= 0 {
		rest = rest[:end]
	}
	a, err1 := strconv.ParseUint(major, 10, 16)
	b, err2 := strconv.ParseUint(rest, 10, 16)
	return a<<16 | b, ok && err1 == nil && err2 == nil
}
