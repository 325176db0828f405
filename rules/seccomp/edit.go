package seccomp

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// Allow returns the edits that make the profile allow a system call whatever
// its arguments: the name goes, in its alphabetical place, into the list of the
// largest entry that allows without conditions, or into a new entry; entries
// that would answer before it lose the name. It fails if the profile allows the
// call already, if runtimes refuse it, or if name is not a plain system call
// name.
func (p *Profile) Allow(name string) ([]rules.Edit, error) {
	if err := p.checkEdit(name); err != nil {
		return nil, err
	}
	switch p.Form {
	case LXC:
		return p.allowLXC(name)
	case Unit:
		return nil, errNoEdit
	}
	against := func(e *Entry) bool {
		return e.Action != Allow && (len(e.Args) == 0 || p.Default == Allow)
	}
	var into *Entry
	allowed := p.Default == Allow
	for _, e := range p.Entries {
		if e.Action != Allow || !e.valid || len(e.Args) > 0 || !e.Includes.IsZero() || !e.Excludes.IsZero() {
			continue
		}
		allowed = allowed || e.has(name)
		if takesNames(e.node.get("names")) && (into == nil || len(e.Names) > len(into.Names)) {
			into = e
		}
	}
	if allowed {
		into = nil
	}
	denied := slices.ContainsFunc(p.Entries, func(e *Entry) bool { return e.has(name) && against(e) })
	if allowed && !denied {
		return nil, fmt.Errorf("the profile allows %s already", name)
	}
	if into != nil {
		return append(p.drop(name, against, ""), p.insertName(into, name)), nil
	}
	add := ""
	if !allowed {
		add = p.render(entryText{name: name, action: Allow})
	}
	return p.drop(name, against, add), nil
}

// AllowWhen returns the edits that make the profile allow a system call when
// all conditions hold, as a new entry; in a profile that allows by default, as
// an entry that refuses the call when they do not. It fails as Allow does, and if
// two conditions are on the same argument, as those would mean "one of them".
func (p *Profile) AllowWhen(name string, args ...Arg) ([]rules.Edit, error) {
	if err := p.checkEdit(name); err != nil {
		return nil, err
	}
	if p.Form.isOwn() {
		return nil, errNoEdit
	}
	if len(args) == 0 || sharedIndex(args) {
		return nil, fmt.Errorf("an entry that allows %s under conditions needs one on each of its arguments: two on the same one mean that either is enough", name)
	}
	if p.Default == Allow {
		return p.refuseUnless(name, args)
	}
	for _, e := range p.Entries {
		if e.has(name) && e.Action == Allow && e.always() {
			return nil, fmt.Errorf("the profile allows %s already, whatever its arguments", name)
		}
	}
	entry := entryText{name: name, action: Allow, args: args}
	if swapped(name, S390X) && p.Form == Moby {
		entry.notOn = []string{"s390", "s390x"}
	}
	against := func(e *Entry) bool { return e.Action != Allow && len(e.Args) == 0 }
	return p.drop(name, against, p.render(entry)), nil
}

// refuseUnless returns the edits that make an entry which refuses a call do so
// only when a condition does not hold.
func (p *Profile) refuseUnless(name string, args []Arg) ([]rules.Edit, error) {
	var refuses *Entry
	for _, e := range p.Entries {
		switch {
		case !e.has(name) || e.Action == Allow:
		case refuses != nil || !e.always() || len(args) > 1 || args[0].Op != EQ:
			return nil, fmt.Errorf("the profile allows by default and refuses %s in more than one way: an entry cannot allow it in some cases, remove it from those that refuse it", name)
		default:
			refuses = e
		}
	}
	if refuses == nil {
		return nil, fmt.Errorf("the profile allows %s already", name)
	}
	entry := entryText{name: name, action: refuses.Action, errno: dataOf(refuses.Action, refuses.Errno), args: slices.Clone(args)}
	entry.args[0].Op = NE
	return p.drop(name, func(e *Entry) bool { return e == refuses }, p.render(entry)), nil
}

// always reports whether an entry has no conditions at all.
func (e *Entry) always() bool {
	return len(e.Args) == 0 && e.Includes.IsZero() && e.Excludes.IsZero()
}

