package main

import (
	"cmp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/docs"
	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/escape"
)

// addHelp groups the commands, and makes "whydenied help" list the pages that the
// program holds and show each by its name. To cobra a command that does nothing is a
// help topic.
func addHelp(root *cobra.Command) {
	var causes []string
	for _, cause := range explain.Causes() {
		page, _ := docs.Cause(string(cause))
		root.AddCommand(&cobra.Command{Use: string(cause), Hidden: true, Long: page})
		causes = append(causes, "  "+string(cause)+"\n")
	}
	for _, name := range docs.Topics {
		page, _ := docs.Topic(name)
		root.AddCommand(&cobra.Command{Use: name, Hidden: true, Long: page})
	}
	root.SetHelpCommand(&cobra.Command{
		Use:   "help [COMMAND | PAGE | CAUSE]",
		Short: "Show a command's help, a page, or what a cause means",
		Long: "help shows a command's help, a page, or what a cause means and what to do about it.\n\nPages:\n  " +
			strings.Join(docs.Topics, "\n  ") + "\n\nAny page of the documentation is shown by the name of its file too, as pages link it:\n" +
			"whydenied help trace.md.\n\nCauses that a finding can name:\n" + strings.Join(causes, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return root.Help()
			}
			if page, ok := docs.Page(args[0]); ok && len(args) == 1 {
				return escape.Write(cmd.OutOrStdout(), escape.Lines(page))
			}
			found, rest, err := root.Find(args)
			if err != nil || found == root || len(rest) > 0 {
				return noPage(root, args)
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			for _, c := range root.Commands() {
				names = append(names, c.Name())
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	})
}

// noPage says that nothing has the name, and what is spelled alike.
func noPage(root *cobra.Command, args []string) error {
	// Only commands that can run are suggested, and pages cannot.
	all := &cobra.Command{SuggestionsMinimumDistance: root.SuggestionsMinimumDistance}
	for _, c := range root.Commands() {
		all.AddCommand(&cobra.Command{Use: c.Name(), Run: func(*cobra.Command, []string) {}})
	}
	name := strings.Join(args, " ")
	return usagef("there is no command, page or cause %q; %s", name, cmp.Or(meant(all, name), "whydenied help help lists them"))
}
