package rules

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLineEdits holds, for random texts with many equal lines, that the edits
// make the new text of the old, and replace whole lines.
func TestLineEdits(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		var out strings.Builder
		for range random.IntN(30) {
			out.WriteString([...]string{"a", "b", "", "c\r", fmt.Sprint(random.IntN(20))}[random.IntN(5)] + "\n")
		}
		if random.IntN(3) == 0 {
			out.WriteString("the end")
		}
		return out.String()
	}
	for range 2000 {
		c := Change{File: NewFile("f", text()), New: text()}
		edits := c.LineEdits()
		for _, e := range edits {
			s := e.At.Span
			assert.True(t, s.Start == 0 || s.Start == len(c.File.Text) || c.File.Text[s.Start-1] == '\n')
			assert.True(t, s.End == 0 || s.End == len(c.File.Text) || c.File.Text[s.End-1] == '\n')
		}
		if c.New == c.File.Text {
			require.Empty(t, edits)
			continue
		}
		changes, err := Apply(edits)
		require.NoError(t, err)
		require.Len(t, changes, 1)
		require.Equal(t, c.New, changes[0].New)
	}
}

// TestLineEditsOfMany holds that a long text that changes in many places has a
// hunk for each of them.
func TestLineEditsOfMany(t *testing.T) {
	var before, after strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&before, "  /srv/%d r,\n", i)
		if i%6 == 0 {
			fmt.Fprintf(&after, "  /srv/%d rw,\n", i)
			continue
		}
		fmt.Fprintf(&after, "  /srv/%d r,\n", i)
	}
	c := Change{File: NewFile("f", before.String()), New: after.String()}
	assert.Len(t, c.LineEdits(), 500)
	assert.Equal(t, 500, strings.Count(Unified([]Change{c}), "\n+ "))
}
