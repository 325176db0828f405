package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/bundle"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/host"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/parser/source"
	"github.com/whydenied/whydenied/rules"
)

func newCollect() *cobra.Command {
	var f inputFlags
	var output string
	cmd := &cobra.Command{
		Use:   "collect -o FILE [LOG|DIR|-]...",
		Short: "Collect what is needed to explain this host's denials on another machine",
		Long: `collect writes a bundle that explain and patch read on another machine as they
would have read the host: the denials of the last hour from all logs, the profiles
with what they include, which are loaded, what is known of the containers, and
versions. With LOGs it takes the denials of these instead of the host's.

Values of environment variables, and what looks like a secret anywhere, become
asterisks, in profiles question marks; what was left out is printed, and is in
the bundle.`,
		Example: `  sudo whydenied collect -o web.tar.zst --container web-1
  whydenied explain web.tar.zst`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if output == "" {
				return usagef("-o FILE is needed: the bundle to write, such as -o bundle.tar.zst")
			}
			return runCollect(cmd, args, f, output)
		},
	}
	flags := cmd.Flags()
	f.add(flags)
	flags.StringVarP(&output, "output", "o", "", "`FILE` to write, which must not be there")
	flags.Lookup("since").Usage += "; 1h unless logs are named"
	return cmd
}

func runCollect(cmd *cobra.Command, args []string, f inputFlags, output string) error {
	own := len(args) == 0
	if own && runtime.GOOS != "linux" {
		return errors.New("AppArmor and seccomp are parts of Linux, and this is " + runtime.GOOS + ": run collect on the host, or name logs that were copied from it")
	}
	if f.since == "" && own {
		f.since = "1h"
	}
	if err := f.parse(args); err != nil {
		return err
	}
	for _, dir := range f.policy.searchPath() {
		if dir != library.SystemProfiles && !(*rules.Tree)(nil).IsDir(dir) {
			return fmt.Errorf("cannot read the directory %s", escape.Name(dir))
		}
	}
	options := bundle.Options{
		Manifest: bundle.Manifest{Version: version(), Since: f.filter.Since.UTC(), ProfileDir: f.policy.profileDir, Include: f.policy.include,
			Profiles: unique(f.policy.profiles), Seccomp: f.policy.seccomp, Caps: f.policy.caps, Host: bundle.Host{Kernel: f.policy.kernel, Arch: f.policy.arch}},
		Allow: f.policy.allow, Filter: f.filter, Inventory: f.policy.inventory, Host: thisHost, Own: own,
	}
	if own {
		options.Logs = source.Transports(f.filter.Since)
	} else {
		options.Logs = []source.Transport{{Name: "logs", Inputs: source.Inputs(args, cmd.InOrStdin()), Taken: strings.Join(args, ", ")}}
	}
	c, err := bundle.Collect(cmd.Context(), options)
	if err != nil {
		return err
	}
	if own {
		if err := addDoctor(cmd, c); err != nil {
			return err
		}
	}
	size, err := c.WriteFile(output)
	if err != nil {
		return err
	}
	sayCollected(cmd, c, output, size)
	return nil
}

// unique returns names without repetitions, in their order.
func unique(names []string) []string {
	var once []string
	for _, name := range names {
		if !slices.Contains(once, name) {
			once = append(once, name)
		}
	}
	return once
}

// doctorTime is how long doctor may take, which compiles the policy.
const doctorTime = time.Minute

// addDoctor adds what doctor says of this host, as its --format json does.
func addDoctor(cmd *cobra.Command, c *bundle.Collection) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), doctorTime)
	defer cancel()
	_, answers := diagnose(ctx, cmd, c.Manifest.ProfileDir, host.StateFile)
	if ctx.Err() != nil {
		c.Missing(fmt.Sprintf("whether loaded profiles are those of the files: it was not told within %s", doctorTime))
	}
	var text bytes.Buffer
	if _, err := printAnswers(answers, report.NewJSONLines[report.DoctorMessage](&text)); err != nil {
		return err
	}
	c.Add("doctor.jsonl", text.Bytes())
	return nil
}

// sayCollected prints what the bundle holds and what it does not.
func sayCollected(cmd *cobra.Command, c *bundle.Collection, output string, size int64) {
	line := func(format string, args ...any) {
		escape.Write(cmd.OutOrStdout(), escape.Linef(format, args...)+"\n")
	}
	line("wrote %s: %d files, %d KB", escape.Name(output), len(c.Texts), (size+1023)>>10)
	for _, r := range c.Manifest.Records {
		line("  %d denials of %s", r.Denials, r.Taken)
	}
	line("  %d containers", len(c.Inventory.Containers))
	for _, text := range c.Manifest.LeftOut {
		line("left out: %s", text)
	}
	for _, text := range c.Manifest.Missing {
		line("missing: %s", text)
	}
}
