package explain

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/whydenied/whydenied/explain/library"
)

// TestHarmless holds what is said to have done no harm: what the same process was refused
// besides, or what came of its system call, says so.
func TestHarmless(t *testing.T) {
	capable := func(serial, second, pid int, name string) string {
		return fmt.Sprintf(`type=AVC msg=audit(%d.844:%d): apparmor="DENIED" operation="capable" class="cap" profile="q" pid=%d comm="git" capability=24 capname="%s"`+"\n", 1795427169+second, serial, pid, name)
	}
	call := func(serial int, result string) string {
		return fmt.Sprintf(`type=SYSCALL msg=audit(1795427169.844:%d): arch=c000003e syscall=217 %s a0=0 a1=0 a2=0 a3=0 items=0 ppid=6 pid=7 uid=0 comm="git" exe="/bin/git"`+"\n", serial, result)
	}
	for name, test := range map[string]struct {
		log  string
		want []string // of the findings, what their reason holds; "" for none
	}{
		"a probe":           {capable(1, 0, 7, "sys_resource") + capable(2, 0, 7, "sys_admin"), []string{"process 7 was refused sys_resource and sys_admin at once", "process 7 was"}},
		"other processes":   {capable(1, 0, 7, "sys_resource") + capable(2, 0, 8, "sys_admin"), []string{"", ""}},
		"long after":        {capable(1, 0, 7, "sys_resource") + capable(2, 9, 7, "sys_admin"), []string{"", ""}},
		"sys_admin alone":   {capable(1, 0, 7, "sys_admin"), []string{""}},
		"the call went on":  {capable(1, 0, 7, "sys_ptrace") + call(1, "success=yes exit=0"), []string{"success=yes, exit=0"}},
		"the call failed":   {capable(1, 0, 7, "sys_ptrace") + call(1, "success=no exit=-1"), []string{""}},
		"its own group":     {capable(1, 0, 7, "setgid") + call(1, "success=yes exit=0"), []string{""}},
		"a bit was dropped": {capable(1, 0, 7, "fsetid") + call(1, "success=yes exit=0"), []string{""}},
		"netlink answers":   {capable(1, 0, 7, "audit_write") + strings.Replace(call(1, "success=yes exit=140"), "syscall=217", "syscall=44", 1), []string{""}},
		"io_uring answers":  {capable(1, 0, 7, "net_bind_service") + strings.Replace(call(1, "success=yes exit=1"), "syscall=217", "syscall=426", 1), []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			group := NewGroup(nil, Filter{})
			for _, d := range denials(t, test.log) {
				group.Add(d)
			}
			for i, f := range New(library.New(t.TempDir(), nil)).ExplainAll(group.Findings()) {
				assert.Equal(t, test.want[i] == "", f.Harmless == "")
				assert.Equal(t, test.want[i] == "", f.Unchecked != nil, "what is harmless needs no rule")
				assert.Equal(t, test.want[i] != "", f.Quiet != "")
				assert.Contains(t, f.Harmless, test.want[i])
			}
		})
	}
}

// TestWasThere holds that a file which was opened was there, whatever the kernel asked before it looked.
func TestWasThere(t *testing.T) {
	made := func(serial int, mode, name, mask string) string {
		return fmt.Sprintf(`type=AVC msg=audit(1796148849.645:%d): apparmor="%s" operation="mknod" class="file" profile="q" name="%s" pid=315 comm="nginx" requested_mask="%[4]s" denied_mask="%[4]s" fsuid=0 ouid=0`+"\n", serial, mode, name, mask)
	}
	call := func(serial, number int, result string) string {
		return fmt.Sprintf(`type=SYSCALL msg=audit(1796148849.645:%d): arch=c000003e syscall=%d %s a0=ffffff9c a1=55 a2=441 a3=1a4 items=1 ppid=292 pid=315 uid=0 comm="nginx" exe="/usr/sbin/nginx"`+"\n", serial, number, result)
	}
	const openat, mknod = 257, 133
	for name, test := range map[string]struct{ log, want string }{
		"opened":                  {made(1, "DENIED", "/srv/f", "c") + call(1, openat, "success=yes exit=3"), "exit=3"},
		"not opened":              {made(1, "DENIED", "/srv/f", "c") + call(1, openat, "success=no exit=-13"), ""},
		"made by another call":    {made(1, "DENIED", "/srv/f", "c") + call(1, mknod, "success=yes exit=0"), ""},
		"without a call":          {made(1, "DENIED", "/srv/f", "c"), ""},
		"opened and then not":     {made(1, "DENIED", "/srv/f", "c") + call(1, openat, "success=yes exit=3") + made(2, "DENIED", "/srv/f", "c") + call(2, openat, "success=no exit=-13"), ""},
		"in complain mode":        {made(1, "ALLOWED", "/srv/f", "c") + call(1, openat, "success=yes exit=3"), ""},
		"in /proc":                {made(1, "DENIED", "/proc/1/fd/2", "c"), "in /proc nothing is made"},
		"in /proc, complain mode": {made(1, "ALLOWED", "/proc/1/fd/2", "c"), "in /proc nothing is made"},
	} {
		t.Run(name, func(t *testing.T) {
			group := NewGroup(nil, Filter{})
			for _, d := range denials(t, test.log) {
				group.Add(d)
			}
			for _, f := range New(library.New(t.TempDir(), nil)).ExplainAll(group.Findings()) {
				assert.Equal(t, test.want == "", f.Harmless == "")
				assert.Contains(t, f.Harmless, test.want)
			}
		})
	}
}

// TestWentOn holds that a process which was refused something else a while later is said to
// have gone on, and that this alone calls nothing harmless.
func TestWentOn(t *testing.T) {
	opened := func(serial, second, pid int, comm, name string) string {
		return fmt.Sprintf(`type=AVC msg=audit(%d.844:%d): apparmor="DENIED" operation="open" profile="q" name="%s" pid=%d comm="%s" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`+"\n", 1795427169+second, serial, name, pid, comm)
	}
	for name, test := range map[string]struct {
		log  string
		want []bool
	}{
		"went on":         {opened(1, 0, 7, "a", "/a") + opened(2, 5, 7, "a", "/b"), []bool{true, false}},
		"at once":         {opened(1, 0, 7, "a", "/a") + opened(2, 0, 7, "a", "/b"), []bool{false, false}},
		"another process": {opened(1, 0, 7, "a", "/a") + opened(2, 5, 8, "a", "/b"), []bool{false, false}},
		"another program": {opened(1, 0, 7, "a", "/a") + opened(2, 5, 7, "b", "/b"), []bool{false, false}},
		"an hour later":   {opened(1, 0, 7, "a", "/a") + opened(2, 3600, 7, "a", "/b"), []bool{false, false}},
	} {
		t.Run(name, func(t *testing.T) {
			group := NewGroup(nil, Filter{})
			for _, d := range denials(t, test.log) {
				group.Add(d)
			}
			for i, f := range New(library.New(t.TempDir(), nil)).ExplainAll(group.Findings()) {
				assert.Equal(t, test.want[i], strings.Contains(strings.Join(f.Notes, "\n"), "Process 7 went on after it: it was refused something else 5s later"))
				assert.Empty(t, f.Harmless)
			}
		})
	}
}
