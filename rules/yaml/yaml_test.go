package yaml

import (
	"bytes"
	"encoding/json"
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

func TestJSON(t *testing.T) {
	got, err := JSON("# x\na: 1\nb: [x, 'true', true, null, 1.5]\n---\n---\n1: {2026-01-01: y}\n")
	require.NoError(t, err)
	assert.Equal(t, `{"a":1,"b":["x","true",true,null,1.5]}`+"\n"+`{"1":{"2026-01-01":"y"}}`+"\n", string(got))
	for _, text := range []string{"---\n---\nb: 2\n", "---\n# x\n---\n\n--- # y\n---\nb: 2\n", "---\r\n---\r\nb: 2", "b: 2\n---\n---\n"} {
		got, err := JSON(text)
		require.NoError(t, err, text)
		assert.Equal(t, "{\"b\":2}\n", string(got), "%q", text)
	}
	for text, want := range map[string]string{"": "no value", "a: .nan\n": "JSON does not have", "a: &b c\nd: *b\n": "aliases", "a: 'b\n": "could not find"} {
		_, err := JSON(text)
		require.ErrorContains(t, err, want)
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
		if lines, err := JSON(text); err == nil {
			assert.True(t, json.Valid(bytes.SplitN(lines, []byte("\n"), 2)[0]), "%q", lines)
		}
	})
}

func ExampleDecode() {
	var instance struct{ Config map[string]string }
	err := Decode("config:\n  security.nesting: \"true\"\n", &instance)
	fmt.Println(instance.Config["security.nesting"], err)
	// Output: true <nil>
}
