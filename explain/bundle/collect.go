package bundle

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/host"
	"github.com/whydenied/whydenied/explain/secret"
	"github.com/whydenied/whydenied/explain/track"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/parser/source"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/disk"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// maxRecords bounds the records that are kept of one log, in bytes.
const maxRecords = 12 << 20

// Options say what a bundle is to hold.
type Options struct {
	// Manifest is what the user says: Version, Since, ProfileDir, Include, Profiles,
	// Seccomp and Caps, and the Kernel and Arch of the Host.
	Manifest  Manifest
	Logs      []source.Transport
	Allow     []string       // directories that profiles may include files from besides
	Filter    explain.Filter // of the denials in them
	Inventory []string       // files with metadata of containers
	// Host is asked what it is, and what versions its programs are of.
	Host host.Host
	// Own says that the logs are this host's, of which all else is taken then that
	// explains them. Other logs may be another host's.
	Own bool
}

// A Collection is a bundle that is being made.
type Collection struct {
	Manifest  Manifest
	Texts     []Text
	Inventory container.Inventory // what is known of the containers that are wanted

	options Options
	names   map[string]bool // of texts
	secrets secret.Kinds    // that became asterisks

	labels, programs map[string]bool // of denials; see products
}

// Collect takes from this host what the options say, without the secrets in it. What
// cannot be had is told in the manifest; an error is that the user named what
// cannot be read, or that there is no log.
func Collect(ctx context.Context, o Options) (*Collection, error) {
	c := &Collection{Manifest: o.Manifest, options: o, names: map[string]bool{}, secrets: secret.Kinds{}, labels: map[string]bool{}, programs: map[string]bool{}}
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	m := &c.Manifest
	m.Created, m.Dir, m.Host.Engines = time.Now().UTC(), filepath.ToSlash(dir), map[string]string{}
	if o.Own {
		c.host(ctx)
	}
	// Each step adds members. Containers come before records, which they may narrow.
	steps := []func(context.Context) error{c.containers, c.records, c.profiles, c.seccomp}
	if o.Own {
		steps = append(steps, c.loaded, c.products)
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	if len(c.secrets) > 0 {
		c.leftOut(fmt.Sprintf("%d secrets and values of environment variables, which are asterisks now, in profiles question marks: %s", c.secrets.Sum(), c.secrets))
	}
	return c, nil
}

func (c *Collection) leftOut(text string) { c.Manifest.LeftOut = append(c.Manifest.LeftOut, text) }

// Missing notes what could not be had, and why.
func (c *Collection) Missing(text string) { c.Manifest.Missing = append(c.Manifest.Missing, text) }

// Add adds a member, once.
func (c *Collection) Add(name string, data []byte) {
	if c.names[name] {
		return
	}
	c.names[name] = true
	if err := CheckName(name); err != nil {
		c.Missing(fmt.Sprintf("%q, whose name %v", name, err))
		return
	}
	c.Texts = append(c.Texts, Text{Name: name, Data: data})
}

// member is the name of the copy of a host's file.
func (c *Collection) member(name string) string {
	name = filepath.ToSlash(name)
	if !strings.HasPrefix(name, "/") {
		name = c.Manifest.Dir + "/" + name
	}
	return Files + path.Clean("/"+name)
}

// copyFile adds the copy of a host's file, which is one on disk.
func (c *Collection) copyFile(name string) error {
	text, err := disk.ReadNamed(name, rules.MaxFile)
	if err == nil {
		c.addFile(name, text)
	}
	return err
}

// addFile adds the text of a host's file, of policy, without secrets.
func (c *Collection) addFile(name string, text []byte) {
	member := c.member(name)
	if c.names[member] {
		return
	}
	if clean, err := secret.JSON(text, c.secrets); err == nil {
		text = clean
	} else if utf8.Valid(text) {
		text = []byte(secret.Policy(string(text), c.secrets))
	}
	c.Add(member, text)
}

// containers adds what is known of containers: what the user names, then what this
// host has itself. It narrows to those that are wanted.
func (c *Collection) containers(ctx context.Context) error {
	var found []container.Metadata
	for _, name := range c.options.Inventory {
		text, err := disk.ReadNamed(name, container.MaxFile)
		if err != nil {
			return fmt.Errorf("cannot read the inventory: %w", err)
		}
		found = append(found, container.Metadata{Name: name, Text: text})
	}
	if c.options.Own {
		gathered, err := track.Gather(ctx)
		if err != nil {
			c.Missing(strings.ReplaceAll(err.Error(), "\n", "; "))
		}
		found = append(found, gathered...) // what comes first of a container goes before
	}
	for i := range found {
		if lines, err := container.JSON(found[i].Text); err == nil {
			found[i].Text = lines
		}
		text, err := secret.JSON(found[i].Text, c.secrets)
		if err != nil {
			if text = c.plain(found[i]); text == nil {
				return fmt.Errorf("%s: not JSON, so that secrets in it cannot be found: %w", found[i].Name, err)
			}
		}
		found[i].Text = text
		if hosts := container.ReadHosts(text); hosts != nil {
			for _, h := range hosts {
				if h.Engine != "" && h.Version != "" {
					c.Manifest.Host.Engines[h.Engine] = cmp.Or(c.Manifest.Host.Engines[h.Engine], h.Version)
				}
			}
			continue
		}
		containers, err := found[i].Containers()
		if err != nil {
			c.Missing(err.Error())
			found[i].Text = nil
			continue
		}
		c.Inventory.Add(containers...)
	}
	if err := c.narrow(); err != nil {
		return err
	}
	for i, m := range found {
		wanted := m.Container == "" || slices.ContainsFunc(c.Inventory.Containers, func(x container.Container) bool { return x.ID == m.Container })
		if m.Text == nil || !wanted {
			continue
		}
		member := fmt.Sprintf("containers/%04d.json", i)
		c.Add(member, m.Text)
		c.Manifest.Inventory = append(c.Manifest.Inventory, Inventory{Member: member, Name: m.Name, Container: m.Container})
	}
	return nil
}

// plain returns what is read of metadata that are no JSON, without secrets, such as what
// runc --version prints; nil if that is nothing.
func (c *Collection) plain(m container.Metadata) []byte {
	if lines := container.PlainLines(m.Text); lines != nil {
		return lines
	}
	if lines := container.ConfigLines(m.Name, m.Text); lines != nil {
		return []byte(secret.Text(string(lines), c.secrets))
	}
	return nil
}

// narrow keeps the containers that --container names.
func (c *Collection) narrow() error {
	names := c.options.Filter.Containers
	if len(names) == 0 {
		return nil
	}
	all := len(c.Inventory.Containers)
	c.Inventory.Containers = slices.DeleteFunc(c.Inventory.Containers, func(x container.Container) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return x.Name == name || strings.HasPrefix(x.ID, name) })
	})
	if len(c.Inventory.Containers) == 0 {
		return fmt.Errorf("none of %d containers that this host knows is %s; leave --container out to take all", all, strings.Join(names, " or "))
	}
	if n := all - len(c.Inventory.Containers); n > 0 {
		c.leftOut(fmt.Sprintf("%d other containers, and their denials", n))
	}
	return nil
}

