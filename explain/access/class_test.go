package access

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// recordOf returns the denial of a record with this body.
func recordOf(t *testing.T, body string) *parser.Denial {
	t.Helper()
	denials, _ := parser.Scan(nil, parser.Block{Body: []byte("type=AVC msg=audit(1.000:1): apparmor=\"DENIED\" " + body + "\n")})
	require.Len(t, denials, 1, body)
	return &denials[0]
}

// worded are the classes that explain/report words, as they take more than a phrase.
const worded = " file, cap, net, unix, signal, ptrace, mount, pivot_root, domain, mqueue posix_mqueue sysv_mqueue, dbus,"

// TestSameRequest holds that an access is the same request as a record, as a line of a
// batch, and in words, and that policy can say it. The record or the line is "" where
// there is none such.
func TestSameRequest(t *testing.T) {
	covered, types, narrowed := map[*class]bool{}, map[reflect.Type]bool{}, map[*class]bool{}
	for _, test := range []struct {
		record, line, words string
		want                apparmor.Request
	}{
		{`operation="open" profile="p" name="/a" requested_mask="wc" denied_mask="wc" fsuid=0 ouid=1`,
			`{"class":"file","name":"/a","mask":"w"}`, `open /a w`, apparmor.FileRequest{Path: "/a", Perms: apparmor.Write}},
		{`operation="exec" class="file" profile="p" name="/a" requested_mask="x" denied_mask="x" fsuid=0 ouid=1 target="b"`,
			`{"class":"exec","name":"/a","target":"b"}`, `exec /a -> b`, apparmor.FileRequest{Path: "/a", Perms: apparmor.Exec}},
		{`operation="link" profile="p" name="/new" requested_mask="l" denied_mask="l" fsuid=0 ouid=1 target="/old"`,
			`{"class":"link","name":"/new","target":"/old"}`, `link /new -> /old`, apparmor.FileRequest{Path: "/new", Perms: apparmor.Link, Target: "/old"}},
		{`operation="link" profile="p" name="/new" requested_mask="wd" denied_mask="wd" fsuid=0 ouid=1 target="/old"`,
			`{"operation":"link","name":"/new","target":"/old","mask":"wd"}`, `/old w`, apparmor.FileRequest{Path: "/old", Perms: apparmor.Write}},
		{`operation="capable" profile="p" capability=21 capname="sys_admin"`,
			`{"class":"capability","capname":"CAP_SYS_ADMIN"}`, `capable sys_admin`, apparmor.CapabilityRequest{Name: "sys_admin"}},
		{`operation="setrlimit" profile="p" info="cap_sys_resource" rlimit=nofile value=5`,
			`{"class":"rlimits","info":"cap_sys_resource","rlimit":"nofile","value":5}`, `capable sys_resource`, apparmor.CapabilityRequest{Name: "sys_resource"}},
		{`operation="setrlimit" profile="p" rlimit=nofile value=18446744073709551615`,
			`{"class":"rlimit","rlimit":"RLIMIT_NOFILE","value":-1}`, `rlimit nofile infinity`, apparmor.RlimitRequest{Name: "nofile", Value: 1<<64 - 1}},
		{`operation="bind" profile="p" family="inet" sock_type="stream" protocol=6 requested_mask="bind" denied_mask="bind" laddr=1.2.3.4 lport=80`,
			`{"class":"net","family":"inet","sock_type":"stream","mask":"bind","laddr":"1.2.3.4","lport":"80"}`, `network inet stream bind ip=1.2.3.4 port=80`,
			apparmor.NetworkRequest{Family: "inet", Type: "stream", Perms: apparmor.Bind, IP: "1.2.3.4", Port: "80"}},
		{`operation="connect" class="net" profile="p" family="unix" sock_type="stream" requested_mask="send connect" denied_mask="send connect" addr=none peer_addr="@x" peer="q"`,
			`{"class":"unix","type":"stream","mask":"send,connect","addr":"none","peer_addr":"@x","peer_label":"q"}`, `unix (send, connect) type=stream addr=none peer_addr=@x peer_label=q`,
			apparmor.UnixRequest{Type: "stream", Perms: apparmor.Send | apparmor.Connect, Addr: "none", PeerAddr: "@x", PeerLabel: "q"}},
		{`operation="signal" profile="p" requested_mask="send" denied_mask="send" signal=term peer="q"`,
			`{"class":"signal","mask":"send","signal":"SIGTERM","peer":"q"}`, `signal send term q`, apparmor.SignalRequest{Perms: apparmor.Send, Signal: "term", Peer: "q"}},
		{`operation="ptrace" profile="p" requested_mask="trace" denied_mask="trace" peer="q"`,
			`{"class":"ptrace","mask":"trace","peer":"q"}`, `ptrace trace q`, apparmor.PtraceRequest{Perms: apparmor.Trace, Peer: "q"}},
		{`operation="mount" profile="p" name="/b/" srcname="/a/" flags="ro, bind"`,
			`{"class":"mount","name":"/b/","srcname":"/a/","flags":["ro","bind"]}`, `mount options=(ro, bind) /a/ -> /b/`,
			apparmor.MountRequest{Op: "bind", Source: "/a/", Target: "/b/", Flags: []string{"ro", "bind"}}},
		{`operation="mount" profile="p" name="/b/" flags="ro, remount, bind"`,
			`{"class":"remount","name":"/b/","flags":"ro, remount, bind"}`, `remount options=(ro,remount,bind) /b/`,
			apparmor.MountRequest{Op: "remount", Target: "/b/", Flags: []string{"ro", "remount", "bind"}}},
		{`operation="umount" profile="p" name="/b/"`, `{"class":"umount","name":"/b/"}`, `umount /b/`, apparmor.MountRequest{Op: "umount", Target: "/b/"}},
		{`operation="pivotroot" class="mount" profile="p" name="/new/" srcname="/old/"`,
			`{"class":"pivot_root","name":"/new/","srcname":"/old/"}`, `pivot_root oldroot=/old/ /new/`, apparmor.PivotRootRequest{NewRoot: "/new/", OldRoot: "/old/"}},
		{`operation="change_profile" class="domain" profile="p" name="q" target="q"`,
			`{"class":"change_profile","target":"q"}`, `change_profile -> q`, apparmor.ChangeProfileRequest{Target: "q"}},
		{`operation="stack" profile="p" name="q"`, `{"operation":"stack","target":"q"}`, `change_profile &q`, apparmor.ChangeProfileRequest{Target: "&q"}},
		{"", `{"class":"change_profile","target":"q","exec":"/x"}`, `change_profile /x -> q`, apparmor.ChangeProfileRequest{Target: "q", OnExec: "/x"}},
		{`operation="userns_create" class="namespace" profile="p" requested="userns_create" denied="userns_create"`,
			`{"class":"userns"}`, `userns`, apparmor.UsernsRequest{}},
		{`operation="open" class="posix_mqueue" profile="p" name="/q" requested="open" denied="open"`,
			`{"class":"mqueue","type":"posix","name":"/q","mask":"open"}`, `mqueue open /q`, apparmor.MqueueRequest{Perms: apparmor.Open, Type: "posix", Name: "/q"}},
		{"", `{"class":"sysv_mqueue","name":"123","mask":"read","label":"q"}`, `mqueue read type=sysv label=q 123`,
			apparmor.MqueueRequest{Perms: apparmor.Read, Type: "sysv", Name: "123", Label: "q"}},
		{`operation="uring_sqpoll" class="io_uring" profile="p" requested="sqpoll" denied="sqpoll"`,
			`{"operation":"uring_sqpoll"}`, `io_uring sqpoll`, apparmor.IOUringRequest{Perms: apparmor.SQPoll}},
		{`operation="uring_override" class="io_uring" profile="p" requested="override_creds" denied="override_creds" tcontext="q"`,
			`{"operation":"uring_override","label":"q"}`, `io_uring override_creds label=q`, apparmor.IOUringRequest{Perms: apparmor.OverrideCreds, Label: "q"}},
		{`operation="dbus_method_call" profile="p" mask="send" denied_mask="send" bus="system" path="/x" interface="i" member="m" name=":1.5" peer_label="q"`,
			`{"class":"dbus","mask":"send","bus":"system","path":"/x","interface":"i","member":"m","peer":"q"}`, `dbus send bus=system path=/x interface=i member=m peer_label=q`,
			apparmor.DBusRequest{Perms: apparmor.Send, Bus: "system", Path: "/x", Interface: "i", Member: "m", PeerLabel: "q"}},
		{`operation="dbus_eavesdrop" profile="p" mask="eavesdrop" bus="system" path="/x" interface="i" member="m" name=":1.5" peer_label="q"`,
			`{"class":"dbus","mask":"eavesdrop","bus":"system"}`, `dbus eavesdrop bus=system`,
			apparmor.DBusRequest{Perms: apparmor.Eavesdrop, Bus: "system"}},
		{`operation="dbus_eavesdrop" profile="p" bus="system"`,
			`{"operation":"dbus_eavesdrop","bus":"system"}`, `dbus eavesdrop bus=system`,
			apparmor.DBusRequest{Perms: apparmor.Eavesdrop, Bus: "system"}},
		{`operation="link" profile="p" name="/b" requested_mask="l" denied_mask="l" name2="/a"`,
			`{"operation":"link","name":"/b","target":"/a"}`, `link /b -> /a`, apparmor.FileRequest{Path: "/b", Target: "/a", Perms: apparmor.Link}},
	} {
		check := func(d *parser.Denial, err error, from string) {
			require.NoError(t, err, from)
			req, err := Request(d)
			require.NoError(t, err, from)
			assert.Equal(t, test.want, req, from)
			covered[classOf(d.AppArmor)], types[reflect.TypeOf(req)] = true, true
		}
		if test.record != "" {
			check(recordOf(t, test.record), nil, test.record)
		}
		asked, err := Read([]byte(test.line), Known{})
		check(asked.Denial, err, test.line)
		d, err := Parse(test.words, false)
		check(d, err, test.words)
		_, _, err = Written(test.want)
		assert.NoError(t, err, test.words)
		narrowed[classOf(d.AppArmor)] = inPolicy(t, test.want) || narrowed[classOf(d.AppArmor)]
	}
	for _, req := range apparmor.Requests() {
		assert.True(t, types[reflect.TypeOf(req)], "%T", req)
	}
	for i := range classes {
		c := &classes[i]
		assert.True(t, covered[c], "class %s", c.names)
		assert.True(t, len(c.phrases) > 0 || strings.Contains(worded, " "+c.names+","), "class %s has no phrase", c.names)
		if c.names != "net" && c.names != "unix" && c.names != "domain" { // of which no rule refuses one access alone
			assert.True(t, narrowed[c], "class %s", c.names)
		}
	}
}

