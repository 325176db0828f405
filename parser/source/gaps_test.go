package source

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestGaps(t *testing.T) {
	at := time.Unix(1000, 0)
	for name, c := range map[string]struct {
		serials []uint32
		lost    int
	}{
		"none":             {[]uint32{5, 6, 7}, 0},
		"records of one":   {[]uint32{5, 5, 5, 6, 5}, 0},
		"one":              {[]uint32{5, 7}, 1},
		"many":             {[]uint32{5, 1005, 2005}, 1998},
		"late":             {[]uint32{5, 8, 6, 7, 9}, 0},
		"late in part":     {[]uint32{5, 10, 7, 7, 9, 11}, 2},
		"before the first": {[]uint32{5, 3, 4, 6}, 0},
		"wrap":             {[]uint32{1<<32 - 2, 1, 0}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var g gaps
			for _, serial := range c.serials {
				g.see(serial, at)
			}
			assert.Zero(t, g.expire(at.Add(-1)), "not yet")
			assert.Equal(t, c.lost, g.expire(at))
			assert.Zero(t, g.expire(at))
		})
	}
}

// In whatever order serials come, within patience, those that do not come are
// counted.
func TestGapsOfShuffledSerials(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var g gaps
		var serials []uint32
		n := 1000 + rng.IntN(1000)
		for i := range n {
			if i == 0 || i == n-1 || rng.IntN(10) > 0 {
				serials = append(serials, uint32(i))
			}
		}
		missing := n - len(serials)
		middle := serials[1 : len(serials)-1]
		for i := range middle {
			j := min(len(middle)-1, i+rng.IntN(20))
			middle[i], middle[j] = middle[j], middle[i]
		}
		for _, serial := range serials {
			g.see(serial, time.Unix(0, 0))
		}
		assert.Equal(t, missing, g.expire(time.Unix(0, 0)))
	}
}

func TestGapsAreBounded(t *testing.T) {
	var g gaps
	for i := range uint32(100_000) {
		g.see(2*i, time.Unix(0, 0))
	}
	assert.LessOrEqual(t, len(g.holes), maxHoles)
	assert.Equal(t, 99_999, g.expire(time.Unix(0, 0)))
}
