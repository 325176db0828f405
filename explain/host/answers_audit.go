package host

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/rules/shell"
)

func auditing(f Facts) []Answer {
	a := Answer{Name: "audit", Status: OK}
	switch s := f.Audit.Status; {
	case word(f.CommandLine, "audit=0") || word(f.CommandLine, "audit=off"):
		a.Status = Hides
		a.Found = "the kernel was booted with audit=0"
		a.Why = "it makes no audit records at all, neither AppArmor's nor seccomp's, until it is booted without (audit_log_start of kernel/audit.c)"
	case f.Audit.Err == errUnsupported:
		a.Status = Hides
		a.Found = "the kernel is built without auditing"
		a.Why = "AppArmor and seccomp have no other way to log"
	case f.Audit.Err != nil:
		return []Answer{{Name: "audit", Status: Unknown, Found: "the state of auditing: " + f.Audit.Err.Error(),
			Why: "whether records are limited, lost or excluded is not known"}}
	case s.Enabled == 0:
		a.Found = "auditing of system calls is off (audit enabled 0)"
		a.Why = "denials are logged all the same, but without the SYSCALL and PATH records that say more of them"
	case s.Enabled == 1:
		a.Found = "auditing is on"
	default:
		a.Found = "auditing is on, and its settings are locked until the next boot (audit enabled 2)"
	}
	return []Answer{a}
}

// locked says in an answer that the settings of auditing cannot be changed.
func (f Facts) locked(a Answer) Answer {
	if f.Audit.Status.Enabled == 2 {
		a.Why += "; the settings are locked until the next boot, as the audit rules have -e 2"
		a.Lever, a.Do, a.Undo = nil, "", ""
	}
	return a
}

func rateLimit(f Facts) []Answer {
	if f.Audit.Err != nil {
		return nil
	}
	n := f.Audit.Status.RateLimit
	if n == 0 {
		return []Answer{{Name: "audit-rate-limit", Status: OK, Found: "the audit rate is not limited"}}
	}
	a := Answer{Name: "audit-rate-limit", Status: Hides, Found: "at most " + count(int(n), "audit record") + " a second",
		Why: "the kernel drops what is beyond it"}
	return []Answer{f.locked(a.pull(Lever{Name: "audit-rate-limit", Value: "0"}, strconv.Itoa(int(n))))}
}

// enoughBacklog is what Debian's and Red Hat's audit rules set.
const enoughBacklog = 8192

func lost(f Facts) []Answer {
	if f.Audit.Err != nil {
		return nil
	}
	s := f.Audit.Status
	limit := fmt.Sprintf("%s can wait", count(int(s.BacklogLimit), "audit record"))
	if s.BacklogLimit == 0 {
		limit = "any number of audit records can wait"
	}
	a := Answer{Name: "audit-lost", Status: OK, Found: "no audit record was lost; " + limit}
	if s.Lost == 0 {
		return []Answer{a}
	}
	a.Found = count(int(s.Lost), "audit record") + " lost since boot; " + limit
	if s.BacklogLimit == 0 || s.BacklogLimit >= enoughBacklog {
		a.Status = Unknown
		a.Why = "whether more are being lost is not known; auditctl --reset-lost begins to count anew"
		return []Answer{a}
	}
	a.Status = Hides
	a.Why = "a burst of denials does not fit"
	return []Answer{f.locked(a.pull(Lever{Name: "audit-backlog-limit", Value: strconv.Itoa(enoughBacklog)}, strconv.Itoa(int(s.BacklogLimit))))}
}

func excludes(f Facts) []Answer {
	switch {
	case f.Audit.Err != nil:
		return nil
	case f.Audit.RulesErr != nil:
		return unread("audit-excludes", f.Audit.RulesErr)
	case len(f.Audit.Excludes) == 0:
		return []Answer{{Name: "audit-excludes", Status: OK, Found: "no audit rule excludes the types AVC (AppArmor) or SECCOMP"}}
	}
	var all []Answer
	for _, e := range f.Audit.Excludes {
		a := Answer{Name: "audit-excludes", Status: Hides, Found: "an audit rule excludes records: " + e.Rule,
			Do: "auditctl -d " + quoteWords(e.Rule), Undo: "auditctl -a " + quoteWords(e.Rule)}
		whose := ""
		if e.Partly {
			whose = " of the processes that it names"
		}
		switch {
		case e.AppArmor && e.Seccomp:
			a.Why = "neither AppArmor's nor seccomp's records" + whose + " are made"
		case e.AppArmor:
			a.Why = "AppArmor's records" + whose + " are not made"
		default:
			a.Why = "seccomp's records" + whose + " are not made"
		}
		all = append(all, f.locked(a))
	}
	return all
}

