package apparmor

import (
	"path"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// Mediates reports whether the kernel asks a profile about the class of a request at
// all, by the abi that its policy names: it does not about classes that the abi does
// not have. known is false where that hangs on the feature set that apparmor_parser
// falls back to, as the policy names no abi, or on a file that is not known here.
func (p *Profile) Mediates(req Request) (mediates, known bool) {
	_, since := req.class()
	switch {
	case since == "":
		return true, true
	case p.Policy == nil || p.Policy.ABI == nil:
		return true, false
	}
	name := path.Base(p.Policy.ABI.Path)
	switch {
	case name == "kernel-5.4-outoftree-network":
		return since < "4.0", true
	case strings.HasPrefix(name, "kernel-5.4"):
		return false, true
	case name == "" || name[0] < '0' || name[0] > '9': // of one's own, or the kernel's
		return true, false
	}
	return name >= since, true
}

// HasEffect reports whether a rule for a request can have an effect under the abi that
// the policy of a profile names. Without one it cannot be relied on for the classes of
// AppArmor 4.0; the others are older than any feature set that is in use.
func (p *Profile) HasEffect(req Request) bool {
	mediates, _ := p.Mediates(req)
	return mediates && (NeededABI(req) == "" || p.Policy != nil && p.Policy.ABI != nil)
}

// NeededABI returns the first abi file that has the class of a request, such as
// "abi/4.0"; "" for classes that need none.
func NeededABI(req Request) string {
	if _, since := req.class(); since >= "4.0" {
		return "abi/" + since
	}
	return ""
}

// SetABI returns the edit that has a policy name an abi file, such as "abi/4.0", in the
// rule that it has or in a new one before all others, and that rule.
func (p *Policy) SetABI(name string) (edit rules.Edit, rule string) {
	rule = "abi <" + name + ">,"
	if p.ABI != nil {
		return rules.Edit{At: p.ABI.At, New: rule}, rule
	}
	file, at := p.Files[0], 0
	for line := range strings.Lines(file.Text) {
		text := strings.TrimSpace(line)
		if text != "" && (text[0] != '#' || strings.HasPrefix(text, "#include")) {
			break
		}
		at += len(line)
	}
	return insertion(file, at, rule+lineEnding(file.Text, at)), rule
}
