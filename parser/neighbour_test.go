package parser

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// neighbourRecords are records of neighbours as kernels write them, with the refusal that
// each is, if it is one.
var neighbourRecords = []struct {
	name string // type and number
	body string
	kind Neighbour
	want *Other
	who  Subject
	mode Mode
}{
	{"AVC 1400", `avc:  denied  { read write } for  pid=7 comm="c" name="x" dev="dm-0" ino=5 scontext=a:b_r:c_t:s0 tcontext=b tclass=file permissive=0`, SELinux,
		&Other{Module: SELinux, Access: "read write", Class: "file", Name: "x", Target: "b"}, Subject{PID: 7, Comm: "c", Label: "a:b_r:c_t:s0", UID: -1}, Denied},
	{"AVC 1400", `avc:  denied  { name_connect } for  pid=7 comm="c" dest=8080 scontext=a tcontext=b tclass=tcp_socket permissive=1`, SELinux,
		&Other{Module: SELinux, Access: "name_connect", Class: "tcp_socket", Name: "8080", Target: "b"}, Subject{PID: 7, Comm: "c", Label: "a", UID: -1}, Allowed},
	{"AVC 1400", `avc:  granted  { read } for  pid=7 comm="c" scontext=a tcontext=b tclass=file`, SELinux, nil, Subject{}, 0},
	{"AVC 1400", `lsm=SMACK fn=smack_inode_permission action=denied subject="a" object="b" requested=r pid=7 comm="c" name="x"`, Smack,
		&Other{Module: Smack, Access: "r", Name: "x", Target: "b"}, Subject{PID: 7, Comm: "c", Label: "a", UID: -1}, Denied},
	{"USER_AVC 1107", `pid=1 uid=0 msg='avc:  denied  { send_msg } for scontext=a tcontext=b tclass=dbus exe="/x"'`, SELinux,
		&Other{Module: SELinux, Access: "send_msg", Class: "dbus", Target: "b"}, Subject{Label: "a", UID: -1}, Denied},
	{"LANDLOCK_ACCESS 1423", `domain=195ba459b blockers=fs.refer path="/usr/bin" dev="vda2" ino=351`, LandlockAccess,
		&Other{Module: LandlockAccess, Access: "fs.refer", Name: "/usr/bin", Domain: "195ba459b"}, Subject{UID: -1}, Denied},
	{"LANDLOCK_DOMAIN 1424", `domain=195ba459b status=allocated mode=enforcing pid=300 uid=0 exe="/root/sandboxer" comm="sandboxer"`, LandlockDomain, nil, Subject{}, 0},
	{"IPE_ACCESS 1420", `ipe_op=EXECUTE ipe_hook=MMAP enforcing=1 pid=7 comm="c" path="/x" dev="tmpfs" ino=1 rule="DEFAULT op=EXECUTE action=DENY"`, IPE,
		&Other{Module: IPE, Access: "EXECUTE", Class: "MMAP", Name: "/x", Rule: "DEFAULT op=EXECUTE action=DENY"}, Subject{PID: 7, Comm: "c", UID: -1}, Denied},
	{"IPE_POLICY_LOAD 1422", `policy_name="a" policy_version=0.0.0`, IPE, nil, Subject{}, 0},
	{"FANOTIFY 1331", `resp=2 fan_type=1 fan_info=3137 subj_trust=3 obj_trust=5`, Fanotify,
		&Other{Module: Fanotify, Access: "open", Rule: "3137"}, Subject{UID: -1}, Denied},
	{"INTEGRITY_DATA 1800", `pid=7 uid=0 auid=4294967295 ses=4294967295 subj=unconfined op=appraise_data cause=invalid-signature comm="c" name="/x y" dev="vda1" ino=13 res=0 errno=0`, IMA,
		&Other{Module: IMA, Access: "appraise", Name: "/x y", Rule: "invalid-signature"}, Subject{PID: 7, Comm: "c", Label: "unconfined", UID: -1}, Denied},
	{"INTEGRITY_DATA 1800", `pid=7 uid=0 auid=0 ses=1 subj=kernel op=collect_data cause=hashing_error comm="c" name="/x" dev="vda1" ino=13 res=1 errno=0`, IMA, nil, Subject{}, 0},
	{"FANOTIFY 1331", `resp=2`, Fanotify, &Other{Module: Fanotify, Access: "open"}, Subject{UID: -1}, Denied},
	{"FANOTIFY 1331", `resp=1`, Fanotify, nil, Subject{}, 0},
	{"FANOTIFY 1331", `resp=1 fan_type=0 fan_info=0 subj_trust=2 obj_trust=2`, Fanotify, nil, Subject{}, 0},
}

