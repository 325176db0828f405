package binary

import (
	"strings"

	"github.com/whydenied/whydenied/rules/apparmor"
)

// Permissions of compiled policy, as the kernel has them after loading:
// security/apparmor/include/perms.h, file.h, net.h and ipc.h. Classes use the same
// bit for other things.
const (
	bitExec   = 1 << 0
	bitWrite  = 1 << 1
	bitRead   = 1 << 2
	bitAppend = 1 << 3
	bitCreate = 1 << 4
	bitDelete = 1 << 5
	bitOpen   = 1 << 6

	bitSetAttr = 1 << 8
	bitGetAttr = 1 << 9
	bitChmod   = 1 << 12
	bitChown   = 1 << 13
	bitLock    = 1 << 15 // of a link pair: subset
	bitMmap    = 1 << 16
	bitLink    = 1 << 18
	bitAccept  = 1 << 20
	bitBind    = 1 << 21
	bitListen  = 1 << 22
	bitSetOpt  = 1 << 24
	bitGetOpt  = 1 << 25

	bitContinue      = 1 << 27 // what comes after decides
	bitOnExec        = 1 << 29
	bitChangeProfile = 1 << 30
)

// The transition of an execution.
const (
	execIndex      = 0xffffff
	execType       = 3 << 26
	execName       = 1 << 26 // the profile that attaches to the program
	execTable      = 2 << 26 // the name in the table
	execUnsafe     = 1 << 28
	execChild      = 1 << 29
	execInherit    = 1 << 30
	execUnconfined = 1 << 31
)

// perms are what a state says.
type perms struct{ allow, deny, audit, quiet, exec uint32 }

// A database is an automaton with its permissions and names.
type database struct {
	dfa   *automaton
	table []perms // nil: packed in the tables accept and accept2
	// owned reports that states say in accept2 whether the entry is one of a pair,
	// the owner's and that of others (permsv 3). Before, each of the file automaton is.
	owned bool
	start uint32
	names []string // that executions lead to
}

func (d *database) match(key string) uint32 {
	if d == nil || d.dfa == nil {
		return 0
	}
	return d.dfa.match(d.start, key)
}

// filePerms returns the permissions of a state on a file, of its owner or of
// others: aa_lookup_condperms() in file.c, compute_fperms() in policy_compat.c.
func (d *database) filePerms(state uint32, owner bool) perms {
	if d == nil || d.dfa == nil {
		return perms{}
	}
	accept := d.dfa.accept[state]
	if d.table != nil {
		if !owner && (!d.owned || d.dfa.accept2[state]&ownerCondition != 0) {
			accept++
		}
		return d.table[accept]
	}
	a, b := accept, d.dfa.accept2[state]
	if !owner {
		a, b = accept>>14, b>>14
	}
	p := perms{allow: fileBits(a) | bitGetAttr, audit: fileBits(b), quiet: fileBits(b >> 7), exec: execBits(a)}
	if accept&(1<<31) != 0 {
		p.allow |= bitChangeProfile
	}
	if accept&(1<<30) != 0 {
		p.allow |= bitOnExec
	}
	return p
}

// fileBits is map_old_perms() of policy_compat.c.
func fileBits(packed uint32) uint32 {
	bits := packed & 0xf
	for _, m := range []struct{ packed, bits uint32 }{
		{bitRead, bitGetAttr | bitOpen},
		{bitWrite, bitSetAttr | bitCreate | bitDelete | bitChmod | bitChown | bitOpen},
		{1 << 4, bitLink}, {1 << 5, bitLock}, {1 << 6, bitMmap},
	} {
		if packed&m.packed != 0 {
			bits |= m.bits
		}
	}
	return bits
}

// execBits is dfa_map_xindex() of policy_compat.c.
func execBits(packed uint32) (exec uint32) {
	for _, m := range []struct{ packed, exec uint32 }{{1 << 7, execUnconfined}, {1 << 8, execUnsafe}, {1 << 9, execInherit}} {
		if packed&m.packed != 0 {
			exec |= m.exec
		}
	}
	switch index := packed >> 10 & 0xf; index {
	case 0:
	case 1:
		exec |= execUnconfined
	case 2:
		exec |= execName
	case 3:
		exec |= execName | execChild
	default:
		exec |= execTable | (index - 4)
	}
	return exec
}

// classPerms returns the permissions of a state of the other classes:
// aa_lookup_perms() in lib.c, compute_perms_entry() in policy_compat.c.
func (d *database) classPerms(state uint32, abi int) perms {
	if d == nil || d.dfa == nil || state == 0 {
		return perms{}
	}
	a := d.dfa.accept[state]
	if d.table != nil {
		return d.table[a]
	}
	b := d.dfa.accept2[state]
	p := perms{
		allow: a&0x7f | otherBits(a>>14),
		audit: b&0x7f | otherBits(b>>14),
		quiet: b>>7&0x7f | otherBits(b>>21),
	}
	if abi <= 8 {
		p.allow |= bitLock
	} else {
		p.allow |= highBits(a >> 7)
		p.quiet |= highBits(b >> 21)
	}
	return p
}

// otherBits is map_other() of policy_compat.c.
func otherBits(x uint32) uint32 { return x&0x3<<8 | x&0x1c<<18 | x&0x60<<19 }

// highBits is map_xbits() of policy_compat.c.
func highBits(x uint32) uint32 { return x&1<<7 | x&0x7e<<9 }