// AnswerENOSYS returns the edits that make the profile answer a system call
// with ENOSYS, on which C libraries fall back to an older call. Entries that allow
// it with some capabilities stay. It fails if it does so already.
func (p *Profile) AnswerENOSYS(name string) ([]rules.Edit, error) {
	if err := p.checkEdit(name); err != nil {
		return nil, err
	}
	if p.Form.isOwn() {
		return nil, errNoEdit
	}
	has := func(f func(*Entry) bool) bool {
		return slices.ContainsFunc(p.Entries, func(e *Entry) bool { return e.has(name) && f(e) })
	}
	nosys := func(e *Entry) bool { return e.Action == Errno && e.Errno == enosys && len(e.Args) == 0 }
	byDefault := p.Default == Errno && p.DefaultErrno == enosys
	against := func(e *Entry) bool {
		gated := e.Action == Allow && len(e.Args) == 0 && !e.always() // wins as the first, where it is in force
		return !nosys(e) && !gated && (len(e.Args) == 0 || byDefault)
	}
	add := p.render(entryText{name: name, action: Errno, errno: enosys})
	if byDefault || has(func(e *Entry) bool { return nosys(e) && e.always() }) {
		add = ""
	}
	if add == "" && !has(against) {
		return nil, fmt.Errorf("the profile answers %s with ENOSYS already", name)
	}
	return p.drop(name, against, add), nil
}

// Cover returns the edits that make the filter cover the architecture of a call
// on its host: it goes into the host's element of archMap, or into
// architectures. It fails if the filter covers it already, or if the profile has
// no place for it.
func (p *Profile) Cover(c Call) ([]rules.Edit, error) {
	if p.refused != "" {
		return nil, fmt.Errorf("the profile has to be mended first: %s", p.refused)
	}
	i, _, _ := p.locate(&c)
	if i < 0 || p.covers(i, c.Host) || p.Form.isOwn() {
		return nil, fmt.Errorf("there is no architecture to add for %s", c.Arch)
	}
	name, host := "SCMP_ARCH_"+arches[i].scmp, c.Host.SCMP()
	for _, m := range p.ArchMap {
		if m.Arch != host {
			continue
		}
		for _, item := range p.node.get("archMap").items {
			sub := item.get("subArchitectures")
			if item.at == m.At.Span && takesNames(sub) {
				return []rules.Edit{p.insertItem(sub, len(sub.items), name)}, nil
			}
		}
		return nil, fmt.Errorf("%s: write the subArchitectures as a list first", m.At)
	}
	list := p.node.get("architectures")
	switch {
	case takesNames(list):
		return []rules.Edit{p.insertItem(list, len(list.items), name)}, nil
	case list == nil && len(p.ArchMap) == 0 && !p.DefaultAt.IsZero():
		return []rules.Edit{p.addKey("architectures", fmt.Sprintf("[%q, %q]", host, name))}, nil
	}
	return nil, fmt.Errorf("%s: the profile has no list of architectures for a host of %s", p.At, c.Host)
}

// Edited returns the profile that edits of its text make, read again. It fails if
// they touch the same text, or if what they make is no profile that runtimes take.
func (p *Profile) Edited(edits []rules.Edit) (*Profile, error) {
	changes, err := rules.Apply(edits)
	if err != nil {
		return nil, err
	}
	if len(changes) != 1 || changes[0].File != p.File {
		return nil, fmt.Errorf("the edits are not of %s alone", p.File.Name)
	}
	edited, _, err := Parse(rules.NewFile(p.File.Name, changes[0].New))
	if err == nil && edited.refused != "" {
		err = errors.New(edited.refused)
	}
	if err != nil {
		return nil, err
	}
	return edited, nil
}

// Derive returns a built-in profile as a file of a name, to be edited and given
// to containers in its place.
func (p *Profile) Derive(name string) *Profile {
	derived, _, err := Parse(rules.NewFile(name, p.File.Text))
	if err != nil {
		panic("seccomp: " + p.File.Name + " does not read back: " + err.Error()) // the text was read before
	}
	return derived
}

