package apparmor

import (
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// A CapabilityRule grants capabilities: capability chown setuid,.
type CapabilityRule struct {
	Header
	Names []string // lower case, without cap_; none means all
}

// A CapabilityRequest is the use of a capability.
type CapabilityRequest struct {
	Name string // lower case without cap_, such as net_admin
}

func (CapabilityRequest) class() string                    { return "capability" }
func (CapabilityRequest) wanted() Perms                    { return Access }
func (q CapabilityRequest) subject() Request               { return q }
func (q CapabilityRequest) decide(p *Profile, d *Decision) { p.askInTurn(q, d) }

// capabilities are the names of capabilities(7) in the order of their numbers.
var capabilities = strings.Fields(`chown dac_override dac_read_search fowner fsetid kill setgid setuid
	setpcap linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner
	sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource
	sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin
	syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore`)

// Capabilities returns the names of all capabilities, as the bare rule
// `capability,` grants them, without cap_.
func Capabilities() []string { return slices.Clone(capabilities) }

func isCapability(name string) bool { return slices.Contains(capabilities, name) }

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

func (r *CapabilityRule) resolve(*resolver) Rule { c := *r; return &c }

func (q CapabilityRequest) ask(r Rule) (Perms, []string) {
	if r, ok := r.(*CapabilityRule); ok {
		return Access, compareAll(field{"capability", len(r.Names) == 0 || slices.Contains(r.Names, q.Name)})
	}
	return 0, nil
}

func (q CapabilityRequest) rule(Transition) string { return "capability " + q.Name + "," }

func (r *CapabilityRule) cells(c *celler) {
	for _, name := range orAll(r.Names, capabilities) {
		c.add(CapabilityRequest{name})
	}
}

func (q CapabilityRequest) variant() variant {
	return variant{func() Request { return q }, nil, []variedField{{&q.Name, capabilities}}}
}

// narrow takes a name off the list.
func (r *CapabilityRule) narrow(p *Profile, req Request, _ Perms) (n Narrowed, ok bool) {
	q, ok := req.(CapabilityRequest)
	names, note := r.Names, ""
	if len(names) == 0 {
		names = capabilities
		note = "The rule covered every capability; now those known so far are listed, and one that a newer kernel adds is not refused."
	}
	left := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == q.Name })
	if !ok || len(left) == len(names) {
		return n, false
	}
	var texts []string
	if len(left) > 0 {
		texts = []string{qualifiersOf(r, "capability") + "capability " + strings.Join(left, " ") + ","}
	}
	return p.narrowed(r, q, texts, note)
}

// lintShadowedCapabilities finds capabilities that are both allowed and denied.
func lintShadowedCapabilities(p *Profile, e *effort) []rules.Diagnostic {
	return lintShadowedBy(p, e, func(a, d *CapabilityRule) string {
		if both := bothCapabilities(a, d); both != "" {
			return "capability " + both
		}
		return ""
	})
}

// bothCapabilities names the capabilities that two rules share.
func bothCapabilities(a, d *CapabilityRule) string {
	switch {
	case len(a.Names) == 0 && len(d.Names) == 0:
		return "at all"
	case len(d.Names) == 0:
		return strings.Join(a.Names, " ")
	case len(a.Names) == 0:
		return strings.Join(d.Names, " ")
	}
	var both []string
	for _, name := range a.Names {
		if slices.Contains(d.Names, name) {
			both = append(both, name)
		}
	}
	return strings.Join(both, " ")
}

func (*CapabilityRule) labels() []*Pattern { return nil }

func (q CapabilityRequest) relabel(string, string) Request { return q }
