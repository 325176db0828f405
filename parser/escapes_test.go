package parser

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestJSONObjects(t *testing.T) {
	for text, want := range map[string]string{
		`{"MESSAGE":"a\"\\\/\b\f\n\r\tc"}`:                      "a\"\\/\b\f\n\r\tc",
		`{"MESSAGE":"\u00e9\ud83d\ude00\ud83dx\uzz"}`:           "é😀\ufffdx\ufffdzz",
		`{ "X" : 1.5 , "Y":null,"MESSAGE" : "a" }`:              "a",
		`{"MESSAGE":["a","b"]}`:                                 "a",
		`{"MESSAGE":[ 97, 255 ,300]}`:                           "a\xff,",
		`{"MESSAGE":"\x1b[0m"}`:                                 "\x1b[0m",
		`{"MESSAGE":"a" "Y":"b"}`:                               "a",
		"{\n\t\"MESSAGE\" : \"a\",\n\t\"Y\" : [\n\t\t1\n\t]\n}": "a",
		`{"a":{"b":[{"MESSAGE":"c"},{}]},"MESSAGE":"a"}`:        "a",
		"{}": "",
	} {
		var e entry
		assert.True(t, e.parseJSON([]byte(text)), text)
		assert.Equal(t, want, e.message, text)
		var std struct{ MESSAGE any }
		if err := json.Unmarshal([]byte(text), &std); err == nil {
			if s, ok := std.MESSAGE.(string); ok {
				assert.Equal(t, s, e.message, "as encoding/json")
			}
		}
	}
	for _, text := range []string{`{`, `{"`, `{"a`, `{"a"`, `{"a":`, `{"a":"b`, `{"a":"b\`, `{"a":"b"`, `{"a":[1`, `{"a":[x]}`, `{"a":{}`, `{a:1}`, `{"a"1}`} {
		var e entry
		assert.False(t, e.parseJSON([]byte(text)), text)
	}
}

func TestKmsgEscapes(t *testing.T) {
	assert.Equal(t, "a\nb\\xzz\\", unescapeKmsg(`a\x0ab\xzz\`))
	assert.Equal(t, "ü\\", unescapeKmsg(`\xc3\xbc\x5c`))
	denials, _ := scanString(t, `5,1,2,-;audit: type=1400 audit(1.2:3): apparmor="DENIED" operation="mount" info="a\x5cb" profile="p" pid=1`+"\n")
	require.Len(t, denials, 1)
	assert.Equal(t, `a\b`, denials[0].AppArmor.Info)
}

// What ausearch -i replaces by names comes back where it can.
func TestInterpretedNames(t *testing.T) {
	denials, _ := scanString(t, `type=AVC msg=audit(11/23/26 09:42:59.597:47) : apparmor=DENIED operation=capable class="cap" info=optional: no audit error=-13 profile=p q pid=5 comm=x  y capability=sys_admin  capname="sys_admin" fsuid=unknown(1000) ouid=alice family=unspecified flags=MAP_FILE `+"\n")
	require.Len(t, denials, 1)
	assert.Equal(t, &AppArmor{Operation: "capable", Class: "cap", Info: "optional: no audit", Error: -13, Profile: "p q",
		Capability: num(21), CapName: "sys_admin", FSUID: num(1000)}, denials[0].AppArmor)
	assert.Equal(t, Subject{PID: 5, Comm: "x  y", Label: "p q", UID: 1000}, denials[0].Subject)
	for name, want := range map[string]uint32{
		"x86_64": 0xc000003e, "i386": 0x40000003, "aarch64": 0xc00000b7, "armeb": 0x40000028, "ppc64le": 0xc0000015, "ppc64": 0x80000015,
		"ppc": 0x14, "s390x": 0x80000016, "s390": 0x16, "riscv64": 0xc00000f3, "loongarch64": 0xc0000102, "unknown-elf-type(c0000032)": 0xc0000032,
	} {
		got, ok := archOf(name, true)
		assert.True(t, ok)
		assert.Equal(t, want, got, name)
		_, ok = archOf(name, false)
		assert.False(t, ok, name)
	}
}

// The kernel prints what user space sends it when no auditd listens.
func TestUserRecordInRingBuffer(t *testing.T) {
	denials, stats := scanString(t, `[ 12.3] audit: type=1107 audit(1795427690.100:500): pid=513 uid=102 auid=4294967295 ses=4294967295 subj=unconfined msg='apparmor="DENIED" operation="dbus_signal"  bus="system" mask="receive" pid=1000 label="l" peer_label="m" exe="/usr/bin/dbus-daemon" sauid=102 hostname=? addr=? terminal=?'`+"\n")
	require.Len(t, denials, 1)
	assert.Zero(t, stats.Unparsed)
	r := denials[0].Event.Records[0]
	assert.Equal(t, USERAVC, r.Type)
	assert.False(t, r.Origin.UserSpace)
	assert.Equal(t, 1000, denials[0].Subject.PID)
	assert.Equal(t, "513", r.Text[strings.Index(r.Text, "pid=")+4:][:3])
}
