package apparmor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// maxNesting bounds blocks, profiles and conditions inside each other.
const maxNesting = 256

// A statement is one item of a policy file before includes, variables and
// conditionals are resolved: *includeStmt, *varStmt, *boolStmt, *aliasStmt,
// *abiStmt, *profileStmt, *blockStmt, *ifStmt, *ruleStmt or *unreadStmt.
type statement interface{ at() rules.Location }

type (
	includeStmt struct {
		loc      rules.Location
		path     string
		magic    bool // <path>
		ifExists bool
	}
	varStmt struct {
		loc    rules.Location
		name   string // @{name}
		op     tokenKind
		values []*Pattern
	}
	boolStmt struct {
		loc   rules.Location
		name  string // ${name}
		op    tokenKind
		value *expression
	}
	aliasStmt struct {
		loc   rules.Location
		alias Alias
	}
	abiStmt struct {
		loc   rules.Location
		path  string
		magic bool
	}
	profileStmt struct {
		loc        rules.Location // header
		body       rules.Location
		keyword    bool // profile NAME
		hat        bool // hat NAME, ^NAME
		name       *Pattern
		attachment *Pattern
		flags      []Flag
		xattrs     []Xattr
		identities []string
		stmts      []statement
	}
	blockStmt struct {
		loc   rules.Location // qualifiers
		quals Qualifiers
		stmts []statement
	}
	ifStmt struct {
		loc             rules.Location
		cond            *expression
		then, otherwise []statement
	}
	ruleStmt struct{ rule Rule }
	// An unreadStmt is what was not understood, up to where reading went on.
	unreadStmt struct{ loc rules.Location }
)

func (s *includeStmt) at() rules.Location { return s.loc }
func (s *varStmt) at() rules.Location     { return s.loc }
func (s *boolStmt) at() rules.Location    { return s.loc }
func (s *aliasStmt) at() rules.Location   { return s.loc }
func (s *abiStmt) at() rules.Location     { return s.loc }
func (s *profileStmt) at() rules.Location { return s.loc }
func (s *blockStmt) at() rules.Location   { return s.loc }
func (s *ifStmt) at() rules.Location      { return s.loc }
func (s *ruleStmt) at() rules.Location    { return s.rule.Location() }
func (s *unreadStmt) at() rules.Location  { return s.loc }

// A parser reads the statements of one file. After an error it goes on with the
// next statement.
type parser struct {
	file   *rules.File
	scan   scanner
	tok    token // the current token
	before int   // start of the token before it
	last   int   // its end
	depth  int
	left   int // of the tokens that may be read
	diags  []rules.Diagnostic
	// constructs are what not every apparmor_parser reads.
	constructs []Construct
	// failed is set by the first error of a statement, and silences those that
	// follow from it.
	failed bool
	// newer is set by a word that no known version has: where what follows it cannot be
	// read, that is told already.
	newer bool
}

// parse reads a whole file, of at most so many tokens, and returns how many it has.
func parse(file *rules.File, most int) (*parsedFile, int) {
	p := parser{file: file, scan: scanner{text: file.Text}, left: most}
	p.advance()
	stmts := p.statements(false)
	if i := strings.IndexByte(file.Text, 0); i >= 0 {
		p.diags = append(p.diags, rules.Diagnostic{At: p.loc(i, i+1), Severity: rules.Warning, Code: "nul-byte",
			Message: "this file holds a NUL byte: apparmor_parser reads a name only up to it"})
	}
	return &parsedFile{file: file, stmts: stmts, diags: p.diags, constructs: p.constructs}, most - p.left
}

func (p *parser) advance() token {
	t := p.tok
	p.before, p.last = t.start, t.end
	p.tok = p.scan.next()
	for _, q := range p.scan.quirks {
		p.construct(p.loc(q.At.Span.Start, q.At.Span.End), q.What, q.Since, q.Until)
	}
	p.scan.quirks = nil
	if p.left--; p.left < 0 && p.tok.kind != tokEOF {
		p.tooLarge()
	}
	return t
}

