package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/parser"
)

// A sentence words what was tried for each class of requests; what of a later class is
// worded by access.Phrase alone, its own test knows.
func TestEachClassIsWorded(t *testing.T) {
	records := map[string]string{
		"FileRequest":          `operation="open" name="/a" requested_mask="r" denied_mask="r"`,
		"CapabilityRequest":    `operation="capable" capability=0 capname="chown"`,
		"NetworkRequest":       `operation="create" family="inet" sock_type="stream" requested_mask="create" denied_mask="create"`,
		"MountRequest":         `operation="mount" name="/b/" srcname="/a/" flags="ro, bind"`,
		"PivotRootRequest":     `operation="pivotroot" name="/new/" srcname="/old/"`,
		"PtraceRequest":        `operation="ptrace" requested_mask="trace" denied_mask="trace" peer="q"`,
		"SignalRequest":        `operation="signal" requested_mask="send" denied_mask="send" signal=term peer="q"`,
		"UnixRequest":          `operation="sendmsg" family="unix" sock_type="stream" requested_mask="send" denied_mask="send" addr=none peer_addr=none peer="q"`,
		"DBusRequest":          `operation="dbus_method_call" mask="send" bus="system" path="/x" interface="i" member="m" name=":1.5" peer_label="q"`,
		"ChangeProfileRequest": `operation="change_profile" name="q" target="q"`,
		"RlimitRequest":        `operation="setrlimit" rlimit=nofile value=5`,
		"UsernsRequest":        `operation="userns_create" class="namespace" requested="userns_create" denied="userns_create"`,
		"MqueueRequest":        `operation="open" class="posix_mqueue" name="/q" requested="open" denied="open"`,
		"IOUringRequest":       `operation="uring_sqpoll" class="io_uring" requested="sqpoll" denied="sqpoll"`,
	}
	for name, body := range records {
		denial, err := parser.Parse(`type=AVC msg=audit(1.000:1): apparmor="DENIED" profile="p" ` + body)
		require.NoError(t, err, name)
		req, err := access.Request(&denial)
		require.NoError(t, err, name)
		require.Equal(t, "apparmor."+name, fmt.Sprintf("%T", req))
		assert.NotEmpty(t, tried(NewFinding(explain.Explained{Finding: &explain.Finding{Denial: denial}}).Denial), name)
	}
}

// A connection that the server's profile refuses has the client's process, and says so.
func TestRefusedByTheServer(t *testing.T) {
	for mask, client := range map[string]bool{"send receive accept": true, "send receive connect": false} {
		denial, err := parser.Parse(`type=AVC msg=audit(1.000:1): apparmor="DENIED" profile="srv" operation="connect" family="unix" sock_type="stream" requested_mask="` +
			mask + `" denied_mask="send receive" addr="@x" peer_addr=none peer="client"`)
		require.NoError(t, err)
		said := ""
		for _, word := range tried(NewFinding(explain.Explained{Finding: &explain.Finding{Denial: denial}}).Denial) {
			said += string(word) + " "
		}
		said = strings.TrimSpace(said)
		assert.Equal(t, client, strings.HasSuffix(said, "at @x (peer client) as the server, of which this process is the client"), said)
		assert.Equal(t, !client, strings.HasPrefix(said, "connect a unix stream socket from @x"), said)
	}
}

// An address that the kernel writes in hexadecimal digits is told by its bytes.
func TestAddressOfBytes(t *testing.T) {
	denial, err := parser.Parse(`type=AVC msg=audit(1.000:1): apparmor="DENIED" profile="p" operation="bind" family="unix" sock_type="dgram" requested_mask="bind" denied_mask="bind" addr="@612062FF220A2A"`)
	require.NoError(t, err)
	assert.Equal(t, `bind a unix dgram socket to "@a b\xff\"\n*"`, string(escape.Join(tried(NewFinding(explain.Explained{Finding: &explain.Finding{Denial: denial}}).Denial), " ")))
}
