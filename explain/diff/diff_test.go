package diff

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

func appArmor(t *testing.T, text string) library.Text {
	t.Helper()
	policy, diagnostics := (&apparmor.Loader{}).Load(rules.NewFile("policy", text))
	require.Empty(t, diagnostics)
	return library.Text{Name: "policy", AppArmor: policy.Profiles}
}

func filter(t *testing.T, text string) library.Text {
	t.Helper()
	profile, _, err := seccomp.Parse(rules.NewFile("seccomp.json", text))
	require.NoError(t, err)
	return library.Text{Name: "seccomp.json", Seccomp: profile}
}

// told is what a comparison says: kind, what, from, to.
func told(p Profile) (list []string) {
	for _, c := range p.Changes {
		text := string(c.Kind) + ": " + c.What
		if c.From+c.To != "" {
			text += " (" + c.From + " to " + c.To + ")"
		}
		list = append(list, text)
	}
	return list
}

func TestCompareAppArmor(t *testing.T) {
	for _, c := range []struct {
		name, old, new string
		want           []string
	}{
		{"reordered and refactored", "profile a {\n /a rw,\n /b r,\n}", "profile a {\n /b r,\n /a r,\n owner /b r,\n /a w,\n}", nil},
		{"each class", "profile a {\n}", "profile a {\n capability kill,\n network inet stream,\n signal send set=term peer=b,\n mount fstype=tmpfs tmpfs -> /m/,\n userns,\n}", []string{
			"gain: capability kill",
			"gain: network inet stream",
			"gain: of what `signal send set=term peer=b` names, such as signal (send) set=(term) peer=b",
			"gain: of what `mount fstype=tmpfs tmpfs -> /m/` names, such as mount fstype=tmpfs options=(rw) tmpfs -> /m/",
			"gain: of what `userns` names, such as userns create",
		}},
		{"silence", "profile a {\n audit deny /a r,\n /b r,\n}", "profile a {\n deny /a r,\n audit /b r,\n}", []string{"silenced: r on /a", "audited: r on /b"}},
		{"headers", "profile a /x flags=(attach_disconnected) {\n}", "profile a /y flags=(complain) {\n}", []string{
			"header: the mode (enforce to complain)", "header: the flags (attach_disconnected to )", "header: the programs that it attaches to (/x to /y)",
		}},
		{"exec", "profile a {\n /x px,\n}", "profile a {\n /x ux,\n}", []string{"exec: execution by ux in place of px on /x (px to ux)"}},
		{"links by what is granted to the files", "profile a {\n /l w,\n link subset /l -> /t*,\n /t* w,\n}", "profile a {\n /l rw,\n link subset /l -> /t*,\n /t* w,\n}", []string{
			"gain: r on /l",
			"loss: links such as /l to /t, refused for want of r on the target",
		}},
		{"all rules", "abi <abi/4.0>,\nprofile a {\n all,\n}", "abi <abi/4.0>,\nprofile a {\n all,\n deny capability kill,\n}", []string{"loss: capability kill"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			list := Compare(appArmor(t, c.old), appArmor(t, c.new), seccomp.Loader{})
			require.Len(t, list, 1)
			assert.Empty(t, list[0].Unknown)
			assert.Equal(t, c.want, told(list[0]))
			assert.Equal(t, c.want == nil, list[0].Equal())
		})
	}
}

func TestCompareProfilesOfOneName(t *testing.T) {
	list := Compare(appArmor(t, "profile a {}\nprofile b { /x r, }\nprofile c {}"), appArmor(t, "profile b { }\nprofile c {}\nprofile d {}"), seccomp.Loader{})
	only := map[string]string{}
	for _, p := range list {
		only[p.Name] = p.Only
	}
	assert.Equal(t, map[string]string{"a": "old", "b": "", "c": "", "d": "new"}, only)
	assert.True(t, list[1].Has(Loss))
	assert.True(t, list[2].Equal())
	assert.False(t, list[0].Equal())
}

// What cannot be followed to its end is not called equal.
func TestCompareUnknown(t *testing.T) {
	for text, why := range map[string]string{
		"profile a flags=(unconfined) {}": "one of the two is unconfined, and grants whatever the other does not",
	} {
		list := Compare(appArmor(t, "profile a { }"), appArmor(t, text), seccomp.Loader{})
		assert.Equal(t, why, list[0].Unknown)
		assert.False(t, list[0].Equal())
	}
}

func TestCompareSeccomp(t *testing.T) {
	const head = `{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"], `
	old := filter(t, head+`"syscalls": [{"names": ["read", "mount", "openat2"], "action": "SCMP_ACT_ALLOW"}, {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_NE"}]}]}`)
	same := filter(t, head+`"syscalls": [{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_NE"}]}, {"names": ["mount"], "action": "SCMP_ACT_ALLOW"}, {"names": ["openat2", "read"], "action": "SCMP_ACT_ALLOW"}]}`)
	list := Compare(old, same, seccomp.Loader{})
	require.Len(t, list, 1)
	assert.True(t, list[0].Equal(), "%+v", list[0])

	changed := filter(t, head+`"flags": ["SECCOMP_FILTER_FLAG_LOG"], "syscalls": [{"names": ["read", "socket", "bpf", "openat2"], "action": "SCMP_ACT_ALLOW"}, {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}`)
	list = Compare(old, changed, seccomp.Loader{})
	assert.Empty(t, list[0].Unknown)
	assert.Equal(t, []string{
		"gain: socket with all arguments that were answered so, such as socket(AF_VSOCK) (errno 1 (EPERM) to allow)",
		"gain: bpf with all arguments that were answered so, such as bpf(0) (errno 1 (EPERM) to allow)",
		"loss: mount (allow to errno 1 (EPERM))",
		"answer: clone3 (errno 1 (EPERM) to errno 38 (ENOSYS))",
		"logged: every refusal by errno, trap, trace or notification ( to SECCOMP_FILTER_FLAG_LOG)",
	}, told(list[0]))
	assert.Equal(t, rules.High, list[0].Risk())
}
