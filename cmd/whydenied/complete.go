package main

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/library"
)

// addCompletions gives the shell what can follow each flag of each command: files or
// directories where its help says so, the words that its help lists, and the names of
// profiles and containers of this host.
func addCompletions(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		addCompletions(c)
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Value.Type() == "bool" {
			return
		}
		if err := cmd.RegisterFlagCompletionFunc(f.Name, completionOf(f)); err != nil {
			panic(err) // two for one flag
		}
	})
}

// completionOf chooses by the name of a flag and by its help.
func completionOf(f *pflag.Flag) cobra.CompletionFunc {
	switch f.Name {
	case "profile":
		return cobra.FixedCompletions(builtinProfiles, cobra.ShellCompDirectiveDefault)
	case "seccomp":
		return cobra.FixedCompletions(builtinFilters, cobra.ShellCompDirectiveDefault)
	case "source":
		return cobra.FixedCompletions([]string{"audit", "audit-unicast", "kmsg", "journal", "trace"}, cobra.ShellCompDirectiveDefault)
	case "profile-name":
		return profileNames
	case "container", "since-deploy":
		return containerNames
	}
	// The help is read when the shell asks, as every start of the program comes by here.
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		switch value, usage := pflag.UnquoteUsage(f); value {
		case "FILE":
			return nil, cobra.ShellCompDirectiveDefault
		case "DIR":
			return nil, cobra.ShellCompDirectiveFilterDirs
		default:
			return listed(usage), cobra.ShellCompDirectiveNoFileComp
		}
	}
}

var (
	builtinProfiles = []string{"builtin:docker-default", "builtin:cri-containerd.apparmor.d", "builtin:crio-default"}
	builtinFilters  = []string{"builtin:docker", "builtin:containerd", "builtin:podman", "builtin:cri-o", "builtin:containers-common"}
)

// list is how a help text lists the values of a flag: ": a, b or c".
var list = regexp.MustCompile(`: ((?:[\w=-]+, )*[\w=-]+ or [\w=-]+)`)

// listed returns the values that the help of a flag lists, so that they stand in one place.
func listed(usage string) []string {
	m := list.FindStringSubmatch(usage)
	if m == nil {
		return nil
	}
	return strings.Split(strings.ReplaceAll(m[1], " or ", ", "), ", ")
}

// profileNames are the names of the profiles in the profile directory.
func profileNames(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	dir := library.SystemProfiles
	if f := cmd.Flags().Lookup("profile-dir"); f != nil {
		dir = f.Value.String()
	}
	return library.New(dir, nil).Names(), cobra.ShellCompDirectiveNoFileComp
}

// containerNames are the names in the inventory if one is named, else those of the
// containers of this host that can be had in a moment.
func containerNames(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	names := map[string]bool{}
	for _, c := range knownContainers(cmd) {
		if c.Name != "" {
			names[c.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names)), cobra.ShellCompDirectiveNoFileComp
}

func knownContainers(cmd *cobra.Command) (all []container.Container) {
	if files, err := cmd.Flags().GetStringArray("inventory"); err == nil && len(files) > 0 {
		inventory, _, err := readInventory(files)
		if err != nil {
			return nil
		}
		return inventory.Containers
	}
	ctx, stop := context.WithTimeout(cmd.Context(), time.Second)
	defer stop()
	all, _ = containersHere(ctx) // what is missing of it is no matter here
	return all
}