// inPolicy holds that policy can say the request: the rule for it grants it and is seen to
// grant something, and as a deny rule refuses it. It reports whether that can be narrowed
// to leave out the request and nothing else.
func inPolicy(t *testing.T, req apparmor.Request) (narrowed bool) {
	t.Helper()
	rule := apparmor.RuleFor(req, apparmor.Transition{Mode: apparmor.Inherit})
	profileOf := func(body string) *apparmor.Profile {
		policy, diagnostics := (&apparmor.Loader{}).Load(rules.NewFile("p", "profile p {\n  "+body+"\n}\n"))
		require.Empty(t, rules.Errors(diagnostics), body)
		return policy.Profile("p")
	}
	granting := profileOf(rule)
	assert.True(t, granting.Grants(req), rule)
	if _, isLimit := req.(apparmor.RlimitRequest); isLimit {
		return true // what no rule says is granted, and nothing is denied
	}
	empty := profileOf("")
	assert.False(t, empty.Grants(req), rule)
	gains, complete := apparmor.Gains(empty, granting)
	assert.True(t, complete && len(gains) > 0, rule)
	denying := profileOf(rule + "\n  deny " + apparmor.RuleFor(req, apparmor.Transition{}))
	d := denying.Decide(req)
	require.Len(t, d.Deny, 1, rule)
	_, narrowed = denying.NarrowDeny(d.Deny[0], req, d.Refused)
	return narrowed
}

