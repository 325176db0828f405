package track

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/container"
)

// Bounds of what is gathered, in containers and bytes.
const (
	maxGathered     = 256
	maxGatheredText = 64 << 20
)

// Gather returns what runtimes of the system have on disk about their
// containers, dead ones included, and what engines answer of them (Docker, Podman,
// and the CRI), for a copy that is read elsewhere. What comes first of a container goes
// before. The error says what is missing of it.
func Gather(ctx context.Context) ([]container.Metadata, error) {
	g := gathering{ids: map[string]bool{}, names: map[string]bool{}}
	g.fromDisk(folders{})
	for _, engine := range engines(0, "") {
		g.fromEngine(ctx, engine)
	}
	return g.found, errors.Join(g.problems...)
}

type gathering struct {
	found    []container.Metadata
	ids      map[string]bool
	names    map[string]bool
	bytes    int
	problems []error
	full     bool
}

// take adds a text, within the bounds.
func (g *gathering) take(m container.Metadata) {
	if g.full || g.names[m.Name] {
		return
	}
	if m.Container != "" && !g.ids[m.Container] && len(g.ids) >= maxGathered || g.bytes+len(m.Text) > maxGatheredText {
		g.full = true
		g.problems = append(g.problems, fmt.Errorf("there are more than %d containers, or %d MiB of what is known of them: the rest is left out; name those that matter", maxGathered, maxGatheredText>>20))
		return
	}
	if m.Container != "" {
		g.ids[m.Container] = true
	}
	g.names[m.Name] = true
	g.bytes += len(m.Text)
	g.found = append(g.found, m)
}

func (g *gathering) fromDisk(d folders) {
	for _, template := range slices.Concat(metadataFiles, lxcFiles) {
		names, _ := filepath.Glob(d.root + fill(template, runDir(0), systemData, "*"))
		_, after, _ := strings.Cut(template, "/ID/")
		for _, name := range names {
			id := strings.TrimSuffix(strings.TrimPrefix(name, d.root), "/"+after)
			if id = id[strings.LastIndexByte(id, '/')+1:]; !safeID(id) {
				continue
			}
			text, err := d.text(name, 0)
			if err != nil {
				g.problems = append(g.problems, err)
				continue
			}
			name := strings.TrimPrefix(name, d.root)
			if filepath.Base(name) == "state.json" {
				g.bundleOf(d, id, text)
			}
			g.take(container.Metadata{Container: id, Name: name, Text: text})
		}
	}
	for _, name := range nameFiles {
		name = fill(name, runDir(0), systemData, "")
		text, err := readFile(d.root+name, 0)
		if err != nil {
			continue
		}
		var all []json.RawMessage
		if json.Unmarshal(text, &all) != nil {
			continue
		}
		for _, one := range all {
			if c, err := container.Read(name, one); err == nil && len(c) == 1 && g.ids[c[0].ID] {
				g.take(container.Metadata{Container: c[0].ID, Name: name + "#" + c[0].ID, Text: one})
			}
		}
	}
}

// bundleOf takes the config.json of the bundle that a state.json names.
func (g *gathering) bundleOf(d folders, id string, state []byte) {
	dir := bundleLabel(state)
	if dir == "" || slices.ContainsFunc(g.found, func(m container.Metadata) bool { return m.Container == id && strings.HasSuffix(m.Name, "/config.json") }) {
		return
	}
	name := filepath.Join(dir, "config.json")
	if text, err := readFile(d.root+name, 0); err == nil {
		g.take(container.Metadata{Container: id, Name: name, Text: text})
	}
}

// fromEngine asks an engine, if there is one, for its version and its containers.
func (g *gathering) fromEngine(ctx context.Context, engine api) {
	version, err := engine.version(ctx)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errors.ErrUnsupported) {
		return
	}
	if err != nil {
		g.problems = append(g.problems, err)
		return
	}
	g.take(version)
	ids, err := engine.list(ctx)
	if err != nil {
		g.problems = append(g.problems, err)
		return
	}
	for _, id := range ids {
		if !safeID(id) || g.full {
			continue
		}
		answer, err := engine.inspect(ctx, id)
		if err != nil {
			g.problems = append(g.problems, err) // it may have been removed meanwhile
			if errors.Is(err, context.DeadlineExceeded) {
				return // and so would the others take their time
			}
			continue
		}
		g.take(answer)
	}
}