func TestNeighbours(t *testing.T) {
	const stamp = "audit(1795960961.933:47): "
	for _, test := range neighbourRecords {
		word, number, _ := strings.Cut(test.name, " ")
		for _, log := range []string{
			"type=" + word + " msg=" + stamp + test.body,
			"type=UNKNOWN[" + number + "] msg=" + stamp + test.body,
			"[ 6680.755929] audit: type=" + number + " " + stamp + test.body,
			"audit: type=" + number + " " + stamp + test.body,
			"Nov 29 14:02:41 lab kernel: audit: type=" + number + " " + stamp + test.body,
			"Nov 29 14:02:41 lab audit[1]: " + word + " " + test.body,
			`{"_TRANSPORT":"audit","_AUDIT_TYPE":"` + number + `","_AUDIT_ID":"47","MESSAGE":"` + word + " " + quoteJSON(test.body) + `"}`,
			"Nov 29 14:02:41 lab audisp-syslog: type=" + word + " msg=" + stamp + test.body,
			"Nov 29 14:02:41 lab audisp-syslog: type=UNKNOWN[" + number + "] msg=" + stamp + test.body,
		} {
			denials, stats := scanString(t, log+"\n")
			assert.Zero(t, stats.Unparsed, log)
			var want [Neighbours]int
			want[test.kind] = 1
			assert.Equal(t, want, stats.Neighbours, log)
			if test.want == nil {
				assert.Empty(t, denials, log)
				continue
			}
			require.Len(t, denials, 1, log)
			assert.Equal(t, test.want, denials[0].Other, log)
			assert.Equal(t, test.who, denials[0].Subject, log)
			assert.Equal(t, test.mode, denials[0].Mode, log)
		}
	}
}

