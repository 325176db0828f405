package source

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// journalctl stands for the program: it notes how it was called and runs a
// script, which knows how often it was called before as $n.
func journalctl(t *testing.T, script string) (command string, calls func() []string) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("needs sh")
	}
	command = filepath.Join(t.TempDir(), "journalctl")
	text := fmt.Sprintf("#!/bin/sh\necho \"$*\" >>%[1]s.calls\nn=$(($(wc -l <%[1]s.calls)-1))\n%s\n", command, script)
	require.NoError(t, os.WriteFile(command, []byte(text), 0o700))
	return command, func() []string {
		text, err := os.ReadFile(command + ".calls")
		require.NoError(t, err)
		return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	}
}

func followJournal(t *testing.T, command string, from Start) *watched {
	j := &journalTail{command: command, from: from, began: time.Unix(1795427685, 7000), pause: time.Millisecond}
	return watch(t, &Live{Name: "journal", from: from, stream: j})
}

// entry is a line of journalctl -o json, with what looks like a cursor in its
// message.
const entry = `printf '{"__CURSOR":"s=%d","_TRANSPORT":"audit","_AUDIT_TYPE":"1400","_AUDIT_ID":"%d","_SOURCE_REALTIME_TIMESTAMP":"1795427685001000","MESSAGE":"AVC apparmor=\\"DENIED\\" operation=\\"open\\" profile=\\"web\\" name=\\"/line/%d\\" pid=7 comm=\\"\\\\\\"__CURSOR\\\\\\":\\\\\\"x\\" requested_mask=\\"r\\" denied_mask=\\"r\\" fsuid=0 ouid=0"}\n' `

func TestFollowJournal(t *testing.T) {
	command, calls := journalctl(t, `
i=$((n*2+1))
`+entry+`$i $i $i
`+entry+`$((i+1)) $((i+1)) $((i+1))
[ $n = 2 ] && exec sleep 60
printf '{"half a line'
[ $n = 1 ] && echo 'Journal file corrupted' >&2 && exit 1
true`)
	w := followJournal(t, command, Start{})
	w.sees(1, 2, 3, 4, 5, 6)
	w.notice(Resumed, "journalctl ended (without an error) and was started again after the last entry")
	w.notice(Resumed, "journalctl ended (journalctl failed: exit status 1: Journal file corrupted)")
	w.end()
	matches := " --follow --no-pager --quiet --all --output=json _TRANSPORT=audit + _TRANSPORT=kernel + _TRANSPORT=driver"
	assert.Equal(t, []string{"--lines=all --since=@1795427685.000007" + matches, "--after-cursor=s=2" + matches, "--after-cursor=s=4" + matches}, calls())
}

func TestFollowJournalStarts(t *testing.T) {
	for want, from := range map[string]Start{"--lines=5 ": {Last: 5}, "--lines=all --since=@1000 ": {Since: time.Unix(1000, 0)}} {
		command, calls := journalctl(t, entry+"1 1 1; exec sleep 60")
		w := followJournal(t, command, from)
		w.sees(1)
		w.end()
		assert.True(t, strings.HasPrefix(calls()[0], want), calls()[0])
	}
}

func TestFollowJournalThatCannotBeRead(t *testing.T) {
	command, calls := journalctl(t, "echo 'No journal files were opened' >&2; exit 1")
	w := followJournal(t, command, Start{})
	<-w.ended
	assert.ErrorContains(t, w.err, "journal: journalctl ended 5 times in a row: journalctl failed: exit status 1: No journal files were opened; try")
	assert.Len(t, calls(), 5)
}
