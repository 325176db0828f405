package report

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/expect"
	"github.com/whydenied/whydenied/parser"
)

// Names that a terminal or a reader would take for something else, and secrets, become no line
// of the file.
func TestProposals(t *testing.T) {
	p := Proposals{Policies: []string{"web\x1b[1m"}}
	d, err := parser.Parse(`type=AVC msg=audit(1.000:1): apparmor="DENIED" operation="open" class="file" profile="web" name="/a" requested_mask="r"`)
	require.NoError(t, err)
	add := func(access string, count int) {
		e := expect.Expectation{Verb: expect.Deny, Profile: "web", Access: access, Text: "deny " + access}
		p.Add(expect.Proposal{Expectation: e}, &explain.Finding{Denial: d, Count: count})
	}
	add("open /a r", 1000)
	add("open /a r", 234)
	add("open /\u3164 r", 1)
	add("open /token=ghp_0123456789abcdefghijklmnopqrstuvwxyz r", 1)
	p.Leave("web", "no rule decides on it\n", &explain.Finding{Denial: d, Count: 2})
	var out bytes.Buffer
	require.NoError(t, p.Write(&out))
	isText(t, out.Bytes())
	text := out.String()
	assert.Contains(t, text, "\ndeny open /a r                                  # DENIED ×1,234\n")
	assert.Contains(t, text, `# none of: deny open /\u3164 r (DENIED ×1): its names hold what cannot be seen on a line`)
	assert.Contains(t, text, "(DENIED ×1): its names hold what may be a secret, or are no UTF-8")
	assert.Contains(t, text, `# none of: open /a (DENIED ×2): no rule decides on it\n`)
	assert.NotContains(t, text, "ghp_0123456789")
	proposed, left := p.Len()
	assert.Equal(t, [2]int{1, 3}, [2]int{proposed, left})
	file, err := expect.Parse("x", text)
	require.NoError(t, err)
	assert.Len(t, file.Expectations, 1)
}