// tooLarge ends the file where its tokens have become too many.
func (p *parser) tooLarge() {
	p.failed = false
	p.errorf(p.at(p.tok), "too-large", "more than %d words and signs, with those of other included files: the rest is not read; split the policy, or include less", maxTokens)
	p.failed = true
	p.restart(len(p.file.Text))
}

func (p *parser) loc(start, end int) rules.Location {
	return rules.Location{File: p.file, Span: rules.Span{Start: start, End: max(start, end)}}
}

func (p *parser) at(t token) rules.Location { return p.loc(t.start, t.end) }

// errorf reports an error that does not stop the statement from being read.
func (p *parser) errorf(at rules.Location, code, format string, args ...any) {
	if p.failed {
		return
	}
	cut := p.left < 0 // what follows from that is not told
	if len(p.diags) < maxDiagnostics && !cut || code == "too-large" {
		p.diags = append(p.diags, rules.Diagnostic{At: at, Code: code, Message: fmt.Sprintf(format, args...)})
	}
}

// expected reports that the current token is not what must come here, and
// returns false for its callers to return.
func (p *parser) expected(what string) bool {
	at := p.at(p.tok)
	if p.newer {
		p.failed = true
	}
	if p.tok.kind == tokBad {
		p.errorf(at, "syntax", "%s", p.tok.value)
	} else if p.startsLine(p.tok.start) && p.last < p.tok.start {
		// The trouble is what is missing before, not the next statement.
		p.errorf(p.loc(p.last, p.last), "syntax", "expected %s", what)
	} else {
		p.errorf(at, "syntax", "expected %s, found %s", what, p.describe(p.tok))
	}
	p.failed = true
	return false
}

func (p *parser) describe(t token) string {
	if t.kind == tokEOF {
		return "the end of the file"
	}
	text := p.file.Text[t.start:t.end]
	if len(text) > 40 {
		text = text[:40] + "..."
	}
	return fmt.Sprintf("%q", text)
}

// accept passes the current token if it is of that kind.
func (p *parser) accept(kind tokenKind) bool {
	if p.tok.kind != kind {
		return false
	}
	p.advance()
	return true
}

func (p *parser) expect(kind tokenKind, what string) bool {
	return p.accept(kind) || p.expected(what)
}

// word passes the current token if it is that keyword.
func (p *parser) word(word string) bool {
	if p.tok.kind != tokKeyword || p.tok.value != word {
		return false
	}
	p.advance()
	return true
}

// comma ends a rule that started at an offset, and returns where it stands.
func (p *parser) comma(start int) (rules.Location, bool) {
	if p.tok.kind != tokComma {
		return rules.Location{}, p.expected("a comma at the end of the rule")
	}
	end := p.tok.end
	p.advance()
	return p.loc(start, end), true
}

// statements reads up to the closing brace, or up to the end of the file.
func (p *parser) statements(inBraces bool) []statement {
	var out []statement
	for {
		switch {
		case p.tok.kind == tokEOF:
			return out
		case p.tok.kind == tokClose && inBraces:
			return out
		case p.tok.kind == tokClose:
			p.errorf(p.at(p.tok), "syntax", "expected a profile or a rule, found \"}\" that closes nothing")
			p.advance()
			continue
		}
		start := p.tok.start
		before := len(p.diags)
		p.newer = false
		stmts := p.statement()
		out = append(out, stmts...)
		if len(stmts) == 1 && len(p.diags) > before && !p.failed {
			if s, ok := stmts[0].(*ruleStmt); ok { // without what is wrong with it, it may say another thing
				out = append(out, &unreadStmt{s.rule.Location()})
			}
		}
		if p.failed {
			p.failed = false
			p.recover(start)
			out = append(out, &unreadStmt{p.loc(start, min(p.tok.start, len(p.file.Text)))})
		}
	}
}

