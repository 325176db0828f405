// Package container says which container a process belongs to, with the
// evidence for it, and never guesses: no evidence means unknown.
//
// It holds values alone: an Inventory answers from saved metadata, for logs of
// another time or host. The package track follows this host's containers while
// they live. Metadata that cannot be understood are an error when they are read, and
// none can come from Find. An Inventory that is not changed is safe for concurrent use.
package container

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// A Confidence says how far an attribution can be relied on.
type Confidence int

// The confidences.
const (
	Unknown Confidence = iota // no container; Evidence may say why
	Low                       // the best candidate, but others are possible
	Medium                    // nothing speaks against it
	High                      // the kernel or the engine says so
)

// String returns "unknown", "low", "medium" or "high".
func (c Confidence) String() string {
	return [...]string{"unknown", "low", "medium", "high"}[c]
}

// A Container is what is known of one container. Empty fields are unknown. All
// strings come from metadata that whoever starts containers can choose.
type Container struct {
	ID        string // 64 hex digits with most engines, free text with ctr and LXC
	Name      string
	Image     string
	Runtime   string // engine: docker, podman, containerd, cri-o, lxc, ...
	Pod       string // Kubernetes pod name
	Namespace string // Kubernetes namespace of the pod
	PodUID    string // that the kubelet knows the pod by: the API server's, but of a static pod
	Node      string // Kubernetes node
	Parent    string // ID of the container that this one runs in, as with kind and Docker in Docker
	Service   string // of the Compose file that it was started from
	Owner     string // Deployment or the like that made the pod, if its metadata say so

	// Unit is the service of systemd that a process of no container is of, by its cgroup:
	// nginx.service. Where the unit itself is known, it is the Name as well, and Systemd the Runtime.
	Unit string

	Evidence   []string // sentences; none if the container is unknown
	Confidence Confidence

	PID        int      // first process, in the host's PID namespace; 0 if it does not run
	Command    []string // program and arguments of the first process
	CgroupPath string   // or the OCI form SLICE:PREFIX:ID

	// AppArmorProfile is the profile's name, or "unconfined".
	AppArmorProfile string
	// SeccompProfile is a path on the host, the profile's JSON text (Docker's, or
	// a whole OCI config.json, with everything resolved), "unconfined", or "" for the engine's
	// default.
	SeccompProfile string
	// SeccompUnset says that it is a pod's, which names no seccomp profile: the kubelet
	// decides which it gets, see Host.Unset.
	SeccompUnset bool
	SeccompFile  string   // the file that is the profile's text, if it is one: config.json
	SeccompFrom  string   // the file on the node that the runtime made it of, as the kubelet named it
	CapAdd       []string // as asked for: CAP_NET_ADMIN, ALL
	CapDrop      []string
	Caps         []string // bounding set, as CAP_..., resolved; nil if unknown
	Privileged   bool
	// UserNamespace says that it runs in a user namespace of its own, as of hostUsers: false:
	// its capabilities count for what belongs to that alone.
	UserNamespace bool
	Limits        *Limits // nil if they are not known
	Setup         *Setup  // nil if no config of a product that makes its profile was read
	OCIRuntime    string  // that the engine runs it by: runc, crun, kata, ...
	EngineVersion string

	Created  time.Time // or, if nothing else says, when it was seen to start
	Started  time.Time // the last time
	Finished time.Time // zero if it never did, or runs again
	State    string    // as the engine spells it: running, exited, CONTAINER_EXITED
	ExitCode int       // of the last run that ended
	Ended    time.Time // when that was, also where it runs again
	Restarts int       // how often the engine or the kubelet started it again
	// Error is what the engine or the kubelet says of the last start or end, lines; "" if
	// nothing.
	Error     string
	OOMKilled bool // the kernel ended it for want of memory
}

// Noun is what a thing is called that an engine or another product of a name runs.
func Noun(runtime string) string {
	switch runtime {
	case Systemd:
		return "unit"
	case Libvirt:
		return "virtual machine"
	case Snap:
		return "app"
	}
	return "container"
}

// title is how evidence names a container.
func (c *Container) title() string {
	name := c.Name
	if c.Pod != "" {
		name = c.Pod + "/" + name
		if c.Namespace != "" {
			name = c.Namespace + "/" + name
		}
	}
	switch {
	case name != "":
		return name
	case c.ID != "":
		return ShortID(c.ID)
	}
	return "without a name"
}

// IsNamed reports whether a user who gives a name means the container: by its name, a
// prefix of its ID, its pod, or as NAMESPACE/POD or NAMESPACE/POD/NAME.
func (c *Container) IsNamed(name string) bool {
	pod := c.Namespace + "/" + c.Pod
	return name == c.Name || c.ID != "" && strings.HasPrefix(c.ID, name) ||
		c.Pod != "" && (name == c.Pod || name == pod || name == pod+"/"+c.Name || name == c.Pod+"/"+c.Name)
}

