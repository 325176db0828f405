package track

import (
	"context"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/whydenied/whydenied/explain/container"
)

// Bounds of what is kept of containers, dead ones included, by last use.
const (
	maxContainers = 512
	maxText       = 64 << 20 // bytes of config.json, which is kept whole
	maxBundles    = 4096
)

// askAgain is how long what was not found stays so.
const askAgain = time.Second

// A cache has the metadata of this host's containers: what is on disk, and what
// engines answer. It can be used by several goroutines.
type cache struct {
	disk    folders
	inspect func(ctx context.Context, engine api, id string) (container.Container, error)

	mu      sync.Mutex
	live    bool // a container that is not known yet has just been made
	entries map[key]*entry
	uses    int
	text    int // bytes
	// By cgroup, for paths of no known shape: whole, and the last part alone.
	byPath, byName map[string]bundle
	byID           map[string]bundle
	bundled        []string // keys of both, oldest first
	scanned        time.Time
	known          *container.Inventory         // of all entries; nil if they have changed since
	shaped         map[string][]container.Named // container.InCgroup of paths
	identified     map[*membership]identified   // answers of identify, until the next bundle
	delays         delays
}

// knowsAll says whether all containers that there are have been seen, and those
// to come will be when they start.
func (k *cache) knowsAll(all bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.live = all
}

// A key is a container and the user whose engine runs it, 0 for the system's.
type key struct {
	id  string
	uid int
}

// An entry is for who has the cache's lock, which nobody keeps while metadata are
// looked up.
type entry struct {
	looking  chan struct{} // closed when the look-up ends that goes on; nil if none does
	c        container.Container
	found    bool
	complete bool // nothing more is to be had
	read     time.Time
	bundle   string // folder of the last that was known
	asked    time.Time
	patience time.Duration
	used     int
	size     int
}

func newCache() *cache {
	return &cache{
		inspect: inspect, entries: map[key]*entry{}, byPath: map[string]bundle{}, byName: map[string]bundle{}, byID: map[string]bundle{},
		shaped: map[string][]container.Named{}, identified: map[*membership]identified{},
	}
}

// An identity is the container that a process's cgroups name.
type identity struct {
	key
	runtime string
	inner   container.Named // the innermost container, if it runs in that of the key
	path    string          // the cgroup that names it
	bundle  bundle          // if known
}

// An identified is an answer of identify.
type identified struct {
	identity
	found bool
}

// userSlice is where systemd has what a user runs, rootless containers included.
var userSlice = regexp.MustCompile(`^/user\.slice/user-(\d{1,10})\.slice/`)

func ownerOf(path string) int {
	if m := userSlice.FindStringSubmatch(path); m != nil {
		uid, _ := strconv.Atoi(m[1])
		return uid
	}
	return 0
}

