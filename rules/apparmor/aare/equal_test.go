package aare

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Expressions are equal that have the same key, and no others.
func TestEqual(t *testing.T) {
	var all []*Expr
	for _, glob := range []string{"", "/", "/a", "/b", "/ab", "/a*", "/a**", "/[ab]", "/[ba]", "/[^a]", "/?", "/{a,b}", "/{a,b,c}", "/{b,a}", "/{a,b}c", "/{a,bc}", "/a{b,}c", "/a{b,c}"} {
		e, err := Parse(glob, false)
		require.NoError(t, err)
		all = append(all, e)
	}
	same := 0
	for _, a := range all {
		for _, b := range all {
			is := bytes.Equal(a.key(nil), b.key(nil))
			assert.Equal(t, is, a.equal(b), "%s and %s", a.key(nil), b.key(nil))
			if is {
				same++
			}
		}
	}
	assert.Equal(t, len(all)+2, same) // [ab] and [ba]
}

// What a set is written as holds each of its bytes once, in an order that a class can hold.
func TestMembers(t *testing.T) {
	var s byteSet
	for _, c := range []byte("z/^-a\x00\xff0") {
		s.add(c)
	}
	assert.Equal(t, "-0az\xff/^", members(s))
	assert.Equal(t, 8, s.count())
	assert.Empty(t, members(byteSet{}))
	assert.Len(t, members(anyByte), 255)
}
