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

func TestAbstractAddr(t *testing.T) {
	for in, want := range map[string]string{"@6C616220C3A4": "@lab ä", "@6C61": "@6C61", "@6c6120": "@6c6120", "@": "@", "@6C6": "@6C6", "none": "none",
		"/run/x": "/run/x", "@61002F": "@a\x00/", "": ""} {
		assert.Equal(t, want, AbstractAddr(in), in)
	}
}
