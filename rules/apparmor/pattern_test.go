package apparmor

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/whydenied/whydenied/rules/apparmor/aare"
)

func glob(text string) *Pattern { return &Pattern{Source: text, Expanded: []string{text}} }

func TestPatternMatch(t *testing.T) {
	assert.True(t, (*Pattern)(nil).Match("anything"))
	assert.True(t, (&Pattern{Expanded: []string{"/a", "/b"}}).Match("/b"))
	assert.False(t, glob("/a]").Match("/a]"), "a bad pattern matches nothing")
	assert.Error(t, glob("/a]").Err())
	assert.Error(t, (&Pattern{}).Err())
}

func TestPatternLiteral(t *testing.T) {
	for text, want := range map[string]string{"/a/b": "/a/b", `/\*`: "/*", "/a[b]": "/ab", "/é": "/é"} {
		got, ok := glob(text).Literal()
		assert.True(t, ok, text)
		assert.Equal(t, want, got)
	}
	for _, text := range []string{"/*", "/{a,b}", "/[ab]", "/?", "/]"} {
		_, ok := glob(text).Literal()
		assert.False(t, ok, text)
	}
}

func TestCleanSlashes(t *testing.T) {
	for path, want := range map[string]string{
		"///foo//f//oo///": "/foo/f/oo/", "/": "/", "": "", "//usr": "//usr", "//": "//", "///usr": "/usr",
		"/a/": "/a/", "/a//b/*//c": "/a/b/*/c",
	} {
		assert.Equal(t, want, cleanSlashes(path), path)
	}
}

func TestCompare(t *testing.T) {
	tests := []struct {
		a, b              string
		covers, coveredBy bool
		both, beyond      string
	}{
		{"/a/**", "/a/*", true, false, "/a/a", "/a/a/"},
		{"/a/b", "/a/b", true, true, "/a/b", ""},
		{"/a/*", "/b/*", false, false, "", "/a/a"},
		{"/var/**", "/var/log/x", true, false, "/var/log/x", "/var/a"},
		{"/{a,b}", "/[ab]", true, true, "/a", ""},
		{"/{,usr/}sbin/**", "/usr/sbin/nginx", true, false, "/usr/sbin/nginx", "/sbin/a"},
		{"/*/x", "/a/*", false, false, "/a/x", "/b/x"},
		{"/**", "/{**,}", false, true, "/a", ""},
	}
	for _, test := range tests {
		a, b := glob(test.a), glob(test.b)
		assert.Equal(t, test.covers, newEffort().covers(a, sample(b)), "%s covers %s", test.a, test.b)
		assert.Equal(t, test.coveredBy, newEffort().covers(b, sample(a)), "%s covers %s", test.b, test.a)
		both, ok := Overlaps(a, b)
		assert.Equal(t, test.both != "", ok)
		assert.Equal(t, test.both, both, "%s and %s", test.a, test.b)
		r := Compare(a, b, aare.Both|aare.OnlyA|aare.OnlyB)
		beyond, ok := r.OnlyA, r.HasOnlyA
		assert.Equal(t, test.beyond != "", ok)
		assert.Len(t, beyond, len(test.beyond), "%s beyond %s: %s", test.a, test.b, beyond)
		if ok {
			assert.True(t, a.Match(beyond) && !b.Match(beyond), beyond)
		}
	}
	assert.True(t, newEffort().covers(nil, sample(glob("/a"))), "no pattern is any name")
}
