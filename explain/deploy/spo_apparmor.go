package deploy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/patch"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// An abstract is spec.abstract of an AppArmorProfile, and why rules of the
// profile are not in it.
type abstract struct {
	executables, libraries         []string // granted rix and mr
	readOnly, writeOnly, readWrite []string // granted r, wlk and rwlk; the others of rwlk are denied
	allowRaw, allowTCP, allowUDP   bool
	capabilities                   []string

	left             map[apparmor.Rule]string // why it is not in the lists, or not all of it
	readers, writers []string                 // globs of what the profile reads; writes, locks or links
}

// operatorDenies are the rules that the operator adds to every profile.
var operatorDenies = []string{
	"deny @{PROC}/* w,",
	"deny @{PROC}/{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9]*}/** w,",
	"deny @{PROC}/sys/[^k]** w,",
	"deny @{PROC}/sys/kernel/{?,??,[^s][^h][^m]**} w,",
	"deny @{PROC}/sysrq-trigger rwklx,",
	"deny @{PROC}/mem rwklx,",
	"deny @{PROC}/kmem rwklx,",
	"deny @{PROC}/kcore rwklx,",
	"deny /sys/firmware/efi/efivars/** rwklx,",
}

// apparmorResource is an AppArmor profile as an AppArmorProfile.
func apparmorResource(of patch.Patched) (r resource) {
	p := of.Profile
	name := resourceName(p.Name)
	r.notes = append(r.notes, "The operator loads it under the resource's name: appArmorProfile: {type: Localhost, localhostProfile: "+name+"}")
	r.notes = append(r.notes, "Older versions of the operator also deny mount and most writes below /sys.")
	if p.HasFlag("complain") {
		r.limits = append(r.limits, "the flag complain cannot be expressed: the operator enforces the profile")
	}
	for _, flag := range []string{"attach_disconnected", "mediate_deleted"} {
		if !p.HasFlag(flag) {
			r.limits = append(r.limits, "the operator adds the flag "+flag)
		}
	}
	a := newAbstract(p)
	for _, rule := range p.Rules {
		if why := a.left[rule]; why != "" {
			r.limits = append(r.limits, "not expressed: "+placeOf(rule)+": "+why)
		}
	}
	for _, other := range p.Policy.Profiles {
		if other.Parent == p {
			r.limits = append(r.limits, "not expressed: the child profile or hat "+other.Name)
		}
	}
	r.limits = append(r.limits, a.differences(p)...)
	denies := slices.ContainsFunc(p.Rules, func(rule apparmor.Rule) bool { return rule.Head().Deny && a.left[rule] != "" })
	if denies && slices.Contains(slices.Concat(a.executables, a.writeOnly, a.readWrite), "/**") {
		r.withheld = "no resource is written: without the deny rules it would grant what the profile is there to refuse; load the profile itself (--format files)"
		return r
	}
	r.yaml = resourceHead("v1alpha1", "AppArmorProfile", name) + a.yaml()
	return r
}

// placeOf names a rule with the place where it stands.
func placeOf(r apparmor.Rule) string {
	at := r.Location()
	line, _ := at.File.Position(at.Span.Start)
	return fmt.Sprintf("%s (%s:%d)", ruleWords(r), at.File.Name, line)
}

// ruleWords is the text of a rule on one line.
func ruleWords(r apparmor.Rule) string {
	if r == nil {
		return "a rule that apparmor_parser adds"
	}
	return strings.TrimSuffix(strings.Join(strings.Fields(r.Location().Text()), " "), ",")
}

// newAbstract sorts the rules of a profile into the lists of an abstract.
func newAbstract(p *apparmor.Profile) *abstract {
	a := &abstract{left: map[apparmor.Rule]string{}}
	a.index(p)
	for _, rule := range p.Rules {
		if fromBase(rule) {
			continue // which the operator includes too
		}
		if rule.Head().Deny {
			if !slices.Contains(operatorDenies, ruleWords(rule)+",") {
				a.left[rule] = "there are no deny rules in the resource; what other rules allow of it is granted"
			}
			continue
		}
		if why := a.add(p, rule); why != "" {
			a.left[rule] = why
		}
	}
	for _, list := range []*[]string{&a.executables, &a.libraries, &a.readOnly, &a.writeOnly, &a.readWrite, &a.capabilities} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return a
}

