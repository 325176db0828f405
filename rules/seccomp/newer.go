package seccomp

import (
	"slices"

	"github.com/whydenied/whydenied/rules"
)

// MendedBy names the releases of the call's engine, newer than its own, whose default
// profile lets programs have the call, up to the newest known here: "Docker 25.0.0 to
// 29.7.2". answer is what the newest answers: it allows the call, or says ENOSYS, on
// which the programs turn to an older one. ok is false if the newest refuses it, too, or
// if the engine is not known.
func MendedBy(call Call) (releases string, answer Outcome, ok bool) {
	found, ok := rules.FindReleases(call.Engine.Name, "")
	if !ok {
		return "", Outcome{}, false
	}
	own := rules.VersionNumbers(call.Engine.Version)
	_, _, fallsBack := Fallback(call.Name)
	var mended []rules.Release
	for _, r := range found.All {
		if r.From == "" || own != nil && slices.Compare(rules.VersionNumbers(r.From), own) <= 0 {
			continue
		}
		call.Engine.Version = r.From
		d := builtin(r.Seccomp).Decide(call)
		hangs := func(o Outcome) bool { return !o.Loader } // a libseccomp that knows the name is to be there in any case
		ok = d.Entry != nil && !slices.ContainsFunc(d.Whens, hangs) && (d.Action == Allow || d.Action == Errno && ErrnoName(d.Errno) == "ENOSYS" && fallsBack)
		if ok {
			mended, answer = append(mended, r), d.Outcome
		}
	}
	if !ok || len(mended) == 0 {
		return "", Outcome{}, false
	}
	texts, _ := rules.Releases{Engine: found.Engine, All: mended}.Texts(func(rules.Release) string { return "" })
	return texts[0].String(), answer, true
}