// verify reports an entry or name that a state asks for and that is not there.
func (d *database) verify(file bool) string {
	if d == nil || d.dfa == nil {
		return ""
	}
	if d.table == nil && d.dfa.accept2 == nil {
		return "an automaton has no permissions"
	}
	if d.owned && d.dfa.accept2 == nil {
		return "an automaton does not say which permissions are the owner's"
	}
	if d.start >= uint32(len(d.dfa.base)) {
		return "an automaton starts in no state"
	}
	if d.table == nil {
		return d.verifyNames(file)
	}
	for state, accept := range d.dfa.accept {
		last := uint64(accept)
		if file && (!d.owned || d.dfa.accept2[state]&ownerCondition != 0) {
			last++
		}
		if last >= uint64(len(d.table)) {
			return "a state has permissions that the table has not"
		}
	}
	for _, p := range d.table {
		if file && !d.named(p.exec) {
			return "an execution leads to a name that the table has not"
		}
	}
	return ""
}

func (d *database) verifyNames(file bool) string {
	for state := range d.dfa.accept {
		if file && !(d.named(d.filePerms(uint32(state), true).exec) && d.named(d.filePerms(uint32(state), false).exec)) {
			return "an execution leads to a name that the table has not"
		}
	}
	return ""
}

func (d *database) named(exec uint32) bool {
	return exec&execType != execTable || int(exec&execIndex) < len(d.names)
}

// A permBit is a permission of policy and the bit that compiled policy has for it.
type permBit struct {
	perm apparmor.Perms
	bit  uint32
}

var fileMap = []permBit{
	{apparmor.Read, bitRead}, {apparmor.Write, bitWrite}, {apparmor.Append, bitAppend}, {apparmor.Exec, bitExec},
	{apparmor.Mmap, bitMmap}, {apparmor.Lock, bitLock}, {apparmor.Link, bitLink},
}

var netMap = []permBit{
	{apparmor.Send, bitWrite}, {apparmor.Receive, bitRead}, {apparmor.Create, bitCreate}, {apparmor.Shutdown, bitDelete},
	{apparmor.Connect, bitOpen}, {apparmor.SetAttr, bitSetAttr}, {apparmor.GetAttr, bitGetAttr}, {apparmor.Accept, bitAccept},
	{apparmor.Bind, bitBind}, {apparmor.Listen, bitListen}, {apparmor.SetOpt, bitSetOpt}, {apparmor.GetOpt, bitGetOpt},
}

var (
	signalMap = []permBit{{apparmor.Send, bitWrite}, {apparmor.Receive, bitRead}}
	ptraceMap = []permBit{{apparmor.Trace, bitWrite}, {apparmor.Read, bitRead}, {apparmor.TracedBy, bitAppend}, {apparmor.ReadBy, bitCreate}}
	dbusMap   = []permBit{{apparmor.Send, bitWrite}, {apparmor.Receive, bitRead}, {apparmor.Eavesdrop, bitDelete}, {apparmor.Bind, bitOpen}}
	mqueueMap = []permBit{
		{apparmor.Write, bitWrite}, {apparmor.Read, bitRead}, {apparmor.Create, bitCreate}, {apparmor.Delete, bitDelete},
		{apparmor.Open, bitOpen}, {apparmor.SetAttr, bitSetAttr}, {apparmor.GetAttr, bitGetAttr},
	}
	ioUringMap  = []permBit{{apparmor.OverrideCreds, bitAppend}, {apparmor.SQPoll, bitCreate}}
	usernsMap   = []permBit{{apparmor.UsernsPerms, bitAppend}}
	mountMap    = []permBit{{apparmor.Access, bitWrite}}
	umountMap   = []permBit{{apparmor.Access, bitRead}}
	pivotMap    = []permBit{{apparmor.Access, bitExec}}
	changeMap   = []permBit{{apparmor.Access, bitChangeProfile}}
	onExecMap   = []permBit{{apparmor.Access, bitOnExec}}
	mountOnward = uint32(bitOpen) // the data of a mount decides: AA_MNT_CONT_MATCH
)

// answer says what permissions mean in the words of policy.
func (p perms) answer(table []permBit) apparmor.Answer {
	var a apparmor.Answer
	for _, m := range table {
		if p.allow&^p.deny&m.bit != 0 {
			a.Allow |= m.perm
		}
		if p.quiet&m.bit != 0 {
			a.Quiet |= m.perm
		}
		if p.audit&m.bit != 0 {
			a.Audit |= m.perm
		}
	}
	return a
}

// transition says what the bits of an execution mean in the words of policy:
// x_to_label() in domain.c.
func (p *Profile) transition(exec uint32) apparmor.Transition {
	t := apparmor.Transition{Unsafe: exec&execUnsafe != 0}
	switch exec & execType {
	case execName:
		t.Mode = apparmor.ToProfile
		if exec&execChild != 0 {
			t.Mode = apparmor.ToChild
		}
	case execTable:
		name := p.file.names[exec&execIndex]
		t.Mode, t.Target = apparmor.ToProfile, &apparmor.Pattern{Source: name, Expanded: []string{name}}
		if strings.HasPrefix(name, p.Name+"//") {
			t.Mode = apparmor.ToChild
		}
	default:
		t.Mode = apparmor.Unconfined
		if exec&execInherit != 0 {
			t.Mode, t.Unsafe = apparmor.Inherit, false
		}
		return t
	}
	switch {
	case exec&execInherit != 0:
		t.Fallback = apparmor.Inherit
	case exec&execUnconfined != 0:
		t.Fallback = apparmor.Unconfined
	}
	return t
}
