package apparmor

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLosses(t *testing.T) {
	for _, c := range []struct {
		name, before, after string
		want                []string
	}{
		{"nothing", "/a r,", "/a rw,", nil},
		{"a permission", "/a rw,", "/a r,", []string{"wa /a single"}},
		{"a link that must be a subset", "/l w,\nlink subset /l -> /t*,\n/t* w,", "/l rw,\nlink subset /l -> /t*,\n/t* w,", []string{"l /l -> /t lacks r"}},
		{"of the owner", "owner /l w,\nowner link subset /l -> /t*,\nowner /t* w,", "owner /l rw,\nowner link subset /l -> /t*,\nowner /t* w,", []string{"l /l -> /t lacks r"}},
		{"of a target that has it", "/l w,\nlink subset /l -> /t*,\n/t* rw,", "/l rw,\nlink subset /l -> /t*,\n/t* rw,", nil},
		{"without subset", "/l w,\nlink /l -> /t*,\n/t* w,", "/l rw,\nlink /l -> /t*,\n/t* w,", nil},
		{"of some targets", "/l w,\nlink subset /l -> /t*,\n/t* w,\n/ta r,", "/l rw,\nlink subset /l -> /t*,\n/t* w,\n/ta r,", []string{"l /l -> /t lacks r"}},
		{"of a target that a deny rule keeps it from", "/l w,\nlink subset /l -> /t,\n/t w,\ndeny /t r,", "/l rw,\nlink subset /l -> /t,\n/t w,\ndeny /t r,", nil},
		{"by a deny rule that goes", "/l rw,\ndeny /l r,\nlink subset /l -> /t,\n/t w,", "/l rw,\nlink subset /l -> /t,\n/t w,", []string{"l /l -> /t lacks r"}},
		{"by l of a file rule", "/d/l wl,\n/d/t* w,", "/d/l rwl,\n/d/t* w,", []string{"l /d/l -> /d/t lacks r"}},
		{"by l for a whole tree", "/d/** wl,", "/d/** wl,\n/d/l r,", []string{"l /d/l -> /d/a lacks r broad"}},
		{"where nothing can be linked", "/proc/** wl,", "/proc/** wl,\n/proc/l r,", nil},
		{"a link that must be a subset now", "link /l -> /t,\n/l r,", "link /l -> /t,\n/l rl,", []string{"l owner /l -> /t"}},
		{"a rule that is merged with change_profile", "/x r,", "/x r,\nchange_profile -> /x,", []string{"r /x"}},
		{"an exec transition", "/a/* px,", "/a/* px,\n/a/b ix,", []string{"x px in place of ix /a/b"}},
		{"a limit", "set rlimit nofile <= 20,", "set rlimit nofile <= 10,", []string{"it"}},
	} {
		load := func(rules string) *Profile { return loadProfile(t, "profile p {\n"+rules+"\n}\n") }
		losses, complete := Losses(load(c.before), load(c.after))
		assert.True(t, complete, c.name)
		var got []string
		for _, l := range losses {
			text := describeGain(l.Gain)
			if l.Lacks != 0 {
				text += " lacks " + l.Lacks.String()
			}
			if l.Broad {
				text += " broad"
			}
			got = append(got, text)
		}
		assert.Equal(t, c.want, got, c.name)
	}
}

// TestABIChangesMeaning: under abi 5.0 ix does not imply m.
func TestABIChangesMeaning(t *testing.T) {
	load := func(abi string) *Profile {
		return loadProfile(t, abi+"profile p {\n  /a ix,\n}\n")
	}
	losses, _ := Losses(load(""), load("abi <abi/5.0>,\n"))
	require.Len(t, losses, 1)
	assert.Equal(t, "m /a single", describeGain(losses[0].Gain))
}

// TestLossesAreDecisions holds that an access which a change of a random profile takes away
// is told as a loss.
func TestLossesAreDecisions(t *testing.T) {
	w := policyWriter{rand.New(rand.NewPCG(5, 2))}
	lost := 0
	for range 400 {
		text := strings.Split(w.profile("p"), "\n")
		changed := append([]string{}, text...)
		i := 1 + w.IntN(max(len(text)-3, 1))
		changed[i] = w.pick("", changed[i]+"\n  "+w.rule(), "  "+w.rule())
		load := func(lines []string) *Profile { return loadText(t, preamble+strings.Join(lines, "\n")).Profile("p") }
		before, after := load(text), load(changed)
		losses, complete := Losses(before, after)
		for range 40 {
			req := w.anyRequest(before)
			if file, ok := req.(FileRequest); ok && strings.Contains(file.Path, "//") {
				continue
			}
			b, a := before.Decide(req), after.Decide(req)
			if b.Granted&^a.Granted == 0 || !complete {
				continue
			}
			lost++
			assert.NotEmpty(t, losses, "%+v is lost and not told\n%s\n%s", req, source(before), source(after))
		}
	}
	t.Logf("%d accesses lost", lost)
	require.Greater(t, lost, 50)
}