// statement reads one statement; a rule that grants both link and other
// permissions counts as two. On error it sets failed.
func (p *parser) statement() []statement {
	one := func(s statement, ok bool) []statement {
		if !ok {
			return nil
		}
		return []statement{s}
	}
	switch t := p.tok; {
	case t.kind == tokBad:
		p.expected("")
		return nil
	case t.kind == tokInclude:
		return one(p.include())
	case t.kind == tokBool:
		return one(p.boolAssign())
	case t.kind == tokVar:
		return p.variable()
	case t.kind == tokCaret, t.kind == tokKeyword && (t.value == "profile" || t.value == "hat"):
		return one(p.profile())
	case t.kind == tokKeyword && (t.value == "alias" || t.value == "rewrite"):
		return one(p.alias())
	case t.kind == tokKeyword && t.value == "abi":
		return one(p.abi())
	case t.kind == tokKeyword && t.value == "if":
		return one(p.ifElse())
	case t.kind == tokID && p.depth == 0 && !p.isFileRule():
		return one(p.profile())
	case t.kind == tokID && p.startsBody():
		return one(p.profile()) // without the keyword it needs here, as is said later
	}
	return p.qualified()
}

// isFileRule looks past a path to tell a file rule from a profile's header.
func (p *parser) isFileRule() bool {
	ahead := p.scan
	ahead.stack = slices.Clone(ahead.stack)
	kind := ahead.next().kind
	return kind == tokMode || kind == tokComma || kind == tokArrow
}

// startsBody reports whether a { follows the current token.
func (p *parser) startsBody() bool {
	ahead := p.scan
	ahead.stack = slices.Clone(ahead.stack)
	return ahead.next().kind == tokOpen
}

// startsLine reports whether only blanks stand before an offset on its line.
func (p *parser) startsLine(pos int) bool {
	i := pos
	for i > 0 && (p.file.Text[i-1] == ' ' || p.file.Text[i-1] == '\t') {
		i--
	}
	return i == 0 || p.file.Text[i-1] == '\n'
}

// include reads include <path>, include "path" or include if exists <path>.
func (p *parser) include() (statement, bool) {
	start := p.advance()
	s := &includeStmt{ifExists: start.value != ""}
	t := p.tok
	if !p.expect(tokPath, "a file name, such as <abstractions/base>") {
		return nil, false
	}
	s.loc, s.path, s.magic = p.loc(start.start, t.end), t.value, p.file.Text[t.start] == '<'
	return s, true
}

// abi reads abi <path>,.
func (p *parser) abi() (statement, bool) {
	start := p.advance().start
	t := p.tok
	if !p.expect(tokPath, "a file name, such as <abi/3.0>") {
		return nil, false
	}
	loc, ok := p.comma(start)
	return &abiStmt{loc: loc, path: t.value, magic: p.file.Text[t.start] == '<'}, ok
}

// alias reads alias /from/ -> /to/,.
func (p *parser) alias() (statement, bool) {
	start := p.advance().start
	from := p.tok
	if !p.expect(tokID, "a path") || !p.expect(tokArrow, "->") {
		return nil, false
	}
	to := p.tok
	if !p.expect(tokID, "a path") {
		return nil, false
	}
	loc, ok := p.comma(start)
	return &aliasStmt{loc: loc, alias: Alias{From: from.value, To: to.value, At: loc}}, ok
}

// variableName strips @{} or @ or ${} or $.
func variableName(s string) string {
	s = s[1:]
	if strings.HasPrefix(s, "{") {
		s = s[1 : len(s)-1]
	}
	return s
}

// pattern returns the token as a pattern.
func (p *parser) pattern(t token) *Pattern {
	return &Pattern{Source: t.value, At: p.at(t)}
}

// enterNesting goes one level deeper, or reports that this is too deep. What is left
// again takes one from depth.
func (p *parser) enterNesting(at rules.Location, what string) bool {
	if p.depth++; p.depth <= maxNesting {
		return true
	}
	p.depth--
	p.errorf(at, "nesting", "%s nest deeper than %d", what, maxNesting)
	p.failed = true
	p.restart(len(p.file.Text))
	return false
}

