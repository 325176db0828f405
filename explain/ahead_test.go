package explain_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/parser"
)

// What is explained ahead is explained the same, whether an earlier denial comes or not.
func TestAhead(t *testing.T) {
	var log strings.Builder
	for i := range 60 {
		at := 1795427169 + i
		if i >= 40 {
			at = 1795427169 - i // of which the findings begin earlier than was seen
		}
		fmt.Fprintf(&log, `type=AVC msg=audit(%d.844:%d): apparmor="DENIED" operation="open" profile="docker-default" name="/proc/sys/%d-%d" pid=%d comm="c" requested_mask="w" denied_mask="w" fsuid=0 ouid=0`+"\n", at, i+1, i%20, 5000+i%20, 5000+i%7)
		fmt.Fprintf(&log, `type=SECCOMP msg=audit(%d.844:%d): auid=1 uid=0 gid=0 ses=1 subj=docker-default pid=7 comm="c%d" exe="/c" sig=0 arch=c000003e syscall=%d compat=0 ip=0x44 code=0x50000`+"\n", at, i+1, i%3, 165+i%10)
	}
	// Only some texts of docker-default allow the last record, which is read after the others were explained.
	log.WriteString(`type=AVC msg=audit(1795427299.844:998): apparmor="DENIED" operation="open" profile="docker-default" name="/proc/sys/once" pid=9 comm="c" requested_mask="w" denied_mask="w" fsuid=0 ouid=0` + "\n")
	log.WriteString(`type=AVC msg=audit(1795427300.844:999): apparmor="DENIED" operation="userns_create" class="namespace" profile="docker-default" pid=9 comm="c" requested="userns_create" denied="userns_create"` + "\n")
	for i, node := range []string{"n1", "n2"} { // one finding of two hosts, so of neither
		fmt.Fprintf(&log, "node=%s type=SECCOMP msg=audit(1795427301.844:%d): auid=1 uid=0 gid=0 ses=1 subj=docker-default pid=7 comm=\"p\" exe=\"/p\" sig=0 arch=c000003e syscall=101 compat=0 ip=0x44 code=0x50000\n", node, 1000+i)
	}
	denials, _ := parser.Scan(nil, parser.Block{File: "log", Body: []byte(log.String())})
	explained := func(ahead bool) (all []*explain.Explained) {
		x, _, err := explain.Options{}.Explainer()
		require.NoError(t, err)
		x.Library.UseHosts([]container.Host{{Node: "n1", Kernel: "4.4"}, {Node: "n2", Kernel: "6.1"}})
		s := explain.NewSession(nil, explain.Filter{})
		var a *explain.Ahead
		if ahead {
			a = x.Ahead()
		}
		for _, d := range denials {
			if f, isNew := s.Add(d); isNew && ahead {
				a.Add(f)
				a.Drain()
			}
		}
		if ahead {
			a.End()
		}
		return x.ExplainAll(s.Findings())
	}
	want, got := explained(false), explained(true)
	require.Len(t, got, len(want))
	for i := range want {
		assert.Equal(t, want[i].ID, got[i].ID)
		assert.Equal(t, want[i].Why, got[i].Why)
		assert.Equal(t, want[i].Notes, got[i].Notes)
		require.Len(t, got[i].Fixes, len(want[i].Fixes))
		for j := range want[i].Fixes {
			assert.Equal(t, want[i].Fixes[j].Rule, got[i].Fixes[j].Rule)
			assert.Equal(t, want[i].Fixes[j].Proof, got[i].Fixes[j].Proof)
		}
	}
}
