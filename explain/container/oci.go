package container

import (
	"encoding/json"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// readOCI reads config.json of an OCI bundle (OCI runtime specification 1.2),
// in which everything is resolved: no profile there is none at run time.
func readOCI(name string, object []byte) (Container, error) {
	var in struct {
		Hostname string
		Process  struct {
			Args            []string
			AppArmorProfile string
			Capabilities    *struct{ Bounding []string }
		}
		Annotations map[string]string
		Linux       struct {
			CgroupsPath string
			Seccomp     json.RawMessage
			Namespaces  []struct{ Type string }
		}
	}
	if err := json.Unmarshal(object, &in); err != nil {
		return Container{}, broken("an OCI config.json", err)
	}
	var limits ociLimits
	if err := json.Unmarshal(object, &limits); err != nil {
		return Container{}, broken("an OCI config.json", err)
	}
	c := Container{
		Limits: limits.limits(),
		ID:     bundleID(name), Command: in.Process.Args, CgroupPath: in.Linux.CgroupsPath,
		AppArmorProfile: in.Process.AppArmorProfile, SeccompProfile: string(object), SeccompFile: name,
	}
	id, runtime, ok := FromCgroup(in.Linux.CgroupsPath)
	if ok && (c.ID == "" || c.ID == id) {
		c.ID, c.Runtime = id, runtime
	}
	if len(in.Linux.Seccomp) == 0 || string(in.Linux.Seccomp) == "null" {
		c.SeccompProfile, c.SeccompFile = "unconfined", ""
	}
	for _, n := range in.Linux.Namespaces {
		c.UserNamespace = c.UserNamespace || n.Type == "user"
	}
	if in.Process.Capabilities != nil {
		c.Caps = append([]string{}, in.Process.Capabilities.Bounding...) // none is not nil, which is unknown
	}
	if strings.Contains(name, "/io.containerd.runtime.v2.task/moby/") {
		c.Runtime = "docker"
	}
	c.annotated(in.Annotations)
	return c, nil
}

// OwnBundle reports whether the file of the container's seccomp profile is the
// config.json of a bundle that somebody wrote for a low-level runtime: one that an
// engine wrote is in its folders, and is written anew at the next start.
func (c *Container) OwnBundle() bool {
	if path.Base(c.SeccompFile) != "config.json" || !slices.Contains([]string{"runc", "crun", "youki"}, c.Runtime) {
		return false
	}
	return !slices.ContainsFunc([]string{"/run/", "/var/run/", "/var/lib/"}, func(dir string) bool { return strings.HasPrefix(c.SeccompFile, dir) }) &&
		!strings.Contains(c.SeccompFile, "/io.containerd.runtime.v2.task/") && !inStorage(c.SeccompFile)
}

// annotated takes what engines and the CRI write into a bundle's annotations.
func (c *Container) annotated(a map[string]string) {
	set := func(to *string, keys ...string) {
		for _, key := range keys {
			if a[key] != "" {
				*to = a[key]
				return
			}
		}
	}
	set(&c.Name, "io.kubernetes.cri.container-name", "io.kubernetes.container.name", "nerdctl/name")
	set(&c.Image, "io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName")
	set(&c.Pod, "io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name")
	set(&c.Namespace, "io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace")
	set(&c.PodUID, "io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid")
	c.ofKubernetes(a["io.kubernetes.cri-o.Name"])
	if file := a["io.kubernetes.cri-o.SeccompProfilePath"]; path.IsAbs(file) {
		c.SeccompFrom = file
	}
	if c.Pod != "" && c.PodUID == "" { // containerd before 1.7
		if m := podOfCgroup().FindStringSubmatch(c.CgroupPath); m != nil {
			c.PodUID = strings.ReplaceAll(m[1], "_", "-")
		}
	}
	set(&c.ID, "io.kubernetes.cri-o.ContainerID")
	if a["io.kubernetes.cri.container-type"] != "" {
		c.Runtime = "containerd"
		if a["io.kubernetes.cri.container-type"] == "sandbox" {
			c.Name = "sandbox"
			set(&c.ID, "io.kubernetes.cri.sandbox-id")
		}
	}
	switch a["io.container.manager"] {
	case "libpod":
		c.Runtime = "podman"
	case "cri-o":
		c.Runtime = "cri-o"
	}
}

// kubernetesName is how CRI-O and cri-dockerd call the container of a pod: by its own name, the pod's, the
// namespace's and the UID, which have no underscore, and the number of restarts.
var kubernetesName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^k8s_([^_]+)_([^_]+)_([^_]+)_([^_]+)_([0-9]{1,9})$`)
})

// ofKubernetes takes what the name of a pod's container says, as far as nothing else does.
func (c *Container) ofKubernetes(name string) {
	m := kubernetesName().FindStringSubmatch(name)
	if m == nil {
		return
	}
	c.Merge(Container{Name: m[1], Pod: m[2], Namespace: m[3], PodUID: m[4]})
	restarts, _ := strconv.Atoi(m[5])
	c.Restarts = max(c.Restarts, restarts)
}

// podOfCgroup finds the UID of a pod in the cgroup that the kubelet makes for it, by either
// of its drivers (pkg/kubelet/cm of Kubernetes): /kubepods/burstable/podUID/ID, or
// kubepods-burstable-podUID.slice:cri-containerd:ID with its dashes as underscores.
var podOfCgroup = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`kubepods[-/](?:[^:]*?[-/])?pod([0-9a-f]{32}|[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})(?:[/.]|$)`)
})

// defaultCaps is the bounding set that Docker and containerd's CRI give a
// container (oci/caps of Moby, oci/spec_opts of containerd).
var defaultCaps = []string{
	"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD", "CAP_NET_BIND_SERVICE",
	"CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
}

// otherCaps are the rest of Linux 5.9 and later (linux/capability.h).
var otherCaps = []string{
	"CAP_AUDIT_CONTROL", "CAP_AUDIT_READ", "CAP_BLOCK_SUSPEND", "CAP_BPF", "CAP_CHECKPOINT_RESTORE", "CAP_DAC_READ_SEARCH", "CAP_IPC_LOCK",
	"CAP_IPC_OWNER", "CAP_LEASE", "CAP_LINUX_IMMUTABLE", "CAP_MAC_ADMIN", "CAP_MAC_OVERRIDE", "CAP_NET_ADMIN", "CAP_NET_BROADCAST",
	"CAP_PERFMON", "CAP_SYSLOG", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_MODULE", "CAP_SYS_NICE", "CAP_SYS_PACCT", "CAP_SYS_PTRACE",
	"CAP_SYS_RAWIO", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_WAKE_ALARM",
}

// DefaultCaps returns the capabilities of a container for which nobody asked for others,
// as bounding set, with Docker and containerd's CRI.
func DefaultCaps() []string { return bounding(nil, nil, false) }

// bounding returns the bounding set, sorted, that --cap-add and --cap-drop make
// of the default one, as TweakCapabilities of Moby's oci/caps does.
func bounding(add, drop []string, privileged bool) []string {
	var caps []string
	dropped := func(c string) bool { return slices.Contains(drop, c) }
	switch {
	case privileged:
		caps = slices.Concat(defaultCaps, otherCaps)
	case slices.Contains(add, "ALL"):
		caps = slices.DeleteFunc(slices.Concat(defaultCaps, otherCaps), dropped)
	case slices.Contains(drop, "ALL"):
		caps = append([]string{}, add...) // none is not nil, which is unknown
	default:
		caps = append(slices.DeleteFunc(slices.Clone(defaultCaps), dropped), add...)
	}
	slices.Sort(caps)
	return slices.Compact(caps)
}

// withPrefix returns capability names as the kernel has them, CAP_NET_ADMIN;
// ALL stays.
func withPrefix(names []string) []string {
	var caps []string
	for _, name := range names {
		name = strings.ToUpper(name)
		if name != "ALL" && !strings.HasPrefix(name, "CAP_") {
			name = "CAP_" + name
		}
		caps = append(caps, name)
	}
	return caps
}
