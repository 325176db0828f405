package report

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/whydenied/whydenied/explain/escape"
)

// A new rule is shown whole at every width: what is cut off cannot be copied.
func TestLongRuleIsWhole(t *testing.T) {
	const rule = "  dbus (send) bus=system path=/org/freedesktop/login1 interface=org.freedesktop.login1.Manager member=Inhibit peer=(name=org.freedesktop.login1, label=unconfined),"
	fix := Fix{Message: "add a rule", Risk: "low", Files: []string{"p"}, Diff: "--- a/p\n+++ b/p\n@@ -1,1 +1,2 @@\n profile p {\n+" + rule + "\n"}
	m := Message{Finding: &Finding{Cause: "no-matching-rule", Mode: "DENIED", Fixes: []Fix{fix}}}
	for _, w := range []int{80, 100, 160, 200} {
		text := renderText(t, []Message{m}, TextOptions{Width: w})
		assert.NotContains(t, text, "…")
		assert.Contains(t, strings.Join(strings.Fields(text), " "), strings.TrimSpace(rule), "width %d", w)
		for line := range strings.Lines(text) {
			assert.LessOrEqual(t, escape.Text(strings.TrimSuffix(line, "\n")).Width(), w, line)
		}
	}
}
