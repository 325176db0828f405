package binary

import (
	"strings"

	"github.com/whydenied/whydenied/rules/apparmor"
)

// fileAnswer answers as __aa_path_perm() of file.c, with profile_path_link() for a
// hard link whose target is known and profile_transition() of domain.c for an
// execution.
func (p *Profile) fileAnswer(q apparmor.FileRequest) apparmor.Answer {
	found := p.file.filePerms(p.file.match(q.Path), q.Owner)
	a := found.answer(fileMap)
	if q.Perms&apparmor.Link != 0 && q.Target != "" {
		pair := p.link(q)
		a.Allow = a.Allow&^apparmor.Link | pair.Allow
		a.Quiet = a.Quiet&^apparmor.Link | pair.Quiet
		a.Audit = a.Audit&^apparmor.Link | pair.Audit
	}
	if missing := q.Perms &^ a.Allow; missing != 0 {
		if note := p.noteBelow(q, missing); note != "" {
			a.Notes = append(a.Notes, note)
		}
	}
	if q.Perms&a.Allow&apparmor.Exec != 0 {
		a.Exec = p.execution(found.exec)
	}
	return a
}

// link answers for a link and its target. The target is asked from where the link's
// name ends, and may have to have all that the link's name grants.
func (p *Profile) link(q apparmor.FileRequest) (a apparmor.Answer) {
	if p.file == nil {
		return a
	}
	state := p.file.match(q.Path)
	name := p.file.filePerms(state, q.Owner)
	if name.allow&bitLink == 0 {
		if name.quiet&bitLink != 0 {
			a.Quiet = apparmor.Link
		}
		return a
	}
	pair := p.file.filePerms(p.file.dfa.match(state, "\x00"+q.Target), q.Owner)
	if pair.quiet&bitLink != 0 {
		a.Quiet = apparmor.Link
	}
	if pair.audit&bitLink != 0 {
		a.Audit = apparmor.Link
	}
	if pair.allow&bitLink == 0 {
		return a
	}
	if pair.allow&bitLock != 0 { // subset
		to := p.file.filePerms(p.file.match(q.Target), q.Owner)
		if name.allow&^bitLink&^to.allow != 0 {
			a.Quiet = 0 // what is logged is what the target lacks
			return a
		}
		unsafe := name.exec&execUnsafe != 0 && to.exec&execUnsafe == 0
		if name.allow&bitExec != 0 && (name.exec&^execUnsafe != to.exec&^execUnsafe || unsafe) {
			a.Quiet = 0
			return a
		}
	}
	a.Allow = apparmor.Link
	return a
}

// execution says where an execution leads, as far as one profile can tell.
func (p *Profile) execution(exec uint32) *apparmor.Execution {
	x := &apparmor.Execution{Transition: p.transition(exec)}
	switch t := x.Transition; {
	case exec&(execType|execInherit|execUnconfined) == 0:
		x.Missing = true
	case t.Mode == apparmor.Inherit:
		x.Profile = p.asked.FullName()
	case t.Mode == apparmor.Unconfined:
		x.Profile = "unconfined"
	case t.Target != nil && !strings.HasPrefix(t.Target.Source, "&"):
		x.Profile = t.Target.Source
	}
	return x
}

// changeProfile answers change_profile at once or, with a program, at its execution:
// aa_change_profile() and profile_onexec() of domain.c.
func (p *Profile) changeProfile(q apparmor.ChangeProfileRequest) apparmor.Answer {
	target := q.Target
	if q.Namespace != "" {
		stacked := strings.HasPrefix(target, "&")
		target = ":" + q.Namespace + ":" + strings.TrimPrefix(target, "&")
		if stacked {
			target = "&" + target
		}
	}
	if p.file == nil {
		return apparmor.Answer{}
	}
	if q.OnExec == "" {
		return p.file.filePerms(p.file.match(target), true).answer(changeMap)
	}
	state := p.file.match(q.OnExec)
	if p.file.filePerms(state, true).allow&bitOnExec == 0 {
		return apparmor.Answer{}
	}
	return p.file.filePerms(p.file.dfa.match(state, "\x00"+target), true).answer(onExecMap)
}

// Attaches reports whether the profile attaches to a program of that name, and how
// many of its first bytes the attachment fixes: of those that attach, the kernel
// takes the profile with most. Conditions on extended attributes are not asked.
func (p *Profile) Attaches(program string) (length int, ok bool) {
	if p.attach == nil { // by its name alone
		return len(p.Name), p.Name == program
	}
	state := p.attach.match(program)
	if state == 0 {
		return 0, false
	}
	accept := p.attach.dfa.accept[state]
	if p.attach.table != nil {
		accept = p.attach.table[accept].allow
	} else {
		accept &= 0x7f
	}
	return int(p.attachLength), accept&bitExec != 0
}
