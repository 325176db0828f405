package apparmor

import (
	"strings"

	"github.com/whydenied/whydenied/rules"
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
	safe, subset := p.tok, false
	hasSafe := p.word("safe")
	unsafe := !hasSafe && p.word("unsafe")
	switch p.tok.kind {
	case tokID, tokVar:
		p.filePath(r)
		if p.tok.kind != tokMode {
			if hint := closest(r.Path.Source, append(keys(parsers), "file", "audit", "deny", "allow", "owner", "profile", "include")); hint != "" {
				p.errorf(r.PathAt, "syntax", "%q is neither a rule nor a path%s", r.Path.Source, hint)
				p.failed = true
				return nil
			}
			if !p.unknownRule(r) {
				p.expected("permissions, such as r or rw")
			}
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
	case tokCond, tokCondList:
		p.notUnderstood(p.at(p.tok), p.tok.value)
		return nil
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

// unknownRule reports a word that begins no rule, as of an AppArmor that is newer.
func (p *parser) unknownRule(r *FileRule) bool {
	word := r.Path.Source
	if word == "" || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return false
	}
	p.notUnderstood(r.PathAt, word)
	return true
}

func (p *parser) notUnderstood(at rules.Location, word string) {
	p.errorf(at, "not-understood", "%s is not understood: no rule of AppArmor up to %s begins so; it is left out", word, newestRelease())
	p.failed = true
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
	case isLink && target != nil && strings.HasPrefix(strings.TrimPrefix(target.Source, "&"), ":"):
		p.errorf(target.At, "bad-link", "a link names a file, and no profile of a namespace: %q", target.Source)
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
			r.Exec.Mode = ToProfile
			p.construct(r.At, "x -> NAME without a p or c before the x", "", "4.0")
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
	if name := (&scanner{text: t.value}).variable(0); name > 0 && t.value[0] == '@' && strings.HasPrefix(t.value[name:], "?") && !strings.HasPrefix(t.value[name:], "??") {
		p.construct(r.PathAt, "a ? right after the variable that begins a path", "", "5.0")
	}
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
