package host

import (
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// quiet is a host on which nothing would hide denials.
func quiet() Facts {
	value := func(s string) Value { return Value{Text: s} }
	none := Value{Err: fs.ErrNotExist}
	return Facts{
		CommandLine:      value("quiet ro"),
		Security:         value("lockdown,capability,apparmor"),
		AppArmor:         AppArmor{Enabled: value("Y"), Mode: value("enforce"), Audit: value("noquiet")},
		Audit:            Audit{Status: AuditStatus{Enabled: 1, PID: 7, BacklogLimit: 8192}},
		Auditd:           Auditd{PID: 7, Config: value("log_file = /var/log/audit/audit.log\nlog_format = ENRICHED\n")},
		PrintkRatelimit:  value("5"),
		PrintkBurst:      value("10"),
		ActionsLogged:    value("kill_process errno log"),
		ActionsAvailable: value("kill_process errno log allow"),
		UsernsClone:      none,
		UsernsRestrict:   none,
		UsernsMax:        value("7879"),
		Cgroups:          "v2",
		Capabilities:     value("000001ffffffffff"),
	}
}

// TestAnswers changes one fact of a quiet host at a time: one answer changes
// with it.
func TestAnswers(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Facts)
		check  string
		status Status
		says   string // in what was found or why
		do     string
		undo   string
	}{
		{"no AppArmor", func(f *Facts) { f.AppArmor.Enabled = Value{Err: fs.ErrNotExist} },
			"apparmor", OK, "this kernel has no AppArmor", "", ""},
		{"AppArmor off", func(f *Facts) { f.AppArmor.Enabled.Text = "N" },
			"apparmor", OK, "AppArmor is off", "", ""},
		{"no securityfs", func(f *Facts) { f.AppArmor.Err = fs.ErrNotExist },
			"apparmor", Unknown, "which profiles are loaded", "mount -t securityfs securityfs /sys/kernel/security", "umount /sys/kernel/security"},
		{"profiles unreadable", func(f *Facts) { f.AppArmor.Err = fs.ErrPermission },
			"apparmor", Unknown, "run it as root", "", ""},
		{"complain for all", func(f *Facts) { f.AppArmor.Mode.Text = "complain" },
			"apparmor", OK, "permitted and logged", "", ""},
		{"quiet denies", func(f *Facts) { f.AppArmor.Audit.Text = "normal" },
			"quiet-denies", Hides, "a deny rule without audit", "printf %s noquiet >/sys/module/apparmor/parameters/audit", "printf %s normal >/sys/module/apparmor/parameters/audit"},
		{"all denials quiet", func(f *Facts) { f.AppArmor.Audit.Text = "quiet_denied" },
			"quiet-denies", Hides, "nothing that AppArmor refuses", "printf %s noquiet >/sys/module/apparmor/parameters/audit", "printf %s quiet_denied >/sys/module/apparmor/parameters/audit"},
		{"a mode of the future", func(f *Facts) { f.AppArmor.Audit.Text = "psychic" },
			"quiet-denies", Unknown, "does not know", "", ""},
		{"parameter unreadable", func(f *Facts) { f.AppArmor.Audit = Value{Err: fs.ErrPermission} },
			"quiet-denies", Unknown, "run it as root", "", ""},
		{"seccomp action not logged", func(f *Facts) { f.ActionsLogged.Text = "kill_process log" },
			"seccomp-actions", Hides, "lacks errno", "sysctl -w 'kernel.seccomp.actions_logged=kill_process errno log'", "sysctl -w 'kernel.seccomp.actions_logged=kill_process log'"},
		{"no seccomp sysctl", func(f *Facts) { f.ActionsLogged = Value{Err: fs.ErrNotExist} },
			"seccomp-actions", Unknown, "older than 4.14", "", ""},
		{"old runc", func(f *Facts) { f.Runtimes = []Runtime{{"runc", "1.1.5", No, nil, "2.5.4"}} },
			"runtime", Hides, "runc 1.2 is the first", "", ""},
		{"new runc", func(f *Facts) { f.Runtimes = []Runtime{{"runc", "1.5.2", Yes, nil, ""}} },
			"runtime", OK, "takes the log flag", "", ""},
		{"a runc that names its libseccomp", func(f *Facts) { f.Runtimes = []Runtime{{"runc", "1.1.5", No, nil, "2.5.4"}} },
			"runtime", Hides, "--runtime runc@1.1.5 --libseccomp 2.5.4", "", ""},
		{"some youki", func(f *Facts) { f.Runtimes = []Runtime{{"youki", "", NotKnown, nil, ""}} },
			"runtime", Unknown, "not known", "", ""},
		{"audit=0", func(f *Facts) { f.CommandLine.Text = "ro audit=0"; f.Audit.Err = errUnsupported },
			"audit", Hides, "no audit records at all", "", ""},
		{"built without audit", func(f *Facts) { f.Audit.Err = errUnsupported },
			"audit", Hides, "no other way to log", "", ""},
		{"audit state not told", func(f *Facts) { f.Audit.Err = errors.New("operation not permitted: CAP_AUDIT_CONTROL is needed") },
			"audit", Unknown, "CAP_AUDIT_CONTROL", "", ""},
		{"audit off", func(f *Facts) { f.Audit.Status.Enabled = 0 },
			"audit", OK, "logged all the same", "", ""},
		{"rate limit", func(f *Facts) { f.Audit.Status.RateLimit = 100 },
			"audit-rate-limit", Hides, "at most 100 audit records a second", "auditctl -r 0", "auditctl -r 100"},
		{"rate limit, locked", func(f *Facts) { f.Audit.Status.RateLimit = 100; f.Audit.Status.Enabled = 2 },
			"audit-rate-limit", Hides, "locked until the next boot", "", ""},
		{"lost of a small backlog", func(f *Facts) { f.Audit.Status.Lost = 3; f.Audit.Status.BacklogLimit = 64 },
			"audit-lost", Hides, "3 audit records lost", "auditctl -b 8192", "auditctl -b 64"},
		{"lost of a large backlog", func(f *Facts) { f.Audit.Status.Lost = 1 },
			"audit-lost", Unknown, "1 audit record lost", "", ""},
		{"AVC excluded", func(f *Facts) {
			f.Audit.Excludes = []Exclude{{Rule: "always,exclude -F msgtype=AVC", AppArmor: true}}
		},
			"audit-excludes", Hides, "AppArmor's records are not made", "auditctl -d always,exclude -F msgtype=AVC", "auditctl -a always,exclude -F msgtype=AVC"},
		{"a range excluded for a user", func(f *Facts) {
			f.Audit.Excludes = []Exclude{{Rule: "never,exclude -F msgtype>=1 -F uid=33", AppArmor: true, Seccomp: true, Partly: true}}
		},
			"audit-excludes", Hides, "of the processes that it names", "auditctl -d never,exclude -F 'msgtype>=1' -F uid=33", "auditctl -a never,exclude -F 'msgtype>=1' -F uid=33"},
		{"audit rules not told", func(f *Facts) { f.Audit.RulesErr = fs.ErrPermission },
			"audit-excludes", Unknown, "run it as root", "", ""},
		{"auditd writes elsewhere", func(f *Facts) { f.Auditd.Config.Text = "# log_file = /no\n\tLOG_FILE=/srv/a.log\n" },
			"auditd", OK, "/srv/a.log (RAW)", "", ""},
		{"auditd writes nothing", func(f *Facts) { f.Auditd.Config.Text = "write_logs = NO" },
			"auditd", Hides, "writes no log", "", ""},
		{"auditd takes nothing", func(f *Facts) { f.Auditd.Config.Text = "local_events = no" },
			"auditd", Hides, "local_events", "", ""},
		{"auditd.conf unreadable", func(f *Facts) { f.Auditd.Config = Value{Err: fs.ErrPermission} },
			"auditd", Unknown, "permission denied", "", ""},
		{"no auditd", func(f *Facts) { f.Auditd.PID = 0 },
			"printk-ratelimit", Hides, "10 such messages in 5 seconds", "sysctl -w kernel.printk_ratelimit=0", "sysctl -w kernel.printk_ratelimit=5"},
		{"no auditd, no limit", func(f *Facts) { f.Auditd.PID = 0; f.PrintkRatelimit.Text = "0" },
			"printk-ratelimit", OK, "every record", "", ""},
		{"journal beside auditd", func(f *Facts) { f.Journald = true },
			"journal", OK, "no denials while auditd runs", "systemctl start systemd-journald-audit.socket && systemctl restart systemd-journald", "systemctl stop systemd-journald-audit.socket && systemctl restart systemd-journald"},
		{"journal that listens", func(f *Facts) { f.Journald = true; f.Listeners = []string{"systemd-journal"} },
			"journal", OK, "_TRANSPORT=audit", "", ""},
		{"journal, and somebody listens", func(f *Facts) { f.Journald = true; f.Listeners = []string{unnamed} },
			"journal", Unknown, "cannot be named", "", ""},
		{"no user namespaces", func(f *Facts) { f.UsernsClone = Value{Text: "0"} },
			"user-namespaces", Hides, "EPERM", "", ""},
		{"no room for user namespaces", func(f *Facts) { f.UsernsMax.Text = "0" },
			"user-namespaces", Hides, "ENOSPC", "", ""},
		{"user namespaces by AppArmor", func(f *Facts) { f.UsernsRestrict = Value{Text: "1"} },
			"user-namespaces", OK, "and logs it", "", ""},
		{"no cgroups", func(f *Facts) { f.Cgroups = "" },
			"cgroups", Unknown, "its profile alone", "", ""},
		{"an engine", func(f *Facts) { f.Sockets = []string{"/run/docker.sock"} },
			"engines", OK, "/run/docker.sock", "", ""},
		{"an engine elsewhere", func(f *Facts) { f.Elsewhere = []string{"DOCKER_HOST"} },
			"engines", OK, "; DOCKER_HOST names one that is asked over the network", "", ""},
		{"no privileges", func(f *Facts) { f.Capabilities.Text = "0000000000000000" },
			"privileges", Hides, "CAP_AUDIT_READ (to read the audit netlink), CAP_AUDIT_CONTROL", "", ""},
		{"the old name of BPF's", func(f *Facts) { f.Capabilities.Text = "0000003fffffffff" }, // without 38 and 39
			"privileges", OK, "", "", ""},
	}
	before := map[string]Status{}
	for _, a := range Answers(quiet()) {
		assert.Equal(t, OK, a.Status, "%+v", a)
		before[a.Name] = a.Status
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := quiet()
			test.change(&f)
			var got *Answer
			for _, a := range Answers(f) {
				if a.Name == test.check {
					got = &a
				}
				assert.NotEmpty(t, a.Found)
				if a.Status == Hides {
					assert.NotEmpty(t, a.Why)
				}
				assert.Equal(t, a.Do == "", a.Undo == "", "%+v", a)
				if a.Name != test.check {
					assert.Equal(t, OK, a.Status, "%+v", a)
				}
			}
			require.NotNil(t, got)
			assert.Equal(t, test.status, got.Status, "%+v", got)
			assert.Contains(t, got.Found+" "+got.Why, test.says)
			if test.do != "" || test.status == OK {
				assert.Equal(t, test.do, got.Do)
				assert.Equal(t, test.undo, got.Undo)
			}
		})
	}
}

