package fix

import (
	"fmt"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// dropIn proposes what a unit of systemd gets behind its own settings, in a drop-in: the
// files of the unit are its package's.
func (c *callFix) dropIn() {
	call := c.call
	call.Name = c.d.Syscall
	key := "SystemCallArchitectures"
	line := key + "=" // which takes back what was named
	if c.d.ArchListed {
		key = c.profile.UnitSetting(c.d.At(c.profile))
		line = seccomp.DropIn(key, call)
	}
	if line == "" {
		return
	}
	text := "[Service]\n" + line + "\n"
	behind, _, err := seccomp.Parse(rules.NewFile(c.profile.File.Name, c.profile.File.Text+"\n"+text))
	if err == nil { // else nothing is left that makes a filter
		if d := behind.Decide(call); !settled(d) || !d.Action.Permits() {
			return
		}
	}
	danger := CallDanger(c.d.Syscall, call.Args)
	fix := rules.Fix{
		Message: "give the unit a drop-in (`systemctl edit`), and restart it",
		Rule:    text[:len(text)-1],
		Risk:    danger.Risk,
		Reason:  danger.Reason,
		Proof:   []string{"with it behind the unit's settings the filter permits the call"},
	}
	if strings.HasSuffix(line, "=no") {
		fix.Grants = fmt.Sprintf("what %s refuses besides", key)
	}
	c.fixes = append(c.fixes, fix)
}