// TestNoRequest holds that what rules do not decide on, or a record does not say whole,
// is no request.
func TestNoRequest(t *testing.T) {
	for body, want := range map[string]string{
		`operation="syscall" profile="p" name="mount"`:                                            `no rule decides on class "", operation "syscall"`,
		`operation="change_hat" profile="p" name="h"`:                                             `no rule decides on class "", operation "change_hat"`,
		`operation="open" class="xattr" profile="p" name="/a" requested_mask="r"`:                 `no rule decides on class "xattr", operation "open"`,
		`operation="open" profile="p" name="/a" requested_mask="rQ" denied_mask="rQ"`:             `'Q' is no file permission`,
		`operation="open" profile="p" name="/a"`:                                                  `mask is missing`,
		`operation="open" profile="p" requested_mask="r"`:                                         `name is missing`,
		`operation="capable" profile="p"`:                                                         `capname is missing`,
		`operation="signal" profile="p" requested_mask="send" denied_mask="send"`:                 `signal is missing`,
		`operation="signal" profile="p" requested_mask="hear" denied_mask="hear" signal=term`:     `"hear" is no permission here`,
		`operation="setrlimit" profile="p" rlimit=nofile value=many`:                              `the limit "many" is no number`,
		`operation="create" profile="p" family="inet" requested_mask="create" sock_type=""`:       `sock_type is missing`,
		`operation="mount" profile="p" flags="ro"`:                                                `name is missing`,
		`operation="file_perm" class="posix_mqueue" profile="p" name="/q" requested="" denied=""`: `the permission is missing`,
	} {
		_, err := Request(recordOf(t, body))
		assert.ErrorContains(t, err, want, body)
	}
}

// TestUsage holds that the help fits a terminal, and that each access in it is one.
func TestUsage(t *testing.T) {
	for line := range strings.Lines(Usage()) {
		assert.LessOrEqual(t, len(line), 81, line)
	}
	for name, v := range verbs {
		_, err := Parse(name+" one two three four five", false)
		assert.ErrorContains(t, err, strings.TrimSpace("; write "+name+" "+v.usage))
	}
}
