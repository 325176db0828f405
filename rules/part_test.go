package rules

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Of a file that holds more than policy, diffs have the part that is alone, and say where
// lines are cut.
func TestUnifiedPart(t *testing.T) {
	one := NewFile("config.json", `{"env":["SECRET"],"seccomp":{"a":1},"b":"SECRET"}`)
	many := NewFile("config.json", "{\n\"env\": \"SECRET\",\n\"seccomp\": {\n"+strings.Repeat(" x\n", 8)+" old\n"+strings.Repeat(" y\n", 8)+"},\n\"b\": \"SECRET\"}\n")
	for _, test := range []struct {
		file     *File
		old, new string
		cut      bool
		want     string
	}{
		{one, "1", "2", true, "@@ -1 +1 @@\n-{\"a\":1}\n\\ No newline at end of file\n+{\"a\":2}\n\\ No newline at end of file\n"},
		{many, "old", "new", false, "@@ -9,7 +9,7 @@\n  x\n  x\n  x\n- old\n+ new\n  y\n  y\n  y\n"},
	} {
		begin := strings.Index(test.file.Text, `"seccomp":`) + len(`"seccomp":`)
		begin += strings.Index(test.file.Text[begin:], "{")
		test.file.Policy = Span{begin, begin + strings.Index(test.file.Text[begin:], "}") + 1}
		at := strings.Index(test.file.Text, test.old)
		edit := Edit{At: Location{test.file, Span{at, at + len(test.old)}}, New: test.new}
		changes, err := Apply([]Edit{edit})
		require.NoError(t, err)
		_, hunks, _ := strings.Cut(Unified(changes), "+++ b/config.json\n")
		assert.Equal(t, test.want, hunks)
		diff, _, err := UnifiedEdits([]Edit{edit})
		require.NoError(t, err)
		assert.Equal(t, Unified(changes), diff)
		assert.Equal(t, test.cut, changes[0].IsCut())
	}
	beyond := Edit{At: Location{one, Span{1, 2}}, New: "x"}
	_, _, err := UnifiedEdits([]Edit{beyond})
	assert.ErrorContains(t, err, "beyond what is policy")
	assert.NotContains(t, Unified([]Change{{File: one, New: "SECRET"}}), "SECRET")
}

func TestTrim(t *testing.T) {
	file := NewFile("f", "aé1é\nb")
	all := Trim([]Edit{{At: Location{file, Span{0, len(file.Text)}}, New: "aè22é\nb"}})
	assert.Equal(t, []Edit{{At: Location{file, Span{1, 4}}, New: "è22"}}, all)
}
