package apparmor

import "strings"

// A MqueueRule is mqueue (create, read) type=posix label=x /name,.
type MqueueRule struct {
	Header
	Perms Perms    // never 0: an absent list means all
	Type  string   // posix or sysv; "" is any
	Label *Pattern // nil is any
	Name  *Pattern // /name or a System V key; nil is any
}

// MqueuePerms is what an mqueue rule means that names no permissions.
const MqueuePerms = Create | Open | Delete | Read | Write | GetAttr | SetAttr

var mqueueWords = &vocabulary{
	perms: map[string]Perms{"create": Create, "open": Open, "delete": Delete, "read": Read, "write": Write,
		"getattr": GetAttr, "setattr": SetAttr},
	letters: [2]Perms{Read, Write},
	all:     MqueuePerms,
}

// A MqueueRequest is a use of a message queue.
type MqueueRequest struct {
	Perms Perms
	Type  string // posix or sysv
	Name  string // /name, or the System V key
	Label string
}

func (MqueueRequest) class() string                    { return "mqueue" }
func (q MqueueRequest) wanted() Perms                  { return q.Perms }
func (q MqueueRequest) subject() Request               { q.Perms = 0; return q }
func (q MqueueRequest) decide(p *Profile, d *Decision) { p.askInTurn(q, d) }

// mqueueRule reads mqueue [PERMS] [type=TYPE] [label=LABEL] [NAME].
func (p *parser) mqueueRule(h Header) Rule {
	p.advance()
	p.since(&h, "4.0", "mqueue rules")
	r := &MqueueRule{Header: h}
	conds, ok := p.permsAndConds(mqueueWords, &r.Perms)
	if !ok {
		return nil
	}
	var typ *Pattern
	p.fields(conds, "mqueue", map[string]**Pattern{"type": &typ, "label": &r.Label})
	if typ != nil {
		if r.Type = typ.Source; r.Type != "posix" && r.Type != "sysv" {
			p.errorf(typ.At, "unknown-type", "unknown type %q; expected posix or sysv", r.Type)
		}
	}
	if p.tok.kind == tokID {
		r.Name = p.pattern(p.advance())
		p.mqueueName(r)
	}
	return r
}

func (p *parser) mqueueName(r *MqueueRule) {
	name := r.Name.Source
	digits := strings.Trim(name, "0123456789") == ""
	switch {
	case strings.HasPrefix(name, "/") && r.Type != "sysv":
		r.Type = "posix"
	case digits && r.Type != "posix":
		r.Type = "sysv"
	default:
		p.errorf(r.Name.At, "bad-name", "a POSIX message queue is named /NAME, a System V queue by a number: %q", name)
	}
}

func (r *MqueueRule) resolve(by *resolver) Rule {
	c := *r
	by.label(&c.Name)
	by.label(&c.Label)
	return &c
}

func (q MqueueRequest) ask(r Rule) (Perms, []string) {
	if r, ok := r.(*MqueueRule); ok {
		return r.Perms, compareAll(
			field{"type", r.Type == "" || r.Type == q.Type},
			field{"name", r.Name.Match(q.Name)},
			field{"label", r.Label.Match(q.Label)})
	}
	return 0, nil
}

func (q MqueueRequest) rule(Transition) string {
	return joinWords("mqueue", "("+q.Perms.Words()+")", condition("type=", q.Type), condition("label=", quoteIf(q.Label)), quoteIf(q.Name)) + ","
}

func (r *MqueueRule) cells(c *celler) {
	c.product(func(v []string) {
		each(r.Perms, func(p Perms) { c.add(MqueueRequest{p, v[0], v[1], v[2]}) })
	}, orAll(oneOf(r.Type), []string{"posix", "sysv"}),
		names(c, r.Name, func(r *MqueueRule) *Pattern { return r.Name }, func(q MqueueRequest) string { return q.Name }),
		names(c, r.Label, func(r *MqueueRule) *Pattern { return r.Label }, func(q MqueueRequest) string { return q.Label }))
}

func (q MqueueRequest) variant() variant {
	return variant{func() Request { return q }, &q.Perms, []variedField{{&q.Type, []string{"posix", "sysv"}}, {&q.Name, nil}, {&q.Label, nil}}}
}

// anyQueue is the name of every POSIX queue.
var anyQueue = &Pattern{Source: "/**", Expanded: []string{"/**"}}

func (r *MqueueRule) narrow(p *Profile, req Request, _ Perms) (n Narrowed, ok bool) {
	q, ok := req.(MqueueRequest)
	if !ok {
		return n, false
	}
	if r.Name == nil && q.Type == "sysv" { // whose numbers cannot be globs
		q.Name = ""
	}
	return p.narrowConditions(r, q, conditional{"mqueue", r.Perms, q.Perms, []ruleCondition{
		{key: "type=", value: q.Type, listed: oneOf(r.Type), known: []string{"posix", "sysv"}},
		{key: "label=", value: q.Label, glob: r.Label},
		{value: q.Name, glob: r.Name, any: anyQueue}}})
}

func (r *MqueueRule) labels() []*Pattern { return []*Pattern{r.Label} }

func (q MqueueRequest) relabel(from, to string) Request {
	replace(&q.Label, from, to)
	return q
}
