package access

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// Under which texts a record is possible.
func TestPossible(t *testing.T) {
	const (
		userns = `apparmor="DENIED" operation="userns_create" class="namespace" profile="p" pid=7 comm="x" requested="userns_create" denied="userns_create"`
		unix   = `apparmor="DENIED" operation="create" class="net" info="failed protocol match" error=-13 profile="p" pid=7 comm="x" family="unix" sock_type="dgram" protocol=0 requested="create" denied="create" addr=none`
		old    = `apparmor="DENIED" operation="create" profile="p" pid=7 comm="x" family="unix" sock_type="dgram" protocol=0 requested_mask="create" denied_mask="create"`
		signal = `apparmor="DENIED" operation="signal" class="signal" profile="p" pid=7 comm="runc" requested_mask="receive" denied_mask="receive" signal=kill peer="runc"`
		gone   = `apparmor="DENIED" operation="open" class="file" info="Failed name lookup - disconnected path" error=-13 profile="p" name="a" pid=7 comm="x" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`
		learnt = `apparmor="ALLOWED" operation="open" class="file" profile="p" name="/a" pid=7 comm="x" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`
	)
	for _, c := range []struct{ record, head, body, why string }{
		{userns, "abi <abi/3.0>,", "", "under its abi 3.0 the kernel asks it about no such access"},
		{userns, "", "", ""},
		{userns, "abi <abi/4.0>,", "", ""},
		{userns, "abi <abi/4.0>,", "userns,", "its rules allow it"},
		{unix, "", "network,", ""},
		{unix, "", "network unix,", "its rules allow it"},
		{unix, "abi <abi/3.0>,", "network,", "its rules allow it"},
		{unix, "", "unix,", "its rules allow it"},
		{unix, "", "", ""},
		{old, "", "network,", "its rules allow it"},
		{signal, "", "signal (receive) peer=unconfined,", ""},
		{signal, "", "signal (receive) peer=runc,", "its rules allow it"},
		{gone, "", "/** r,", ""},
		{gone, "", "/** r, } profile q {", ""},
		{learnt, "", "/** r,", ""},
	} {
		d, _ := parser.Scan(nil, parser.Block{File: "log", Body: []byte("type=AVC msg=audit(1795427169.844:1): " + c.record + "\n")})
		require.Len(t, d, 1)
		policy, _ := new(apparmor.Loader).Load(rules.NewFile("p", c.head+"\nprofile p {\n"+c.body+"\n}\n"))
		ok, why := Possible(&d[0], policy.Profile("p"))
		assert.Equal(t, c.why == "", ok, "%s%s: %s", c.head, c.body, c.record)
		assert.Equal(t, c.why, why)
	}
	d, _ := parser.Scan(nil, parser.Block{File: "log", Body: []byte("type=AVC msg=audit(1795427169.844:1): " + gone + "\n")})
	policy, _ := new(apparmor.Loader).Load(rules.NewFile("p", "profile p flags=(attach_disconnected) {\n}\n"))
	_, why := Possible(&d[0], policy.Profile("p"))
	assert.Equal(t, "it has the flag attach_disconnected", why)
}
