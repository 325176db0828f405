package apparmor

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// An expression is what an if tests, or what a boolean variable is set to: a tree of
// operators over variables and words.
type expression struct {
	op          string      // and, or, not; defined, in, == and so on; "" is text alone
	left, right *expression // of and and or; not has left
	args        []operand   // of the others
	at          rules.Location
}

// An operand is a variable or a word.
type operand struct {
	text string // a word as it stands, or a variable's name
	kind tokenKind
	at   rules.Location
}

// compared are the operators between two sets of values.
var compared = wordSet("in == != < <= > >=")

// expression reads one: or binds less than and, and that less than not.
func (p *parser) expression() *expression {
	return p.chain("or", func() *expression { return p.chain("and", p.negation) })
}

// chain reads operands of one operator, from left to right.
func (p *parser) chain(op string, operand func() *expression) *expression {
	c := operand()
	for c != nil && p.tok.kind == tokOperator && p.tok.value == op {
		p.construct(p.at(p.advance()), op+" in a condition", "5.0", "")
		right := operand()
		if right == nil {
			return nil
		}
		c = &expression{op: op, left: c, right: right, at: p.loc(c.at.Span.Start, p.last)}
	}
	return c
}

// negation reads not, parentheses, and what they stand before.
func (p *parser) negation() *expression {
	if !p.enterNesting(p.at(p.tok), "conditions") {
		return nil
	}
	defer func() { p.depth-- }()
	start := p.tok
	switch {
	case p.tok.kind == tokOperator && p.tok.value == "not":
		p.advance()
		c := p.negation()
		if c == nil {
			return nil
		}
		return &expression{op: "not", left: c, at: p.loc(start.start, p.last)}
	case p.tok.kind == tokOpenParen:
		p.construct(p.at(p.advance()), "parentheses in a condition", "5.0", "")
		c := p.expression()
		if c == nil || !p.expect(tokCloseParen, ") after the condition") {
			return nil
		}
		return c
	}
	return p.comparison()
}

// comparison reads ${NAME}, defined NAME, true, false, or two operands with an
// operator between them.
func (p *parser) comparison() *expression {
	start := p.tok.start
	if p.tok.kind == tokOperator && p.tok.value == "defined" {
		p.advance()
		t := p.tok
		if t.kind != tokBool && t.kind != tokVar {
			p.expected("the variable that is to be defined")
			return nil
		}
		p.advance()
		return &expression{op: "defined", args: []operand{p.operand(t)}, at: p.loc(start, t.end)}
	}
	t := p.tok
	// tokValue is where a comment stands before the sign of an assignment.
	if t.kind != tokBool && t.kind != tokVar && t.kind != tokID && t.kind != tokValue {
		p.expected("a condition, such as ${VARIABLE}, defined @{VARIABLE} or true")
		return nil
	}
	p.advance()
	c := &expression{args: []operand{p.operand(t)}, at: p.at(t)}
	if t.kind == tokBool {
		return c
	}
	p.construct(c.at, "values in a condition", "5.0", "")
	if p.tok.kind != tokOperator || !compared[p.tok.value] {
		return c
	}
	c.op = p.advance().value
	right := p.tok
	if right.kind != tokVar && right.kind != tokID {
		p.expected("a value or @{VARIABLE} to compare with")
		return nil
	}
	p.advance()
	c.args, c.at = append(c.args, p.operand(right)), p.loc(start, right.end)
	return c
}

// operand makes an operand of a token. A quoted variable is one, too.
func (p *parser) operand(t token) operand {
	o := operand{text: t.value, kind: t.kind, at: p.at(t)}
	if t.kind == tokID && strings.HasPrefix(t.value, "@") {
		if s := (scanner{text: t.value}); s.variable(0) == len(t.value) {
			o.kind = tokVar
		}
	}
	if o.kind == tokVar || o.kind == tokBool {
		o.text = variableName(o.text)
	}
	return o
}

