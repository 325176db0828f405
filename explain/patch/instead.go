package patch

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/fix"
	"github.com/whydenied/whydenied/parser"
)

// A substitute is what a library asks for only where it was refused something else.
type substitute struct {
	name      *regexp.Regexp // of what is asked for in place of the other
	operation string
	other     func(name, other string) bool // reports whether the name of a refused file is that of the other
	child     bool                          // a child of the process that was refused the other asks for it
	temporary bool                          // by a call for temporary files
	why       string
}

// substitutes are known from the sources of the libraries: get_account_info() in
// modules/pam_unix/passverify.c of Linux-PAM 1.5, which has the program look where root finds no entry of
// the user; tmpfile() in stdio-common/tmpfile.c of glibc, which tries O_TMPFILE first, as TemporaryFile of
// CPython, QTemporaryFile and others do; vsyslog of misc/syslog.c
// there, which with LOG_CONS turns to the console; oom_adjust_setup() in openbsd-compat/port-linux.c of OpenSSH;
// the folders of vim's options directory and backupdir; procattr_open() in src/kernel.c of libapparmor 4.1.
var substitutes = []substitute{
	{regexp.MustCompile(`/unix_chkpwd$`), "exec", func(_, other string) bool { return other == "/etc/shadow" }, true, false,
		"pam_unix runs it as it may not read /etc/shadow, which the patch allows"},
	{regexp.MustCompile(`/tmpf[A-Za-z0-9]{6}$`), "mknod", besideUnnamed, false, false,
		"tmpfile(3) makes it as it may have no file without a name, which the patch allows"},
	{regexp.MustCompile(`/[^/]*$`), "mknod", besideUnnamed, false, true,
		"it is made as the program may have no file without a name there, which the patch allows"},
	{regexp.MustCompile(`^/dev/console$`), "open", func(_, other string) bool {
		return other == "/dev/log" || strings.HasSuffix(other, "/systemd/journal/dev-log")
	}, false, false,
		"syslog(3) writes to it as it may not send to /dev/log, which the patch allows"},
	{regexp.MustCompile(`^/proc/[0-9]+/oom_adj$`), "open", func(name, other string) bool { return other == path.Dir(name)+"/oom_score_adj" }, false, false,
		"sshd opens it as it may not open oom_score_adj, which the patch allows"},
	{regexp.MustCompile(`/[^/]+(?:~|\.sw[a-px])$`), "mknod", func(name, other string) bool {
		return path.Dir(name) != path.Dir(other) && strings.TrimPrefix(path.Base(other), ".") == strings.TrimPrefix(path.Base(name), ".")
	}, false, false,
		"vim makes it in this folder as it may not in the one before, which the patch allows"},
	{labelFile, "open", func(name, other string) bool {
		return labelFile.MatchString(other) && strings.Replace(other, "/attr/apparmor/", "/attr/", 1) == name && name != other
	}, false, false,
		"libapparmor opens it as it may not open that in attr/apparmor, which the patch allows"},
	{trial, "mknod", func(name, other string) bool { return trial.MatchString(other) && path.Dir(name) != path.Dir(other) }, false, true,
		"Python's tempfile tries this folder as it may not write to the one before, which the patch allows"},
}

// besideUnnamed reports whether a file is made in the folder in which another was to be that has no name,
// by O_TMPFILE.
func besideUnnamed(name, other string) bool {
	return path.Dir(name) == path.Dir(other) && strings.HasPrefix(path.Base(other), "#")
}

// trial is a file by which _get_default_tempdir() in Lib/tempfile.py of CPython sees that it may write
// to a folder: /tmp, /var/tmp, /usr/tmp and its own, unless TMPDIR names one. Other names of
// tempfile begin with tmp or what its caller wants.
var trial = regexp.MustCompile(`/[a-z0-9_]{8}$`)