// TestPastedNeighbours holds that records of neighbours are read where they were quoted,
// marked up and wrapped.
func TestPastedNeighbours(t *testing.T) {
	const avc = `type=AVC msg=audit(1795960961.933:47): avc:  denied  { read } for  pid=12 comm="nginx" name="x.html" dev="sda1" ino=131 ` +
		`scontext=system_u:system_r:container_t:s0:c1,c2 tcontext=unconfined_u:object_r:user_home_t:s0 tclass=file permissive=0`
	const landlock = `type=LANDLOCK_ACCESS msg=audit(1795960961.933:47): domain=195ba459b blockers=fs.refer path="/usr/bin" dev="vda2" ino=351`
	for record, head := range map[string]int{avc: 8, landlock: 3} { // the fields are after as many words
		whole, _ := scanString(t, record+"\n")
		require.Len(t, whole, 1)
		words := strings.Fields(record)
		for _, log := range []string{
			"> " + record, "- `" + record + "`", "> " + strings.Join(words[:head], " ") + "\n> " + strings.Join(words[head:], " "),
			strings.Join(words[:len(words)-3], " ") + " \\\n  " + strings.Join(words[len(words)-3:], " "),
			strings.Join(words[:max(head, 3)], " ") + "\n  " + strings.Join(words[max(head, 3):], " "),
			"Nov 29 14:02:41 lab kernel: audit: " + strings.Join(words[:len(words)-2], " ") + "\n    " + strings.Join(words[len(words)-2:], " "),
		} {
			denials, stats := scanString(t, log+"\n")
			assert.Zero(t, stats.Unparsed, log)
			if assert.Len(t, denials, 1, log) {
				assert.Equal(t, whole[0].Other, denials[0].Other, log)
				assert.Equal(t, whole[0].Subject, denials[0].Subject, log)
			}
		}
	}
	for _, log := range []string{ // wrapped before what was refused, and within it
		strings.Replace(avc, "{ read }", "{\nread }", 1), strings.Replace(avc, "{ read }", "{ read\n}", 1), strings.Replace(avc, "denied  {", "denied\n{", 1),
		strings.Replace(avc, "avc:  denied", "avc:\ndenied", 1), "> " + strings.Replace(avc, "{ read }", "{ read\n> }", 1), strings.Replace(avc, "} for", "}\nfor", 1),
		strings.Replace(strings.Replace(avc, "type=AVC msg=", "Nov 29 14:02:41 lab kernel: audit: type=1400 ", 1), "denied  {", "denied  {\n  ", 1),
	} {
		denials, stats := scanString(t, log+"\n")
		assert.Zero(t, stats.Unparsed, log)
		if assert.Len(t, denials, 1, log) {
			assert.Equal(t, "read", denials[0].Other.Access, log)
			assert.Equal(t, "file", denials[0].Other.Class, log)
		}
	}
	denials, _ := scanString(t, strings.Replace(avc, "{ read }", "{ read\nwrite }", 1)+"\n")
	require.Len(t, denials, 1)
	assert.Equal(t, "read write", denials[0].Other.Access)
	abend := "> type=ANOM_ABEND msg=audit(1795960961.933:48): auid=4294967295 uid=0 gid=0\n> ses=4294967295 subj=docker-default pid=7 comm=\"w\" exe=\"/w\"\n> sig=31 res=1\n"
	denials, _ = scanString(t, abend)
	require.Len(t, denials, 1)
	assert.True(t, denials[0].Seccomp.Suspected)
}

// The process that Landlock refused, and the file that a fanotify program did, are in
// other records of the event.
func TestNeighbourEvent(t *testing.T) {
	const landlock = `type=UNKNOWN[1423] msg=audit(1.2:9): domain=195ba459b blockers=fs.read_file path="/etc/x" dev="vda2" ino=3
type=UNKNOWN[1424] msg=audit(1.2:9): domain=195ba459b status=allocated mode=enforcing pid=30 uid=0 exe="/root/sandboxer" comm="sandboxer"
type=SYSCALL msg=audit(1.2:9): arch=c000003e syscall=257 success=no exit=-13 pid=31 uid=0 comm="cat" exe="/bin/cat" key=(null)
`
	x := one(t, landlock)
	assert.Equal(t, "195ba459b", x.Other.Domain)
	assert.Equal(t, LANDLOCKDOMAIN, x.Event.Records[1].Type)
	assert.Equal(t, Subject{PID: 31, Comm: "cat", Exe: "/bin/cat", UID: -1}, x.Subject)
	without, _, _ := strings.Cut(landlock, "type=SYSCALL")
	assert.Equal(t, Subject{PID: 30, Comm: "sandboxer", Exe: "/root/sandboxer", UID: -1}, one(t, without).Subject, "who made the domain")
	x = one(t, `type=FANOTIFY msg=audit(1.2:9): resp=2 fan_type=1 fan_info=3137 subj_trust=3 obj_trust=5
type=PATH msg=audit(1.2:9): item=0 name="/tmp/x" inode=9
type=SYSCALL msg=audit(1.2:9): arch=c000003e syscall=257 success=no exit=-1 pid=31 uid=0 comm="cat" exe="/bin/cat"
`)
	assert.Equal(t, "/tmp/x", x.Other.Name)
	assert.Equal(t, "cat", x.Subject.Comm)
}
