package apparmor

import (
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// A MountRule is a mount, remount or umount rule.
type MountRule struct {
	Header
	Op      string      // mount, remount or umount
	Fstype  []MountCond // fstype=ext4, fstype in (ext4, xfs)
	Options []MountCond // options=(ro, bind), options in (ro, bind)
	Source  *Pattern    // device or directory; nil is any
	Target  *Pattern    // -> mount point; nil is any. Of umount, the thing unmounted

	forms []mountForm // of a resolved one; see mountForms
}

// A MountCond is one fstype or options condition.
type MountCond struct {
	In     bool // "in": any subset; otherwise "=": exactly these
	Values []string
}

// mountWords are none: mount rules name no permissions.
var mountWords = &vocabulary{}

// A MountRequest is a mount(2) or umount(2).
type MountRequest struct {
	// Op is mount, remount, bind, move or umount. remount, bind and move add the
	// flag of that name.
	Op     string
	Source string   // device, or directory of bind and move
	Target string   // mount point, ending in /
	Fstype string   // of a new mount
	Flags  []string // as the kernel logs them or a rule writes them: ro, nosuid, rbind, ...
	Data   string   // file system options
}

func (MountRequest) class() string { return "mount" }
func (MountRequest) wanted() Perms { return Access }

// mountRule reads mount [CONDITIONS] [SOURCE] [-> TARGET], remount and umount.
func (p *parser) mountRule(h Header) Rule {
	op := p.advance().value
	if op == "unmount" {
		op = "umount"
	}
	r := &MountRule{Header: h, Op: op}
	conds, ok := p.conds()
	if !ok {
		return nil
	}
	p.mountConds(r, conds)
	if p.tok.kind == tokID {
		r.Source = p.pattern(p.advance())
	}
	if op != "mount" {
		r.Source, r.Target = nil, r.Source
		return r
	}
	if !p.accept(tokArrow) {
		return r
	}
	if p.tok.kind == tokCond {
		p.errorf(p.at(p.tok), "bad-condition", "conditions of a mount rule stand before its source")
		p.failed = true
		return nil
	}
	t := p.tok
	if !p.expect(tokID, "a mount point after ->") {
		return nil
	}
	r.Target = p.pattern(t)
	return r
}

func (p *parser) mountConds(r *MountRule, conds []cond) {
	for _, c := range conds {
		mc := MountCond{In: c.in}
		for _, v := range c.values {
			mc.Values = append(mc.Values, v.Source)
		}
		switch c.name {
		case "fstype", "vfstype":
			r.Fstype = append(r.Fstype, mc)
		case "options", "option":
			r.Options = append(r.Options, mc)
			p.mountOptions(c)
		default:
			p.errorf(c.at, "bad-condition", "unknown condition %q in a %s rule; expected fstype or options", c.name, r.Op)
			p.newer = true
		}
	}
}

// mountOptions reports the options that do not exist.
func (p *parser) mountOptions(c cond) {
	for _, v := range c.values {
		_, sets := mountFlags[v.Source]
		_, clears := clearedFlags[v.Source]
		if !sets && !clears {
			p.errorf(v.At, "unknown-option", "unknown mount option %q%s", v.Source,
				closest(v.Source, slices.Concat(keys(mountFlags), keys(clearedFlags))))
		}
	}
}

func (r *MountRule) resolve(by *resolver) Rule {
	c := *r
	by.path(&c.Source)
	by.path(&c.Target)
	c.Fstype = by.values(c.Fstype, c.At)
	if c.Op != "umount" {
		c.forms = mountForms(&c)
	}
	return &c
}

// values expands variables in the values of mount conditions.
func (r *resolver) values(conds []MountCond, at rules.Location) []MountCond {
	out := slices.Clone(conds)
	for i, c := range out {
		out[i].Values = slices.Clone(c.Values)
		for j, v := range c.Values {
			if strings.Contains(v, "@{") {
				out[i].Values[j] = r.expand(&Pattern{Source: v, At: at}, labelText).Expanded[0]
			}
		}
	}
	return out
}

// checkMount reports a mount rule that no mount can match, which the parser
// refuses: what makes a kind of mount (bind, move, private) excludes fstype.
func (r *resolver) checkMount(m *MountRule) {
	if m.Op == "umount" {
		return
	}
	for _, c := range m.Fstype {
		for _, v := range c.Values {
			r.checkGlob(&Pattern{At: m.At}, v, labelText)
		}
	}
	r.checkOptions(m)
	switch in30, in4 := mountIn30(m), mountIn4(m); {
	case !in30 && !in4:
		r.errorf(m.At, "empty-mount", "no mount matches this rule: bind, move, remount and propagation mounts have no fstype, and propagation mounts no source beside the mount point")
	case !in30:
		m.Since = later(m.Since, "3.1")
		r.policy.construct(m.At, "a mount rule of these conditions", "3.1", "")
	case !in4:
		r.policy.construct(m.At, "a mount rule of these conditions", "", "3.1")
	}
}

// newOptions are the options that 3.0 does not know.
var newOptions = wordSet("symfollow nosymfollow nostrictatime lazytime nolazytime")

// checkOptions reports an options=(...) that both sets and clears a flag.
func (r *resolver) checkOptions(m *MountRule) {
	for _, c := range m.Options {
		if both := flagsOf(c.Values, mountFlags) & flagsOf(c.Values, clearedFlags); both != 0 && !c.In {
			r.policy.construct(m.At, "options that both set and clear a flag", "", "3.1")
		}
		if slices.ContainsFunc(c.Values, func(o string) bool { return newOptions[o] }) {
			m.Since = later(m.Since, "3.1")
			r.policy.construct(m.At, "the mount option "+strings.Join(c.Values, ", "), "3.1", "")
		}
	}
}

func (q MountRequest) ask(r Rule) (Perms, []string) {
	if r, ok := r.(*MountRule); ok {
		return Access, mountDiff(r, q)
	}
	return 0, nil
}

// mountDiff compares a mount rule, as match_mnt() in security/apparmor/mount.c
// does, and returns how its nearest form differs.
func mountDiff(r *MountRule, req MountRequest) []string {
	if req.Op == "umount" {
		if r.Op != "umount" {
			return []string{"operation"}
		}
		target := r.Target
		if target == nil {
			target = r.Source
		}
		return compareAll(field{"mount point", target.Match(req.Target)})
	}
	if r.Op == "umount" {
		return []string{"operation"}
	}
	source, fstype, flags := looksAt(flagsOf(append([]string{req.Op}, req.Flags...), mountFlags), req.Source, req.Fstype)
	best := []string{"operation"}
	for i, f := range mountForms(r) {
		diff := compareAll(
			field{"mount point", f.target.Match(req.Target)},
			field{"source", f.source.Match(source)},
			field{"fstype", f.takesType(fstype, nil)},
			field{"flags", f.takes(flags)})
		if i == 0 || len(diff) < len(best) {
			best = diff
		}
	}
	return best
}

// matchAnyGlob reports whether one of a few globs matches.
func matchAnyGlob(globs []string, name string) bool {
	return slices.ContainsFunc(globs, func(g string) bool {
		return g == name || (&Pattern{Expanded: []string{g}}).Match(name)
	})
}

func (q MountRequest) decide(p *Profile, d *Decision) {
	if q.Op == "umount" {
		p.askInTurn(q, d)
		return
	}
	// What costs is names, and flags tell most rules apart.
	source, fstype, flags := looksAt(q.flags(), q.Source, q.Fstype)
	p.askEach(q, d, func(r Rule) (Perms, bool) {
		m, ok := r.(*MountRule)
		return Access, ok && m.Op != "umount" && slices.ContainsFunc(mountForms(m), func(f mountForm) bool {
			return f.takes(flags) && f.takesType(fstype, d.memo) && d.memo.matches(f.source, source) && d.memo.matches(f.target, q.Target)
		})
	})
	noteRemount(q, d)
}

// noteRemount says where versions of apparmor_parser differ: 3.0.8 and older let
// a remount rule without options cover the flag remount alone, and demand the
// options that options in makes optional.
func noteRemount(req MountRequest, d *Decision) {
	if kindOf(flagsOf(append([]string{req.Op}, req.Flags...), mountFlags)) != remount {
		return
	}
	for _, r := range d.Allow {
		m, ok := r.(*MountRule)
		loose := ok && (len(m.Options) == 0 || slices.ContainsFunc(m.Options, func(c MountCond) bool { return c.In }))
		if !ok || m.Op != "remount" || !loose {
			return
		}
	}
	if len(d.Allow) > 0 {
		d.Notes = append(d.Notes, "AppArmor 3.0.8 and older read a remount rule like this as covering fewer flags")
	}
}

func (q MountRequest) rule(Transition) string {
	if q.Op == "umount" {
		return "umount " + QuotePath(q.Target) + ","
	}
	word := "mount"
	options := slices.Clone(q.Flags)
	if q.Op == "remount" {
		word = "remount"
		options = slices.DeleteFunc(options, func(flag string) bool { return flag == "remount" })
	}
	if q.Op == "mount" && len(options) == 0 {
		options = []string{"rw"} // without options a rule covers them all
	}
	option := ""
	if len(options) > 0 {
		option = "options=(" + strings.Join(options, ", ") + ")"
	}
	if q.Op == "remount" {
		return joinWords(word, option, QuotePath(q.Target)) + ","
	}
	return joinWords(word, condition("fstype=", quoteIf(q.Fstype)), option, quoteIf(q.Source), "->", QuotePath(q.Target)) + ","
}

func (q MountRequest) subject() Request {
	flags := flagsOf(append([]string{q.Op}, q.Flags...), mountFlags)
	if q.Op != "umount" {
		q.Op = "mount"
		q.Source, q.Fstype, flags = looksAt(flags, q.Source, q.Fstype)
	}
	q.Flags = []string{strconv.FormatUint(uint64(flags), 16)}
	return q
}

func (q MountRequest) variant() variant {
	return variant{func() Request { return q }, nil, []variedField{{&q.Source, nil}, {&q.Target, nil}, {&q.Fstype, nil}}}
}

func (*MountRule) labels() []*Pattern { return nil }

func (q MountRequest) relabel(string, string) Request { return q }
