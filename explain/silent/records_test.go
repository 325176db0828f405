package silent

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/layer"
	"github.com/whydenied/whydenied/explain/message"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// What a program printed is of the layer that has a record of it in the log, and of no
// other refusal's.
func TestRecords(t *testing.T) {
	const selinux = `type=AVC msg=audit(1.2:3): avc:  denied  { write } for  pid=7 comm="touch" name="data" dev="dm-0" ino=5 scontext=a:b:container_t:s0 tcontext=a:b:user_home_t:s0 tclass=dir permissive=0`
	const fanotify = `type=FANOTIFY msg=audit(1.2:3): resp=2 fan_type=1 fan_info=3 subj_trust=0 obj_trust=0
type=SYSCALL msg=audit(1.2:3): arch=c000003e syscall=59 success=no exit=-1 pid=7 comm="bash" exe="/bin/bash"
type=PATH msg=audit(1.2:3): item=0 name="/home/u/ls"`
	for _, c := range []struct {
		log, text string
		want      layer.Layer
	}{
		{selinux, "touch: cannot touch '/srv/data/x': Permission denied", layer.SELinux},
		{selinux, "touch: cannot touch '/data': Permission denied", layer.SELinux},
		{selinux, "touch: cannot touch '/srv/other/x': Permission denied", ""},
		{selinux, "mkdir: cannot create directory '/srv/data/x': Permission denied", ""}, // another program
		{selinux, "PermissionError: [Errno 13] Permission denied: '/srv/data/x'", layer.SELinux},
		{selinux + " \n", "touch: cannot touch '/srv/data/x': Read-only file system", layer.Mount},
		{selinux[:len(selinux)-1] + "1", "touch: cannot touch '/srv/data/x': Permission denied", ""}, // permitted
		{strings.Replace(selinux, `name="data"`, `path="/run/x.sock"`, 1), "touch: cannot touch '/var/run/x.sock': Permission denied", layer.SELinux},
		{fanotify, "bash: /home/u/ls: Operation not permitted", layer.Integrity},
		{fanotify, "bash: /home/u/ls: Permission denied", ""}, // another error
		{fanotify, "bash: /home/u/cat: Operation not permitted", ""},
		{`type=AVC msg=audit(1.2:3): apparmor="DENIED" operation="open" profile="web" name="/srv/x" pid=7 comm="cat" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`,
			"cat: /srv/x: Permission denied", layer.AppArmor},
		{`type=AVC msg=audit(1.2:3): apparmor="DENIED" operation="capable" profile="web" pid=7 comm="hostname" capability=21  capname="sys_admin"
type=SYSCALL msg=audit(1.2:3): arch=c000003e syscall=170 success=no exit=-1 pid=7 comm="hostname" exe="/bin/hostname"`,
			"hostname: sethostname: Operation not permitted", layer.AppArmor},
	} {
		group := explain.NewGroup(nil, explain.Filter{})
		for _, d := range denials(t, c.log) {
			group.Add(d)
		}
		attempts := NewAttempts(policyOf(t, "file,", "").Library, Target{}, group)
		a, ok := message.Read(parser.Origin{}, c.text, seccomp.X86_64)
		require.True(t, ok, c.text)
		attempts.Add(a)
		require.Len(t, attempts.Unexplained, 1, c.text)
		v := attempts.Unexplained[0].Verdict
		assert.Equal(t, c.want, v.Layer, "%s: %+v", c.text, v.Candidates)
	}
}
