package apparmor

import (
	"math"
	"strconv"
	"strings"
)

// fileRules reads a file rule in either order, or the bare file rule. With a
// link target, `rl /a -> /b,` is a link rule and a file rule for the rest.
func (p *parser) fileRules(start int, h Header) []Rule {
	r := &FileRule{Header: h}
	keyword := p.tok
	file := p.word("file")
	if file && p.tok.kind == tokComma {
		return p.bareFile(start, keyword, r)
	}
	safe, unsafe := p.tok, false
	hasSafe := p.word("safe")
	if !hasSafe {
		unsafe = p.word("unsafe")
	}
	subset := false
	switch p.tok.kind {
	case tokID, tokVar:
		p.filePath(r)
		if p.tok.kind != tokMode {
			if hint := closest(r.Path.Source, strings.Fields(ruleWords)); hint != "" {
				p.errorf(r.PathAt, "syntax", "%q is neither a rule nor a path%s", r.Path.Source, hint)
				p.failed = true
				return nil
			}
			p.expected("permissions, such as r or rw")
			return nil
		}
		p.filePerms(r)
	case tokMode:
		r.Leading = true
		p.filePerms(r)
		if subset = p.word("subset"); subset && r.Perms&^Link != 0 {
			p.errorf(r.PermsAt, "bad-link", "subset can only be used with the permission l alone")
		}
		if p.tok.kind != tokID && p.tok.kind != tokVar {
			p.expected("a path")
			return nil
		}
		p.filePath(r)
	default:
		p.expected("a rule")
		return nil
	}
	target, ok := p.target()
	if !ok {
		return nil
	}
	if r.At, ok = p.comma(start); !ok {
		return nil
	}
	if hasSafe || unsafe {
		if r.Perms&Exec == 0 {
			p.errorf(p.at(safe), "bad-exec", "%s needs execute permission in the same rule", safe.value)
		}
		r.Exec.Unsafe = unsafe
	}
	return p.fileTarget(r, target, subset)
}

// bareFile gives a rule what the word file alone stands for.
func (p *parser) bareFile(start int, keyword token, r *FileRule) []Rule {
	r.At, _ = p.comma(start)
	r.PermsAt = p.at(keyword)
	r.Perms = Read | Write | Append | Mmap | Lock | Link | Exec
	r.Exec.Mode = Inherit
	if r.Deny {
		p.errorf(r.PermsAt, "bad-exec", "the rule file cannot be denied as it stands for rwmlk and ix: write deny /** mrwklx")
	}
	return []Rule{r}
}

// fileTarget gives a rule what follows its arrow.
func (p *parser) fileTarget(r *FileRule, target *Pattern, subset bool) []Rule {
	isLink := r.Leading && r.Perms&Link != 0
	switch {
	case subset && !isLink:
		// Reported already.
	case target == nil && !subset:
	case isLink && target != nil && r.Perms&Exec != 0:
		p.errorf(r.PermsAt, "bad-link", "l and x cannot stand together in a rule with ->")
	case isLink:
		link := &LinkRule{Header: r.Header, Subset: subset, Link: r.Path, Target: target, LinkAt: r.PathAt}
		r.Perms &^= Link
		if r.Perms == 0 {
			return []Rule{link}
		}
		return []Rule{r, link}
	default:
		r.Exec.Target, r.Exec.TargetAt = target, target.At
		if r.Perms&Exec != 0 && r.Exec.Mode == 0 && !r.Deny {
			r.Exec.Mode = ToProfile // x -> target, which AppArmor 4 refuses
			return []Rule{r}
		}
	}
	p.checkExec(r)
	return []Rule{r}
}

// checkExec reports an exec mode that the qualifiers do not allow.
func (p *parser) checkExec(r *FileRule) {
	switch {
	case r.Perms&Exec == 0:
	case r.Deny && (r.Exec.Mode != 0 || r.Exec.Unsafe):
		p.errorf(r.PermsAt, "bad-exec", "a deny rule takes x without i, p, c or u: %q", r.PermsAt.Text())
	case !r.Deny && r.Exec.Mode == 0 && !r.Exec.Unsafe:
		p.errorf(r.PermsAt, "bad-exec", "x needs an exec mode before it: ix, px, cx or ux")
	}
}

func (p *parser) filePath(r *FileRule) {
	t := p.advance()
	r.Path, r.PathAt = p.pattern(t), p.at(t)
}

func (p *parser) filePerms(r *FileRule) {
	t := p.advance()
	r.PermsAt = p.at(t)
	perms, exec, problem := parsePerms(t.value)
	if problem != "" {
		p.errorf(r.PermsAt, "bad-perms", "%s", problem)
	}
	r.Perms, r.Exec = perms, exec
}

// parsePerms reads file permissions such as rwPx. The problem says what two of
// them exclude each other.
func parsePerms(word string) (perms Perms, exec Transition, problem string) {
	for i := 0; i < len(word); {
		n := modeLen(word[i:])
		if n > 1 {
			t := execMode(word[i : i+n])
			if exec.Mode != 0 && (t.Mode != exec.Mode || t.Fallback != exec.Fallback || t.Unsafe != exec.Unsafe) {
				problem = "exec modes " + exec.String() + " and " + t.String() + " exclude each other"
			}
			if exec.Mode == 0 && perms&Exec != 0 && t.Mode != Inherit {
				problem = "x and " + t.String() + " exclude each other"
			}
			exec, perms = t, perms|Exec
			i += n
			continue
		}
		switch strings.ToLower(word[i : i+1]) {
		case "r":
			perms |= Read
		case "w":
			perms |= Write
		case "a":
			perms |= Append
		case "l":
			perms |= Link
		case "m":
			perms |= Mmap
		case "k":
			perms |= Lock
		case "x":
			perms |= Exec
		}
		i++
	}
	if perms&Write != 0 && perms&Append != 0 {
		problem = "a and w exclude each other"
	}
	return perms, exec, problem
}

