package bisect

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// history reads versions as "name+ parent parent", the last first: + grants, - refuses, ? is not
// read.
func history(t *testing.T, text string) (last string, h History) {
	parents, answers := map[string][]string{}, map[string]Answer{}
	for line := range strings.SplitSeq(text, "; ") {
		words := strings.Fields(line)
		name := words[0][:len(words[0])-1]
		if last == "" {
			last = name
		}
		parents[name] = words[1:]
		answers[name] = Answer(strings.IndexByte("+-?", words[0][len(name)]))
	}
	asked := map[string]bool{}
	return last, History{
		Parents: func(v string) ([]string, error) { return parents[v], nil },
		Ask: func(v string) (Answer, error) {
			require.False(t, asked[v], "%s is asked twice", v)
			asked[v] = true
			return answers[v], nil
		},
	}
}

func TestFind(t *testing.T) {
	for _, c := range []struct{ name, history, want string }{
		{"granted", "a+ b; b- c; c+", "<"},
		{"the last", "a- b; b+", "a<b"},
		{"an older", "a- b; b- c; c- d; d+ e; e-", "c<d"},
		{"always", "a- b; b-", "b<"},
		{"alone", "a-", "a<"},
		{"a merge of what a branch refuses", "a- b; b- c d; c+ e; d- f; f- e; e+", "f<e"},
		{"a merge that refuses itself", "a- b; b- c d; c+ e; d+ e; e+", "b<c"},
		{"both sides refuse", "a- b c; b- d; c- d; d+", "b<d"},
		{"one is not read", "a- b; b? c; c+", "a<c ?b"},
		{"one is not read, and older ones refuse", "a- b; b? c; c- d; d+", "c<d"},
		{"a merge is not read", "a- b; b? c d; c+; d- e; e+", "d<e"},
		{"nothing before is read", "a- b; b? c; c?", "a< ?b,c"},
		{"the last is not read", "a? b; b+", "<"},
	} {
		last, h := history(t, c.history)
		r, err := Find(last, h)
		require.NoError(t, err, c.name)
		got := r.Since + "<" + r.Before
		if len(r.Unread) > 0 {
			got += " ?" + strings.Join(r.Unread, ",")
		}
		assert.Equal(t, c.want, got, c.name)
	}
}

// What is found is a version that refuses, and whose readable parents all grant, in whatever
// history; and it ends.
func TestFindInAnyHistory(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 3))
		var lines []string
		n := 1 + r.IntN(12)
		for i := range n {
			line := fmt.Sprint("v", i, string("+-?"[r.IntN(3)]))
			for p := i + 1; p < n; p++ {
				if r.IntN(n-i) < 2 {
					line += fmt.Sprint(" v", p)
				}
			}
			lines = append(lines, line)
		}
		text := strings.Join(lines, "; ")
		last, h := history(t, text)
		found, err := Find(last, h)
		require.NoError(t, err)
		if lines[0][2] != '-' {
			assert.Empty(t, found.Since, text)
			continue
		}
		i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, found.Since+"-") })
		require.GreaterOrEqual(t, i, 0, "%s: %v", text, found)
		for _, p := range strings.Fields(lines[i])[1:] {
			assert.NotContains(t, text, p+"-", "%s: %v", text, found)
		}
	}
}