// Remove returns the edit that takes a name out of an entry, or the whole entry
// if it has no other name. It fails if the entry does not have the name.
func (p *Profile) Remove(e *Entry, name string) (rules.Edit, error) {
	if p.refused != "" {
		return rules.Edit{}, fmt.Errorf("the profile has to be mended first: %s", p.refused)
	}
	if !slices.Contains(p.Entries, e) || !e.has(name) {
		return rules.Edit{}, fmt.Errorf("the entry does not name %s", name)
	}
	if p.Form == Unit {
		return rules.Edit{}, errNoEdit
	}
	if p.Form == LXC {
		return p.edit(p.wholeLine(e.At.Span), ""), nil
	}
	return p.drop(name, func(o *Entry) bool { return o == e }, "")[0], nil
}

// RemoveParts returns the edits that take names out of their entries, and entries whose names are
// all taken.
func (p *Profile) RemoveParts(parts []Part) ([]rules.Edit, error) {
	if p.refused != "" {
		return nil, fmt.Errorf("the profile has to be mended first: %s", p.refused)
	}
	var edits []rules.Edit
	whole := map[int]bool{}
	for _, e := range p.Entries {
		names, gone := e.node.get("names"), map[int]bool{}
		for _, part := range parts {
			if part.Entry != e {
				continue
			}
			if names == nil {
				whole[e.Index] = true
				break
			}
			gone[slices.IndexFunc(names.items, func(n node) bool { return n.at == part.At().Span })] = true
		}
		switch {
		case gone[-1]:
			return nil, fmt.Errorf("%s: a name is not where it was read", e.At)
		case len(gone) > 0 && len(gone) == len(names.items):
			whole[e.Index] = true
		case len(gone) > 0:
			edits = append(edits, p.removeItems(names, gone)...)
		}
	}
	if len(whole) > 0 {
		edits = append(edits, p.removeItems(p.node.get("syscalls"), whole)...)
	}
	return edits, nil
}

// Observe returns the edits that make refusals visible in the audit log. With
// flag, the profile gets SECCOMP_FILTER_FLAG_LOG and stays otherwise the same,
// which needs a runc that knows flags (1.2) and Docker 23 or newer. Without,
// entries and a default that answer an errno or SIGSYS, or leave it to a tracer, of
// which nothing is logged, get SCMP_ACT_LOG instead, which PERMITS what they refused:
// a diagnostic step to take back.
func (p *Profile) Observe(flag bool) ([]rules.Edit, error) {
	if p.refused != "" {
		return nil, fmt.Errorf("the profile has to be mended first: %s", p.refused)
	}
	if p.Form.isOwn() {
		return nil, errNoEdit
	}
	if flag {
		return p.addLogFlag()
	}
	var edits []rules.Edit
	replace := func(at rules.Location) {
		quote := ""
		if t := at.Text(); t != "" && (t[0] == '"' || t[0] == '\'') {
			quote = t[:1]
		}
		edits = append(edits, rules.Edit{At: at, New: quote + Log.SCMP() + quote})
	}
	if p.Default.Silent() && !p.DefaultAt.IsZero() {
		replace(p.DefaultAt)
	}
	for _, e := range p.Entries {
		if e.valid && e.Action.Silent() {
			replace(e.ActionAt)
		}
	}
	if edits == nil {
		return nil, fmt.Errorf("the profile answers nothing with an errno or SIGSYS, and leaves nothing to a tracer")
	}
	return edits, nil
}

// addLogFlag adds SECCOMP_FILTER_FLAG_LOG to the flags. Where there are none
// yet, runc sets SPEC_ALLOW, which then has to be named.
func (p *Profile) addLogFlag() ([]rules.Edit, error) {
	if slices.Contains(p.Flags, FlagLog) {
		return nil, fmt.Errorf("the profile has %s already", FlagLog)
	}
	if f := p.node.get("flags"); takesNames(f) {
		return []rules.Edit{p.insertItem(f, len(f.items), FlagLog)}, nil
	}
	if p.DefaultAt.IsZero() || p.node.get("flags") != nil {
		return nil, fmt.Errorf("%s: write the flags as a list first", p.At)
	}
	return []rules.Edit{p.addKey("flags", fmt.Sprintf("[%q, %q]", FlagLog, FlagSpecAllow))}, nil
}

