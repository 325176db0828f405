package store

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUnsent(t *testing.T) {
	ctx := context.Background()
	s, _ := openNew(t)
	reached, err := s.Reached(ctx)
	require.NoError(t, err)
	assert.True(t, reached.IsZero())
	require.NoError(t, s.Look(ctx, "audit", start.Add(-time.Minute), start))
	reached, err = s.Reached(ctx)
	require.NoError(t, err)
	assert.Equal(t, start.Add(-time.Minute), reached, "nothing came yet")
	appendLog(t, s, line("/srv/a", start, 1)+line("/srv/a", start.Add(time.Second), 2)+line("/srv/b", start.Add(time.Hour*30), 3))
	list, more, err := s.Unsent(ctx, "one", 1)
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, 1, more)
	assert.Equal(t, 2, list[0].Count)
	assert.Equal(t, "nginx", list[0].Program)
	assert.Contains(t, list[0].Finding.Message, "/srv/a")
	assert.Equal(t, start, list[0].First)
	assert.Equal(t, start.Add(time.Second), list[0].Last)
	assert.False(t, list[0].Made.IsZero())
	require.NoError(t, s.Arrived(ctx, "one", list))
	appendLog(t, s, line("/srv/a", start, 1)+line("/srv/a", start.Add(2*time.Second), 4))
	list, more, err = s.Unsent(ctx, "one", 10)
	require.NoError(t, err)
	require.Len(t, list, 2)
	assert.Zero(t, more)
	assert.Equal(t, 3, list[0].Count, "all of it, not what came since")
	reached, err = s.Reached(ctx)
	require.NoError(t, err)
	assert.Equal(t, start.Add(2*time.Second), reached, "what came last, which is not the latest")
}

// TestDropped counts what is dropped before it arrived.
func TestDropped(t *testing.T) {
	ctx := context.Background()
	s, _ := openNew(t)
	s.Receivers = []string{"one"}
	appendLog(t, s, line("/srv/a", start, 1)+line("/srv/b", start, 2)+line("/srv/b", start.Add(time.Second), 3))
	list, _, err := s.Unsent(ctx, "one", 1)
	require.NoError(t, err)
	require.NoError(t, s.Arrived(ctx, "one", list))
	require.NoError(t, s.Retain(ctx, start.Add(24*time.Hour), 0))
	assert.Equal(t, 3-list[0].Count, s.Dropped())
	assert.Zero(t, s.Dropped())
}
