package access

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSplitWords(t *testing.T) {
	for text, want := range map[string][]string{
		``:                                   nil,
		`open /a r`:                          {"open", "/a", "r"},
		`  open	/a  `:                        {"open", "/a"},
		`open "/a b" r`:                      {"open", "/a b", "r"},
		`open '/a "b' r`:                     {"open", `/a "b`, "r"},
		`open "/a \"b\\ \n"`:                 {"open", `/a "b\ \n`},
		`open /a\ b`:                         {"open", `/a\`, "b"},
		`open ""`:                            {"open", ""},
		`mount options=(ro, bind) /a -> /b/`: {"mount", "options=(ro, bind)", "/a", "->", "/b/"},
		`signal (send, receive) term`:        {"signal", "(send, receive)", "term"},
		`open /a(b r`:                        {"open", "/a(b", "r"},
	} {
		got, err := splitWords(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{`open "/a`, `open '`, `signal (send`} {
		_, err := splitWords(text)
		assert.ErrorContains(t, err, "is missing at the end", text)
	}
}
