package apparmor

import (
	"slices"
)

// answer returns the permissions that a rule gives or takes, and what keeps it
// from matching the request. A rule of another class answers 0.
func answer(r Rule, req Request) (perms Perms, diff []string) {
	switch req := req.(type) {
	case CapabilityRequest:
		if r, ok := r.(*CapabilityRule); ok {
			return Access, compareAll(field{"capability", len(r.Names) == 0 || slices.Contains(r.Names, req.Name)})
		}
	case NetworkRequest:
		return answerNetwork(r, req)
	case MountRequest:
		if r, ok := r.(*MountRule); ok {
			return Access, mountDiff(r, req)
		}
	case PivotRootRequest:
		if r, ok := r.(*PivotRootRule); ok {
			return Access, compareAll(
				field{"new root", r.NewRoot.Match(req.NewRoot)},
				field{"old root", r.OldRoot.Match(req.OldRoot)})
		}
	case PtraceRequest:
		if r, ok := r.(*PtraceRule); ok {
			return r.Perms, compareAll(field{"peer", r.Peer.Match(req.Peer)})
		}
	case SignalRequest:
		if r, ok := r.(*SignalRule); ok {
			return r.Perms, compareAll(
				field{"signal", len(r.Signals) == 0 || slices.Contains(r.Signals, req.Signal)},
				field{"peer", r.Peer.Match(req.Peer)})
		}
	case UnixRequest:
		return answerUnix(r, req)
	case DBusRequest:
		if r, ok := r.(*DBusRule); ok {
			return r.Perms, dbusDiff(r, req)
		}
	case ChangeProfileRequest:
		if r, ok := r.(*ChangeProfileRule); ok { // of Near alone; see decideChangeProfile
			return Access, compareAll(
				field{"program", req.OnExec == "" || programOf(r).Match(req.OnExec)},
				field{"target profile", r.Target.Match(profileKey(req))})
		}
	case UsernsRequest:
		if _, ok := r.(*UsernsRule); ok {
			return UsernsPerms, nil
		}
	case MqueueRequest:
		if r, ok := r.(*MqueueRule); ok {
			return r.Perms, compareAll(
				field{"type", r.Type == "" || r.Type == req.Type},
				field{"name", r.Name.Match(req.Name)},
				field{"label", r.Label.Match(req.Label)})
		}
	case IOUringRequest:
		if r, ok := r.(*IOUringRule); ok {
			return r.Perms, compareAll(field{"label", r.Label.Match(req.Label)})
		}
	}
	return 0, nil
}
