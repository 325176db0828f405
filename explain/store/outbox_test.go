package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A receiver has the largest count of each bucket that it was sent, and sums them up.
type receiver map[string]int

func (r receiver) take(list []Bucket) {
	for _, b := range list {
		key := fmt.Sprint(b.Node, b.Boot, b.Made, b.Finding.ID, b.Start, b.Container, b.Program)
		r[key] = max(r[key], b.Count)
	}
}

func (r receiver) sum() (n int) {
	for _, count := range r {
		n += count
	}
	return n
}

// What a receiver counts is what was logged, whatever happens on the way: the sender is
// killed, reads parts of its log again, sends twice, and what it sends is lost, late, or
// known to have arrived or not.
func TestReceiverCountsExactly(t *testing.T) {
	ctx := context.Background()
	for seed := range uint64(6) {
		random := rand.New(rand.NewPCG(seed, 7))
		s, name := openNew(t)
		got, log, lines := receiver{}, []string{}, 0
		var late [][]Bucket
		for range 30 {
			switch random.IntN(6) {
			case 0, 1: // denials come, and some of before are read once more
				from := max(0, lines-random.IntN(20))
				for range random.IntN(30) {
					lines++
					log = append(log, line(fmt.Sprintf("/srv/%d", random.IntN(6)), start.Add(time.Duration(random.IntN(5))*time.Hour), lines))
				}
				text := ""
				for _, l := range log[from:] {
					text += l
				}
				appendLog(t, s, text)
			case 2: // it is killed, which loses nothing that was written
				require.NoError(t, s.Close(ctx))
				var err error
				s, _, err = Open(ctx, name)
				require.NoError(t, err)
			default:
				list, _, err := s.Unsent(ctx, 1+random.IntN(10))
				require.NoError(t, err)
				switch random.IntN(4) {
				case 0: // lost
				case 1: // arrived, and nobody knows
					got.take(list)
				case 2: // overtaken by what is sent after
					late = append(late, list)
					require.NoError(t, s.Arrived(ctx, list))
				default:
					got.take(list)
					require.NoError(t, s.Arrived(ctx, list))
				}
			}
		}
		for _, list := range late {
			got.take(list)
		}
		for {
			list, more, err := s.Unsent(ctx, 7)
			require.NoError(t, err)
			if len(list) == 0 {
				break
			}
			assert.Equal(t, more > 0, len(list) == 7 && more > 0)
			got.take(list)
			require.NoError(t, s.Arrived(ctx, list))
		}
		assert.Equal(t, lines, got.sum(), "seed %d", seed)
		require.NoError(t, s.Close(ctx))
	}
}

func TestUnsent(t *testing.T) {
	ctx := context.Background()
	s, _ := openNew(t)
	latest, err := s.Latest(ctx)
	require.NoError(t, err)
	assert.True(t, latest.IsZero())
	appendLog(t, s, line("/srv/a", start, 1)+line("/srv/a", start.Add(time.Second), 2)+line("/srv/b", start.Add(time.Hour*30), 3))
	list, more, err := s.Unsent(ctx, 1)
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, 1, more)
	assert.Equal(t, 2, list[0].Count)
	assert.Equal(t, "nginx", list[0].Program)
	assert.Contains(t, list[0].Finding.Message, "/srv/a")
	assert.Equal(t, start, list[0].First)
	assert.Equal(t, start.Add(time.Second), list[0].Last)
	assert.False(t, list[0].Made.IsZero())
	require.NoError(t, s.Arrived(ctx, list))
	appendLog(t, s, line("/srv/a", start, 1)+line("/srv/a", start.Add(2*time.Second), 4))
	list, more, err = s.Unsent(ctx, 10)
	require.NoError(t, err)
	require.Len(t, list, 2)
	assert.Zero(t, more)
	assert.Equal(t, 3, list[0].Count, "all of it, not what came since")
	latest, err = s.Latest(ctx)
	require.NoError(t, err)
	assert.Equal(t, start.Add(30*time.Hour), latest)
}