// identify tells the container of a membership, without asking anything: by the
// shape of its paths, else by the bundles that are known. In a nested path the
// outermost container is the host's; what runs in it is not known here but by
// ID, and could have any.
func (k *cache) identify(m *membership) (identity, bool) {
	if m == nil {
		return identity{}, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	known, ok := k.identified[m]
	if !ok {
		known.identity, known.found = k.lookUp(m)
		if len(k.identified) >= maxBundles {
			clear(k.identified)
		}
		k.identified[m] = known
	}
	return known.identity, known.found
}

// lookUp is identify with mu held, without a memory.
func (k *cache) lookUp(m *membership) (identity, bool) {
	for _, c := range m.cgroups {
		all := k.inCgroup(c.path)
		if len(all) == 0 {
			continue
		}
		outer := all[len(all)-1]
		id := identity{key: key{outer.ID, ownerOf(c.path)}, runtime: outer.Runtime, path: c.path}
		if len(all) > 1 {
			id.inner = all[0]
		}
		if id.uid == 0 {
			id.bundle = k.byID[id.id]
		}
		return id, true
	}
	for _, c := range m.cgroups {
		if b, ok := k.byCgroup(c.path); ok {
			return identity{key: key{id: b.id}, runtime: b.runtime, path: c.path, bundle: b}, true
		}
	}
	return identity{}, false
}

// inCgroup is container.InCgroup with a memory of the answers.
func (k *cache) inCgroup(path string) []container.Named {
	all, known := k.shaped[path]
	if !known {
		if len(k.shaped) >= maxBundles {
			clear(k.shaped)
		}
		all = container.InCgroup(path)
		k.shaped[path] = all
	}
	return all
}

// byCgroup looks for the bundle of a cgroup or of one above it, the topmost.
func (k *cache) byCgroup(name string) (b bundle, ok bool) {
	if len(k.byPath)+len(k.byName) == 0 {
		return b, false
	}
	for dir := name; len(dir) > 1; dir = path.Dir(dir) {
		if found, is := k.byPath[dir]; is {
			b, ok = found, true
		} else if found, is := k.byName[path.Base(dir)]; is {
			b, ok = found, true
		}
	}
	return b, ok
}

// add notes a bundle, so that its cgroups are known.
func (k *cache) add(b bundle) {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.identified)
	k.bundled = append(k.bundled, b.id)
	k.byID[b.id] = b
	put := func(to map[string]bundle, name string) {
		if _, known := to[name]; !known {
			k.bundled = append(k.bundled, name)
		}
		to[name] = b
	}
	for _, name := range b.cgroups {
		if strings.HasPrefix(name, "/") && len(name) > 1 {
			put(k.byPath, path.Clean(name))
		}
	}
	// Without a cgroupsPath, runc takes the ID below its own cgroup, or makes a
	// scope of it; a relative one is below its own cgroup.
	switch {
	case len(b.cgroups) == 0:
		put(k.byName, b.id)
		put(k.byName, "runc-"+b.id+".scope")
		put(k.byName, "crun-"+b.id+".scope")
	case strings.Count(b.cgroups[0], ":") == 2:
		part := strings.Split(b.cgroups[0], ":")
		put(k.byName, part[1]+"-"+part[2]+".scope")
	case !strings.HasPrefix(b.cgroups[0], "/"):
		put(k.byName, path.Base(b.cgroups[0]))
	}
	for len(k.bundled) > maxBundles {
		delete(k.byPath, k.bundled[0])
		delete(k.byName, k.bundled[0])
		delete(k.byID, k.bundled[0])
		k.bundled = k.bundled[1:]
	}
}

// scan looks for bundles on disk, at most once in a while.
func (k *cache) scan(now time.Time) {
	k.mu.Lock()
	if now.Sub(k.scanned) < askAgain {
		k.mu.Unlock()
		return
	}
	k.scanned = now
	k.mu.Unlock()
	bundles, _ := within(&k.delays, "bundles", 0, readTimeout, k.disk.bundles)
	for _, b := range bundles {
		k.add(b)
	}
}

// learn reads the command of a runtime, and notes the bundle that it names.
func (k *cache) learn(c command) {
	b, _ := within(&k.delays, c, 0, readTimeout, func() *bundle {
		args, cwd, ok := readCommand("/proc", c)
		if !ok {
			return nil
		}
		b, ok := invocation(args, cwd)
		if !ok {
			return nil
		}
		b = k.disk.located(b)
		return &b
	})
	if b != nil {
		k.add(*b)
	}
}

