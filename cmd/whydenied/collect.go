package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/bundle"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/explain/track"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/parser/source"
	"github.com/whydenied/whydenied/rules"
)

// maxRecords bounds the records that are kept of one log, in bytes.
const maxRecords = 32 << 20

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

Values of environment variables, and what looks like a secret in labels and
arguments, become asterisks; what was left out is printed, and is in the bundle.`,
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

// A collection is a bundle that is being made.
type collection struct {
	cmd       *cobra.Command
	flags     *inputFlags
	manifest  bundle.Manifest
	texts     []bundle.Text
	names     map[string]bool // of texts
	inventory *container.Inventory
	redacted  int // values that became asterisks
}

func runCollect(cmd *cobra.Command, args []string, f inputFlags, output string) error {
	if len(args) == 0 && runtime.GOOS != "linux" {
		return errors.New("AppArmor and seccomp are parts of Linux, and this is " + runtime.GOOS + ": run collect on the host, or name logs that were copied from it")
	}
	if f.since == "" && len(args) == 0 {
		f.since = "1h"
	}
	if err := f.parse(args); err != nil {
		return err
	}
	c := &collection{cmd: cmd, flags: &f, names: map[string]bool{}, inventory: new(container.Inventory)}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	c.manifest = bundle.Manifest{Version: version(), Created: time.Now().UTC(), Since: f.filter.Since.UTC(), Dir: filepath.ToSlash(dir),
		ProfileDir: f.policy.profileDir, Include: f.policy.include, Profiles: unique(f.policy.profiles), Seccomp: f.policy.seccomp, Caps: f.policy.caps}
	// Logs that are named may be another host's, of which nothing is known here.
	c.manifest.Host = bundle.Host{Kernel: f.policy.kernel, Arch: f.policy.arch, Engines: map[string]string{}}
	own := len(args) == 0
	if own {
		c.hostFacts()
	}
	// Each step adds members. Containers come before records, which they may narrow.
	steps := []func() error{
		func() error { return c.containers(own) },
		func() error { return c.records(args) },
		c.profiles,
		c.seccomp,
	}
	if own {
		steps = append(steps, c.loaded, c.doctor)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	if c.redacted > 0 {
		c.leftOut(fmt.Sprintf("%d values of environment variables, labels and arguments, which are asterisks now", c.redacted))
	}
	size, err := writeBundle(output, c)
	if err != nil {
		return err
	}
	c.say(output, size)
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

// say prints what the bundle holds and what it does not.
func (c *collection) say(output string, size int64) {
	out := c.cmd.OutOrStdout()
	line := func(format string, args ...any) {
		fmt.Fprintf(out, "%s\n", report.Escape(fmt.Sprintf(format, args...)))
	}
	line("wrote %s: %d files, %d KB", output, len(c.texts), (size+1023)>>10)
	for _, r := range c.manifest.Records {
		line("  %d denials of %s", r.Denials, r.Taken)
	}
	line("  %d containers", len(c.inventory.Containers))
	for _, text := range c.manifest.LeftOut {
		line("left out: %s", text)
	}
	for _, text := range c.manifest.Missing {
		line("missing: %s", text)
	}
}

func (c *collection) leftOut(text string) { c.manifest.LeftOut = append(c.manifest.LeftOut, text) }
func (c *collection) missing(text string) { c.manifest.Missing = append(c.manifest.Missing, text) }

// add adds a member, once.
func (c *collection) add(name string, data []byte) {
	if c.names[name] {
		return
	}
	c.names[name] = true
	if err := bundle.CheckName(name); err != nil {
		c.missing(fmt.Sprintf("%q, whose name %v", name, err))
		return
	}
	c.texts = append(c.texts, bundle.Text{Name: name, Data: data})
}

// member is the name of the copy of a host's file.
func (c *collection) member(name string) string {
	name = filepath.ToSlash(name)
	if !strings.HasPrefix(name, "/") {
		name = c.manifest.Dir + "/" + name
	}
	return bundle.Files + path.Clean("/"+name)
}

// copyFile adds the copy of a host's file.
func (c *collection) copyFile(name string) error {
	text, err := os.ReadFile(name)
	if err == nil {
		c.add(c.member(name), text)
	}
	return err
}

// containers adds what is known of containers: what the user names, then what this
// host has itself if own is set. It narrows to those that are wanted.
func (c *collection) containers(own bool) error {
	var found []container.Metadata
	for _, name := range c.flags.policy.inventory {
		text, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("cannot read the inventory: %w", err)
		}
		found = append(found, container.Metadata{Name: name, Text: text})
	}
	if own {
		gathered, err := track.Gather(c.cmd.Context())
		if err != nil {
			c.missing(strings.ReplaceAll(err.Error(), "\n", "; "))
		}
		found = append(found, gathered...) // what comes first of a container goes before
	}
	for i := range found {
		text, n, err := bundle.RedactJSON(found[i].Text)
		if err != nil {
			return fmt.Errorf("%s: not JSON, so that secrets in it cannot be found: %w", found[i].Name, err)
		}
		found[i].Text = text
		c.redacted += n
		if engine, version, ok := container.ReadEngine(text); ok {
			c.manifest.Host.Engines[engine] = cmp.Or(c.manifest.Host.Engines[engine], version)
			continue
		}
		containers, err := found[i].Containers()
		if err != nil {
			c.missing(err.Error())
			found[i].Text = nil
			continue
		}
		c.inventory.Add(containers...)
	}
	if err := c.narrow(); err != nil {
		return err
	}
	for i, m := range found {
		wanted := m.Container == "" || slices.ContainsFunc(c.inventory.Containers, func(x container.Container) bool { return x.ID == m.Container })
		if m.Text == nil || !wanted {
			continue
		}
		member := fmt.Sprintf("containers/%04d.json", i)
		c.add(member, m.Text)
		c.manifest.Inventory = append(c.manifest.Inventory, bundle.Inventory{Member: member, Name: m.Name, Container: m.Container})
	}
	return nil
}

// narrow keeps the containers that --container names.
func (c *collection) narrow() error {
	names := c.flags.filter.Containers
	if len(names) == 0 {
		return nil
	}
	all := len(c.inventory.Containers)
	c.inventory.Containers = slices.DeleteFunc(c.inventory.Containers, func(x container.Container) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return x.Name == name || strings.HasPrefix(x.ID, name) })
	})
	if len(c.inventory.Containers) == 0 {
		return fmt.Errorf("none of %d containers that this host knows is %s; leave --container out to take all", all, strings.Join(names, " or "))
	}
	if n := all - len(c.inventory.Containers); n > 0 {
		c.leftOut(fmt.Sprintf("%d other containers, and their denials", n))
	}
	return nil
}

// records adds the denials of the logs, each with the other records of its event.
func (c *collection) records(args []string) error {
	logs := []source.Transport{{Name: "logs", Inputs: source.Inputs(args, c.cmd.InOrStdin()), Taken: strings.Join(args, ", ")}}
	if len(args) == 0 {
		logs = source.Transports(c.flags.filter.Since)
	}
	readable := 0
	for _, log := range logs {
		if log.Err != nil {
			c.missing(log.Err.Error())
			continue
		}
		k, failed := &keeper{}, 0
		group := explain.NewGroup(c.inventory.Find, c.flags.filter)
		for batch, err := range source.Scan(c.cmd.Context(), log.Inputs) {
			if isUnreadable(err) {
				c.missing(err.Error())
				failed++
				continue
			}
			if err != nil {
				return err
			}
			for _, d := range batch.Denials {
				if f, _ := group.Add(d); f != nil {
					k.take(&d)
				}
			}
		}
		if failed < len(log.Inputs) {
			readable++
		}
		member := "records/" + log.Name
		c.add(member, k.text())
		c.manifest.Records = append(c.manifest.Records, bundle.Records{Member: member, Name: log.Name, Taken: log.Taken, Denials: k.denials})
		c.redacted += k.redacted
		if k.dropped > 0 {
			c.leftOut(fmt.Sprintf("the oldest %d of %d denials of %s, which are more than %d MiB", k.dropped, k.denials, log.Taken, maxRecords>>20))
		}
	}
	if readable == 0 {
		return errors.New("no log can be read: " + strings.Join(c.manifest.Missing, "; "))
	}
	c.leftOut("all records but those of denials and their events")
	return nil
}

// A keeper keeps the newest records.
type keeper struct {
	chunks            []chunk
	serial            uint32          // of the last event
	seen              map[string]bool // its lines
	denials, redacted int
	dropped           int
}

// A chunk is a part of the records.
type chunk struct {
	text    []byte
	denials int
}

const chunkSize = 1 << 20

func (k *keeper) take(d *parser.Denial) {
	k.denials++
	own := &d.Event.Records[d.Record]
	if k.seen == nil || own.Serial == 0 || own.Serial != k.serial {
		k.serial, k.seen = own.Serial, map[string]bool{}
	}
	if n := len(k.chunks); n == 0 || len(k.chunks[n-1].text) >= chunkSize {
		k.chunks = append(k.chunks, chunk{})
		if n >= maxRecords/chunkSize {
			k.dropped += k.chunks[0].denials
			k.chunks = k.chunks[1:]
		}
	}
	last := &k.chunks[len(k.chunks)-1]
	last.denials++
	for _, r := range d.Event.Records {
		if bundle.RedactRecord(&r) {
			k.redacted++
		}
		if line := r.AppendLine(nil); !k.seen[string(line)] {
			k.seen[string(line)] = true
			last.text = append(last.text, line...)
		}
	}
}

func (k *keeper) text() []byte {
	var all [][]byte
	for _, c := range k.chunks {
		all = append(all, c.text)
	}
	return bytes.Join(all, nil)
}

// seccomp adds the seccomp profiles that are files: the one that is named, those of
// containers, and those that engines read.
func (c *collection) seccomp() error {
	if name := c.manifest.Seccomp; name != "" {
		if err := c.copyFile(name); err != nil {
			return fmt.Errorf("cannot read the seccomp profile: %w", err)
		}
	}
	for _, x := range c.inventory.Containers {
		if name := x.SeccompProfile; filepath.IsAbs(name) {
			if err := c.copyFile(name); err != nil {
				c.missing(fmt.Sprintf("the seccomp profile of container %s: %v", cmp.Or(x.Name, x.ID), err))
			}
		}
	}
	for _, name := range []string{"/etc/docker/seccomp.json", "/etc/containers/seccomp.json", "/usr/share/containers/seccomp.json"} {
		if err := c.copyFile(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.missing(err.Error())
		}
	}
	return nil
}

// writeBundle writes the bundle, readable by this user alone: all of it or
// nothing. It does not replace what is there.
func writeBundle(name string, c *collection) (size int64, err error) {
	reserved, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return 0, fmt.Errorf("%s: is there already; give another name", name)
	}
	if err != nil {
		return 0, err
	}
	reserved.Close()
	err = rules.ReplaceFile(name, func(f *os.File) error {
		if err := bundle.Write(f, c.manifest, c.texts); err != nil {
			return err
		}
		info, err := f.Stat()
		if err == nil {
			size = info.Size()
		}
		return err
	})
	if err != nil {
		err = errors.Join(err, os.Remove(name))
	}
	return size, err
}
