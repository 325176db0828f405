package apparmor

// An AllRule is all,: everything that a profile can grant.
type AllRule struct{ Header }

func (l *layer) addAll(r *AllRule) {
	entry := fileEntry{perms: FilePerms, vote: voteOf(r, 0), exec: &Transition{Mode: Inherit}}
	if r.Deny {
		entry.exec = nil
	}
	l.addHalves(everyFile.expr(), anyTarget, entry, true)
	l.addChangeProfile(r, &ChangeProfileRule{Header: r.Header})
}
