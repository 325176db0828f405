package apparmor

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// apparmor_parser sets the bit for subset for the owner alone, so the others are not held to it.
func TestCompareLinks(t *testing.T) {
	for _, c := range []struct {
		name, before, after string
		gains, losses       []string // but those of other permissions
	}{
		{"the new name is given more", "/l w,\nlink subset /l -> /t*,\n/t* w,", "/l rw,\nlink subset /l -> /t*,\n/t* w,",
			nil, []string{"l owner /l -> /t lacks r"}},
		{"the new name is given less", "/l rw,\nlink subset /l -> /t*,\n/t* w,", "/l w,\nlink subset /l -> /t*,\n/t* w,",
			[]string{"l owner /l -> /t lacks r"}, nil},
		{"the target is given what it lacked", "/l rw,\nlink subset /l -> /t,\n/t w,", "/l rw,\nlink subset /l -> /t,\n/t rw,",
			[]string{"l owner /l -> /t lacks r"}, nil},
		{"one of the targets is", "/l rw,\nlink subset /l -> /t*,\n/t* w,", "/l rw,\nlink subset /l -> /t*,\n/t* w,\n/tz r,",
			[]string{"l owner /l -> /tz lacks r"}, nil},
		{"the target loses it", "/l rw,\nlink subset /l -> /t,\n/t rw,", "/l rw,\nlink subset /l -> /t,\n/t r,",
			nil, []string{"l owner /l -> /t lacks wa"}},
		{"a deny rule for the target", "/l rw,\nlink subset /l -> /t,\n/t rw,", "/l rw,\nlink subset /l -> /t,\n/t rw,\ndeny /t w,",
			nil, []string{"l owner /l -> /t lacks wa"}},
		{"l of a file rule links to any file", "/d/l wl,\n/e w,", "/d/l rwl,\n/e w,", nil, []string{"l owner /d/l -> /e lacks r"}},
		{"below a directory", "/d/** wl,", "/d/** wl,\n/d/l r,", nil, []string{"l owner /d/l -> /d/a lacks r"}},
		{"without subset nothing is asked of the target", "/l w,\nlink /l -> /t,", "/l rw,\nlink /l -> /t,", nil, nil},
		{"a subset that always holds", "link /l -> /t,", "link subset /l -> /t,", nil, nil},
		{"a subset that does not", "/l r,\nlink /l -> /t,", "/l r,\nlink subset /l -> /t,", nil, []string{"l owner /l -> /t lacks r"}},
		{"of the owner alone", "owner /l w,\nowner link subset /l -> /t,\nowner /t w,", "owner /l rw,\nowner link subset /l -> /t,\nowner /t w,",
			nil, []string{"l owner /l -> /t lacks r"}},
		{"another transition", "/l ix,\nlink subset /l -> /t,\n/t ix,", "/l px,\nlink subset /l -> /t,\n/t ix,",
			nil, []string{"l owner /l -> /t lacks x"}},
		{"a new pair", "", "link /l -> /t,", []string{"l /l -> /t"}, nil},
		{"a pair that is denied", "link /l -> /t*,", "link /l -> /t*,\ndeny link /l -> /ta,", nil, []string{"l /l -> /ta"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			load := func(rules string) *Profile { return loadProfile(t, "profile p {\n"+rules+"\n}\n") }
			comparison := CompareProfiles(load(c.before), load(c.after))
			assert.True(t, comparison.Complete)
			assert.Equal(t, c.gains, describeLinks(comparison.Gains))
			assert.Equal(t, c.losses, describeLinks(comparison.Losses))
		})
	}
}

func describeLinks(gains []Gain) (list []string) {
	for _, g := range gains {
		if g.Perms != Link {
			continue
		}
		text := describeGain(g)
		if g.Lacks != 0 {
			text += " lacks " + g.Lacks.String()
		}
		list = append(list, text)
	}
	return list
}

// Links are compared by what is decided: of random links each that only one text permits is
// told, and each that is told is one.
func TestLinksAreDecisions(t *testing.T) {
	w := policyWriter{rand.New(rand.NewPCG(23, 1))}
	names := []string{"/a", "/b", "/ab", "/a/b", "/a/c", "/b/a"}
	rule := func() string {
		glob := func() string { return w.pick("/a", "/b", "/a*", "/*", "/a/*", "/**", "/{a,b}", "/a/[bc]") }
		switch w.IntN(4) {
		case 0:
			return w.pick("", "deny ", "owner ") + "link " + w.pick("", "subset ") + glob() + " -> " + glob() + ","
		case 1:
			return w.pick("", "owner ") + glob() + " " + w.pick("rl", "wl", "rwl") + ","
		}
		return w.pick("", "", "deny ", "owner ") + glob() + " " + w.pick("r", "w", "rw", "k") + ","
	}
	told := 0
	for range 500 {
		var lines []string
		for range 2 + w.IntN(4) {
			lines = append(lines, rule())
		}
		load := func(lines []string) *Profile {
			return loadProfile(t, "profile p {\n"+strings.Join(lines, "\n")+"\n}\n")
		}
		before, after := load(lines), load(append(lines[1:len(lines):len(lines)], rule()))
		c := CompareProfiles(before, after)
		require.True(t, c.Complete)
		for _, side := range []struct {
			list          []Gain
			without, with *Profile
		}{{c.Gains, before, after}, {c.Losses, after, before}} {
			for _, g := range side.list {
				if g.Perms == Link {
					told++
					assert.Zero(t, side.without.Decide(g.Example).Granted, "%+v\n%s\n%s", g, source(before), source(after))
					assert.NotZero(t, side.with.Decide(g.Example).Granted, "%+v\n%s\n%s", g, source(before), source(after))
				}
			}
			for range 20 {
				req := FileRequest{Path: w.pick(names...), Target: w.pick(names...), Perms: Link, Owner: w.chance(50)}
				if side.with.Decide(req).Granted&^side.without.Decide(req).Granted != 0 {
					assert.NotEmpty(t, describeLinks(side.list), "%+v\n%s\n%s", req, source(before), source(after))
				}
			}
		}
	}
	require.Greater(t, told, 200)
}