// ifElse reads if CONDITION { ... } [else { ... } | else if ...].
func (p *parser) ifElse() (statement, bool) {
	s := &ifStmt{}
	start := p.advance()
	if s.cond = p.expression(); s.cond == nil {
		return nil, false
	}
	s.loc = p.loc(start.start, p.last)
	var ok bool
	if _, s.then, ok = p.body(); !ok {
		return nil, false
	}
	if !p.word("else") {
		return s, true
	}
	if p.tok.kind == tokKeyword && p.tok.value == "if" {
		if !p.enterNesting(p.at(p.tok), "conditionals") {
			return nil, false
		}
		elseIf, ok := p.ifElse()
		p.depth--
		s.otherwise = []statement{elseIf}
		return s, ok
	}
	_, s.otherwise, ok = p.body()
	return s, ok
}

// qualified reads qualifiers and the rule or the block that they stand before.
func (p *parser) qualified() []statement {
	start := p.tok.start
	h := Header{}
	if !p.qualifiers(&h) {
		return nil
	}
	if p.tok.kind == tokOpen {
		s := &blockStmt{loc: p.loc(start, p.tok.end), quals: h.Qualifiers}
		if h.Priority != 0 {
			p.errorf(s.loc, "bad-qualifier", "a block cannot have a priority")
		}
		var ok bool
		if _, s.stmts, ok = p.body(); !ok {
			return nil
		}
		return []statement{s}
	}
	rs := p.rule(start, h)
	out := make([]statement, len(rs))
	for i, r := range rs {
		out[i] = &ruleStmt{r}
	}
	return out
}

// qualifiers reads priority=N audit allow|deny|prompt owner|other, in that
// order, which is the parser's.
func (p *parser) qualifiers(h *Header) bool {
	if priority := p.tok; p.word("priority") {
		if !p.expect(tokEquals, "=") {
			return false
		}
		t := p.tok
		if !p.expect(tokValue, "a number") {
			return false
		}
		h.Since = later(h.Since, "4.1")
		p.construct(p.at(priority), "priority=", "4.1", "")
		if n, err := fmt.Sscanf(t.value, "%d", &h.Priority); n != 1 || err != nil || h.Priority < -1000 || h.Priority > 1000 {
			p.errorf(p.at(t), "bad-priority", "priority %s is not between -1000 and 1000", t.value)
			h.Priority = 0
		}
	}
	h.Audit = p.word("audit")
	switch {
	case p.word("allow"):
		h.Allow = true
	case p.word("deny"):
		h.Deny = true
	case p.word("prompt"):
		h.Prompt = true
		p.since(h, "4.1", "prompt rules")
	}
	switch {
	case p.word("owner"), p.word("user"):
		h.Owner = true
	case p.word("other"):
		h.Other = true
	}
	if t := p.tok; t.kind == tokKeyword && qualifierWords[t.value] {
		p.errorf(p.at(t), "syntax", "%q cannot come here: qualifiers stand in the order priority, audit, allow or deny, owner", t.value)
		p.failed = true
		return false
	}
	return true
}

var qualifierWords = wordSet("priority audit allow deny prompt owner user other")

// later returns the later of two versions.
func later(a, b string) string { return max(a, b) }

// rule reads a rule after its qualifiers.
func (p *parser) rule(start int, h Header) []Rule {
	t := p.tok
	if t.kind == tokMode && t.value == "all" && p.scan.pos < len(p.file.Text) && p.file.Text[p.scan.pos] == ',' {
		t.kind = tokKeyword // not the permissions a and l
	}
	if t.kind != tokKeyword || t.value == "file" || t.value == "safe" || t.value == "unsafe" {
		return p.fileRules(start, h)
	}
	if t.value != "link" && (h.Owner || h.Other) {
		p.errorf(p.at(t), "bad-qualifier", "owner is not allowed on %s rules", t.value)
	}
	parse := parsers[t.value]
	if parse == nil {
		p.expected("a rule")
		return nil
	}
	r := parse(p, h)
	if r == nil || p.failed {
		return nil
	}
	at, ok := p.comma(start)
	if !ok {
		return nil
	}
	r.Head().At = at
	return []Rule{r}
}