// execMode reads ix, px, Px, pix, PUx and so on. The case of the first letter
// decides whether the environment is scrubbed.
func execMode(word string) Transition {
	t := Transition{Mode: ExecMode(word[0] | 0x20)}
	if t.Mode != Inherit {
		t.Unsafe = word[0]&0x20 != 0
	}
	if len(word) == 3 {
		t.Fallback = ExecMode(word[1] | 0x20)
	}
	return t
}

// target reads -> NAME, if it is there.
func (p *parser) target() (*Pattern, bool) {
	if !p.accept(tokArrow) {
		return nil, true
	}
	if p.tok.kind != tokID && p.tok.kind != tokVar {
		return nil, p.expected("a name after ->")
	}
	return p.pattern(p.advance()), true
}

// linkRule reads link [subset] LINK -> TARGET.
func (p *parser) linkRule(h Header) Rule {
	p.advance()
	r := &LinkRule{Header: h}
	r.Subset = p.word("subset")
	if p.tok.kind != tokID && p.tok.kind != tokVar {
		p.expected("the path of the link")
		return nil
	}
	t := p.advance()
	r.Link, r.LinkAt = p.pattern(t), p.at(t)
	if p.tok.kind != tokArrow {
		p.expected("-> and the path that is linked to")
		return nil
	}
	r.Target, _ = p.target()
	return r
}

// capabilityRule reads capability [NAME...].
func (p *parser) capabilityRule(h Header) Rule {
	p.advance()
	r := &CapabilityRule{Header: h}
	for p.tok.kind == tokID || p.tok.kind == tokKeyword {
		t := p.advance()
		if name := t.value; !isCapability(name) {
			hint := closest(name, append([]string(nil), capabilities...))
			if lower := strings.TrimPrefix(strings.ToLower(name), "cap_"); isCapability(lower) {
				hint = "; did you mean " + lower + "?"
			}
			p.errorf(p.at(t), "unknown-capability", "unknown capability %q%s", name, hint)
		}
		r.Names = append(r.Names, t.value)
	}
	return r
}

func isCapability(name string) bool {
	for _, c := range capabilities {
		if c == name {
			return true
		}
	}
	return false
}

// changeProfileRule reads change_profile [safe|unsafe] [EXEC] [-> TARGET].
func (p *parser) changeProfileRule(h Header) Rule {
	p.advance()
	r := &ChangeProfileRule{Header: h}
	mode := p.tok
	r.Safe = p.word("safe")
	if !r.Safe {
		r.Unsafe = p.word("unsafe")
	}
	if p.tok.kind == tokID {
		r.Exec = p.pattern(p.advance())
		if s := r.Exec.Source; !strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "@{") {
			p.errorf(r.Exec.At, "bad-path", "the program of a change_profile rule must begin with / or a variable: %q", s)
		}
	} else if r.Safe || r.Unsafe {
		p.errorf(p.at(mode), "bad-exec", "%s needs the path of a program after it", mode.value)
	}
	r.Target, _ = p.target()
	return r
}

// rlimitRule reads set rlimit NAME <= VALUE [UNIT].
func (p *parser) rlimitRule(h Header) Rule {
	set := p.advance()
	if h.Audit || h.Deny || h.Allow || h.Prompt || h.Owner || h.Other || h.Priority != 0 {
		p.errorf(p.at(set), "bad-qualifier", "rlimit rules take no qualifiers")
	}
	if !p.word("rlimit") {
		p.expected("rlimit")
		return nil
	}
	r := &RlimitRule{Header: h}
	name := p.tok
	if !p.expect(tokID, "the name of a limit") || !p.expect(tokLessEqual, "<=") {
		return nil
	}
	value := p.tok
	if !p.expect(tokValue, "a number or infinity") {
		return nil
	}
	r.Name, r.Value = name.value, value.value
	unit := ""
	if p.tok.kind == tokID {
		unit = p.advance().value
	}
	r.Value += unit
	kind := rlimitKinds[r.Name]
	if kind == "" {
		p.errorf(p.at(name), "unknown-rlimit", "unknown rlimit %q%s", r.Name, closest(r.Name, keys(rlimitKinds)))
		return r
	}
	if value.value != "infinity" {
		if problem := checkRlimit(kind, value.value, unit); problem != "" {
			p.errorf(p.loc(value.start, p.last), "bad-rlimit", "rlimit %s: %s", r.Name, problem)
		}
	}
	return r
}

// checkRlimit says what is wrong with the value of a limit, or "".
func checkRlimit(kind, number, unit string) string {
	// What is too large for 64 bits saturates; 08 is a bad octal number, which
	// strtoll reads as 0.
	n, _ := strconv.ParseInt(number, 0, 64)
	switch kind {
	case "nice":
		if unit != "" || n < -20 || n > 19 {
			return "expected a number from -20 to 19"
		}
		return ""
	case "number":
		if unit != "" {
			return "expected a number without a unit"
		}
	case "bytes":
		if unit != "" && !strings.HasPrefix("KB", unit) && !strings.HasPrefix("MB", unit) && !strings.HasPrefix("GB", unit) {
			return "expected a unit of K, M or G"
		}
	default:
		per, ok := timeUnits[unit]
		switch {
		case unit == "":
		case !ok:
			return "expected a unit of time, such as ms, s or min"
		case n > math.MaxInt64/per:
			return "too large"
		case kind == "seconds" && n < (1e6+per-1)/per:
			return "less than one second"
		case n == 0:
			return "less than one microsecond"
		}
	}
	if n < 0 {
		return "expected a number that is not negative"
	}
	return ""
}
