package explain

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/parser"
)

func TestConsequence(t *testing.T) {
	last := time.Date(2026, 3, 1, 9, 0, 0, 250e6, time.UTC)
	ended := func(after time.Duration) container.Container {
		at := last.Add(after)
		return container.Container{Confidence: container.High, ExitCode: 1, Ended: at, Finished: at}
	}
	with := func(c container.Container, change func(c *container.Container)) container.Container {
		change(&c)
		return c
	}
	for name, test := range map[string]struct {
		in   container.Container
		want string
	}{
		"at once":            {ended(150 * time.Millisecond), "its container ended within a second of the last denial, with exit code 1"},
		"a little on":        {ended(3 * time.Second), "its container ended 3 s after the last denial, with exit code 1"},
		"whole second":       {ended(-250 * time.Millisecond), "its container ended within a second of the last denial, with exit code 1"},
		"long after":         {ended(11 * time.Second), ""},
		"before":             {ended(-time.Second), ""},
		"never":              {container.Container{Confidence: container.High}, ""},
		"well":               {with(ended(0), func(c *container.Container) { c.ExitCode = 0 }), ""},
		"told by its end":    {with(ended(0), func(c *container.Container) { c.Confidence = container.Low }), ""},
		"for want of memory": {with(ended(0), func(c *container.Container) { c.OOMKilled = true }), ""},
		"a signal": {with(ended(0), func(c *container.Container) { c.ExitCode = 134 }),
			"its container ended within a second of the last denial, with exit code 134, as of signal 6"},
		"Docker, runs again": {with(ended(0), func(c *container.Container) { c.ExitCode, c.Finished, c.Restarts = 0, time.Time{}, 2 }),
			"its container ended within a second of the last denial, and was started again; it was restarted 2 times so far"},
		"Kubernetes, waits": {with(ended(0), func(c *container.Container) {
			c.Finished, c.Restarts, c.Error = time.Time{}, 5, "CrashLoopBackOff: back-off 5m0s\nError"
		}), "its container ended within a second of the last denial, with exit code 1, and was started again; it was restarted 5 times so far; its status says: CrashLoopBackOff: back-off 5m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &Finding{Last: last, Container: test.in, Denial: parser.Denial{Mode: parser.Denied}}
			assert.Equal(t, test.want, f.consequence())
			f.Containers = Tally{{Name: "a"}, {Name: "b"}}
			assert.Empty(t, f.consequence(), "whose the last denial was is not known")
			f.Containers, f.Denial.Mode = nil, parser.Allowed
			assert.Empty(t, f.consequence(), "nothing was refused")
		})
	}
}
