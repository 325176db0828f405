package fix

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/whydenied/whydenied/rules"
)

// TestUnrepeated holds that what two deny rules leave is written once, and an edit is
// never left without a rule.
func TestUnrepeated(t *testing.T) {
	written := map[string]bool{}
	for _, c := range []struct{ edit, want string }{
		{"deny /a/b w,\n  deny /a/c w,", "deny /a/b w,\n  deny /a/c w,"},
		{"deny /a/b w,\n  deny /d w,\n  deny /a/c w,", "deny /d w,"},
		{"deny /d w,", "deny /d w,"},
		{"", ""},
	} {
		edits := []rules.Edit{{New: c.edit}}
		unrepeated(edits, written)
		assert.Equal(t, c.want, edits[0].New)
	}
}
