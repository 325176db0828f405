package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/parser"
)

func TestLastRefused(t *testing.T) {
	ended := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	finding := func(comm string, before time.Duration) *explain.Explained {
		return &explain.Explained{Finding: &explain.Finding{
			Last: ended.Add(-before),
			Denial: parser.Denial{
				Mode: parser.Denied, Subject: parser.Subject{Comm: comm, Label: "p"}, AppArmor: &parser.AppArmor{Operation: "capable", Profile: "p", CapName: "chown"},
				Event: parser.Event{Records: []parser.Record{{}}},
			},
		}}
	}
	early, late, cope := finding("early", 5*time.Second), finding("late", 300*time.Millisecond), finding("cope", 200*time.Millisecond)
	cope.Harmless = "it went on"
	allowed := finding("allowed", 100*time.Millisecond)
	allowed.Denial.Mode = parser.Allowed
	list := []*explain.Explained{early, finding("first", 1400*time.Millisecond), late, cope, allowed, finding("after", -time.Second)}

	text := lastRefused(list, 1, ended)
	assert.Regexp(t, `^the command failed with status 1; refused just before, which need not be why: late .*, 0.3 s before; first .*, 1.4 s before$`, text)
	for _, other := range []string{"early", "cope", "allowed", "after", "more"} {
		assert.NotContains(t, text, other)
	}
	assert.Empty(t, lastRefused(list, 0, ended), "it did not fail")
	assert.Empty(t, lastRefused([]*explain.Explained{early}, 1, ended))
	list = append(list, finding("a", 0), finding("b", 0), finding("c", 0))
	assert.Contains(t, lastRefused(list, 1, ended), "and 2 more")
}