// test evaluates a condition with the variables so far, as all of it is: apparmor_parser
// stops at an operand that cannot be told, whatever the rest says.
func (r *resolver) test(c *expression) bool {
	switch c.op {
	case "and", "or":
		left, right := r.test(c.left), r.test(c.right)
		return c.op == "and" && left && right || c.op == "or" && (left || right)
	case "not":
		return !r.test(c.left)
	case "defined":
		return r.defined(c.args[0])
	case "":
		return r.truth(c.args[0])
	}
	return r.compare(c)
}

// truth returns the value of a boolean variable or word.
func (r *resolver) truth(o operand) bool {
	if o.kind == tokBool {
		value, ok := r.symbols.bools[o.text]
		if !ok {
			r.errorf(o.at, "variable", "${%s} is not assigned", o.text)
		}
		return value
	}
	word := strings.ToLower(o.text)
	if o.kind == tokVar || word != "true" && word != "false" {
		r.errorf(o.at, "bad-condition", "%s is neither true nor false", shown(o.at.Text()))
	}
	return word == "true"
}

// defined reports whether a variable is. What it says of a boolean differs: 3.0
// reports whether it is defined, 4.0 and 4.1 read its value, and 5.0 knows sets
// alone, though its manual says otherwise.
func (r *resolver) defined(o operand) bool {
	if o.kind == tokVar {
		return r.symbols.vars[o.text] != nil
	}
	r.policy.versioned.any = true
	value, ok := r.symbols.bools[o.text]
	switch target := r.policy.Target; {
	case target.AtLeast("5.0"):
		return false
	case target.AtLeast("4.0"):
		return r.truth(o)
	case target.Parser != "":
		return ok
	}
	if ok {
		r.warnf(o.at, "defined-boolean", "whether ${%s} is defined depends on the version: apparmor_parser 3.0 says yes, 4.0 and 4.1 its value, 5.0 no; it is taken as %t", o.text, value)
	}
	return ok && value
}

// set returns the values of an operand.
func (r *resolver) set(o operand) map[string]bool {
	values := []string{o.text}
	if o.kind == tokVar {
		var problem string
		if values, problem = r.symbols.lookup(o.text); problem != "" {
			r.errorf(o.at, "variable", "%s", problem)
		}
	}
	set := map[string]bool{}
	for _, v := range values {
		set[v] = true
	}
	return set
}

// compare compares two sets: in is whether all of the first are in the second; the
// others that order compare numbers, or sets by their sorted values.
func (r *resolver) compare(c *expression) bool {
	left, right := r.set(c.args[0]), r.set(c.args[1])
	switch c.op {
	case "in":
		for v := range left {
			if !right[v] {
				return false
			}
		}
		return true
	case "==":
		return maps.Equal(left, right)
	case "!=":
		return !maps.Equal(left, right)
	}
	order := slices.Compare(slices.Sorted(maps.Keys(left)), slices.Sorted(maps.Keys(right)))
	l, leftNumber := r.number(left, c.args[0])
	n, rightNumber := r.number(right, c.args[1])
	switch {
	case leftNumber != rightNumber:
		r.errorf(c.at, "bad-condition", "a number can be compared with a number only")
	case leftNumber:
		order = compareNumbers(l, n)
	}
	switch c.op {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

func compareNumbers(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// number returns the one value of a set as strtol(3) reads it: decimal, octal after 0,
// hexadecimal after 0x.
func (r *resolver) number(set map[string]bool, o operand) (int64, bool) {
	if len(set) != 1 {
		return 0, false
	}
	for v := range set {
		if digits := strings.ToLower(strings.TrimLeft(v, "-+")); strings.Contains(v, "_") || strings.HasPrefix(digits, "0o") || strings.HasPrefix(digits, "0b") {
			return 0, false // which Go reads and strtol(3) does not
		}
		n, err := strconv.ParseInt(strings.TrimLeft(v, " \t\n\v\f\r"), 0, 64)
		if err == nil {
			return n, true
		}
		if strings.HasSuffix(err.Error(), strconv.ErrRange.Error()) {
			r.errorf(o.at, "bad-condition", "%s is out of range", shown(v))
		}
	}
	return 0, false
}
