package deploy

import (
	"cmp"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/patch"
)

// kubeletSeccomp begins the names of profiles of type Localhost, as long as the kubelet's --root-dir is the default.
const kubeletSeccomp = container.KubeletSeccomp + "/"

// writeKubernetes writes strategic-merge patches of the pod templates of the
// containers concerned, one document each, for kubectl patch of a Deployment,
// StatefulSet or DaemonSet: the securityContext of a pod that runs cannot be
// changed. Fields as of Kubernetes 1.30 (core/v1 SecurityContext).
func writeKubernetes(w io.Writer, p *patch.Patch) (limits []string, err error) {
	out := comments(p)
	templates := podTemplates(p)
	if len(templates) > 0 {
		out.Add(
			yamlComment("Of the pod template, as a pod that runs keeps its securityContext. Save each document to a file, then:"),
			yamlComment("  kubectl patch deployment NAME --patch-file FILE"),
			yamlComment("The profiles must be on every node where the pod can run."))
	}
	for i, t := range templates {
		if i > 0 {
			out.Add("---\n")
		}
		t.write(out)
	}
	return nil, escape.Write(w, out.Text())
}

// A podTemplate is what one container of pods is to have.
type podTemplate struct {
	pods              []string // NAMESPACE/NAME, for the reader
	container         string   // "" for all of the pod
	apparmor, seccomp string
	caps              []string
}

// podTemplates returns the containers concerned; replicas of one, as far as they
// can be told to be that, are one.
func podTemplates(p *patch.Patch) []podTemplate {
	var templates []podTemplate
	for _, w := range workloads(p) {
		t := podTemplate{apparmor: w.apparmor, seccomp: w.seccomp, caps: w.caps}
		pod := ""
		if c := w.container; c.Pod != "" {
			pod, t.container = c.Pod, c.Name
			if c.Namespace != "" {
				pod = c.Namespace + "/" + pod
			}
		}
		i := slices.IndexFunc(templates, func(o podTemplate) bool {
			return o.container == t.container && o.apparmor == t.apparmor && o.seccomp == t.seccomp && slices.Equal(o.caps, t.caps) && sameOwner(o.pods, pod)
		})
		if i < 0 {
			i = len(templates)
			templates = append(templates, t)
		}
		if pod != "" && !slices.Contains(templates[i].pods, pod) {
			templates[i].pods = append(templates[i].pods, pod)
		}
	}
	return templates
}

// sameOwner reports whether a pod is, by its name, another replica of pods: the
// names of a ReplicaSet's pods differ in what follows the last dash.
func sameOwner(pods []string, pod string) bool {
	owner := func(name string) string { return name[:max(strings.LastIndexByte(name, '-'), 0)] }
	if len(pods) == 0 || pod == "" {
		return len(pods) == 0 && pod == ""
	}
	return owner(pods[0]) == owner(pod)
}

func (t podTemplate) write(out *escape.Builder[escape.YAML]) {
	if len(t.pods) > 0 {
		out.Add(yamlComment("of pod " + strings.Join(t.pods, ", ")))
	}
	var indent escape.YAML = "      "
	out.Add("spec:\n  template:\n    spec:\n")
	name := t.container
	if name == "" && len(t.caps) > 0 { // a pod has no capabilities of its own
		name = "CONTAINER"
	}
	if name == "" {
		out.Add(indent, yamlComment("The container is not known, so this is for all containers of the pod."))
	} else {
		if t.container == "" {
			out.Add(indent, yamlComment("The container is not known: put its name in place of CONTAINER."))
		}
		out.Add(indent, "containers:\n", indent, "- name: ", yamlString(name), "\n")
		indent += "  "
	}
	out.Add(indent, "securityContext:\n")
	if t.apparmor != "" {
		name := cmp.Or(t.container, "CONTAINER")
		annotation := yamlString("container.apparmor.security.beta.kubernetes.io/"+name) + ": " + yamlString("localhost/"+t.apparmor)
		out.Add(indent, "  ", yamlComment("Before Kubernetes 1.30 it is an annotation of the template's metadata instead:"))
		out.Add(indent, "  ", yamlComment(string(annotation)))
		t.profile(out, indent+"  ", "appArmorProfile", t.apparmor)
	}
	if t.seccomp != "" {
		slash := filepath.ToSlash(t.seccomp)
		below, ok := strings.CutPrefix(slash, kubeletSeccomp)
		if !ok {
			below = path.Base(slash)
			out.Add(indent, "  ", yamlComment("Copy "+t.seccomp+" to "+kubeletSeccomp+below+" on the nodes."))
		}
		t.profile(out, indent+"  ", "seccompProfile", below)
	}
	if len(t.caps) > 0 {
		out.Add(indent, "  capabilities:\n")
		yamlList(out, indent+"    ", "add", t.caps)
	}
}

func (t podTemplate) profile(out *escape.Builder[escape.YAML], indent, key escape.YAML, name string) {
	out.Add(indent, key, ":\n", indent, "  type: Localhost\n", indent, "  localhostProfile: ", yamlString(name), "\n")
}
