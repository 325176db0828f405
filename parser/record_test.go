package parser

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whatever shape a record was read from, it reads the same from the line that
// AppendLine makes of it.
func TestAppendLine(t *testing.T) {
	log := allShapes(t)
	for _, file := range logs(t, "corpus/*/*.log") {
		log = append(log, readLog(t, file)...)
	}
	denials, _ := Scan(nil, Block{File: "log", Body: log, Reference: reference})
	checked := 0
	for i := range denials {
		want := &denials[i]
		if want.Event.Records[want.Record].interpreted {
			continue
		}
		var line []byte
		for j := range want.Event.Records {
			line = want.Event.Records[j].AppendLine(line)
		}
		read, stats := Scan(nil, Block{File: "log", Body: line, Reference: reference})
		require.Len(t, read, 1, "%s", line)
		assert.Zero(t, stats.Unparsed, "%s", line)
		got := &read[0]
		assert.Equal(t, want.Event.Records[want.Record].Origin.UserSpace, got.Event.Records[got.Record].Origin.UserSpace, "%s", line)
		subject := want.Subject
		if want.Event.Records[want.Record].Serial == 0 { // companions are found by the serial
			subject.Argv, subject.Exe, subject.UID = got.Subject.Argv, got.Subject.Exe, got.Subject.UID
		}
		assert.Equal(t, subject, got.Subject, "%s", line)
		assert.Equal(t, want.Mode, got.Mode)
		assert.True(t, want.Time.Equal(got.Time), "%s", line)
		assert.Equal(t, want.AppArmor, got.AppArmor)
		assert.Equal(t, want.Seccomp, got.Seccomp)
		assert.Equal(t, string(pairsOf(want)), string(pairsOf(got)))
		checked++
	}
	assert.Greater(t, checked, 100)
}

func TestAppendLineForgesNothing(t *testing.T) {
	r := Record{Type: AVC, Serial: 7, Text: "apparmor=\"DENIED\"\ntype=AVC msg=audit(1.0:8): apparmor=\"DENIED\"\r\n"}
	line := string(r.AppendLine(nil))
	assert.Equal(t, 1, strings.Count(line, "\n"))
	assert.True(t, strings.HasPrefix(line, "type=AVC msg=audit(0.000:7): apparmor="), line)
}