// checkEdit refuses to edit a profile that runtimes refuse, and what is no
// system call name, as it goes into a file.
func (p *Profile) checkEdit(name string) error {
	if p.refused != "" {
		return fmt.Errorf("the profile has to be mended first: %s", p.refused)
	}
	return checkName(name)
}

// errNoEdit is the error for what the form of a policy of LXC has no words for, or none
// that are written here, and for units, which get a drop-in.
var errNoEdit = errors.New("an LXC seccomp policy is changed by taking lines out and putting lines in alone, a unit of systemd by a drop-in")

// checkName refuses what is no system call name.
func checkName(name string) error {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return fmt.Errorf("%q is not the name of a system call", name)
		}
	}
	if name == "" || len(name) > 64 {
		return fmt.Errorf("%.70q is not the name of a system call", name)
	}
	return nil
}

// has reports whether an entry names a call.
func (e *Entry) has(name string) bool {
	return slices.ContainsFunc(e.Names, func(n Name) bool { return n.Text == name })
}

// takesNames reports whether a name can be put into a list as written.
func takesNames(list *node) bool {
	return list != nil && list.kind == array && (list.flow || len(list.items) > 0) &&
		!slices.ContainsFunc(list.items, func(n node) bool { return n.kind != text || n.at.End == n.at.Start })
}

// drop takes a name out of the entries that a function selects, and appends an
// entry.
func (p *Profile) drop(name string, from func(*Entry) bool, add string) []rules.Edit {
	var edits []rules.Edit
	list := p.node.get("syscalls")
	whole := map[int]bool{}
	for _, e := range p.Entries {
		if !e.has(name) || !from(e) {
			continue
		}
		gone := map[int]bool{}
		names := e.node.get("names")
		if names != nil {
			for i, n := range names.items {
				if n.kind == text && n.value == name {
					gone[i] = true
				}
			}
		}
		if names == nil || len(gone) == len(names.items) {
			whole[e.Index] = true
			continue
		}
		edits = append(edits, p.removeItems(names, gone)...)
	}
	if add == "" {
		if len(whole) > 0 {
			edits = append(edits, p.removeItems(list, whole)...)
		}
		return edits
	}
	if len(whole) > 0 && len(whole) == len(list.items) {
		span := rules.Span{Start: list.items[0].at.Start, End: list.items[len(list.items)-1].at.End}
		return append(edits, p.edit(span, add))
	}
	if len(whole) > 0 {
		edits = append(edits, p.removeItems(list, whole)...)
	}
	return append(edits, p.appendEntry(list, whole, add))
}

// edit returns an edit of a span of the file.
func (p *Profile) edit(s rules.Span, text string) rules.Edit {
	return rules.Edit{At: rules.Location{File: p.File, Span: s}, New: text}
}

// insert returns an insertion.
func (p *Profile) insert(at int, text string) rules.Edit {
	return p.edit(rules.Span{Start: at, End: at}, text)
}

// removeItems takes items out of a list.
func (p *Profile) removeItems(list *node, gone map[int]bool) []rules.Edit {
	items := list.items
	if len(gone) == len(items) && !list.flow {
		start := strings.LastIndexByte(p.File.Text[:list.at.Start], ':') + 1
		return []rules.Edit{p.edit(rules.Span{Start: start, End: items[len(items)-1].at.End}, " []")}
	}
	var edits []rules.Edit
	for i := 0; i < len(items); i++ {
		if !gone[i] {
			continue
		}
		j := i
		for j+1 < len(items) && gone[j+1] {
			j++
		}
		var s rules.Span
		switch {
		case !list.flow:
			s = rules.Span{Start: p.lineStart(items[i].at.Start), End: p.nextLine(items[j].at.End)}
			if s.End == len(p.File.Text) && s.Start > 0 && !strings.HasSuffix(p.File.Text, "\n") {
				s.Start--
			}
		case i > 0:
			s = rules.Span{Start: items[i-1].at.End, End: items[j].at.End}
		case j+1 < len(items):
			s = rules.Span{Start: items[i].at.Start, End: items[j+1].at.Start}
		default:
			s = rules.Span{Start: items[i].at.Start, End: items[j].at.End}
		}
		edits = append(edits, p.edit(s, ""))
		i = j
	}
	return edits
}

