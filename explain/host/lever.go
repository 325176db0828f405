package host

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/rules/shell"
)

// A Lever is a setting of the running kernel that can be set and put back. A
// reboot undoes it too.
type Lever struct {
	Name  string `json:"lever"` // stable
	Value string `json:"value"` // what it is set to
	// Profile is whose mode the lever profile-mode sets.
	Profile string `json:"profile,omitempty"`
}

// What levers set.
const (
	apparmorAudit   = "/sys/module/apparmor/parameters/audit"
	printkRatelimit = "/proc/sys/kernel/printk_ratelimit"
	actionsLogged   = "/proc/sys/kernel/seccomp/actions_logged"

	auditRateLimit    = "audit rate limit"
	auditBacklogLimit = "audit backlog limit"

	profileMode = "profile-mode" // see Learn
)

// targets are what the levers set, by name: a file, or a setting that only the
// audit netlink has. Nothing else is ever set.
var targets = map[string]string{
	"apparmor-audit":         apparmorAudit,
	"printk-ratelimit":       printkRatelimit,
	"seccomp-actions-logged": actionsLogged,
	"audit-rate-limit":       auditRateLimit,
	"audit-backlog-limit":    auditBacklogLimit,
}

// Noquiet has AppArmor log what deny rules refuse quietly (audit_mode_names of
// security/apparmor/audit.c).
var Noquiet = Lever{Name: "apparmor-audit", Value: "noquiet"}

// LogGrants has AppArmor log all that it grants, and what deny rules refuse quietly: each use of
// a rule is a record then.
var LogGrants = Lever{Name: "apparmor-audit", Value: "all"}

// WithGrants returns levers with LogGrants in place of what else is set to that.
func WithGrants(levers []Lever) []Lever {
	rest := slices.DeleteFunc(slices.Clone(levers), func(l Lever) bool { return l.Name == LogGrants.Name })
	return append(rest, LogGrants)
}

// Target is what the lever sets, in words of the kernel.
func (l Lever) Target() string {
	if l.Name == profileMode {
		return "the mode of AppArmor profile " + l.Profile
	}
	target := targets[l.Name]
	if key, ok := strings.CutPrefix(target, "/proc/sys/"); ok {
		return strings.ReplaceAll(key, "/", ".")
	}
	return target
}

// Command is what sets the lever's target to a value, in a root shell.
func (l Lever) Command(value string) string {
	switch target := targets[l.Name]; {
	case l.Name == profileMode: // of the kernel's own copy; other tools take the file
		return "whydenied doctor --undo"
	case target == auditRateLimit:
		return "auditctl -r " + shell.Quote(value)
	case target == auditBacklogLimit:
		return "auditctl -b " + shell.Quote(value)
	case strings.HasPrefix(target, "/proc/sys/"):
		return "sysctl -w " + shell.Quote(l.Target()+"="+value)
	default: // which refuses a value with a line end
		return "printf %s " + shell.Quote(value) + " >" + target
	}
}

// get reads what the lever's target is set to now.
func (h Host) get(l Lever) (string, error) {
	if l.Name == profileMode {
		return h.mode(l.Profile)
	}
	target := targets[l.Name]
	if strings.HasPrefix(target, "/") {
		v := h.value(target)
		return v.Text, v.Err
	}
	a := readAudit()
	switch {
	case a.Err != nil:
		return "", a.Err
	case target == auditRateLimit:
		return strconv.FormatUint(uint64(a.Status.RateLimit), 10), nil
	case target == auditBacklogLimit:
		return strconv.FormatUint(uint64(a.Status.BacklogLimit), 10), nil
	}
	return "", fmt.Errorf("there is no lever %q", l.Name)
}

// set sets the lever's target.
func (h Host) set(l Lever, value string) error {
	if l.Name == profileMode {
		return h.setMode(l.Profile, value)
	}
	target, known := targets[l.Name]
	if !known {
		return fmt.Errorf("there is no lever %q", l.Name)
	}
	if !strings.HasPrefix(target, "/") {
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return fmt.Errorf("%s: %w", target, err)
		}
		return setAudit(target, uint32(n))
	}
	return h.write(target, []byte(value))
}

// write writes to a file of the kernel at once, as it takes each write as a whole value.
func (h Host) write(name string, value []byte) error {
	file, err := os.OpenFile(h.Root+name, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = file.Write(value)
	return errors.Join(err, file.Close())
}