// quoteWords quotes the words of a rule, some of which hold < and >.
func quoteWords(rule string) string {
	words := strings.Fields(rule)
	for i, w := range words {
		words[i] = shell.Quote(w)
	}
	return strings.Join(words, " ")
}

// records says where records go.
func records(f Facts) []Answer {
	if f.Auditd.PID == 0 {
		return []Answer{{Name: "auditd", Status: OK, Found: "auditd does not run",
			Why: "records go to the kernel's ring buffer, and to what listens to the audit netlink"}}
	}
	config := f.Auditd.Config
	a := Answer{Name: "auditd", Found: fmt.Sprintf("auditd runs (process %d)", f.Auditd.PID)}
	if config.Err != nil {
		a.Status = Unknown
		a.Why = "records go to it and not to the ring buffer; where it leaves them cannot be read: " + config.Err.Error()
		return []Answer{a}
	}
	file := configured(config.Text, "log_file", "/var/log/audit/audit.log")
	format := strings.ToUpper(configured(config.Text, "log_format", "RAW"))
	switch {
	case strings.EqualFold(configured(config.Text, "write_logs", "yes"), "no") || format == "NOLOG":
		a.Status = Hides
		a.Why = "it writes no log (write_logs in /etc/audit/auditd.conf), and records do not go to the ring buffer while it runs: only its plugins and what listens to the audit netlink have them"
		a.Do = "sed -i.whydenied 's/^[ \\t]*write_logs[ \\t]*=.*/write_logs = yes/I; s/^[ \\t]*log_format[ \\t]*=[ \\t]*NOLOG/log_format = RAW/I' /etc/audit/auditd.conf && kill -HUP " + strconv.Itoa(f.Auditd.PID)
		a.Undo = "mv /etc/audit/auditd.conf.whydenied /etc/audit/auditd.conf && kill -HUP " + strconv.Itoa(f.Auditd.PID)
	case strings.EqualFold(configured(config.Text, "local_events", "yes"), "no"):
		a.Status = Hides
		a.Why = "it does not take this host's own records (local_events = no in /etc/audit/auditd.conf)"
	default:
		a.Status = OK
		a.Found += ", records go to " + file + " (" + format + ")"
		a.Why = "they do not go to the ring buffer while it runs"
	}
	return []Answer{a}
}

// configured returns the value of a key of auditd.conf(5).
func configured(text, key, otherwise string) string {
	m := regexp.MustCompile(`(?im)^[ \t]*` + key + `[ \t]*=[ \t]*(\S+)`).FindStringSubmatch(text)
	if m == nil {
		return otherwise
	}
	return m[1]
}

// printk explains what kauditd_printk_skb of kernel/audit.c does.
func printk(f Facts) []Answer {
	const name = "printk-ratelimit"
	v := f.PrintkRatelimit
	switch {
	case v.Err != nil:
		return unread(name, v.Err)
	case v.Text == "0":
		return []Answer{{Name: name, Status: OK, Found: "kernel.printk_ratelimit is 0", Why: "the ring buffer gets every record"}}
	}
	a := Answer{Name: name, Found: fmt.Sprintf("the ring buffer gets %s such messages in %s seconds", f.PrintkBurst.Text, v.Text)}
	if f.Auditd.PID != 0 {
		a.Status, a.Why = OK, "auditd runs, and records do not go there"
		return []Answer{a}
	}
	a.Status = Hides
	a.Why = "auditd does not run, and what is beyond it is lost to dmesg and to what is copied from there (journalctl -k, syslog)"
	return []Answer{a.pull(Lever{Name: name, Value: "0"}, v.Text)}
}

// journal says whether records are in the journal.
func journal(f Facts) []Answer {
	a := Answer{Name: "journal", Status: OK}
	listens := slices.ContainsFunc(f.Listeners, func(name string) bool {
		return strings.HasPrefix(name, "systemd") // the socket is made by the first process
	})
	switch {
	case !f.Journald:
		a.Found = "systemd-journald does not run"
	case listens:
		a.Found = "journald reads the audit netlink"
		a.Why = "the journal has the records as _TRANSPORT=audit"
	case slices.Contains(f.Listeners, unnamed):
		a.Status = Unknown
		a.Found = "something listens to the audit netlink that cannot be named"
		a.Why = "whether it is journald is not known: it is of another PID namespace, or has chosen its own port"
	case f.Auditd.PID != 0:
		a.Found = "journald does not read the audit netlink"
		a.Why = "the journal has no denials while auditd runs, nor has dmesg: look in auditd's log"
		a.Do, a.Undo = "systemctl start systemd-journald-audit.socket && systemctl restart systemd-journald", "systemctl stop systemd-journald-audit.socket && systemctl restart systemd-journald"
	default:
		a.Found = "journald does not read the audit netlink"
		a.Why = "the journal has what the ring buffer has, as _TRANSPORT=kernel"
	}
	return []Answer{a}
}
