package main

import (
	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/docs"
	"github.com/whydenied/whydenied/explain"
)

// addCauseTopics makes "whydenied help CAUSE" print the page of a cause. The
// topics are not listed among the commands.
func addCauseTopics(root *cobra.Command) {
	for _, cause := range explain.Causes() {
		page, _ := docs.Cause(string(cause))
		root.AddCommand(&cobra.Command{
			Use:    string(cause),
			Hidden: true,
			Long:   page,
			Args:   cobra.NoArgs,
			RunE:   func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		})
	}
}