// index notes which paths are read, and which are written, locked or linked: to
// list a path as read-only denies the other, and the other way round.
func (a *abstract) index(p *apparmor.Profile) {
	for _, rule := range p.Rules {
		file, ok := rule.(*apparmor.FileRule)
		if !ok || file.Deny {
			continue
		}
		globs := []string{"/**", "/"}
		if file.Path != nil {
			globs = file.Path.Expanded
		}
		if file.Perms&apparmor.Read != 0 {
			a.readers = append(a.readers, globs...)
		}
		if file.Perms&(apparmor.Write|apparmor.Append|apparmor.Link|apparmor.Lock) != 0 {
			a.writers = append(a.writers, globs...)
		}
	}
}

// fromBase reports whether a rule comes from abstractions/base.
func fromBase(rule apparmor.Rule) bool {
	isBase := func(at rules.Location) bool {
		return at.File != nil && strings.HasSuffix(at.File.Name, "abstractions/base")
	}
	return isBase(rule.Location()) || slices.ContainsFunc(rule.Head().Via, isBase)
}

// add takes a rule in, and says what of it cannot be expressed.
func (a *abstract) add(p *apparmor.Profile, rule apparmor.Rule) string {
	switch r := rule.(type) {
	case *apparmor.FileRule:
		return a.addFile(p, r)
	case *apparmor.CapabilityRule:
		names := r.Names
		if len(names) == 0 {
			names = apparmor.Capabilities()
		}
		a.capabilities = append(a.capabilities, names...)
		return ""
	case *apparmor.NetworkRule:
		return a.addNetwork(r)
	}
	return "there is no field for such rules"
}

// addNetwork takes a network rule in.
func (a *abstract) addNetwork(r *apparmor.NetworkRule) string {
	inet := r.Family == "" || r.Family == "inet" || r.Family == "inet6"
	switch {
	case r.Perms != 0 || r.Local != (apparmor.NetworkAddr{}) || r.Peer != (apparmor.NetworkAddr{}):
		return "permissions and conditions of sockets cannot be expressed"
	case r.Family == "" && r.Type == "" && r.Protocol == "":
		a.allowRaw, a.allowTCP, a.allowUDP = true, true, true
		return "only raw sockets, TCP and UDP can be expressed"
	case inet && (r.Protocol == "tcp" || r.Protocol == "" && r.Type == "stream"):
		a.allowTCP = true
	case inet && (r.Protocol == "udp" || r.Protocol == "" && r.Type == "dgram"):
		a.allowUDP = true
	case inet && r.Type == "raw" && r.Protocol == "":
		a.allowRaw = true
	case inet && r.Type == "" && r.Protocol == "":
		a.allowTCP, a.allowUDP = true, true
		return "of " + r.Family + " only TCP and UDP are expressed"
	default:
		return "only raw sockets, TCP and UDP can be expressed"
	}
	return ""
}

// addFile takes a file rule in. It goes into the narrowest list that grants what
// the rule does and whose own denials do not undo another rule.
func (a *abstract) addFile(p *apparmor.Profile, r *apparmor.FileRule) string {
	const change = apparmor.Write | apparmor.Append
	paths, why := []string{"/", "/**"}, ""
	if r.Path != nil {
		if paths, why = spoPaths(p, r.Path); why != "" {
			return why
		}
	}
	perms := r.Perms
	if r.Path == nil {
		perms = apparmor.FilePerms
	}
	if perms&apparmor.Exec != 0 && (r.Exec.Mode == apparmor.Inherit && r.Exec.Target == nil || r.Path == nil) {
		a.executables = append(a.executables, paths...)
	} else if perms&apparmor.Exec != 0 {
		why = "of exec only ix can be expressed, not " + r.Exec.String()
	}
	if perms&apparmor.Mmap != 0 {
		a.libraries = append(a.libraries, paths...)
	}
	granted := perms&apparmor.Mmap != 0 || perms&apparmor.Exec != 0 && why == "" // r is, along with m and x
	read := perms&apparmor.Read != 0
	switch {
	case perms&change != 0 && (read || overlap(r.Path, a.readers)):
		a.readWrite = append(a.readWrite, paths...)
	case perms&change != 0:
		a.writeOnly = append(a.writeOnly, paths...)
	case read && !granted && overlap(r.Path, a.writers):
		a.libraries = append(a.libraries, paths...) // r without a denial of w
	case read && !granted:
		a.readOnly = append(a.readOnly, paths...)
	}
	if perms&change == 0 && perms&(apparmor.Lock|apparmor.Link) != 0 && why == "" {
		why = "k and l can only be expressed along with w"
	}
	return why
}

