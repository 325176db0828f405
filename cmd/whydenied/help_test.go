package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"

	"github.com/whydenied/whydenied/docs"
)

// eachCommand calls a function for each command that has help of its own.
func eachCommand(do func(*cobra.Command)) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Runnable() && !c.Hidden && c.Name() != "help" {
			do(c)
		}
		for _, inner := range c.Commands() {
			walk(inner)
		}
	}
	walk(newRoot())
}

// TestHelpNamesPages: a page that a help text names is in the program, as those who
// installed it have no other.
func TestHelpNamesPages(t *testing.T) {
	page := regexp.MustCompile(`[\w/.-]*\.md\b`)
	eachCommand(func(c *cobra.Command) {
		texts := []string{c.Short, c.Long, c.Example}
		c.Flags().VisitAll(func(f *pflag.Flag) { texts = append(texts, f.Usage) })
		for _, name := range page.FindAllString(strings.Join(texts, "\n"), -1) {
			_, ok := docs.Page(name)
			assert.True(t, ok, "%s names %s", c.Name(), name)
		}
	})
}

// TestGroups: each command that is shown stands in a group.
func TestGroups(t *testing.T) {
	eachCommand(func(c *cobra.Command) {
		if c.HasParent() && c.Parent() == c.Root() {
			assert.NotEmpty(t, c.GroupID, c.Name())
			assert.NotEmpty(t, c.Short, c.Name())
		}
	})
}
