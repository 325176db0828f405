package escape

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLine(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"/srv/with space/ünïcode/日本", "/srv/with space/ünïcode/日本"},
		{"a\nb\tc\rd", `a\nb\tc\rd`},
		{"\x1b[31m\x00\x7f", `\x1b[31m\x00\x7f`},
		{"\u009b31m", `\u009b31m`},
		{"txt.\u202eexe", `txt.\u202eexe`},
		{"a\u200bb\ufeff", `a\u200bb\ufeff`},
		{"\U000e0041", `\U000e0041`},
		{"\xff\xe2\x80", `\xff\xe2\x80`},
		{"\ufffd", "\ufffd"}, // the character itself, not a bad byte
		{`back\slash`, `back\slash`},
		{"nbsp\u00a0", `nbsp\u00a0`},
		{"::error::x", `\x3a:error::x`}, // what GitHub's runner takes for commands
		{"a ::add-mask file=b::c", `a \x3a:add-mask file=b::c`},
		{"a##[group]b", `a##\x5bgroup]b`},
		{"to ::1 or ::ffff:10.0.0.1, ::, fe80::1", "to ::1 or ::ffff:10.0.0.1, ::, fe80::1"},
		{"std::vector", "std::vector"},
		{"::0af3::", `\x3a:0af3::`}, // ends a stop-commands of that word
		{"##vso[task.setvariable variable=x]y", `##vso\x5btask.setvariable variable=x]y`},
		{"section_start:1:x", `section_start\x3a1:x`},
	} {
		assert.Equal(t, c.want, string(Line(c.in)))
		assert.Equal(t, c.want, string(Line(c.want)), "again")
	}
}
