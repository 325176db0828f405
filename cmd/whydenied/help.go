package main

import (
	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/docs"
	"github.com/whydenied/whydenied/explain"
)

// addCauseTopics makes "whydenied help CAUSE" print the page of a cause: to cobra
// a command that does nothing is a help topic. They are not listed.
func addCauseTopics(root *cobra.Command) {
	for _, cause := range explain.Causes() {
		page, _ := docs.Cause(string(cause))
		root.AddCommand(&cobra.Command{
			Use:    string(cause),
			Hidden: true,
			Long:   page,
		})
	}
}
