package yaml

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type config struct {
	Name   string
	Config map[string]string
	Apps   map[string]struct{ Plugs []string }
}

func TestDecode(t *testing.T) {
	var c config
	require.NoError(t, Decode("# a comment\r\nname: it\r\nconfig:\n  limits.cpu: 2\n  a.b: \"x\\ty\" # one\n  raw: |-\n    a\n      b\n\napps:\n  x:\n    plugs: [p, 'it''s']\n  y:\n    plugs:\n    - q\nother: {a: [1]}\n", &c))
	assert.Equal(t, config{"it", map[string]string{"limits.cpu": "2", "a.b": "x\ty", "raw": "a\n  b"}, map[string]struct{ Plugs []string }{"x": {[]string{"p", "it's"}}, "y": {[]string{"q"}}}}, c)

	for text, want := range map[string]string{
		"":                                     "no value",
		"a: &x b\nname: *x\n":                  "aliases and merge keys",
		"a: &x {b: c}\nconfig:\n  <<: *x\n":    "aliases and merge keys",
		"name: [a]\n":                          "cannot unmarshal",
		"name: 'a\n":                           "could not find end character",
		strings.Repeat("[", 300):               "nest too deeply",
		strings.Repeat("- ", 300):              "nest too deeply",
		"a: [" + strings.Repeat("b,", 200_000): "too many",
		strings.Repeat("#", maxText+1):         "bytes are too many",
	} {
		err := Decode(text, new(config))
		require.Error(t, err, text)
		assert.Contains(t, err.Error(), want)
		assert.NotContains(t, err.Error(), "\n")
	}
}

// No text makes it panic, and what it says is of one line.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{"a: b\n", "a:\n- b: |\n    c\n", "{a: [b, {c: d}]}", "? a\n: b\n", "&a *a", "!!map {}", "'", "\t- a", "a: >-\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if err := Decode(text, new(config)); err != nil {
			assert.NotContains(t, err.Error(), "\n")
		}
	})
}

func ExampleDecode() {
	var instance struct{ Config map[string]string }
	err := Decode("config:\n  security.nesting: \"true\"\n", &instance)
	fmt.Println(instance.Config["security.nesting"], err)
	// Output: true <nil>
}
