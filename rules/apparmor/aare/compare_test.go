package aare

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSamples(t *testing.T) {
	for glob, want := range map[string][]string{
		"/a":          {"/a"},
		`/\*`:         {"/*"},
		"/{,usr/}":    {"/", "/usr/"},
		"/a{b,c,d,e}": {"/ab", "/ac", "/ad", "/ae"},
		"/[a-c]":      {"/c", "/a"},
		"/a**":        {"/a\xff", "/a\x01\x01", "/a"},
	} {
		e, err := Parse(glob, false)
		require.NoError(t, err)
		assert.Equal(t, want, e.Samples(), glob)
	}
	assert.Empty(t, nothing.Samples())
	assert.Empty(t, Literal("a\x00").Samples())
	long, err := Parse("/{"+strings.Repeat("a,", 100)+"b}", false)
	require.NoError(t, err)
	assert.Equal(t, []string{"/a"}, long.Samples(), "no more are tried")
}

// What is asked alone is answered as if all were asked.
func TestCompareInPart(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"/", "a", "b", "/a", "/b/", "*", "**", "?", "{a,b}", "{,a/}", "[ab]", "[^a]"}
	glob := func() *Automaton {
		for {
			text := "/"
			for range 1 + r.IntN(5) {
				text += pieces[r.IntN(len(pieces))]
			}
			if a, err := compiled(text); err == nil {
				return a
			}
		}
	}
	found := 0
	for range 3000 {
		a, b := glob(), glob()
		all := Compare(a, b, Both|OnlyA|OnlyB)
		require.True(t, all.Complete)
		both, onlyA, onlyB := Compare(a, b, Both), Compare(a, b, OnlyA), Compare(a, b, OnlyB)
		parts := Relation{Both: both.Both, HasBoth: both.HasBoth, OnlyA: onlyA.OnlyA, HasOnlyA: onlyA.HasOnlyA,
			OnlyB: onlyB.OnlyB, HasOnlyB: onlyB.HasOnlyB, Work: all.Work, Complete: both.Complete && onlyA.Complete && onlyB.Complete}
		require.Equal(t, all, parts)
		require.LessOrEqual(t, max(both.Work, onlyA.Work, onlyB.Work), all.Work)
		if all.HasBoth && all.HasOnlyA && !all.HasOnlyB {
			found++
		}
	}
	assert.Greater(t, found, 50)
}
