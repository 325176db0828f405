package apparmor

import (
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// profile reads a profile, a child profile or a hat with its body.
func (p *parser) profile() (statement, bool) {
	s := &profileStmt{}
	start := p.tok.start
	switch {
	case p.tok.kind == tokCaret || p.tok.kind == tokKeyword && p.tok.value == "hat":
		s.hat = true
		p.advance()
	case p.word("profile"):
		s.keyword = true
	}
	s.name = &Pattern{At: p.at(p.tok)}
	before := len(p.diags)
	ok := p.header(s)
	wrong := len(p.diags) > before
	s.loc = p.loc(start, p.last)
	if !ok && !p.skipToBody() {
		return nil, false
	}
	s.body, s.stmts, ok = p.body()
	if wrong {
		s.stmts = append(s.stmts, &unreadStmt{s.loc})
	}
	return s, ok
}

// header reads what stands between the keyword and the {.
func (p *parser) header(s *profileStmt) bool {
	name := p.tok
	if name.kind != tokID && name.kind != tokVar {
		return p.expected("a profile name")
	}
	p.advance()
	s.name = p.pattern(name)
	if p.tok.kind == tokID || p.tok.kind == tokVar {
		s.attachment = p.pattern(p.advance())
		if !strings.HasPrefix(s.attachment.Source, "/") && !strings.HasPrefix(s.attachment.Source, "@{") {
			if p.tok.kind == tokComma {
				p.tok.start, p.tok.end = s.attachment.At.Span.Start, s.attachment.At.Span.End
				return p.expected("permissions, such as r or rw")
			}
			p.errorf(s.attachment.At, "bad-attachment", "a profile attaches to a path: %q must begin with / or a variable", s.attachment.Source)
		}
	}
	if p.tok.kind == tokCondList && p.tok.value == "xattrs" {
		if !p.xattrs(s) {
			return false
		}
	}
	if !p.identities(s) {
		return false
	}
	if p.tok.kind == tokCond {
		if p.tok.value != "flags" {
			return p.expected("flags=(...) or {")
		}
		p.advance()
		if !p.expect(tokEquals, "=") {
			return false
		}
		if p.tok.kind != tokOpenParen {
			return p.expected("( and the flags")
		}
	}
	if p.accept(tokOpenParen) && !p.flags(s) {
		return false
	}
	if p.tok.kind != tokOpen {
		return p.expected("{ and the body of the profile")
	}
	return true
}

func (p *parser) xattrs(s *profileStmt) bool {
	at := p.tok
	_, conds, ok := p.condList()
	for _, c := range conds {
		x := Xattr{Name: c.name}
		if len(c.values) > 0 {
			x.Value = c.values[0]
		}
		s.xattrs = append(s.xattrs, x)
	}
	if s.hat && p.depth > 0 {
		p.errorf(p.at(at), "bad-xattrs", "a hat cannot have xattrs")
	}
	return ok
}

// identities reads + identities=(NAME ...), which may stand several times.
func (p *parser) identities(s *profileStmt) bool {
	for p.tok.kind == tokPlus {
		plus := p.advance()
		if p.tok.kind != tokCond {
			return p.expected("identities=(...)")
		}
		p.advance()
		p.construct(p.loc(plus.start, p.last), "identities=", "5.0", "")
		if !p.expect(tokEquals, "=") || !p.expect(tokOpenParen, "( and the identities") {
			return false
		}
		for p.tok.kind == tokValue {
			t := p.advance()
			if !strings.HasPrefix(t.value, "/") && strings.Contains(t.value, " ") {
				p.errorf(p.at(t), "bad-identity", "an identity that is no path holds no blank: %q", t.value)
			}
			s.identities = append(s.identities, t.value)
		}
		if len(s.identities) == 0 {
			return p.expected("an identity")
		}
		if !p.expect(tokCloseParen, ") after the identities") {
			return false
		}
	}
	return true
}

// flags reads the members of flags=(...) and their closing parenthesis.
func (p *parser) flags(s *profileStmt) bool {
	// A brace that is no variable's is where the ) was forgotten.
	for p.tok.kind == tokValue && (!strings.ContainsAny(p.tok.value, "{}") || strings.Contains(p.tok.value, "=")) {
		t := p.advance()
		f := Flag{At: p.at(t)}
		f.Name, f.Value, _ = strings.Cut(t.value, "=")
		f.Since = flagSince[f.Name]
		if f.Since != "" {
			p.construct(f.At, "the flag "+f.Name, f.Since, "")
		}
		p.checkFlag(s.flags, f)
		s.flags = append(s.flags, f)
	}
	if len(s.flags) == 0 {
		return p.expected("a flag, such as complain")
	}
	return p.expect(tokCloseParen, ") after the flags")
}

func (p *parser) checkFlag(before []Flag, f Flag) {
	// attach_disconnected.path= without a value is told once variables are known.
	known := profileModes[f.Name] || flagNames[f.Name] && f.Value == "" || f.Name == "error" && f.Value != "" ||
		strings.Contains(f.At.Text(), "=") && (f.Name == "attach_disconnected.path" || f.Name == "attach_disconnected.ipc")
	switch {
	case f.Name == "error" && !errnoNames[strings.ToUpper(f.Value)]:
		p.errorf(f.At, "unknown-error", "error= takes the name of an error, such as EPERM: %q", f.Value)
	case f.Name == "kill.signal":
		if !isSignal(f.Value) {
			p.errorf(f.At, "unknown-signal", "unknown signal %q", f.Value)
		}
	case !known:
		p.errorf(f.At, "unknown-flag", "unknown profile flag %q%s", f.Name, closest(f.Name, slices.Concat(keys(profileModes), keys(flagNames))))
		p.newer = true
	}
	for _, b := range before {
		if profileModes[f.Name] && profileModes[b.Name] && f.Name != b.Name {
			p.errorf(f.At, "flag-conflict", "flag %s conflicts with %s", f.Name, b.Name)
		}
		if valuedFlags[f.Name] && f.Name == b.Name && !strings.EqualFold(f.Value, b.Value) && f.Value != "" && b.Value != "" {
			p.errorf(f.At, "flag-conflict", "flag %s has two values: %s and %s", f.Name, b.Value, f.Value)
		}
		for _, pair := range flagConflicts {
			if pair == [2]string{f.Name, b.Name} || pair == [2]string{b.Name, f.Name} {
				p.errorf(f.At, "flag-conflict", "flag %s conflicts with %s", f.Name, b.Name)
			}
		}
	}
}

// skipToBody moves to a { that ends the line of a header that could not be
// read, so that the rules inside are read all the same.
func (p *parser) skipToBody() bool {
	line, _ := p.file.Position(p.tok.start)
	text := strings.TrimRight(p.file.Line(line), " \t")
	open := p.file.LineStart(line) + len(text) - 1
	if !strings.HasSuffix(text, "{") || open < p.tok.start {
		return false
	}
	p.restart(open)
	p.failed = false
	return true
}

// body reads { statements }.
func (p *parser) body() (rules.Location, []statement, bool) {
	open := p.tok
	if !p.expect(tokOpen, "{") {
		return rules.Location{}, nil, false
	}
	if !p.enterNesting(p.at(open), "blocks") {
		return rules.Location{}, nil, false
	}
	stmts := p.statements(true)
	p.depth--
	at := p.loc(open.end, p.tok.start)
	if p.tok.kind != tokClose {
		p.failed = false
		p.errorf(p.at(open), "syntax", "expected } to close this {")
		return at, stmts, true
	}
	p.advance()
	return at, stmts, true
}