func TestPolicyAnswers(t *testing.T) {
	loaded := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	f := quiet()
	f.AppArmor.Profiles = []Loaded{
		{Name: "same", Mode: "enforce", Hash: "aa"},
		{Name: "same256", Mode: "enforce", Hash: "bbbb"},
		{Name: "web", Mode: "enforce", Hash: "old", At: loaded, Raw: "/sys/kernel/security/apparmor/policy/profiles/web.3/raw_data"},
		{Name: "web//child", Mode: "enforce", Hash: "old", At: loaded, Raw: "/sys/kernel/security/apparmor/policy/profiles/web.3/profiles/child.4/raw_data"},
		{Name: "included", Mode: "complain", Hash: "old", At: loaded},
		{Name: "same//null-/bin/sh", Mode: "complain", Hash: ""},
		{Name: "docker-default", Mode: "enforce", Hash: "cc"},
		{Name: "nobody's", Mode: "enforce", Hash: "dd"},
	}
	f.Policy.Compiled = []Compiled{
		{Name: "same", File: "/etc/apparmor.d/same", SHA1: "aa", SHA256: "x"},
		{Name: "same256", File: "/etc/apparmor.d/same", SHA1: "x", SHA256: "bbbb"},
		{Name: "web", File: "/etc/apparmor.d/the web", SHA1: "new", Changed: loaded.Add(time.Minute)},
		{Name: "web//child", File: "/etc/apparmor.d/the web", SHA1: "new", Changed: loaded.Add(time.Minute)},
		{Name: "included", File: "/etc/apparmor.d/included", SHA1: "new", Changed: loaded.Add(-time.Minute)},
	}
	answers := policy(f)
	require.Len(t, answers, 5)
	assert.Equal(t, Answer{Name: "policy", Status: Stale,
		Found: "loaded otherwise than apparmor_parser makes it of /etc/apparmor.d/included now: included",
		Why:   "a file that it includes was changed since it was loaded, or it was loaded with other options or by another apparmor_parser: the kernel decides by other rules than whydenied shows",
		Do:    "apparmor_parser -r /etc/apparmor.d/included"}, answers[0])
	assert.Equal(t, Answer{Name: "policy", Status: Stale,
		Found: "loaded otherwise than apparmor_parser makes it of /etc/apparmor.d/the web now: web, web//child",
		Why:   "the file was changed at 2026-11-25T12:01:00Z, after it was loaded at 2026-11-25T12:00:00Z: the kernel decides by other rules than whydenied shows",
		Do:    "cat /sys/kernel/security/apparmor/policy/profiles/web.3/raw_data /sys/kernel/security/apparmor/policy/profiles/web.3/profiles/child.4/raw_data >'/run/the web.loaded' && apparmor_parser -r '/etc/apparmor.d/the web'",
		Undo:  "apparmor_parser -r -B '/run/the web.loaded'"}, answers[1])
	assert.Equal(t, OK, answers[2].Status)
	assert.Contains(t, answers[2].Found, "2 loaded profiles as apparmor_parser makes them")
	assert.Contains(t, answers[3].Found, "docker-default")
	assert.Equal(t, Unknown, answers[4].Status)
	assert.Contains(t, answers[4].Found, "nobody's")

	f.Policy = Policy{Err: errors.New("apparmor_parser is not installed")}
	answers = policy(f)
	require.Len(t, answers, 2)
	assert.Equal(t, "6 profiles not compared with the files: apparmor_parser is not installed", answers[1].Found)
	assert.Equal(t, Unknown, answers[1].Status)
}