// lineStart returns the offset at which the line of an offset starts.
func (p *Profile) lineStart(at int) int {
	return strings.LastIndexByte(p.File.Text[:at], '\n') + 1
}

// nextLine returns the offset after the line of an offset.
func (p *Profile) nextLine(at int) int {
	if i := strings.IndexByte(p.File.Text[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(p.File.Text)
}

// lineEnd returns the offset of the end of the line of an offset.
func (p *Profile) lineEnd(at int) int {
	end := p.nextLine(at)
	end -= len(p.File.Text[at:end]) - len(strings.TrimRight(p.File.Text[at:end], "\r\n"))
	return end
}

// indent returns the white space that the line of an offset starts with.
func (p *Profile) indent(at int) string {
	line := p.File.Text[p.lineStart(at):at]
	return line[:len(line)-len(strings.TrimLeft(line, " \t"))]
}

// newline returns the line ending of the file.
func (p *Profile) newline() string {
	if strings.Contains(p.File.Text, "\r\n") {
		return "\r\n"
	}
	return "\n"
}

// insertName puts a name into the list of an entry, before the first one that
// sorts after it if the list is sorted up to there.
func (p *Profile) insertName(e *Entry, name string) rules.Edit {
	list := e.node.get("names")
	at := len(list.items)
	for i, item := range list.items {
		if item.value > name {
			at = i
			break
		}
	}
	if !slices.IsSortedFunc(list.items, func(a, b node) int { return strings.Compare(a.value, b.value) }) {
		at = p.looselySorted(list, name)
	}
	return p.insertItem(list, at, name)
}

// looselySorted returns the place of a name in a list whose order disregards
// underscores, or is that of a person: before the first name that is greater
// while the one before it is smaller, else at the end.
func (p *Profile) looselySorted(list *node, name string) int {
	plain := func(s string) string { return strings.ReplaceAll(s, "_", "") }
	for i := 1; i < len(list.items); i++ {
		if plain(list.items[i-1].value) < plain(name) && plain(name) < plain(list.items[i].value) {
			return i
		}
	}
	return len(list.items)
}

// insertItem puts a string into a list at an index, in the style of the list.
func (p *Profile) insertItem(list *node, at int, value string) rules.Edit {
	items, src := list.items, p.File.Text
	quote := `"`
	if len(items) > 0 {
		if quote = src[items[0].at.Start : items[0].at.Start+1]; quote != `"` && quote != "'" {
			quote = ""
		}
	}
	value = quote + value + quote
	if !list.flow {
		indent := p.indent(items[0].at.Start)
		if at == 0 {
			return p.insert(p.lineStart(items[0].at.Start), indent+"- "+value+p.newline())
		}
		return p.insert(p.lineEnd(items[at-1].at.End), p.newline()+indent+"- "+value)
	}
	if len(items) == 0 {
		return p.edit(list.at, "["+value+"]")
	}
	gap := func(i int) string { return src[items[i-1].at.End:items[i].at.Start] }
	wraps, inline := false, ""
	for i := 1; i < len(items); i++ {
		if g := gap(i); strings.Contains(g, "\n") {
			wraps = true
		} else {
			inline = g
		}
	}
	separator := inline
	switch {
	case inline != "": // several on a line
	case wraps && at > 0 && at < len(items) && !strings.Contains(gap(at), "//"):
		separator = gap(at)
	case wraps:
		separator = gap(1)
	case strings.Contains(src[list.at.Start:items[0].at.Start], "\n"): // one, on its own line
		separator = "," + src[list.at.Start+1:items[0].at.Start]
	default:
		separator = ", "
	}
	if at == 0 {
		return p.insert(items[0].at.Start, value+separator)
	}
	if at < len(items) && inline != "" && strings.Contains(gap(at), "\n") {
		return p.insert(items[at].at.Start, value+separator) // starts the next line
	}
	return p.insert(items[at-1].at.End, separator+value)
}
