package explain

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/whydenied/whydenied/explain/container"
)

// A finding waits for no more than one of each other container, however many those
// have.
func TestQueueTakesTurns(t *testing.T) {
	var q Queue
	g, f := NewGroup(nil, Filter{}), newFlooder(t, "")
	add := func(name string) *Finding {
		g.Find = inContainer(name, container.High)
		found, isNew := g.Add(f.next("sh", "p"))
		require.True(t, isNew)
		q.Add(found)
		return found
	}
	first := add("evil")
	for range 3000 {
		add("evil")
		add("busy")
	}
	assert.Same(t, first, q.Next())
	others := add("web")
	assert.NotSame(t, others, q.Next())
	assert.NotSame(t, others, q.Next())
	assert.Same(t, others, q.Next())
	assert.Equal(t, 2, q.Containers())
	n := 0
	for q.Next() != nil {
		n++
	}
	assert.Equal(t, 6001-3, n)
	assert.Zero(t, q.Len())
	assert.Zero(t, q.Containers())
}
