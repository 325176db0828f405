package explain_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// webProfile loads a profile named web with some rules.
func webProfile(t *testing.T, text string) *apparmor.Profile {
	t.Helper()
	loader := apparmor.Loader{}
	policy, diagnostics := loader.Load(rules.NewFile("web", "profile web {\n"+text+"\n}\n"))
	require.Empty(t, diagnostics)
	return policy.Profile("web")
}

// What AppArmor answers next is said where it refuses all of a kind, and only then.
func TestNextOfCall(t *testing.T) {
	for name, c := range map[string]struct{ rules, call, want string }{
		"denied":         {"deny mount,", "mount", "refuses mounts, too: `deny mount,`"},
		"no rule":        {"capability,", "mount", "no rule of it grants that"},
		"some":           {"capability,\nmount fstype=tmpfs,", "mount", ""},
		"all":            {"capability,\nmount,", "mount", ""},
		"umount":         {"capability,", "umount2", "refuses unmounting, too"},
		"root":           {"capability,", "pivot_root", "refuses pivot_root, too"},
		"trace":          {"capability,", "ptrace", "refuses traces of its own processes"},
		"own trace":      {"capability,\nptrace (trace) peer=web,", "ptrace", ""},
		"capability":     {"capability chown,", "sethostname", "refuses the capability CAP_SYS_ADMIN, too"},
		"its capability": {"capability sys_admin,", "sethostname", ""},
		"of two":         {"capability bpf,", "bpf", ""},
		"complain":       {"", "getpid", ""},
	} {
		got := explain.NextOfCall(webProfile(t, c.rules), seccomp.Call{Arch: seccomp.X86_64, Name: c.call})
		if c.want == "" {
			assert.Empty(t, got, name)
		} else {
			assert.Contains(t, got, c.want, name)
		}
	}
	assert.Empty(t, explain.NextOfCall(nil, seccomp.Call{Name: "mount"}))
}

// Where the kernel asks AppArmor first, what it asks for afterwards is said if the
// container does not have it.
func TestAfterAppArmor(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		caps []string
		want string
	}{
		"mount":      {`operation="mount" class="mount" info="failed flags match" error=-13 profile="web" name="/mnt/" pid=7 comm="m" fstype="tmpfs" srcname="none"`, []string{}, "CAP_SYS_ADMIN"},
		"with it":    {`operation="mount" class="mount" info="failed flags match" error=-13 profile="web" name="/mnt/" pid=7 comm="m" fstype="tmpfs" srcname="none"`, []string{"CAP_SYS_ADMIN"}, ""},
		"unknown":    {`operation="mount" class="mount" info="failed flags match" error=-13 profile="web" name="/mnt/" pid=7 comm="m" fstype="tmpfs" srcname="none"`, nil, ""},
		"raw socket": {`operation="create" class="net" profile="web" pid=7 comm="m" family="inet" sock_type="raw" protocol=1 requested_mask="create" denied_mask="create"`, []string{}, "CAP_NET_RAW"},
		"socket":     {`operation="create" class="net" profile="web" pid=7 comm="m" family="inet" sock_type="stream" protocol=6 requested_mask="create" denied_mask="create"`, []string{}, ""},
		"netlink":    {`operation="create" class="net" profile="web" pid=7 comm="m" family="netlink" sock_type="raw" protocol=0 requested_mask="create" denied_mask="create"`, []string{}, ""},
		"low port":   {`operation="bind" class="net" profile="web" pid=7 comm="m" laddr=0.0.0.0 lport=80 family="inet" sock_type="stream" protocol=6 requested_mask="bind" denied_mask="bind"`, []string{}, "CAP_NET_BIND_SERVICE"},
		"high port":  {`operation="bind" class="net" profile="web" pid=7 comm="m" laddr=0.0.0.0 lport=8080 family="inet" sock_type="stream" protocol=6 requested_mask="bind" denied_mask="bind"`, []string{}, ""},
	} {
		g := explain.NewGroup(func(container.Subject) container.Container {
			return container.Container{Name: "web", Confidence: container.High, Limits: &container.Limits{Effective: c.caps}}
		}, explain.Filter{})
		g.Add(denials(t, `type=AVC msg=audit(1795427689.211:1270): apparmor="DENIED" `+c.body+"\n")[0])
		found := explain.New(library.New(t.TempDir(), nil)).ExplainAll(g.Findings())
		require.Len(t, found, 1, name)
		said := strings.Join(found[0].Notes, "\n")
		if c.want == "" {
			assert.NotContains(t, said, "does not help alone", name)
		} else {
			assert.Contains(t, said, "after AppArmor the kernel asks for "+c.want, name)
		}
	}
}
