package explain

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/fix"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// IDVersion is the version of what Finding.ID is made of. IDs of two versions cannot be
// compared. It was 1 while the name of the container and the program were part of it.
const IDVersion = 2

// id is the stable name of a finding: it depends on nothing but the key.
func id(key []byte) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:6])
}

// appendKey appends what makes a denial distinct: the workload, the policy and the
// access, and nothing that the next run of the same has another of. Every part ends in a
// zero byte, which neither a path nor a label can hold.
func (g *Group) appendKey(key []byte, d *parser.Denial, c *container.Container) []byte {
	add := func(s string) { key = append(append(key, s...), 0) }
	num := func(n int64) { key = append(strconv.AppendInt(key, n, 10), 0) }
	add(workloadKey(c))
	add(foldLabel(d.Subject.Label))
	num(int64(d.Mode))
	origin := d.Event.Records[d.Record].Origin
	if origin.UserSpace {
		add("user space")
	}
	if origin.Transport.IsClaim() {
		add("not logged")
	}
	if s := d.Seccomp; s != nil {
		add("seccomp")
		add(g.filterOf(c))
		num(int64(s.Arch))
		num(int64(s.Syscall))
		add(s.SyscallName)
		num(int64(s.Code))
		if s.Suspected { // which call it was is not known, so that who made it is
			add("suspected")
			add(d.Subject.Exe)
		}
		switch {
		case s.Traced:
			num(int64(s.Errno))
			add(tracedCall(s))
		case s.Args != nil && origin.Transport.IsClaim(): // a record has none, and its event's may be missing
			add(tracedCall(s))
		}
		return key
	}
	if o := d.Other; o != nil {
		add(o.Module.String())
		for _, s := range [...]string{o.Access, o.Class, foldName(o.Name, fix.CallerOf(d)), o.Target, o.Rule} { // domains are new in each run
			add(s)
		}
		return key
	}
	return appendAccess(key, d)
}

// appendAccess is appendKey for what AppArmor was asked, under which profile.
func appendAccess(key []byte, d *parser.Denial) []byte {
	add := func(s string) { key = append(append(key, s...), 0) }
	num := func(n int64) { key = append(strconv.AppendInt(key, n, 10), 0) }
	a := d.AppArmor
	add(foldLabel(a.Profile))
	if a.Profile == usernsStub { // which is of many programs, and each gets a profile of its own
		add(d.Subject.Comm)
	}
	caller := fix.CallerOf(d)
	for _, name := range [...]string{a.Name, a.Target, a.SrcName, a.Addr, a.PeerAddr, a.Path} {
		add(foldName(name, caller))
	}
	for _, s := range [...]string{
		a.Operation, foldLabel(a.Namespace), a.Info, a.Requested, a.Denied, foldLabel(a.Peer),
		a.CapName, a.Family, a.SockType, a.Signal, a.FSType, a.Flags,
		a.RLimit, a.Value, a.Bus, a.Interface, a.Member,
	} {
		add(s)
	}
	num(int64(a.Error))
	for _, n := range [...]*int{a.Capability, a.Protocol} {
		if n != nil {
			num(int64(*n))
		}
	}
	if owner, known := access.Owned(a); known {
		add(strconv.FormatBool(owner))
	}
	return key
}

// tracedCall is a call that was traced, by whydenied or strace, with the arguments that choose what it does: calls
// that differ in them are not the same access.
func tracedCall(s *parser.Seccomp) string {
	name, _ := seccomp.SyscallName(seccomp.Arch(s.Arch), s.Syscall)
	return seccomp.CallText(seccomp.Arch(s.Arch), name, s.Args)
}

// workloadKey is what of a container is the same in its next run; "" if nothing is, so
// that its profile speaks for it. What a user or a container runs is apart from what the
// system does.
func workloadKey(c *container.Container) string {
	workload := c.Workload()
	if workload == "" || c.Confidence == container.Unknown {
		return ""
	}
	if c.Parent != "" {
		return "nested " + workload
	}
	if user := userOf(c); user != "" {
		return "user " + user + " " + workload
	}
	return workload
}

// userOf is the number of the user who runs a rootless container, "" if it is none.
func userOf(c *container.Container) string {
	rest, isUsers := strings.CutPrefix(c.CgroupPath, "/user.slice/user-")
	if !isUsers {
		return ""
	}
	user, _, _ := strings.Cut(rest, ".")
	return user
}

// foldName returns a name with what the next run has another of taken out: the process
// ID of /proc/PID/..., a container's ID, a UUID, what mktemp made up. Process 1 is
// another in each run no more than a file is: see fix.NamesOf.
func foldName(name string, c fix.Caller) string {
	if id, rest, ok := fix.ProcPID(name); ok && id != "1" {
		name = "/proc/@{pid}" + rest
	}
	if !strings.HasPrefix(name, "/") {
		return foldLabel(name)
	}
	if names := fix.NamesOf(name, c, nil); names.Glob != "" && (names.First || names.Only) {
		return names.Glob
	}
	return name
}

// generatedID is a UUID or the ID of a container.
var generatedID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{64}\b`)

// foldLabel returns a label, or what else is no path, with the IDs in it taken out:
// libvirt makes a profile for each machine, of the machine's UUID.
func foldLabel(label string) string {
	if len(label) < 36 || strings.Count(label, "-") < 4 && len(label) < 64 {
		return label
	}
	return generatedID.ReplaceAllString(label, "@{id}")
}

// maxFilters bounds the texts of seccomp profiles of which the content is remembered.
const maxFilters = 256

// filterOf is the seccomp profile of a container by its content, wherever it is kept and
// however it is written: a digest of the JSON text, of an OCI config.json that of its
// filter alone. "" is the engine's default, as far as that is known.
func (g *Group) filterOf(c *container.Container) string {
	text := c.SeccompProfile
	if !strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") {
		return foldName(text, fix.Caller{})
	}
	digest, known := g.filters[text]
	if known {
		return digest
	}
	if len(g.filters) >= maxFilters {
		clear(g.filters)
	}
	digest = filterDigest(text)
	g.filters[text] = digest
	return digest
}

// filterDigest is filterOf of a text.
func filterDigest(text string) string {
	var spec struct {
		Linux struct{ Seccomp any }
	}
	var content any
	if json.Unmarshal([]byte(text), &spec) == nil && spec.Linux.Seccomp != nil {
		content = spec.Linux.Seccomp
	} else if json.Unmarshal([]byte(text), &content) != nil {
		content = text
	}
	canonical, _ := json.Marshal(content) // of what Unmarshal made, with sorted keys
	return id(canonical)
}

// NameOf is the name that a container is counted under: what tells it from others of its
// workload.
func NameOf(c *container.Container) string {
	name := cmp.Or(c.Name, container.ShortID(c.ID))
	if c.Pod != "" {
		name = c.Pod + "/" + name
		if c.Namespace != "" {
			name = c.Namespace + "/" + name
		}
	}
	return name
}