// labelFile is a file by which a thread changes its label: to write to one takes an access of its own.
var labelFile = regexp.MustCompile(`^/proc/[0-9]+/(?:task/[0-9]+/)?attr/(?:apparmor/)?(?:current|exec)$`)

// instead says why an access is of no use once another that was refused to the same process
// before is allowed, or returns "".
func (b *patcher) instead(f *explain.Explained) string {
	for _, s := range substitutes {
		if f.Denial.AppArmor.Operation != s.operation || !s.name.MatchString(f.Denial.AppArmor.Name) {
			continue
		}
		asking, caller := f.Denial.Subject.PID, fix.CallerOf(&f.Denial)
		if s.child {
			asking = caller.PPID
		}
		if s.temporary && !caller.Temporary || s.name == trial && !strings.HasPrefix(path.Base(f.Denial.Subject.Exe), "python") {
			continue
		}
		for _, other := range b.findings {
			first := asking != 0 && other.Denial.Subject.PID == asking && refusedFirst(other, f)
			if first && other.Request != nil && b.held(other.Request) == "" && s.other(f.Denial.AppArmor.Name, other.Denial.AppArmor.Name) {
				return s.why
			}
		}
	}
	return ""
}

// unchanged says why an access is of no use that a process made since it was refused a change of
// profile, or to write to the file by which that is asked for, or returns "". A program that is to be run
// under another profile needs no rule of its own in the one before: profile_onexec() in
// security/apparmor/domain.c, Linux 6.12. What follows a refused change_profile is asked of the profile
// that the process was about to leave. A change that no fix allows, as one to unconfined, stays refused, and
// so do they come again.
func (b *patcher) unchanged(f *explain.Explained) string {
	asking := []int{f.Denial.Subject.PID, fix.CallerOf(&f.Denial).PPID}
	for _, other := range b.findings {
		if other.Denial.AppArmor == nil || other.Request == nil || other == f || other.Denial.Subject.PID == 0 {
			continue
		}
		now, atExec := changes(other.Denial.AppArmor)
		ends := now || atExec && f.Denial.AppArmor.Operation == "exec"
		if ends && slices.Contains(asking, other.Denial.Subject.PID) && earlier(other, f) && b.allowsChange(other) {
			return "it came of a refused change of profile, which the patch allows"
		}
	}
	return ""
}

// changes reports whether a process was refused a change of its profile at once, or at its next exec.
// One that may not write to the file by which it asks gets no further.
func changes(a *parser.AppArmor) (now, atExec bool) {
	switch a.Operation {
	case "change_onexec", "stack_onexec":
		return false, true
	case "change_profile":
		return true, false
	case "open":
		asks := labelFile.MatchString(a.Name) && strings.ContainsAny(a.Denied, "wa")
		atExec = path.Base(a.Name) == "exec"
		return asks && !atExec, asks && atExec
	}
	return false, false
}

// allowsChange reports whether a fix that is not held allows a refused change of profile. All that a process
// did after one asks for the same.
func (b *patcher) allowsChange(of *explain.Explained) bool {
	allows, known := b.changes[of]
	if !known {
		allows = b.held(of.Request) == "" && len(b.x.Explain(*of.Finding).Fixes) > 0
		b.changes[of] = allows
	}
	return allows
}

// refusedFirst reports whether the accesses of a finding were refused by the same profile, as
// often and earlier. What complain mode permits is followed by no substitute.
func refusedFirst(other, f *explain.Explained) bool {
	a := other.Denial.AppArmor
	return a != nil && a.Profile == f.Denial.AppArmor.Profile && earlier(other, f)
}

// earlier is refusedFirst by whatever profile, as the records of a stacked label have one each.
func earlier(other, f *explain.Explained) bool {
	if other.Denial.Mode == parser.Allowed || other.Count < f.Count {
		return false
	}
	if len(other.Serials) > 0 && len(f.Serials) > 0 {
		return other.Serials[0] < f.Serials[0]
	}
	return other.First.Before(f.First)
}