// overlap reports whether a path expression has a name in common with globs.
func overlap(path *apparmor.Pattern, globs []string) bool {
	if path == nil {
		return len(globs) > 0
	}
	var near []string // the others differ before their first special character
	for _, glob := range globs {
		for _, own := range path.Expanded {
			a, b := fixedPart(glob), fixedPart(own)
			if strings.HasPrefix(a, b) || strings.HasPrefix(b, a) {
				near = append(near, glob)
				break
			}
		}
	}
	if len(near) == 0 {
		return false
	}
	_, found := apparmor.Overlaps(path, &apparmor.Pattern{Expanded: near})
	return found
}

// fixedPart is what every match of a glob begins with, or less.
func fixedPart(glob string) string {
	if i := strings.IndexAny(glob, `*?[{\`); i >= 0 {
		return glob[:i]
	}
	return glob
}

// spoPath is what the operator takes as a path, less the space, which older
// versions do not quote.
var spoPath = regexp.MustCompile(`^/(?:[a-zA-Z0-9_./*?+-]|@\{[a-zA-Z0-9_]+\})*$`)

// spoPaths returns a path expression as the resource takes it: with alternatives
// written out, and with variables that the tunables of the system do not define
// replaced by their values.
func spoPaths(p *apparmor.Profile, path *apparmor.Pattern) (paths []string, why string) {
	if strings.HasPrefix(path.Source, "/") && spoPath.MatchString(path.Source) && onlyTunables(p, path.Source) {
		return []string{path.Source}, ""
	}
	const most = 64
	for _, glob := range path.Expanded {
		paths = append(paths, alternatives(glob, most-len(paths))...)
	}
	if len(paths) == 0 || len(paths) >= most || slices.ContainsFunc(paths, func(s string) bool { return !spoPath.MatchString(s) }) {
		return nil, "the path has characters that the resource does not take"
	}
	return paths, ""
}

// alternatives writes {a,b} of a glob out, up to a number of results. A glob with
// a class or an escape is left as it is: the resource takes neither.
func alternatives(glob string, most int) []string {
	open := strings.IndexByte(glob, '{')
	if open < 0 || most <= 0 || strings.ContainsAny(glob, `[\`) {
		return []string{glob}
	}
	var list []string
	depth, from := 0, open+1
	for i := open; i < len(glob); i++ {
		switch c := glob[i]; {
		case c == '{':
			depth++
		case c == ',' && depth == 1:
			list, from = append(list, glob[from:i]), i+1
		case c == '}':
			depth--
		}
		if depth > 0 {
			continue
		}
		var all []string
		for _, choice := range append(list, glob[from:i]) {
			all = append(all, alternatives(glob[:open]+choice+glob[i+1:], most-len(all))...)
		}
		return all
	}
	return []string{glob} // not closed, which no policy that is loaded has
}

// onlyTunables reports whether the policy file itself defines none of the
// variables in a path.
func onlyTunables(p *apparmor.Profile, source string) bool {
	root := p.Policy.Files[0].Text
	for _, name := range regexp.MustCompile(`@\{[^}]*\}`).FindAllString(source, -1) {
		if regexp.MustCompile(regexp.QuoteMeta(name) + `\s*\+?=`).MatchString(root) {
			return false
		}
	}
	return true
}

// text is the profile that the operator makes of the abstract. Where base is
// empty it includes no abstractions/base.
func (a *abstract) text(head, base string) string {
	var out strings.Builder
	out.WriteString(head + "profile spo flags=(attach_disconnected,mediate_deleted) {\n" + base)
	for _, l := range []struct {
		list        []string
		allow, deny string
	}{
		{a.executables, "ixr", ""}, {a.libraries, "mr", ""}, {a.readOnly, "r", "wlk"}, {a.writeOnly, "wlk", "r"}, {a.readWrite, "rwlk", ""},
	} {
		for _, path := range l.list {
			out.WriteString("  " + path + " " + l.allow + ",\n")
			if l.deny != "" {
				out.WriteString("  deny " + path + " " + l.deny + ",\n")
			}
		}
	}
	for _, n := range []struct {
		word string
		on   bool
	}{{"raw", a.allowRaw}, {"tcp", a.allowTCP}, {"udp", a.allowUDP}} {
		if n.on {
			out.WriteString("  network " + n.word + ",\n")
		}
	}
	for _, c := range a.capabilities {
		out.WriteString("  capability " + c + ",\n")
	}
	out.WriteString("  " + strings.Join(operatorDenies, "\n  ") + "\n}\n")
	return out.String()
}

// differences says how what the operator makes of the abstract differs from the
// profile, rule by rule, beyond what is said already.
func (a *abstract) differences(p *apparmor.Profile) (lines []string) {
	made, base := a.load(p)
	if made == nil {
		return []string{"what the operator makes of it was not compared with the profile: its text cannot be loaded here"}
	}
	if !base {
		lines = append(lines, "the operator adds all of abstractions/base, which the profile does not include")
	}
	lost, complete := apparmor.Gains(made, p)
	for _, g := range lost {
		if g.Rule == nil || fromBase(g.Rule) || a.left[g.Rule] != "" || g.Rule.Head().Deny {
			continue
		}
		lines = append(lines, fmt.Sprintf("not granted, as the operator's own rules deny it: %s of %s, such as %s", g.Perms, placeOf(g.Rule), exampleOf(g)))
	}
	more, all := apparmor.Gains(p, made)
	for _, g := range more {
		if g.Rule == nil || fromBase(g.Rule) {
			continue
		}
		whose := ""
		if g.Others {
			whose = " where the file belongs to another user"
		}
		lines = append(lines, fmt.Sprintf("also granted%s: %s, by %s, such as %s", whose, g.Perms, ruleWords(g.Rule), exampleOf(g)))
	}
	if !complete || !all {
		lines = append(lines, "the comparison of what the operator makes of it with the profile is not complete")
	}
	return lines
}

// exampleOf is an access of a gain in the words of a rule.
func exampleOf(g apparmor.Gain) string {
	return strings.TrimSuffix(apparmor.RuleFor(g.Example, apparmor.Transition{Mode: apparmor.Inherit}), ",")
}

// load reads what the operator makes of the abstract, with the abstractions and
// tunables of the profile as far as it includes them, and no file of this host.
func (a *abstract) load(p *apparmor.Profile) (made *apparmor.Profile, base bool) {
	loader := &apparmor.Loader{Include: []string{}, Overlay: map[string]string{}}
	head, body := "@{PROC}=/proc/\n", ""
	for _, f := range p.Policy.Files {
		loader.Overlay[f.Name] = f.Text
		if dir, ok := strings.CutSuffix(f.Name, "/tunables/global"); ok {
			head = strings.Replace(head, "@{PROC}=/proc/\n", "include <tunables/global>\n", 1)
			loader.Include = append(loader.Include, dir)
		}
		if dir, ok := strings.CutSuffix(f.Name, "/abstractions/base"); ok {
			body, base = "  include <abstractions/base>\n", true
			loader.Include = append(loader.Include, dir)
		}
	}
	policy, diagnostics := loader.Load(rules.NewFile("what the operator makes of it", a.text(head, body)))
	for _, d := range diagnostics {
		if d.Severity == rules.Error {
			return nil, base
		}
	}
	return policy.Profile("spo"), base
}

// yaml writes the spec.
func (a *abstract) yaml() escape.YAML {
	var body escape.Builder[escape.YAML]
	section := func(key escape.YAML, write func(out *escape.Builder[escape.YAML])) {
		var fields escape.Builder[escape.YAML]
		if write(&fields); fields.Text() != "" {
			body.Add("    ", key, ":\n", fields.Text())
		}
	}
	section("executable", func(out *escape.Builder[escape.YAML]) {
		yamlList(out, "      ", "allowedExecutables", a.executables)
		yamlList(out, "      ", "allowedLibraries", a.libraries)
	})
	section("filesystem", func(out *escape.Builder[escape.YAML]) {
		yamlList(out, "      ", "readOnlyPaths", a.readOnly)
		yamlList(out, "      ", "writeOnlyPaths", a.writeOnly)
		yamlList(out, "      ", "readWritePaths", a.readWrite)
	})
	section("network", a.yamlNetwork)
	section("capability", func(out *escape.Builder[escape.YAML]) {
		yamlList(out, "      ", "allowedCapabilities", a.capabilities)
	})
	if body.Text() == "" {
		return "  abstract: {}\n"
	}
	return "  abstract:\n" + body.Text()
}

// yamlNetwork writes what is allowed alone: false would be a deny rule.
func (a *abstract) yamlNetwork(out *escape.Builder[escape.YAML]) {
	if a.allowRaw {
		out.Add("      allowRaw: true\n")
	}
	if a.allowTCP || a.allowUDP {
		out.Add("      allowedProtocols:\n")
	}
	if a.allowTCP {
		out.Add("        allowTcp: true\n")
	}
	if a.allowUDP {
		out.Add("        allowUdp: true\n")
	}
}
