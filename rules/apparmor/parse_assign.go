package apparmor

import "slices"

// variable reads an assignment, or a file rule whose path is one variable.
func (p *parser) variable() []statement {
	ahead := p.scan
	ahead.stack = slices.Clone(ahead.stack)
	if !isAssignment(ahead.next().kind) {
		if p.depth == 0 && !p.isFileRule() {
			if s, ok := p.profile(); ok {
				return []statement{s}
			}
			return nil
		}
		return p.qualified()
	}
	name := p.advance()
	s := &varStmt{name: variableName(name.value), op: p.assignment()}
	for p.tok.kind == tokValue {
		s.values = append(s.values, p.pattern(p.advance()))
	}
	s.loc = p.loc(name.start, p.last)
	if len(s.values) == 0 {
		p.expected("a value")
		return nil
	}
	if !p.endAssign() {
		return nil
	}
	return []statement{s}
}

func isAssignment(kind tokenKind) bool {
	return kind == tokEquals || kind == tokAddAssign || kind == tokCondAssign || kind == tokSetAssign
}

// assignment passes =, +=, ?= or :=.
func (p *parser) assignment() tokenKind {
	op := p.advance()
	if op.kind == tokCondAssign || op.kind == tokSetAssign {
		p.construct(p.at(op), "an assignment with "+op.value, "5.0", "")
	}
	return op.kind
}

// boolAssign reads ${NAME} = true, or another condition.
func (p *parser) boolAssign() (statement, bool) {
	name := p.advance()
	if !isAssignment(p.tok.kind) {
		return nil, p.expected("=")
	}
	s := &boolStmt{name: variableName(name.value), op: p.tok.kind}
	if s.op == tokAddAssign {
		return nil, p.expected("=, as a boolean has one value")
	}
	p.assignment()
	wrapped := p.tok.kind == tokNewline // 5.0 takes the value from the next line
	if wrapped {
		p.construct(p.at(p.advance()), "a value on the line after its sign", "5.0", "")
	}
	value := p.tok
	before := len(p.constructs)
	if s.value = p.expression(); s.value == nil {
		return nil, false
	}
	s.loc = p.loc(name.start, p.last)
	switch p.constructs = p.constructs[:before]; {
	case s.value.op == "" && value.kind == tokID: // which all versions read
	case s.value.op == "" && value.kind == tokValue:
		p.construct(s.value.at, "a comment before the sign of an assignment", "", "5.0")
	default:
		p.construct(s.value.at, "a condition as the value of a variable", "5.0", "")
	}
	return s, wrapped || p.endAssign()
}

// endAssign passes the end of the line of an assignment.
func (p *parser) endAssign() bool {
	if p.tok.kind == tokEOF {
		return true
	}
	return p.expect(tokNewline, "the end of the line")
}
