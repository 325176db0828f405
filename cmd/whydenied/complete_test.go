package main

import (
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
)

// TestFormatsAreCompleted: the help of each command lists its formats such that they can be
// completed, its default among them.
func TestFormatsAreCompleted(t *testing.T) {
	eachCommand(func(c *cobra.Command) {
		if c.Name() == "completion" || c.Parent() == nil || c.Parent().Name() == "completion" {
			return
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "format" && f.Name != "color" {
				return
			}
			_, usage := pflag.UnquoteUsage(f)
			values := listed(usage)
			if len(values) == 0 && f.Name == "format" { // it has but one
				assert.Contains(t, usage, f.DefValue, c.Name())
				return
			}
			assert.Contains(t, values, f.DefValue, "%s --%s", c.Name(), f.Name)
		})
	})
}

func TestListed(t *testing.T) {
	assert.Equal(t, []string{"any", "new", "risk=high", "never"}, listed("WHICH findings make the run fail: any, new, risk=high or never"))
	assert.Equal(t, []string{"count", "last"}, listed("ORDER of the findings: count or last, the most first"))
	assert.Empty(t, listed("TIME: RFC 3339, a date, or an age"))
}