// container returns the metadata of a container, and looks them up if they are
// not known: on disk, then with ask from its engine, which can take seconds.
func (k *cache) container(ctx context.Context, id identity, ask bool) container.Container {
	if id.inner.ID != "" {
		return container.Container{ID: id.inner.ID, Runtime: id.inner.Runtime, Parent: id.id, CgroupPath: id.path}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.entry(id.key)
	k.read(e, id)
	if ask {
		k.ask(ctx, e, id)
	}
	c := e.c
	if c.CgroupPath == "" {
		c.CgroupPath = id.path
	}
	return c
}

// unlocked looks something up of an entry without the lock, while others who want
// the entry wait for the end of it.
func (k *cache) unlocked(e *entry, look func()) {
	e.looking = make(chan struct{})
	k.mu.Unlock()
	look()
	k.mu.Lock()
	close(e.looking)
	e.looking = nil
}

// wait waits until nobody looks something up of an entry.
func (k *cache) wait(e *entry) {
	for e.looking != nil {
		looking := e.looking
		k.mu.Unlock()
		<-looking
		k.mu.Lock()
	}
}

// read completes an entry from disk, if that was not done a moment ago. What has
// been found stays when it is gone from there.
func (k *cache) read(e *entry, id identity) {
	k.wait(e)
	later := id.bundle.dir != "" && id.bundle.dir != e.bundle // the bundle got known since
	if !later && (e.complete || time.Since(e.read) < askAgain) {
		return
	}
	if later {
		e.bundle = id.bundle.dir
	}
	e.read = time.Now()
	bundle, c, found, complete := e.bundle, e.c, false, false
	k.unlocked(e, func() {
		var more container.Container
		more, found = k.readDisk(id, bundle)
		more.Merge(c)
		c = more
		if c.Runtime == "" || c.Runtime == "runc" && id.runtime != "" {
			c.Runtime = id.runtime
		}
		complete = c.Name != "" || len(engines(id.uid, c.Runtime)) == 0
	})
	c.ID = id.id
	e.c, e.found = c, e.found || found
	e.complete = e.complete || e.found && complete
	k.weigh(id.key, e)
}

// readDisk reads what is on disk of a container. A user's files are read as long as
// they are read in time: all of them can be on a file system of the user's.
func (k *cache) readDisk(id identity, bundle string) (container.Container, bool) {
	type found struct {
		container.Container
		ok bool
	}
	var whose any = id.key
	if id.uid != 0 {
		whose = id.uid
	}
	f, _ := within(&k.delays, whose, id.uid, readTimeout, func() found {
		if id.runtime == "lxc" {
			c, ok := k.disk.readLXC(id.id, id.uid)
			return found{c, ok}
		}
		c, ok := k.disk.read(id.id, id.uid, bundle)
		return found{c, ok}
	})
	return f.Container, f.ok
}

// ask completes an entry from the engine, if that was not done a moment ago.
func (k *cache) ask(ctx context.Context, e *entry, id identity) {
	k.wait(e)
	if e.complete || time.Since(e.asked) < e.patience {
		return
	}
	runtime := e.c.Runtime
	var c container.Container
	known := false
	k.unlocked(e, func() { c, known = k.askEngines(ctx, id.key, runtime) })
	if known {
		e.c.Merge(c)
		e.found, e.complete = true, true
	}
	// One that does not know it is asked ever more rarely.
	e.asked, e.patience = time.Now(), min(max(2*e.patience, askAgain), time.Minute)
	k.weigh(id.key, e)
}

// askEngines asks those that may know a container.
func (k *cache) askEngines(ctx context.Context, id key, runtime string) (container.Container, bool) {
	type answer struct {
		container.Container
		err error
	}
	type asked struct {
		engine api
		uid    int
	}
	for _, engine := range engines(id.uid, runtime) {
		a, ok := within(&k.delays, asked{engine, id.uid}, id.uid, apiTimeout, func() answer {
			c, err := k.inspect(ctx, engine, id.id)
			return answer{c, err}
		})
		if ok && a.err == nil {
			return a.Container, true
		}
	}
	return container.Container{}, false
}

// note takes note of a container that is to be looked up.
func (k *cache) note(id key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.entry(id)
}

// entry returns that of a container, which is made if there is none.
func (k *cache) entry(id key) *entry {
	e := k.entries[id]
	if e == nil {
		e = &entry{}
		if k.live {
			e.c.Created = time.Now()
		}
		k.entries[id] = e
	}
	k.uses++
	e.used = k.uses
	return e
}

// weigh takes note of what was found, and keeps the cache within its bounds.
func (k *cache) weigh(id key, e *entry) {
	k.known = nil
	if k.entries[id] != e {
		return // thrown out meanwhile
	}
	size := len(e.c.SeccompProfile)
	k.text += size - e.size
	e.size = size
	for len(k.entries) > maxContainers || k.text > maxText && len(k.entries) > 1 {
		var oldest key
		used := k.uses + 1
		for id, e := range k.entries {
			if e.used < used {
				oldest, used = id, e.used
			}
		}
		k.text -= k.entries[oldest].size
		delete(k.entries, oldest)
		k.live = false // that one may come again
	}
}

// inventory returns what is known of every container: what the caller knows, and
// all entries. It is made anew only when there is more.
func (k *cache) inventory(given *container.Inventory) *container.Inventory {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known != nil {
		return k.known
	}
	var found []container.Container
	for _, e := range k.entries {
		if e.found {
			found = append(found, e.c)
		}
	}
	slices.SortFunc(found, func(a, b container.Container) int { return strings.Compare(a.ID, b.ID) })
	k.known = &container.Inventory{}
	if given != nil {
		k.known.Add(given.Containers...)
	}
	k.known.Add(found...)
	return k.known
}
