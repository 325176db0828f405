package silent

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/layer"
	"github.com/whydenied/whydenied/explain/message"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// What a program tries again and again is judged once and counted, and a program
// that tries ever other things does not fill the memory.
func TestAttempts(t *testing.T) {
	group := explain.NewGroup(nil, explain.Filter{})
	attempts := NewAttempts(policyOf(t, "file,\ndeny /srv/** w,", "").Library, Target{Profile: "p"}, group)
	try := func(path string) {
		attempts.Add(parser.Attempt{Origin: parser.Origin{Transport: parser.StraceOutput}, Syscall: "mkdir", Path: path, Errno: "EACCES", Text: "mkdir " + path})
	}
	for range 3 {
		try("/srv/a")
		try("/opt/a")
	}
	assert.Len(t, group.Findings(), 1)
	assert.Equal(t, 3, group.Findings()[0].Count)
	assert.Len(t, attempts.Unexplained, 1)
	assert.Equal(t, 3, attempts.Unexplained[0].Count)
	assert.Contains(t, attempts.Unexplained[0].Why, "mode and owner")
	for i := range 2 * maxClaims {
		try(fmt.Sprintf("/srv/%d", i))
		try(fmt.Sprintf("/opt/%d", i))
	}
	assert.Len(t, group.Findings(), maxClaims)
	assert.Equal(t, maxClaims+1, group.Beyond)
	assert.Len(t, attempts.Unexplained, maxUnexplained)
}

// TestAttemptsOfALoggedRun: AppArmor logs what it refuses but by a deny rule. What a run's log
// does not have, something else refused, such as the mode of a directory.
func TestAttemptsOfALoggedRun(t *testing.T) {
	group := explain.NewGroup(nil, explain.Filter{})
	attempts := NewAttempts(policyOf(t, "owner /srv/** rw,\ndeny /opt/** w,", "").Library, Target{Profile: "p"}, group)
	mkdir := func(path string) parser.Attempt {
		return parser.Attempt{Origin: parser.Origin{Transport: parser.StraceOutput}, Syscall: "mkdir", Path: path, Errno: "EACCES", Text: "mkdir " + path}
	}
	attempts.Add(mkdir("/srv/a"))
	assert.Empty(t, group.Findings(), "what a process makes is its own")
	attempts.Logged = true
	attempts.Add(mkdir("/etc/a"))
	assert.Empty(t, group.Findings())
	assert.Contains(t, attempts.Unexplained[1].Why, "not AppArmor")
	attempts.Add(mkdir("/opt/a"))
	assert.Len(t, group.Findings(), 1, "a deny rule logs nothing")
	attempts.Logged = false
	attempts.Add(mkdir("/etc/b"))
	assert.Len(t, group.Findings(), 2)
}

// A filter that answers so to one of two calls that a message can be of is neither what refused it nor ruled out.
func TestFilterOfOneTwin(t *testing.T) {
	filter := `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["%s"],"action":"SCMP_ACT_ERRNO"}]}`
	for names, want := range map[string]string{"mkdir": "EPERM to mkdir, but not to mkdirat", "mkdirat": "EPERM to mkdirat, but not to mkdir", "chroot": ""} {
		group := explain.NewGroup(nil, explain.Filter{})
		attempts := NewAttempts(policyOf(t, "file,", fmt.Sprintf(filter, names)).Library, Target{Profile: "p"}, group)
		attempts.Add(parser.Attempt{Origin: parser.Origin{Transport: parser.ErrorOutput}, Syscall: "mkdir", Path: "/srv/a", Errno: "EPERM", Text: "mkdir"})
		assert.Empty(t, group.Findings())
		require.Len(t, attempts.Unexplained, 1)
		u := attempts.Unexplained[0]
		assert.Contains(t, u.Why, want)
		assert.Equal(t, want == "", u.Verdict.Of(layer.Seccomp).Standing == layer.RuledOut, names)
	}
}

// TestNamedLayers holds that the layers which texts name are those that are judged.
func TestNamedLayers(t *testing.T) {
	for _, r := range message.Rows() {
		assert.True(t, r.Layer == "" || layer.Layer(r.Layer).Title() != "", r.Text)
	}
	for line, want := range map[string]layer.Layer{
		"AppArmor enabled on system but the docker-default profile could not be loaded": layer.AppArmor,
		"error loading seccomp filter into kernel: errno 524":                           layer.Seccomp,
		"RTNETLINK answers: Operation not permitted":                                    layer.Capability,
		"permission denied while trying to connect to the Docker daemon socket":         layer.Mode,
	} {
		a, ok := message.Read(parser.Origin{}, line, seccomp.X86_64)
		require.True(t, ok, line)
		assert.Equal(t, want, layer.Judge(layer.Question{Attempt: &a, Container: &container.Container{}}).Layer, line)
	}
}

// What a kubelet says again and again, each time with another time and ID, is one.
func TestRepeatsOfAMessage(t *testing.T) {
	attempts := NewAttempts(policyOf(t, "file,", "").Library, Target{}, explain.NewGroup(nil, explain.Filter{}))
	for i := range 5 {
		line := fmt.Sprintf(`Dec 01 18:1%d:59 vm kubelet[558]: E1201 18:1%[1]d:59.817154     558 remote_runtime.go:498] "CreateContainer in sandbox from runtime service failed" err="rpc error: code = Unknown desc = failed to create containerd container: cannot load seccomp profile \"/var/lib/kubelet/seccomp/none.json\": open /var/lib/kubelet/seccomp/none.json: no such file or directory" podSandboxID="7bf33088d8075d349464e475c7b37561dfefe0e1bc9712f1451f737fc94a537%[1]d"`, i)
		a, ok := message.Read(parser.Origin{}, line, seccomp.X86_64)
		require.True(t, ok)
		attempts.Add(a)
	}
	require.Len(t, attempts.Unexplained, 1)
	assert.Equal(t, 5, attempts.Unexplained[0].Count)
	assert.True(t, attempts.Unexplained[0].IsDecided(), "the text says all")
}

// A profile that refuses every mount refused one of which a message does not tell the arguments.
func TestMountsOfAMessage(t *testing.T) {
	for rules, want := range map[string]layer.Standing{
		"file, deny mount,": layer.Refused, "file, mount fstype=tmpfs, deny mount,": layer.Refused, "file,": layer.Refused,
		"file, mount fstype=tmpfs,": layer.Open, "file, deny mount fstype=proc, mount,": layer.Open,
	} {
		attempts := NewAttempts(policyOf(t, rules, "").Library, Target{Profile: "p"}, explain.NewGroup(nil, explain.Filter{}))
		a, ok := message.Read(parser.Origin{}, "mount: mounting x on /tmp failed: Permission denied", seccomp.X86_64)
		require.True(t, ok)
		attempts.Add(a)
		require.Len(t, attempts.Unexplained, 1)
		assert.Equal(t, want, attempts.Unexplained[0].Verdict.Of(layer.AppArmor).Standing, rules)
	}
}
