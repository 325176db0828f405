package fix

import (
	"regexp"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// lockFile is the name of a file that is made to be locked, and of what is in a folder
// for those.
var lockFile = regexp.MustCompile(`(?i)(?:^|[._-])(?:lock|lck|lockfile)$|^(?:lock|lck)(?:[._-]|$)|lockfile$`)

// next returns what a program usually asks for after what it was refused, and what that
// is for; nil where nothing is usual. That it will be needed is not known.
func next(profile *apparmor.Profile, req apparmor.Request) (apparmor.Request, string) {
	switch r := req.(type) {
	case apparmor.FileRequest:
		name := r.Path[strings.LastIndexByte(r.Path, '/')+1:]
		if r.Target == "" && r.Perms&apparmor.Write != 0 && r.Perms&apparmor.Lock == 0 && lockFile.MatchString(name) {
			r.Perms = apparmor.Lock
			return r, "to lock it"
		}
	case apparmor.MountRequest:
		if r.Op != "umount" && r.Op != "remount" && !slices.ContainsFunc(r.Flags, isPropagation) {
			return apparmor.MountRequest{Op: "umount", Target: r.Target}, "to unmount it again"
		}
	case apparmor.PivotRootRequest: // the old root is seen below the new one then
		if old, ok := strings.CutPrefix(r.OldRoot, strings.TrimSuffix(r.NewRoot, "/")); ok && strings.HasPrefix(old, "/") {
			return apparmor.MountRequest{Op: "umount", Target: old}, "to unmount the old root"
		}
	case apparmor.SignalRequest:
		switch {
		case r.Peer == profile.FullName() && r.Perms == apparmor.Send:
			r.Perms = apparmor.Receive
			return r, "to receive what it sends, under the same profile"
		case r.Peer == profile.FullName() && r.Perms == apparmor.Receive:
			r.Perms = apparmor.Send
			return r, "to send what it receives, under the same profile"
		case r.Signal == "term":
			r.Signal = "kill"
			return r, "for the signal that follows where this one is not heeded"
		}
	}
	return nil, ""
}

// isPropagation reports whether a flag says how mounts propagate: such a mount makes none.
func isPropagation(flag string) bool {
	return slices.Contains([]string{"shared", "slave", "private", "unbindable"}, strings.TrimPrefix(strings.TrimPrefix(flag, "make-"), "r"))
}

// Next returns what would allow what a program usually asks for after an access that the
// profile allows: proved as a fix is, but that it will be needed is not, as nothing has
// been refused. It has no edits where nothing is usual or the profile allows that, too.
func (p *Proposer) Next(profile *apparmor.Profile, req apparmor.Request, c Caller) rules.Fix {
	after, what := next(profile, req)
	if after == nil {
		return rules.Fix{}
	}
	d := profile.Decide(after)
	if d.Refused != 0 || d.Unmatched == 0 {
		return rules.Fix{}
	}
	candidates, _ := p.Candidates(profile, after, d, c)
	for _, fix := range candidates {
		fix.Message = unproved(what) + ": " + fix.Message
		if _, ok := p.prove(&fix, profile, after); ok {
			fix.Grants = strings.Join(nonempty("`"+apparmor.RuleFor(after, inherit)+"`, which was not asked for", fix.Grants), "; ")
			return fix
		}
	}
	return rules.Fix{}
}

// withNext proposes a first fix of an access together with what usually comes next.
func (p *Proposer) withNext(profile *apparmor.Profile, req apparmor.Request, first rules.Fix, c Caller) (both rules.Fix, ok bool) {
	after, what := next(profile, req)
	if after == nil || len(first.Edits) == 0 {
		return rules.Fix{}, false
	}
	d := profile.Decide(after)
	if d.Refused != 0 || d.Unmatched == 0 {
		return rules.Fix{}, false
	}
	both = rules.Fix{Rule: first.Rule, Edits: slices.Clone(first.Edits)}
	if file, isFile := req.(apparmor.FileRequest); isFile {
		file.Perms |= after.(apparmor.FileRequest).Perms
		if candidates, _ := p.Candidates(profile, file, profile.Decide(file), c); len(candidates) > 0 {
			both = candidates[0]
		}
	} else {
		rule := apparmor.RuleFor(after, apparmor.Transition{})
		both.Rule += "\n" + rule
		both.Edits = append(both.Edits, profile.Insert(rule))
	}
	both.Message = first.Message + "; and " + unproved(what)
	if _, ok := p.prove(&both, profile, req, after); !ok {
		return rules.Fix{}, false
	}
	for i, proof := range both.Proof {
		both.Proof[i] = strings.Replace(proof, "the access is", "the access and what comes next are", 1)
	}
	both.Grants = strings.Join(nonempty("`"+apparmor.RuleFor(after, inherit)+"`, which was not asked for", both.Grants), "; ")
	return both, true
}

// unproved says of a rule that nothing has been refused yet that it allows.
func unproved(what string) string {
	return "what it takes " + what + ", which usually comes next (that it is needed is not proved)"
}

func nonempty(words ...string) []string {
	return slices.DeleteFunc(words, func(w string) bool { return w == "" })
}
