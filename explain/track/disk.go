package track

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/rules/disk"
)

// maxFile bounds what is read of one file: a config.json has tens of kilobytes.
const maxFile = 1 << 20

// readFile reads a regular file of bounded size, of a user if the uid is not 0. What
// is there may be made by any user: a link in its place is not followed, and what
// is another's is not taken for a user's, to whose files links can lead.
func readFile(name string, uid int) ([]byte, error) {
	f, owner, err := disk.OpenOwned(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if uid != 0 && owner != uid {
		return nil, fmt.Errorf("%s belongs to user %d, not %d", name, owner, uid)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s is longer than %d bytes", name, maxFile)
	}
	return text, err
}

// safeID reports whether an ID can stand in a path: it comes from the name of a
// cgroup, which containers that manage cgroups choose.
func safeID(id string) bool {
	return len(id) <= 255 && strings.Trim(id, idLetters+".+-") == "" && strings.IndexAny(id, idLetters) == 0
}

const idLetters = "0123456789_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// folders are those where runtimes leave their metadata. The root is "" but in tests.
type folders struct{ root string }

// Templates of the files that have metadata, by container.Engines: first what holds
// all that applies resolved, then what the engines have themselves, then the states
// of the low-level runtimes, which know the bundle and the first process; the files that know
// names, and the configs of LXC.
var metadataFiles, nameFiles, lxcFiles = func() (files, names, plain []string) {
	var configs []string
	states := []string{"RUN/runc/ID/state.json"}
	for _, e := range container.Engines {
		files, configs, states = append(files, e.Bundles...), append(configs, e.Configs...), append(states, e.States...)
		names, plain = append(names, e.Names...), append(plain, e.Plain...)
	}
	slices.Reverse(plain) // Incus and LXD use LXC
	return slices.Concat(files, configs, states), names, plain
}()

// maxNamespaces bounds the namespaces of an engine that are looked into.
const maxNamespaces = 64

// systemData is where the system's engines keep what outlives a boot.
const systemData = "/var/lib"

// places returns the paths of templates for a container of a user; uid 0 is the
// system's.
func (d folders) places(templates []string, uid int, id string) []string {
	data := systemData
	if uid != 0 {
		u, err := user.LookupId(strconv.Itoa(uid))
		if err != nil || !filepath.IsAbs(u.HomeDir) {
			return nil
		}
		data = u.HomeDir + "/.local/share"
	}
	var found []string
	for _, template := range templates {
		name := fill(template, runDir(uid), data, id)
		before, after, ok := strings.Cut(name, "*")
		if !ok {
			found = append(found, d.root+name)
			continue
		}
		for _, namespace := range readNames(d.root+before, maxNamespaces) {
			found = append(found, d.root+before+namespace+after)
		}
	}
	return found
}

// fill makes a path of a template of container.Engines.
func fill(template, run, data, id string) string {
	return strings.NewReplacer("RUN/", run+"/", "DATA/", data+"/", "/ID/", "/"+id+"/").Replace(template)
}

// read returns what is on disk of a container: all fields that are known. The
// bundle is its folder, if something told.
func (d folders) read(id string, uid int, bundle string) (c container.Container, found bool) {
	c.ID = id
	if !safeID(id) {
		return c, false
	}
	places := d.places(metadataFiles, uid, id)
	if bundle != "" {
		places = append([]string{filepath.Join(bundle, "config.json")}, places...)
	}
	for _, name := range places {
		more, label, ok := d.readOne(name, id, uid)
		if !ok {
			continue
		}
		c.Merge(more)
		found = true
		if bundle == "" && label != "" && c.SeccompProfile == "" {
			bundle = label
			if more, _, ok := d.readOne(filepath.Join(bundle, "config.json"), id, uid); ok {
				more.Merge(c)
				c = more
			}
		}
	}
	if found && c.Name == "" {
		for _, name := range d.places(nameFiles, uid, id) {
			c.Merge(d.podmanName(name, id, uid))
		}
	}
	return c, found
}

// readLXC returns what is on disk of a container of LXC, which has no bundle.
func (d folders) readLXC(id string, uid int) (c container.Container, found bool) {
	if !safeID(id) {
		return container.Container{ID: id}, false
	}
	for _, name := range d.places(lxcFiles, uid, id) {
		if c, _, ok := d.readOne(name, id, uid); ok {
			return c, true
		}
	}
	return container.Container{ID: id}, false
}

// Bounds of the files that a config of LXC includes, in itself and in others.
const (
	maxIncludes     = 64
	maxIncludeDepth = 8
)

// lxcInclude is a line of a config of LXC that includes a file, or those of a folder whose names end in
// .conf (lxc.container.conf(5)).
var lxcInclude = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?m)^[ \t]*lxc\.include[ \t]*=[ \t]*(/[^\n]*?)[ \t]*$`)
})

// withIncluded puts what a config of LXC includes in the place of the lines that say so. What cannot be read
// leaves its line. Of a user's containers it is the user's own files, and those of LXC itself.
func (d folders) withIncluded(text []byte, uid, depth int, left *int) []byte {
	return lxcInclude().ReplaceAllFunc(text, func(line []byte) []byte {
		if *left <= 0 || depth == 0 {
			return line
		}
		name := path.Clean(string(lxcInclude().FindSubmatch(line)[1]))
		files := []string{name}
		if all, _ := filepath.Glob(d.root + name + "/*.conf"); len(all) > 0 || isFolder(d.root+name) {
			files = nil
			for _, file := range all {
				files = append(files, strings.TrimPrefix(file, d.root))
			}
		}
		var out []byte
		for _, file := range files {
			if *left--; *left < 0 {
				return line
			}
			owner := uid
			if strings.HasPrefix(file, "/usr/share/lxc/") {
				owner = 0
			}
			included, err := readFile(d.root+file, owner)
			if err != nil {
				return line
			}
			out = append(append(out, d.withIncluded(included, uid, depth-1, left)...), '\n')
		}
		return out
	})
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// readOne reads one file of metadata and the bundle that it points to.
func (d folders) readOne(name, id string, uid int) (c container.Container, bundle string, ok bool) {
	text, err := d.text(name, uid)
	if err != nil {
		return container.Container{}, "", false
	}
	containers, err := container.Read(strings.TrimPrefix(name, d.root), text)
	if err != nil || len(containers) != 1 || containers[0].ID != "" && containers[0].ID != id {
		return container.Container{}, "", false
	}
	if c = containers[0]; filepath.Base(name) == "state.json" {
		bundle = bundleLabel(text)
	}
	c.ID = id
	return c, bundle, true
}

// text reads a file of metadata. Of LXC it has what it includes.
func (d folders) text(name string, uid int) ([]byte, error) {
	text, err := readFile(name, uid)
	if err == nil && (path.Base(name) == "config" || path.Base(name) == "lxc.conf") {
		left := maxIncludes
		text = d.withIncluded(text, uid, maxIncludeDepth, &left)
	}
	return text, err
}

// bundleLabel returns the folder that runc's state.json names.
func bundleLabel(text []byte) string {
	var in struct{ Config struct{ Labels []string } }
	if json.Unmarshal(text, &in) != nil {
		return ""
	}
	for _, label := range in.Config.Labels {
		if bundle, ok := strings.CutPrefix(label, "bundle="); ok && filepath.IsAbs(bundle) {
			return bundle
		}
	}
	return ""
}

// podmanName reads the names of containers/storage, which are in no bundle.
func (d folders) podmanName(file, id string, uid int) container.Container {
	text, err := readFile(file, uid)
	if err != nil {
		return container.Container{}
	}
	var all []json.RawMessage
	if json.Unmarshal(text, &all) != nil {
		return container.Container{}
	}
	for _, one := range all {
		if c, err := container.Read(file, one); err == nil && len(c) == 1 && c[0].ID == id {
			return c[0]
		}
	}
	return container.Container{}
}

// A bundle is a container that a low-level runtime was told to make, or has the
// state of.
type bundle struct {
	id, dir string
	runtime string   // the low-level one
	cgroups []string // where it is, as cgroupsPath or from a hierarchy's root
}

// bundles lists the containers whose cgroups have no shape to know them by:
// those of plain runc, and those of ctr in namespaces of its own.
func (d folders) bundles() []bundle {
	var all []bundle
	states, _ := filepath.Glob(d.root + "/run/runc/*/state.json")
	for _, name := range states {
		text, err := readFile(name, 0)
		if err != nil {
			continue
		}
		var in struct {
			ID          string
			CgroupPaths map[string]string `json:"cgroup_paths"`
		}
		if json.Unmarshal(text, &in) != nil || !safeID(in.ID) {
			continue
		}
		b := bundle{id: in.ID, dir: bundleLabel(text), runtime: "runc"}
		for controller, mounted := range in.CgroupPaths {
			b.cgroups = append(b.cgroups, fromMount(controller, mounted))
		}
		all = append(all, b)
	}
	configs, _ := filepath.Glob(d.root + "/run/containerd/io.containerd.runtime.v2.task/*/*/config.json")
	for _, name := range configs {
		dir := filepath.Dir(name)
		if id := filepath.Base(dir); !container.IsFullID(id) && safeID(id) {
			all = append(all, d.located(bundle{id: id, dir: dir, runtime: "containerd"}))
		}
	}
	return all
}

// located reads where the container of a bundle is to be.
func (d folders) located(b bundle) bundle {
	if c, _, ok := d.readOne(filepath.Join(b.dir, "config.json"), b.id, 0); ok && c.CgroupPath != "" {
		b.cgroups = []string{c.CgroupPath}
	}
	return b
}

// fromMount makes a path from the hierarchy's root of one that includes where it
// is mounted: /sys/fs/cgroup/CONTROLLERS/x with cgroup v1, /sys/fs/cgroup/x or
// /sys/fs/cgroup/unified/x with v2.
func fromMount(controller, mounted string) string {
	rest := strings.TrimPrefix(mounted, "/sys/fs/cgroup")
	if first, below, ok := strings.Cut(strings.TrimPrefix(rest, "/"), "/"); ok && (controller != "" || first == "unified") {
		rest = "/" + below
	}
	return path.Clean(rest)
}

// invocation reads the command line of a low-level runtime (runc, crun, youki:
// they take the same) that makes a container: its ID and the folder of its
// bundle, which is the working directory if it does not say.
func invocation(args []string, cwd string) (b bundle, ok bool) {
	if len(args) < 3 {
		return b, false
	}
	b.id, b.dir, b.runtime = args[len(args)-1], cwd, runtimeOf(filepath.Base(args[0]))
	command := false
	for i, arg := range args[1 : len(args)-1] {
		name, value, joined := strings.Cut(arg, "=")
		switch {
		case arg == "create" || arg == "run" || arg == "restore":
			command = true
		case strings.TrimLeft(name, "-") != "bundle" && name != "-b":
		case joined:
			b.dir = value
		case i+2 == len(args)-1:
			return b, false // the last is the folder
		default:
			b.dir = args[i+2]
		}
	}
	if !filepath.IsAbs(b.dir) {
		b.dir = filepath.Join(cwd, b.dir)
	}
	return b, command && safeID(b.id) && filepath.IsAbs(b.dir)
}

// runtimeOf returns the low-level runtime that a program is by its name, which can
// have a version behind it (runc-1.2, runc.amd64), or "".
func runtimeOf(comm string) string {
	switch comm {
	case "crun", "youki", "docker-runc", "buildkit-runc":
		return comm
	}
	if comm == "runc" || strings.HasPrefix(comm, "runc-") || strings.HasPrefix(comm, "runc.") {
		return "runc"
	}
	return ""
}

// isStarting reports whether a program is a low-level runtime that makes itself
// a container's process. The names are those of runc's and youki's stages; crun
// has but its own.
func isStarting(comm string) bool {
	return strings.HasPrefix(comm, "runc:[") || strings.HasPrefix(comm, "youki:[") || comm == "crun"
}
