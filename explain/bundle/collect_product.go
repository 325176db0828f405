package bundle

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/family"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/disk"
)

// Bounds of what products' own configs are taken for, and of how many.
const (
	maxNoted   = 1000
	maxConfigs = 256
)

// note notes whose config may tell more of a denial: the product's that made its profile, or of
// a process outside of containers the unit's that runs its program.
func (c *Collection) note(d *parser.Denial, f *explain.Finding) {
	if d.Event.Records[d.Record].IsLookAlike() {
		return
	}
	if label := d.Subject.Label; len(c.labels) < maxNoted && family.Of(label, "") != nil {
		c.labels[label] = true
	}
	if f.Container.Confidence == container.Unknown && d.Seccomp != nil && d.Subject.Exe != "" && len(c.programs) < maxNoted {
		c.programs[path.Base(d.Subject.Exe)] = true
	}
}

// products adds configs of products that denials are about, and units whose program a
// filter refused something: what --inventory takes of a host. Those that are not there are not missed.
func (c *Collection) products(context.Context) error {
	taken := 0
	add := func(name string, text []byte, is func(container.Container) bool) {
		found, err := container.Read(name, text)
		if err != nil || !slices.ContainsFunc(found, is) || taken >= maxConfigs {
			return
		}
		clean := c.plain(container.Metadata{Name: name, Text: text})
		if clean == nil {
			return
		}
		taken++
		member := fmt.Sprintf("configs/%04d", taken)
		c.Add(member, clean)
		c.Manifest.Inventory = append(c.Manifest.Inventory, Inventory{Member: member, Name: name})
	}
	root := c.options.Host.Root
	for _, label := range slices.Sorted(maps.Keys(c.labels)) {
		for _, pattern := range family.Of(label, "").Configs {
			names, _ := filepath.Glob(root + pattern)
			for _, file := range names[:min(len(names), maxNoted)] {
				if text, err := disk.Read(file, container.MaxFile); err == nil {
					add(strings.TrimPrefix(file, root), text, func(x container.Container) bool {
						return x.AppArmorProfile == label || pattern == strings.TrimPrefix(file, root)
					})
				}
			}
		}
	}
	if len(c.programs) == 0 {
		return nil
	}
	known := units(root)
	for _, name := range slices.Sorted(maps.Keys(known)) {
		add(name, known[name], func(x container.Container) bool { return len(x.Command) > 0 && c.programs[path.Base(x.Command[0])] })
	}
	return nil
}

// unitDirs are where systemd looks for units, the first before the others (systemd.unit(5)).
var unitDirs = []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

// units returns the services of a host by the names of their files, each with its drop-ins, as
// systemctl cat prints them.
func units(root string) map[string][]byte {
	all, known := map[string][]byte{}, map[string]bool{}
	for _, dir := range unitDirs {
		files, _ := filepath.Glob(root + dir + "/*.service")
		for _, file := range files {
			unit := path.Base(file)
			if known[unit] || len(known) >= maxProfileFiles {
				continue
			}
			known[unit] = true
			var whole []byte
			for _, part := range append([]string{file}, dropIns(root, unit)...) {
				text, err := disk.Read(part, 1<<20)
				if err != nil {
					continue
				}
				whole = append(append(whole, "# "+strings.TrimPrefix(part, root)+"\n"...), text...)
				whole = append(whole, '\n')
			}
			all[strings.TrimPrefix(file, root)] = whole
		}
	}
	return all
}

// dropIns returns the drop-ins of a unit in the order that they count in: by their names,
// wherever they are.
func dropIns(root, unit string) (files []string) {
	known := map[string]bool{}
	for _, dir := range unitDirs {
		found, _ := filepath.Glob(root + dir + "/" + unit + ".d/*.conf")
		for _, file := range found {
			if !known[path.Base(file)] {
				known[path.Base(file)] = true
				files = append(files, file)
			}
		}
	}
	slices.SortFunc(files, func(a, b string) int { return cmp.Compare(path.Base(a), path.Base(b)) })
	return files
}
