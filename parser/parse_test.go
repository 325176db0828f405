package parser

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const record = `audit(1795427172.956:20): apparmor="DENIED" operation="open" profile="web" name="/srv/a" pid=181 comm="cat" requested_mask="w" denied_mask="w" fsuid=0 ouid=0`

// TestParse holds that one record is read whatever its shape, with its event.
func TestParse(t *testing.T) {
	for _, text := range []string{
		"type=AVC msg=" + record,
		"type=AVC msg=" + record + "\n",
		"\ntype=AVC msg=" + record + "\r\n",
		"[   18.157759] audit: type=1400 " + record,
		"5,1234,18157759,-;audit: type=1400 " + record + "\n",
		"Nov 23 09:46:16 host kernel: audit: type=1400 " + record,
		`{"_TRANSPORT":"kernel","MESSAGE":"audit: type=1400 ` + `audit(1795427172.956:20): apparmor=\"DENIED\" operation=\"open\" profile=\"web\" name=\"/srv/a\" pid=181 comm=\"cat\" requested_mask=\"w\" denied_mask=\"w\""}`,
		"_TRANSPORT=kernel\nMESSAGE=audit: type=1400 " + record + "\n\n",
	} {
		d, err := Parse(text)
		require.NoError(t, err, text)
		assert.Equal(t, "/srv/a", d.AppArmor.Name, text)
	}
	d, err := Parse("type=AVC msg=" + record + "\ntype=SYSCALL msg=audit(1795427172.956:20): arch=c000003e syscall=257 exe=\"/bin/cat\"\n")
	require.NoError(t, err)
	assert.Equal(t, "/bin/cat", d.Subject.Exe)
}

func TestParseNone(t *testing.T) {
	for text, want := range map[string]string{
		"": "no AppArmor or SECCOMP record",
		"Nov 23 09:46:16 host kernel: eth0: link up":                             "no AppArmor or SECCOMP record",
		"type=SYSCALL msg=audit(1.000:1): arch=c000003e syscall=257":             "no AppArmor or SECCOMP record",
		"type=AVC msg=" + record + "\ntype=AVC msg=" + record:                    "has 2 records",
		`type=AVC msg=audit(1.000:1): apparmor="DENIED" operation="open" name="`: "not understood: ",
	} {
		_, err := Parse(text)
		assert.ErrorContains(t, err, want, text)
	}
}
