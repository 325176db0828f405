package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestCompiledPolicy holds what the commands do with a profile that has no source.
func TestCompiledPolicy(t *testing.T) {
	const (
		compiled = "../../rules/apparmor/binary/testdata/new.bin"
		record   = `type=AVC msg=audit(1795427169.844:13): apparmor="DENIED" operation="open" profile="new" name="/etc/x" pid=7 comm="sh" requested_mask="w" denied_mask="w" fsuid=0 ouid=0` + "\n"
	)
	for _, test := range []struct {
		args  string
		stdin string
		exit  int
		want  string
	}{
		{"query --access open_/etc/x_w", "", 3, "nothing in the loaded profile grants w below /etc/"},
		{"query --access open_/srv/w_w", "", 0, "granted: open /srv/w w  (profile new)"},
		{"query --access userns_create", "", 0, "granted"},
		{"query --access mqueue_read_/a", "", 0, "compiled without mqueue rules"},
		{"query --name new//child --access open_/y_r", "", 0, "granted"},
		{"query", `{"profile":"new//child","class":"file","name":"/z","mask":"r"}` + "\n", 3, `"decision":"refused"`},
		{"explain -", record, 3, "no-matching-rule — the loaded profile refuses w"},
		{"explain - --format sarif", record, 3, "no-matching-rule"},
		{"patch -", record, 3, "0 findings fixed, 1 left"},
		{"observe", "", 1, "has no rules to change"},
	} {
		t.Run(test.args, func(t *testing.T) {
			args := append(strings.Fields(test.args), "--profile", compiled)
			for i, arg := range args {
				if i > 0 && args[i-1] == "--access" {
					args[i] = strings.ReplaceAll(arg, "_", " ")
				}
			}
			var out bytes.Buffer
			exit := run(context.Background(), args, strings.NewReader(test.stdin), &out, &out)
			assert.Equal(t, test.exit, exit, "%s", &out)
			assert.Contains(t, strings.Join(strings.Fields(out.String()), " "), strings.Join(strings.Fields(test.want), " "))
		})
	}
}
