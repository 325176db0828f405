package apparmor

import (
	"flag"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

var generated = flag.Int("generated", 300, "how many generated policies to compare with each apparmor_parser")

// TestGeneratedPolicies compares what we accept with what each apparmor_parser
// accepts, on policies made from a grammar.
func TestGeneratedPolicies(t *testing.T) {
	for _, release := range parserReleases(t) {
		t.Run(release.version, func(t *testing.T) { generatedPolicies(t, release) })
	}
}

func generatedPolicies(t *testing.T, release release) {
	const seed = 3
	both := 0
	for i := range *generated {
		g := generator{Rand: rand.New(rand.NewPCG(seed, uint64(i))), errors: i % 4}
		policy := g.policy()
		want, oracle := accepted(t, release.tool, policy)
		got, ours := accepts(release.version, policy)
		if want {
			both++
		}
		switch {
		case strings.Contains(oracle, "conflicting x modifiers"):
			continue // A conflict of rules is found when they are decided, not when they are read.
		case strings.Contains(oracle, "crashed"), strings.Contains(oracle, "Assertion"):
			continue // 3.0 does where an if follows a network rule.
		case strings.Contains(oracle, "deny prefix not allowed"):
			continue // Blocks with deny came with 4.1; no rule may be in it to say so.
		case strings.Contains(policy, "if ") && (strings.Contains(ours, "bad-glob") || strings.Contains(ours, "since 3.1")):
			continue // 3.0 drops mount, dbus, signal, ptrace and unix rules in an if.
		case want && strings.Contains(policy, "audit") && (strings.Contains(ours, "empty-mount") || strings.Contains(ours, "since 3.1")):
			continue // 3.0 does not notice that an audited mount rule is empty.
		}
		if !assert.Equal(t, want, got, "policy %d:\n%s\napparmor_parser: %s\nwhydenied: %s", i, policy, oracle, ours) && t.Failed() && testing.Short() {
			return
		}
	}
	assert.Greater(t, both, *generated/4, "the generator must write policies that are accepted")
}

// TestGeneratedPositions loads thousands of generated policies, most of them
// wrong somewhere: every position lies in the file, and every refusal says where.
func TestGeneratedPositions(t *testing.T) {
	for i := range 4000 {
		g := generator{Rand: rand.New(rand.NewPCG(5, uint64(i))), errors: 5}
		l := Loader{Include: []string{"testdata/include"}}
		p, diags := l.Load(newFile(g.policy()))
		for _, d := range diags {
			inFile(t, d.At)
			assert.NotEmpty(t, d.Message)
			assert.NotEmpty(t, d.Code)
		}
		for _, prof := range p.Profiles {
			for _, r := range prof.Rules {
				inFile(t, r.Location())
				assert.True(t, strings.HasSuffix(r.Location().Text(), ","), "%q", r.Location().Text())
			}
		}
	}
}