// records adds the denials of the logs, each with the other records of its event.
func (c *Collection) records(ctx context.Context) error {
	readable := 0
	for _, log := range c.options.Logs {
		if log.Err != nil {
			c.Missing(log.Err.Error())
			continue
		}
		k, failed := &keeper{secrets: c.secrets}, 0
		session := explain.NewSession(c.Inventory.Find, c.options.Filter)
		for batch, err := range source.Scan(ctx, log.Inputs) {
			if errors.As(err, new(*source.Error)) {
				c.Missing(err.Error())
				failed++
				continue
			}
			if err != nil {
				return err
			}
			for _, d := range batch.Denials {
				f, _ := session.Add(d)
				switch {
				case f != nil:
					k.take(&d, 1)
					c.note(&d, f)
				case explain.IsUsernsMove(&d):
					k.take(&d, 0)
				}
			}
		}
		if failed < len(log.Inputs) {
			readable++
		}
		member := "records/" + log.Name
		c.Add(member, k.text())
		c.Manifest.Records = append(c.Manifest.Records, Records{Member: member, Name: log.Name, Taken: log.Taken, Denials: k.denials})
		if k.dropped > 0 {
			c.leftOut(fmt.Sprintf("the oldest %d of %d denials of %s, which are more than %d MiB", k.dropped, k.denials, log.Taken, maxRecords>>20))
		}
	}
	if readable == 0 {
		var all []error
		for _, why := range c.Manifest.Missing {
			all = append(all, errors.New(why))
		}
		return errors.Join(append(all, errors.New("no log can be read; name a saved one"))...)
	}
	c.leftOut("all records but those of denials and their events")
	return nil
}

// A keeper keeps the newest records.
type keeper struct {
	chunks           []chunk
	serial           uint32          // of the last event
	seen             map[string]bool // its lines
	denials, dropped int
	secrets          secret.Kinds
}

// A chunk is a part of the records.
type chunk struct {
	text    []byte
	denials int
}

const chunkSize = 1 << 20

// take keeps a record, which stands for some denials.
func (k *keeper) take(d *parser.Denial, denials int) {
	k.denials += denials
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
	last.denials += denials
	records := slices.Clone(d.Event.Records)
	secret.Records(records, k.secrets)
	for _, r := range records {
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
func (c *Collection) seccomp(context.Context) error {
	if name := c.Manifest.Seccomp; name != "" {
		if err := c.copyFile(name); err != nil {
			return fmt.Errorf("cannot read the seccomp profile: %w", err)
		}
	}
	for _, x := range c.Inventory.Containers {
		for _, name := range []string{x.SeccompProfile, x.SeccompFrom} {
			if !filepath.IsAbs(name) {
				continue
			}
			if err := c.copySeccomp(name); err != nil {
				c.Missing(fmt.Sprintf("the seccomp profile of container %s: %v", cmp.Or(x.Name, x.ID), err))
			}
		}
	}
	for _, name := range []string{"/etc/docker/seccomp.json", "/etc/containers/seccomp.json", "/usr/share/containers/seccomp.json"} {
		if err := c.copyFile(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.Missing(err.Error())
		}
	}
	return nil
}

// copySeccomp is copyFile of what a container's metadata name, which any user can
// write: it must be a seccomp profile.
func (c *Collection) copySeccomp(name string) error {
	text, err := disk.Read(name, rules.MaxFile)
	if err != nil {
		return err
	}
	if _, _, err := seccomp.Parse(rules.NewFile(name, string(text))); err != nil {
		return fmt.Errorf("%s: not a seccomp profile", name)
	}
	c.Add(c.member(name), text)
	return nil
}

// WriteFile writes the bundle, readable by this user alone: all of it or nothing.
// It does not replace what is there.
func (c *Collection) WriteFile(name string) (size int64, err error) {
	err = disk.Create(name, 0o600, 0, func(f *os.File) error {
		if err := Write(f, c.Manifest, c.Texts); err != nil {
			return err
		}
		info, err := f.Stat()
		if err == nil {
			size = info.Size()
		}
		return err
	})
	if errors.Is(err, fs.ErrExist) {
		return 0, fmt.Errorf("%w; give another name", err)
	}
	return size, err
}
