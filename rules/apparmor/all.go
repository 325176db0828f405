package apparmor

// An AllRule is all,: everything that a profile can grant.
type AllRule struct {
	Header
	filesOnly bool // deny all denies files alone, as before 5.0
}

// allRule reads all.
func (p *parser) allRule(h Header) Rule {
	p.advance()
	p.since(&h, "4.0", "all rules")
	if h.Priority != 0 {
		p.errorf(p.loc(p.before, p.last), "bad-qualifier", "priority= is not allowed on all rules")
	}
	return &AllRule{Header: h}
}

func (r *AllRule) resolve(by *resolver) Rule {
	c := *r
	c.filesOnly = by.policy.Target.Parser != "" && !by.policy.Target.AtLeast("5.0")
	return &c
}

// vote is what the rule says of permissions. What deny all refuses is logged, unlike
// what other deny rules do: the corpus of Linux 7.2 with AppArmor 5.0.2.
func (r *AllRule) vote(perms Perms) vote {
	v := voteOf(r, perms)
	v.audit = v.audit || r.Deny
	return v
}

func (r *AllRule) compile(l *layer, _ map[mergeKey]bool) {
	entry := fileEntry{perms: FilePerms, vote: r.vote(0), exec: &Transition{Mode: Inherit}}
	if r.Deny {
		entry.exec = nil
	}
	l.addHalves(everyFile.expr(), anyTarget, entry, true)
	l.addChangeProfile(r, &ChangeProfileRule{Header: r.Header})
}

// cells adds those of a rule of each class that matches all of the class.
func (*AllRule) cells(c *celler) {
	left := maxCells
	for _, r := range []Rule{
		&CapabilityRule{}, &NetworkRule{}, &MountRule{Op: "mount"}, &MountRule{Op: "remount"}, &MountRule{Op: "umount"}, &PivotRootRule{},
		&PtraceRule{Perms: PtracePerms}, &SignalRule{Perms: SignalPerms}, &UnixRule{Perms: UnixPerms}, &DBusRule{Perms: DBusPerms},
		&UsernsRule{}, &MqueueRule{Perms: MqueuePerms}, &IOUringRule{Perms: IOUringPerms},
	} {
		c.left = maxCells
		r.cells(c)
		left = min(left, c.left)
	}
	c.left = left
}

// narrow gives up: what else it refuses cannot be written.
func (*AllRule) narrow(*Profile, Request, Perms) (n Narrowed, ok bool) { return n, false }

func (*AllRule) labels() []*Pattern { return nil }
