package explain

import (
	"fmt"
	"strings"

	"github.com/whydenied/whydenied/parser"
)

// explainOther says what another security module refused, and what to do about it. Its
// policy is not read, and no rule of it is proposed.
func (x *Explainer) explainOther(f *Explained) {
	o := f.Denial.Other
	f.Decision = Undecidable
	switch o.Module {
	case parser.SELinux:
		f.explainSELinux(o)
	case parser.Smack:
		f.Cause, f.Why = SmackDenial, fmt.Sprintf("no rule of Smack lets %s do %s to %s", f.Denial.Subject.Label, o.Access, o.Target)
		f.Notes = []string{"Rules are in /sys/fs/smackfs/load2 and /etc/smack/accesses.d. No rule of AppArmor or seccomp helps."}
	case parser.LandlockAccess:
		f.explainLandlock(o)
		x.noteAfterLandlock(f, o)
	case parser.IPE:
		f.Cause, f.Why = IPEDenial, "the policy of IPE refuses it by: "+o.Rule
		f.Notes = []string{"IPE goes by where a file comes from (dm-verity, fs-verity, the initramfs), not by names or labels: run it from what the policy trusts, or have whoever signs the policy change it (/sys/kernel/security/ipe). No rule of AppArmor or seccomp helps."}
	case parser.IMA:
		f.Cause, f.Why = IMADenial, "IMA's policy wants the file appraised, and it is not as it should be: "+o.Rule
		f.Notes = []string{"`getfattr -m security -d FILE` shows security.ima, the signature or hash; whoever signs the host's files signs it (evmctl ima_sign), and it is lost where a file is copied without its attributes, as into most image layers. With ima_appraise=log or fix the record is written and nothing refused. No rule of AppArmor or seccomp helps."}
	case parser.Fanotify:
		f.Cause, f.Why = FanotifyDenial, "a program that permits access to files answered no, as fapolicyd or a virus scanner does"
		f.Notes = []string{"Of fapolicyd, `fapolicyd-cli --list` numbers the rules and `fapolicyd-cli --file add PATH` trusts a file. No rule of AppArmor or seccomp helps."}
		if o.Rule != "" && o.Rule != "0" {
			f.Why += "; its rule has the number " + o.Rule + " (hexadecimal)"
		}
	}
	if f.Denial.Mode == parser.Allowed {
		f.Notes = append(f.Notes, "It was logged and permitted: the module does not enforce.")
	}
}

// explainSELinux says which types do not fit, and what of containers is the usual cause:
// a volume that was not labelled.
func (f *Explained) explainSELinux(o *parser.Other) {
	source, target := typeOf(f.Denial.Subject.Label), typeOf(o.Target)
	f.Cause, f.Why = SELinuxDenial, fmt.Sprintf("no rule of SELinux's policy lets %s do %s to a %s of %s", source, o.Access, o.Class, target)
	isFile := strings.HasSuffix(o.Class, "file") || o.Class == "dir"
	switch {
	case strings.HasPrefix(source, "container_") && target == source:
		f.Notes = append(f.Notes, "Source and target have one type: what differs is the category (s0:cX,cY) of another container, or a constraint. A volume that containers share is mounted with :z, not :Z.")
	case strings.HasPrefix(source, "container_") && isFile && !strings.HasPrefix(target, "container_"):
		f.Notes = append(f.Notes, "A container may use files of the type container_file_t: a volume gets it by :Z (one container) or :z (shared) in docker run -v and podman run -v, in Kubernetes by seLinuxOptions. Not for system folders such as /home or /etc, whose label would change for the host.")
	}
	f.Notes = append(f.Notes, "`ausearch -m AVC -ts recent | audit2why` says which boolean or rule would let it. No rule of AppArmor or seccomp helps.")
}

// typeOf returns the type of a context of SELinux, user:role:TYPE:level.
func typeOf(context string) string {
	if parts := strings.SplitN(context, ":", 4); len(parts) >= 3 {
		return parts[2]
	}
	return context
}

// explainLandlock says which domain refused. Landlock comes before AppArmor in the order
// of modules that the kernel has by default (CONFIG_LSM), and the first that refuses ends
// the question.
func (f *Explained) explainLandlock(o *parser.Other) {
	f.Cause = LandlockDenial
	f.Why = fmt.Sprintf("the program, or one that started it, confined itself by Landlock (domain %s), and its rules do not have %s", o.Domain, o.Access)
	who := ""
	if domain := f.Denial.Event.Record(parser.LANDLOCKDOMAIN); domain != nil {
		who = domain.Get("exe")
	}
	if who != "" {
		f.Notes = append(f.Notes, "The domain was made by "+who+".")
	}
	f.Notes = append(f.Notes, "The rules are the program's own: look for its sandbox option or configuration. No rule of AppArmor or seccomp helps.")
}
