package apparmor

// A DBusRule is dbus (send) bus=system path=/x peer=(name=y),.
type DBusRule struct {
	Header
	Perms     Perms    // never 0: an absent list means all that the conditions allow
	Bus       *Pattern // bus=system
	Path      *Pattern // path=/org/x
	Interface *Pattern // interface=org.x
	Member    *Pattern // member=Get
	Name      *Pattern // name=org.x, of a bind rule
	PeerName  *Pattern // peer=(name=)
	PeerLabel *Pattern // peer=(label=)
}

// DBusPerms is what a dbus rule means that names neither permissions nor conditions.
const DBusPerms = Send | Receive | Bind | Eavesdrop

var dbusWords = &vocabulary{
	perms: map[string]Perms{"send": Send, "write": Send, "receive": Receive, "read": Receive,
		"bind": Bind, "eavesdrop": Eavesdrop},
	letters: [2]Perms{Receive, Send},
}

// A DBusRequest is what dbus-daemon asks about a message, a name or a monitor.
type DBusRequest struct {
	Perms                        Perms // one of Send, Receive, Bind, Eavesdrop
	Bus, Path, Interface, Member string
	Name                         string // to own, or of the other side
	PeerLabel                    string
}

func (DBusRequest) class() string                    { return "dbus" }
func (q DBusRequest) wanted() Perms                  { return q.Perms }
func (q DBusRequest) decide(p *Profile, d *Decision) { p.askInTurn(q, d) }

// dbusRule reads dbus [PERMS] [CONDITIONS] [peer=(CONDITIONS)].
func (p *parser) dbusRule(h Header) Rule {
	at := p.advance()
	r := &DBusRule{Header: h}
	conds, ok := p.permsAndConds(dbusWords, &r.Perms)
	if !ok {
		return nil
	}
	peer, ok := p.peer()
	if !ok {
		return nil
	}
	p.fields(conds, "dbus", map[string]**Pattern{"bus": &r.Bus, "path": &r.Path,
		"interface": &r.Interface, "member": &r.Member, "name": &r.Name})
	p.fields(peer, "dbus peer", map[string]**Pattern{"name": &r.PeerName, "label": &r.PeerLabel})
	message := r.Path != nil || r.Interface != nil || r.Member != nil || r.PeerName != nil || r.PeerLabel != nil
	service := r.Name != nil
	problem := ""
	switch {
	case message && service:
		problem = "name= of a service cannot stand with the conditions of messages"
	case r.Perms == 0 && message:
		r.Perms = Send | Receive
	case r.Perms == 0 && service:
		r.Perms = Bind
	case r.Perms == 0:
		r.Perms = DBusPerms
	case message && r.Perms&Bind != 0:
		problem = "bind cannot be used with path, interface, member or peer"
	case service && r.Perms&(Send|Receive) != 0:
		problem = "send and receive cannot be used with name="
	case r.Perms&Eavesdrop != 0 && (message || service):
		problem = "eavesdrop can only be used with bus="
	}
	if problem != "" {
		p.errorf(p.loc(at.start, p.last), "bad-condition", "%s", problem)
	}
	return r
}

func (r *DBusRule) resolve(by *resolver) Rule {
	c := *r
	by.path(&c.Path)
	for _, p := range []**Pattern{&c.Bus, &c.Interface, &c.Member, &c.Name, &c.PeerName, &c.PeerLabel} {
		by.label(p)
	}
	return &c
}

func (q DBusRequest) ask(r Rule) (Perms, []string) {
	rule, ok := r.(*DBusRule)
	if !ok {
		return 0, nil
	}
	fields := append(make([]field, 0, 6), field{"bus", rule.Bus.Match(q.Bus)})
	switch {
	case q.Perms&Eavesdrop != 0:
	case q.Perms&Bind != 0:
		fields = append(fields, field{"name", rule.Name.Match(q.Name)})
	default:
		fields = append(fields,
			field{"path", rule.Path.Match(q.Path)},
			field{"interface", rule.Interface.Match(q.Interface)},
			field{"member", rule.Member.Match(q.Member)},
			field{"peer name", rule.PeerName.Match(q.Name)},
			field{"peer label", rule.PeerLabel.Match(q.PeerLabel)})
	}
	return rule.Perms, compareAll(fields...)
}

