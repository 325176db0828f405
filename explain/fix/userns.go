package fix

import (
	"errors"
	"path"
	"regexp"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// launchers are programs that run whatever they are told to.
var launchers = regexp.MustCompile(`^(?:bwrap|unshare|setpriv|busybox|env|(?:ba|da|z|k|fi|c)?sh|python[0-9.]*|perl[0-9.]*|ruby[0-9.]*|php[0-9.]*|lua[0-9.]*|node|java)$`)

// maxComm is the most bytes of the name of a thread: TASK_COMM_LEN of linux/sched.h, less
// its end.
const maxComm = 15

// A UsernsFix is a profile by which a program may create user namespaces on a host that
// refuses that to programs without one.
type UsernsFix struct {
	rules.Fix          // which makes the file of the profile; without edits if there is none
	Notes     []string // what the reader has to know
}

// Userns proposes a profile for a program: exe is its file, comm the name of its thread, for
// which the places of programs are assumed where exe is "".
func (p *Proposer) Userns(exe, comm string) UsernsFix {
	key := "\x00userns " + exe + "\x00" + comm
	if known, ok := p.userns[key]; ok {
		return known
	}
	f := p.makeUserns(exe, comm)
	p.userns[key] = f
	return f
}

func (p *Proposer) makeUserns(exe, comm string) (f UsernsFix) {
	name, attachment := attachmentOf(exe, comm)
	if attachment == "" {
		return f
	}
	policy := p.Library.Userns(name, attachment, exe == "")
	profile := policy.Profile(path.Base(policy.Files[0].Name))
	if profile == nil || len(p.Library.Problems(policy)) > 0 || !profile.Grants(apparmor.UsernsRequest{}) || exe != "" && !profile.Attachment.Match(exe) {
		return f
	}
	file := rules.NewFile(policy.Files[0].Name, "")
	file.Absent = true
	danger := RequestDanger(apparmor.UsernsRequest{})
	f.Fix = rules.Fix{
		Message: "give " + name + " a profile of its own, which confines nothing and may create user namespaces, in a new file " + file.Name,
		Edits:   []rules.Edit{{At: rules.Location{File: file}, New: policy.Files[0].Text}},
		Grants:  "everything in a user namespace that it creates, as on a host without the restriction",
		Risk:    danger.Risk, Reason: danger.Reason,
		Proof: []string{"the profile parses", "user namespaces are allowed"},
	}
	f.compile(p, policy)
	if launchers.MatchString(name) {
		f.Notes = append(f.Notes, name+" runs whatever it is told to: by this profile every program gets a user namespace through it. If it was another program that needs one, give it to that.")
	}
	if name == "bwrap" {
		f.Notes = append(f.Notes, "For bwrap there is a profile that keeps capabilities from what it runs: bwrap-userns-restrict, in /usr/share/apparmor/extra-profiles of the package apparmor-profiles.")
	}
	return f
}

// attachmentOf returns the name of a program, and the expression of its path. They are ""
// where it is none that a profile could attach to.
func attachmentOf(exe, comm string) (name, attachment string) {
	if exe != "" {
		if !path.IsAbs(exe) {
			return "", ""
		}
		if names := NamesOf(exe, Caller{Makes: true}, nil); names.Only || names.First {
			return path.Base(exe), names.Glob // an AppImage is mounted where each run has another folder
		}
		return path.Base(exe), apparmor.QuotePath(exe)
	}
	if comm == "" || strings.ContainsAny(comm, "/()") { // of systemd, before it executes anything
		return "", ""
	}
	const places = "{,usr/,usr/local/}{,s}bin/"
	attachment = apparmor.QuoteAround("/", places, comm)
	if len(comm) == maxComm && !strings.HasPrefix(attachment, `"`) { // of which the rest is cut off
		attachment += "*"
	}
	return comm, attachment
}

// compile adds what apparmor_parser says of the profile, if there is one. An older one does not
// know such profiles, and says nothing against them.
func (f *UsernsFix) compile(p *Proposer, policy *apparmor.Policy) {
	if p.Compile == nil {
		return
	}
	err := p.Compile(policy.Files[0].Name, policy.Files[0].Text, nil)()
	var notAsked *NotAsked
	switch {
	case err == nil:
		f.Proof = append(f.Proof, policyProof)
	case errors.As(err, &notAsked):
		f.Proof = append(f.Proof, notAsked.Error())
	default:
		f.Notes = append(f.Notes, "The apparmor_parser here does not take the profile ("+err.Error()+"): it needs 4.0 or later, and its abi, as each host that has the restriction has.")
	}
}
