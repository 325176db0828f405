package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/bundle"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/host"
	"github.com/whydenied/whydenied/parser/source"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/disk"
)

// readBundle reads the evidence bundle that args name, known by its content; it
// is nil if they name logs.
func readBundle(cmd *cobra.Command, args []string) (*bundle.Bundle, error) {
	for _, arg := range args {
		in := bufio.NewReaderSize(nil, bundle.Head)
		if arg == "-" {
			in.Reset(cmd.InOrStdin())
			cmd.SetIn(in) // with what Peek took
		} else {
			file, err := disk.Open(arg)
			if err != nil {
				continue // which reading it as a log reports
			}
			defer file.Close()
			in.Reset(file)
		}
		if !isBundle(in) {
			continue
		}
		if len(args) > 1 {
			return nil, usagef("%s is an evidence bundle, which has its own logs: name it alone", escape.Name(arg))
		}
		b, err := bundle.Read(in)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", escape.Name(arg), err)
		}
		return b, nil
	}
	return nil, nil
}

// isBundle reports whether an input, with a buffer of bundle.Head, is an evidence bundle.
func isBundle(in *bufio.Reader) bool {
	head, _ := in.Peek(4)
	if bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}) { // zstd
		head, _ = in.Peek(bundle.Head)
	}
	return bundle.Is(head)
}

// openBundle takes from a bundle what open takes from this machine. What the
// user names besides goes before.
func (f *inputFlags) openBundle(cmd *cobra.Command, name string, b *bundle.Bundle) (in input, err error) {
	if cmd.Flags().Changed("profile-dir") || cmd.Flags().Changed("include") {
		return in, usagef("%s is an evidence bundle, which has its own profile directory; --profile and --seccomp name files to use before its own", escape.Name(name))
	}
	stderr, m := cmd.ErrOrStderr(), &b.Manifest
	say(stderr, "reading a bundle of %s, made %s", cmp.Or(m.Host.Name, "named logs"), m.Created.UTC().Format(time.RFC3339))
	for _, missing := range m.Missing {
		say(stderr, "not in the bundle: %s", missing)
	}
	in.bundle = b
	if len(f.policy.caps) == 0 {
		f.policy.caps = m.Caps
	}
	o, err := f.policy.options()
	if err != nil {
		return in, err
	}
	tree := b.Tree()
	o.Tree, o.ProfileDir, o.Include = tree, m.ProfileDir, m.Include
	if err := addBundled(&o, b); err != nil {
		return in, err
	}
	useLoaders(&o, host.ReadLoaders(m.Host.Kernel, m.Host.Versions), m.Host.Arch)
	in.inventory = o.Inventory
	f.filter.Resolve(in.inventory)
	in.filter = f.filter
	// apparmor_parser is not asked: it would read this machine's included files.
	if in.explainer, err = load(o, stderr); err != nil {
		return in, err
	}
	lib := in.explainer.Library
	lib.UseKernel()
	for _, profile := range m.Profiles {
		text, err := tree.ReadFile(profile)
		if err != nil {
			return in, fmt.Errorf("the bundle lacks a profile: %w", err)
		}
		_, diagnostics := lib.UseProfile(rules.NewFile(profile, text))
		warn(stderr, diagnostics)
	}
	if m.Seccomp != "" && f.policy.seccomp == "" {
		text, err := tree.ReadFile(m.Seccomp)
		if err != nil {
			return in, fmt.Errorf("the bundle lacks the seccomp profile: %w", err)
		}
		diagnostics, err := lib.UseSeccomp(rules.NewFile(m.Seccomp, text))
		if err != nil {
			return in, err
		}
		warn(stderr, diagnostics)
	}
	in.logs = bundledLogs(name, b)
	return in, nil
}

// addBundled adds the containers of a bundle and its host's engines to those that the
// user names.
func addBundled(o *explain.Options, b *bundle.Bundle) error {
	if o.Inventory == nil {
		o.Inventory = new(container.Inventory)
	}
	if o.Engines == nil {
		o.Engines = map[string]string{}
	}
	for engine, version := range b.Manifest.Host.Engines {
		if o.Engines[engine] == "" {
			o.Engines[engine] = version
		}
	}
	for _, i := range b.Manifest.Inventory {
		metadata := container.Metadata{Container: i.Container, Name: i.Name, Text: b.Text(i.Member)}
		if hosts := container.ReadHosts(metadata.Text); hosts != nil {
			o.Hosts = append(o.Hosts, hosts...)
			continue
		}
		found, err := metadata.Containers()
		if err != nil {
			return fmt.Errorf("the bundle's inventory: %w", err)
		}
		o.Inventory.Add(found...)
	}
	return nil
}

// bundledLogs returns the records of a bundle as logs.
func bundledLogs(name string, b *bundle.Bundle) []source.Input {
	var logs []source.Input
	add := func(member string) {
		logs = append(logs, source.Input{Name: name + ":" + member, Open: func(context.Context) (io.ReadCloser, time.Time, error) {
			return io.NopCloser(bytes.NewReader(b.Text(member))), b.Manifest.Created, nil
		}})
	}
	for _, r := range b.Manifest.Records {
		add(r.Member)
	}
	if len(logs) == 0 {
		add("records") // none is an empty log
	}
	return logs
}
