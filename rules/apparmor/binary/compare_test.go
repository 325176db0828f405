package binary

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCompare(t *testing.T) {
	all := decoded(t, "all")
	web, hat, child := all["web"], all["web//hat"], all["web//child"]
	list, full := Compare(web, web)
	assert.True(t, full)
	assert.Empty(t, list)

	words := func(list []Difference) (first, second []string) {
		for _, d := range list {
			if d.First {
				first = append(first, d.String())
			} else {
				second = append(second, d.String())
			}
		}
		return first, second
	}
	list, full = Compare(hat, child)
	assert.True(t, full)
	first, second := words(list)
	assert.Equal(t, []string{"/x r", "/proc/0/attr/current w to its owner"}, first, "with what hats are given")
	assert.Equal(t, []string{"/y r"}, second)

	list, full = Compare(child, web)
	assert.True(t, full)
	first, second = words(list)
	assert.Contains(t, first, "/y r")
	assert.Contains(t, first, "something of rlimit nofile")
	for _, want := range []string{"/srv/w w", "/usr/bin/x x", "capability chown", "something of mount", "something of ptrace", "something of network"} {
		assert.Contains(t, second, want)
	}
}
