package container

import (
	"bytes"
	"cmp"
	"encoding/json"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Host is what saved output tells of a machine that runs containers, or of its
// engine. Empty fields are unknown.
type Host struct {
	Node    string // the Kubernetes node that it is, if the text says one
	Engine  string // as Container.Runtime has it
	Version string // of the engine
	Arch    string // amd64 or x86_64, ...
	Kernel  string // 6.1.0-18-amd64

	// Runtime is what the engine runs containers by, if a container says nothing else.
	Runtime        string // runc, crun
	RuntimeVersion string
	Libseccomp     string // that the runtime was built with

	// Seccomp is the engine's default profile where it is not the built-in one: a file on
	// the host, or "unconfined".
	Seccomp string
	// Unset says what containers of pods get that name no seccomp profile:
	// "RuntimeDefault" or "Unconfined".
	Unset string

	// BPF are the names of the BPF programs that the kernel asks as a security module, with
	// spaces between them, as bpftool lists them: the first 15 bytes of each.
	BPF string
}

// Merge fills what is unknown of a host from what else is known of it; what is of another
// engine or runtime is left out.
func (h *Host) Merge(o Host) {
	if h.Engine == "" || o.Engine == "" || h.Engine == o.Engine {
		fill(&h.Engine, o.Engine)
		fill(&h.Version, o.Version)
		fill(&h.Seccomp, o.Seccomp)
		if h.Runtime == "" || h.Runtime == o.Runtime {
			fill(&h.Runtime, o.Runtime)
			fill(&h.RuntimeVersion, o.RuntimeVersion)
			fill(&h.Libseccomp, o.Libseccomp)
		}
	}
	fill(&h.Node, o.Node)
	fill(&h.Arch, o.Arch)
	fill(&h.Kernel, o.Kernel)
	fill(&h.Unset, o.Unset)
	fill(&h.BPF, o.BPF)
}

func fill(to *string, from string) {
	if *to == "" {
		*to = from
	}
}

// ReadHosts returns the hosts that a text tells of, and none of any other text: saved
// `docker version`, `docker info`, `podman version`, `podman info`, `crictl version`,
// `crictl info` or `kubectl get node` in JSON (of the last YAML, too), the answer to /version of the Docker
// Engine API, a kubelet's configuration (in YAML or JSON, or its configz), and what
// `runc --version`, `crun --version`, `containerd --version`, `podman --version`,
// `crio --version` and `bpftool prog list` print. What docker and dockerd print of themselves is the same text,
// and the client's version says nothing of the engine: it is not read.
func ReadHosts(text []byte) []Host {
	if lines, err := JSON(text); err == nil {
		text = lines
	}
	if found := bytes.TrimLeft(text, " \t\r\n\xef\xbb\xbf"); len(found) == 0 || found[0] != '{' {
		return readPlain(text)
	}
	var in hostText
	if json.Unmarshal(text, &in) != nil {
		return nil
	}
	switch {
	case in.Kind == "Node" || in.Kind == "List" || in.Kind == "NodeList":
		return in.nodes()
	case in.Kind == "KubeletConfiguration":
		return []Host{{Unset: unset(in.SeccompDefault)}}
	case in.KubeletConfig != nil:
		return []Host{{Unset: unset(in.KubeletConfig.SeccompDefault)}}
	}
	h := in.engine()
	if h == (Host{}) {
		return nil
	}
	return []Host{h}
}

// unset is what a kubelet makes of a pod that names no profile.
func unset(seccompDefault bool) string {
	if seccompDefault {
		return "RuntimeDefault"
	}
	return "Unconfined"
}

// hostText is what is read of all those texts, by keys that mean the same in each.
type hostText struct {
	Kind           string // Kubernetes
	Metadata       struct{ Name string }
	Status         json.RawMessage
	Items          []json.RawMessage
	SeccompDefault bool
	KubeletConfig  *struct{ SeccompDefault bool } // configz

	Components     []component // the API's /version
	Server, Client *struct {   // docker version, podman version
		Version, Arch, KernelVersion, OsArch string
		Components                           []component
	}
	ServerVersion, Architecture, KernelVersion, DefaultRuntime string // docker info
	SecurityOptions                                            []string
	Arch                                                       string // the API's /version
	Host                                                       *struct {
		Arch, Kernel string
		OCIRuntime   struct{ Name, Version string }
		Security     struct{ SeccompProfilePath string }
	} // podman info
	Version                     json.RawMessage
	RuntimeName, RuntimeVersion string // crictl version
	Config                      *struct {
		Containerd *struct {
			DefaultRuntimeName string
			Runtimes           map[string]struct{ Options struct{ BinaryName string } }
		}
		UnsetSeccompProfile *string
	} // crictl info of containerd
}

// A component is a part of an engine.
type component struct {
	Name, Version string
	Details       struct{ Arch, KernelVersion string }
}

// engine returns what is told of an engine.
func (in *hostText) engine() Host {
	var podman struct{ Version string }
	_ = json.Unmarshal(in.Version, &podman) // of crictl it is a string
	switch {
	case len(in.Components) > 0:
		h := fromComponents(in.Components)
		h.Merge(Host{Engine: h.Engine, Arch: in.Arch, Kernel: in.KernelVersion})
		return h
	case in.ServerVersion != "":
		h := Host{Engine: "docker", Version: in.ServerVersion, Arch: in.Architecture, Kernel: in.KernelVersion, Runtime: low(in.DefaultRuntime)}
		h.Seccomp = dockerSeccomp(in.SecurityOptions)
		return h
	case in.RuntimeVersion != "" && in.RuntimeName != "":
		return Host{Engine: strings.ToLower(in.RuntimeName), Version: strings.TrimPrefix(in.RuntimeVersion, "v")}
	case in.Host != nil && podman.Version != "":
		h := Host{Engine: "podman", Version: podman.Version, Arch: in.Host.Arch, Kernel: in.Host.Kernel, Runtime: low(in.Host.OCIRuntime.Name), Seccomp: in.Host.Security.SeccompProfilePath}
		for _, r := range readPlain([]byte(in.Host.OCIRuntime.Version)) {
			h.Merge(r)
		}
		return h
	case in.Server != nil && in.Server.Version != "":
		h := fromComponents(in.Server.Components)
		h.Merge(Host{Engine: "docker", Version: in.Server.Version, Arch: in.Server.Arch, Kernel: in.Server.KernelVersion})
		return h
	case in.Client != nil && in.Client.Version != "":
		_, arch, _ := strings.Cut(in.Client.OsArch, "/")
		return Host{Engine: "podman", Version: in.Client.Version, Arch: arch}
	case in.Config != nil && in.Config.Containerd != nil:
		return in.criInfo()
	}
	return Host{}
}

// criInfo returns what crictl info tells of containerd.
func (in *hostText) criInfo() Host {
	h := Host{Engine: "containerd"}
	name := in.Config.Containerd.DefaultRuntimeName
	if of, ok := in.Config.Containerd.Runtimes[name]; ok {
		h.Runtime = low(name)
		if binary := of.Options.BinaryName; binary != "" {
			h.Runtime = low(path.Base(binary))
		}
	}
	// unset_seccomp_profile, which is asked where the kubelet sends no profile.
	if p := in.Config.UnsetSeccompProfile; p != nil && (*p == "runtime/default" || *p == "docker/default") {
		h.Unset = "RuntimeDefault"
	}
	return h
}

// low returns the name of a runtime, "" for one that is not known to load filters.
func low(name string) string {
	if name == "runc" || name == "crun" {
		return name
	}
	return ""
}

// ociRuntime returns the name of the runtime that an engine says it runs a container by:
// a program's path, a name that a configuration gives it, or a shim, which says
// nothing of the program below that of runc (io.containerd.runc.v2).
func ociRuntime(name string) string {
	if name == "" || strings.HasPrefix(name, "io.containerd.runc.") {
		return ""
	}
	return path.Base(name)
}

// fromComponents reads the parts of Docker or of Podman's imitation.
func fromComponents(all []component) (h Host) {
	for _, c := range all {
		switch c.Name {
		case "Engine", "Podman Engine":
			h.Engine = map[string]string{"Engine": "docker", "Podman Engine": "podman"}[c.Name]
			h.Version, h.Arch, h.Kernel = c.Version, c.Details.Arch, c.Details.KernelVersion
		case "runc", "crun":
			h.Runtime, h.RuntimeVersion = c.Name, c.Version
		}
	}
	return h
}

// dockerSeccomp reads security options such as "name=seccomp,profile=builtin".
func dockerSeccomp(options []string) string {
	for _, option := range options {
		rest, ok := strings.CutPrefix(option, "name=seccomp,profile=")
		if ok && rest != "builtin" && rest != "default" {
			return rest
		}
	}
	return ""
}

// nodes reads Kubernetes nodes.
func (in *hostText) nodes() (hosts []Host) {
	if in.Kind != "Node" {
		for _, item := range in.Items {
			var one hostText
			if json.Unmarshal(item, &one) == nil && (one.Kind == "Node" || one.Kind == "" && in.Kind == "NodeList") {
				one.Kind = "Node"
				hosts = append(hosts, one.nodes()...)
			}
		}
		return hosts
	}
	var status struct {
		NodeInfo struct{ Architecture, KernelVersion, ContainerRuntimeVersion string }
	}
	if json.Unmarshal(in.Status, &status) != nil {
		return nil
	}
	engine, version, _ := strings.Cut(status.NodeInfo.ContainerRuntimeVersion, "://")
	return []Host{{
		Node: in.Metadata.Name, Engine: engine, Version: version,
		Arch: status.NodeInfo.Architecture, Kernel: status.NodeInfo.KernelVersion,
	}}
}

var (
	engineLine  = regexp.MustCompile(`(?m)^(containerd \S+|podman version|crio version) v?(\d\S*)`)
	runtimeLine = regexp.MustCompile(`(?m)^(runc|crun) version (\d\S*)`)
	libseccomp  = regexp.MustCompile(`(?m)^libseccomp: (\d\S*)`)
	kubeletKind = regexp.MustCompile(`(?m)^kind:\s*["']?KubeletConfiguration["']?\s*$`)
	kubeletKey  = regexp.MustCompile(`(?m)^seccompDefault:\s*(true|false)\b`)
)

// maxPlain is the most of a text that is no JSON that is looked at.
const maxPlain = 1 << 20

// PlainLines returns the lines of a text that is no JSON of which ReadHosts makes what
// it does, and nothing else that the text holds; nil is a text that tells of no host.
func PlainLines(text []byte) []byte {
	if readPlain(text) == nil {
		return nil
	}
	text = text[:min(len(text), maxPlain)]
	var lines []byte
	for _, line := range []*regexp.Regexp{engineLine, runtimeLine, libseccomp, kubeletKind, kubeletKey} {
		if found := line.Find(text); found != nil {
			lines = append(append(lines, bytes.TrimSpace(found)...), '\n')
		}
	}
	for _, found := range lsmProgram.FindAll(text, maxPrograms) {
		lines = append(append(lines, found...), '\n')
	}
	return lines
}

// lsmProgram is a line of `bpftool prog list` of a program at a hook of security modules.
var lsmProgram = regexp.MustCompile(`(?m)^\d+: lsm  (?:name (\w+)  )?tag [0-9a-f]{16}\b`)

// maxPrograms bounds how many programs are told apart.
const maxPrograms = 64

// lsmPrograms returns the names of the programs that bpftool lists.
func lsmPrograms(text []byte) string {
	var names []string
	for _, m := range lsmProgram.FindAllSubmatch(text, maxPrograms) {
		if name := cmp.Or(string(m[1]), "unnamed"); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// readPlain reads what is not JSON.
func readPlain(text []byte) []Host {
	text = text[:min(len(text), maxPlain)]
	var hosts []Host
	if m := engineLine.FindSubmatch(text); m != nil {
		engine, _, _ := strings.Cut(string(m[1]), " ")
		if engine == "crio" {
			engine = "cri-o"
		}
		hosts = append(hosts, Host{Engine: engine, Version: string(m[2])})
	}
	if m := runtimeLine.FindSubmatch(text); m != nil {
		h := Host{Runtime: string(m[1]), RuntimeVersion: string(m[2])}
		if m := libseccomp.FindSubmatch(text); m != nil {
			h.Libseccomp = string(m[1])
		}
		hosts = append(hosts, h)
	}
	if names := lsmPrograms(text); names != "" {
		hosts = append(hosts, Host{BPF: names})
	}
	if hosts != nil {
		return hosts
	}
	if kubeletKind.Match(text) {
		on := false
		if m := kubeletKey.FindSubmatch(text); m != nil {
			on, _ = strconv.ParseBool(string(m[1]))
		}
		return []Host{{Unset: unset(on)}}
	}
	return nil
}