func (q DBusRequest) rule(Transition) string {
	words := []string{"dbus", "(" + q.Perms.Words() + ")", condition("bus=", q.Bus)}
	if q.Perms == Bind {
		return joinWords(append(words, condition("name=", quoteIf(q.Name)))...) + ","
	}
	peer := peerCondition(condition("name=", quoteIf(q.Name)), condition("label=", quoteIf(q.PeerLabel)))
	return joinWords(append(words, condition("path=", quoteIf(q.Path)), condition("interface=", quoteIf(q.Interface)),
		condition("member=", quoteIf(q.Member)), peer)...) + ","
}

func (r *DBusRule) cells(c *celler) {
	name, rules := r.PeerName, func(r *DBusRule) *Pattern { return r.PeerName }
	if r.Perms == Bind {
		name, rules = r.Name, func(r *DBusRule) *Pattern { return r.Name }
	}
	c.product(func(v []string) {
		each(r.Perms, func(p Perms) { c.add(DBusRequest{p, v[0], v[1], v[2], v[3], v[4], v[5]}) })
	}, names(c, r.Bus, func(r *DBusRule) *Pattern { return r.Bus }, func(q DBusRequest) string { return q.Bus }),
		names(c, r.Path, func(r *DBusRule) *Pattern { return r.Path }, func(q DBusRequest) string { return q.Path }),
		names(c, r.Interface, func(r *DBusRule) *Pattern { return r.Interface }, func(q DBusRequest) string { return q.Interface }),
		names(c, r.Member, func(r *DBusRule) *Pattern { return r.Member }, func(q DBusRequest) string { return q.Member }),
		names(c, name, rules, func(q DBusRequest) string { return q.Name }),
		names(c, r.PeerLabel, func(r *DBusRule) *Pattern { return r.PeerLabel }, func(q DBusRequest) string { return q.PeerLabel }))
}

func (q DBusRequest) subject() Request {
	if q.Perms == Bind { // of which rules say the bus and the name
		q = DBusRequest{Bus: q.Bus, Name: q.Name}
	}
	q.Perms = 0
	return q
}

func (q DBusRequest) variant() variant {
	return variant{func() Request { return q }, &q.Perms, []variedField{
		{&q.Bus, nil}, {&q.Path, nil}, {&q.Interface, nil}, {&q.Member, nil}, {&q.Name, nil}, {&q.PeerLabel, nil},
	}}
}

func (r *DBusRule) narrow(p *Profile, req Request, _ Perms) (n Narrowed, ok bool) {
	q, ok := req.(DBusRequest)
	message, bind := q.Perms&(Send|Receive) != 0, q.Perms == Bind
	if !ok || message && q.Perms&^(Send|Receive) != 0 || q.Perms == Bind|Eavesdrop {
		return n, false
	}
	return p.narrowConditions(r, q, conditional{"dbus", r.Perms, q.Perms, []ruleCondition{
		{key: "bus=", value: q.Bus, glob: r.Bus},
		{key: "path=", value: q.Path, glob: r.Path, kind: pathText, ignored: !message},
		{key: "interface=", value: q.Interface, glob: r.Interface, ignored: !message},
		{key: "member=", value: q.Member, glob: r.Member, ignored: !message},
		{key: "name=", value: q.Name, glob: r.Name, ignored: !bind},
		{key: "name=", peer: true, value: q.Name, glob: r.PeerName, ignored: !message},
		{key: "label=", peer: true, value: q.PeerLabel, glob: r.PeerLabel, ignored: !message}}})
}

func (r *DBusRule) labels() []*Pattern { return []*Pattern{r.PeerLabel} }

func (q DBusRequest) relabel(from, to string) Request {
	replace(&q.PeerLabel, from, to)
	return q
}