// HasPrefix reports whether the name, the pod or NAMESPACE/POD of the container begins
// with a text.
func (c *Container) HasPrefix(text string) bool {
	return strings.HasPrefix(c.Name, text) || c.Pod != "" && (strings.HasPrefix(c.Pod, text) || strings.HasPrefix(c.Namespace+"/"+c.Pod+"/"+c.Name, text))
}

// ShortID returns an ID as people are shown it: the first 12 of 64 hex digits.
func ShortID(id string) string {
	if IsFullID(id) {
		return id[:12]
	}
	return id
}

// IsFullID reports whether an ID is one as engines make it, of 64 hex digits, which is in the
// path of a cgroup.
func IsFullID(id string) bool { return isHex(id, 64) }

func isHex(s string, digits int) bool {
	return len(s) == digits && strings.Trim(s, "0123456789abcdef") == ""
}

// ranAt reports whether the container existed at a time. Zero times are unknown
// and exclude nothing. Its start is not its lower bound: a denial can stop the
// start, and the metadata only know the last of several.
func (c *Container) ranAt(t time.Time) bool {
	const slack = 2 * time.Second // between the kernel's clock and the engine's notice
	from := c.Created
	if from.IsZero() {
		from = c.Started
	}
	switch {
	case t.IsZero():
		return true
	case !from.IsZero() && t.Before(from.Add(-slack)):
		return false
	case !c.Finished.IsZero() && c.Finished.After(c.Started) && t.After(c.Finished.Add(slack)):
		return false
	}
	return true
}

// startedSince is the evidence of a process of a pod's container that was made anew since a time: the kubelet makes
// another for each start, by the same config; "" if it was not.
func (c *Container) startedSince(t time.Time) string {
	if c.Pod == "" || c.Restarts == 0 || t.IsZero() || c.Created.IsZero() || !t.Before(c.Created) {
		return ""
	}
	return fmt.Sprintf("it was of an earlier start of it, as the kubelet started it again since (restarts: %d)", c.Restarts)
}

// Merge fills what is unknown of a container from other metadata of the same.
func (c *Container) Merge(o Container) {
	for _, s := range []struct {
		to   *string
		from string
	}{
		{&c.Name, o.Name}, {&c.Image, o.Image}, {&c.Runtime, o.Runtime}, {&c.Pod, o.Pod}, {&c.Namespace, o.Namespace}, {&c.PodUID, o.PodUID}, {&c.Node, o.Node},
		{&c.Parent, o.Parent}, {&c.Service, o.Service}, {&c.Owner, o.Owner},
		{&c.CgroupPath, o.CgroupPath}, {&c.AppArmorProfile, o.AppArmorProfile}, {&c.SeccompProfile, o.SeccompProfile}, {&c.SeccompFile, o.SeccompFile},
		{&c.SeccompFrom, o.SeccompFrom},
		{&c.EngineVersion, o.EngineVersion}, {&c.OCIRuntime, o.OCIRuntime}, {&c.State, o.State}, {&c.Error, o.Error},
	} {
		if *s.to == "" {
			*s.to = s.from
		}
	}
	for _, s := range []struct {
		to   *[]string
		from []string
	}{{&c.Command, o.Command}, {&c.CapAdd, o.CapAdd}, {&c.CapDrop, o.CapDrop}, {&c.Caps, o.Caps}} {
		if *s.to == nil {
			*s.to = s.from
		}
	}
	for _, t := range []struct {
		to   *time.Time
		from time.Time
	}{{&c.Created, o.Created}, {&c.Started, o.Started}, {&c.Finished, o.Finished}, {&c.Ended, o.Ended}} {
		if t.to.IsZero() {
			*t.to = t.from
		}
	}
	if c.PID == 0 {
		c.PID = o.PID
	}
	if c.ExitCode == 0 {
		c.ExitCode = o.ExitCode
	}
	c.Restarts = max(c.Restarts, o.Restarts)
	c.Privileged = c.Privileged || o.Privileged
	c.OOMKilled = c.OOMKilled || o.OOMKilled
	if c.Limits == nil || o.Limits != nil && o.Limits.Resolved {
		c.Limits = cmp.Or(o.Limits, c.Limits)
	}
	c.Setup = cmp.Or(c.Setup, o.Setup)
	c.SeccompUnset = c.SeccompUnset || o.SeccompUnset
	c.UserNamespace = c.UserNamespace || o.UserNamespace
}
