package main

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/escape"
)

// pluginArgs returns the arguments of a command line. As docker-whydenied, the program is a
// plugin of Docker's command line, which gives it its own name too, behind the flags of
// docker: docker-whydenied --context x whydenied explain. kubectl gives kubectl-whydenied
// what follows alone.
func pluginArgs(commandLine []string) []string {
	args := commandLine[1:]
	program := strings.TrimSuffix(filepath.Base(commandLine[0]), ".exe")
	if name := slices.Index(args, "whydenied"); program == "docker-whydenied" && name >= 0 {
		return args[name+1:]
	}
	return args
}

// newPluginMetadata is what Docker's command line asks a plugin first
// (cli-plugins/metadata in docker/cli).
func newPluginMetadata() *cobra.Command {
	return &cobra.Command{
		Use: "docker-cli-plugin-metadata", Hidden: true, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return escape.JSON(cmd.OutOrStdout(), map[string]string{
				"SchemaVersion": "0.1.0", "Vendor": "whydenied", "Version": version(), "ShortDescription": cmd.Root().Short,
				"URL": "https://github.com/whydenied/whydenied",
			})
		},
	}
}
