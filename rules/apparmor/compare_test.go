package apparmor

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var comparePairs = flag.Int("compared", 600, "how many pairs of texts to compare as apparmor_parser compiles them")

// Texts that are said to differ are compiled to different automata, which
// apparmor_parser minimises, and an example of what one grants on a file is granted by
// that alone. Of texts that are said to be equal, what the one decides is what the other
// is compiled to.
func TestCompareAsCompiled(t *testing.T) {
	tool := parserTool(t)
	equal, differ, incomplete := 0, 0, 0
	for i := range *comparePairs {
		w := policyWriter{rand.New(rand.NewPCG(11, uint64(i)))}
		profile := w.profile("p")
		before, after := preamble+profile, preamble+w.variant(profile)
		a, b := compiledBytes(t, tool, before), compiledBytes(t, tool, after)
		if a == nil || b == nil {
			continue // conflicting exec transitions
		}
		x, y := loadFor30(t, before).Profiles[0], loadFor30(t, after).Profiles[0]
		old, new := (&unpacker{data: a}).profiles()["p"], (&unpacker{data: b}).profiles()["p"]
		c := CompareProfiles(x, y)
		switch {
		case !c.Complete:
			incomplete++
		case c.Equal():
			equal++
			asked := &comparison{t: t, w: w, asked: map[string]int{}, paths: true}
			asked.profile(x, new)
			asked.profile(y, old)
		default:
			differ++
			assert.False(t, bytes.Equal(a, b), "%+v", c)
		}
		gainsAsCompiled(t, c.Gains, old, new)
		gainsAsCompiled(t, c.Losses, new, old)
		if t.Failed() {
			t.Fatalf("pair %d\n%s\n%s", i, before, after)
		}
	}
	t.Logf("%d equal, %d different, %d not compared in full", equal, differ, incomplete)
	assert.Greater(t, equal, *comparePairs/5)
	assert.Greater(t, differ, *comparePairs/5)
	assert.Less(t, incomplete, *comparePairs/20)
}

// gainsAsCompiled holds that the examples on files are granted by one alone.
func gainsAsCompiled(t *testing.T, gains []Gain, without, with *compiledProfile) {
	t.Helper()
	for _, g := range gains {
		req, ok := g.Example.(FileRequest)
		if !ok || g.Exec != nil {
			continue
		}
		if req.Target != "" {
			had, _ := without.link(req.Path, req.Target, req.Owner)
			has, _ := with.link(req.Path, req.Target, req.Owner)
			assert.True(t, has && !had, "%+v", g)
			continue
		}
		had, has := without.fileAccess(req.Path, req.Owner), with.fileAccess(req.Path, req.Owner)
		bits := uint32(0)
		each(req.Perms, func(p Perms) { bits |= kernelBits[p] })
		assert.Equal(t, bits, has.allow&bits, "%+v", g)
		assert.Zero(t, had.allow&bits, "%+v", g)
	}
}

// variant rewrites a profile of several lines: in another order, with a rule twice, or
// with a rule less or more.
func (w policyWriter) variant(profile string) string {
	head, rest, _ := strings.Cut(profile, "\n")
	rules := strings.Split(strings.TrimSuffix(rest, "\n}\n"), "\n")
	switch w.IntN(5) {
	case 0, 1:
		w.Shuffle(len(rules), func(i, j int) { rules[i], rules[j] = rules[j], rules[i] })
	case 2:
		rules = append(rules, rules[w.IntN(len(rules))])
	case 3:
		i := w.IntN(len(rules))
		rules = slices.Delete(rules, i, i+1)
	default:
		rules = append(rules, "  "+w.rule())
	}
	return head + "\n" + strings.Join(rules, "\n") + "\n}\n"
}

// compiledBytes returns what apparmor_parser makes of a policy, nil if it refuses it.
func compiledBytes(t *testing.T, tool, policy string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "policy")
	require.NoError(t, os.WriteFile(file, []byte(policy), 0o600))
	out, err := exec.Command(tool, "-Q", "-K", "-q", "-S", "--config-file", os.DevNull, "-M", features, file).Output()
	if err != nil {
		return nil
	}
	return out
}
