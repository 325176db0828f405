package deploy

import (
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/patch"
	"github.com/whydenied/whydenied/explain/report"
)

// kubeletSeccomp is where the kubelet looks profiles of type Localhost up, as
// long as its --root-dir is the default.
const kubeletSeccomp = "/var/lib/kubelet/seccomp/"

// writeKubernetes writes strategic-merge patches of the pod templates of the
// containers concerned, one document each, for kubectl patch of a Deployment,
// StatefulSet or DaemonSet: the securityContext of a pod that runs cannot be
// changed. Fields as of Kubernetes 1.30 (core/v1 SecurityContext).
func writeKubernetes(w io.Writer, p *patch.Patch) (limits []string, err error) {
	var out strings.Builder
	out.WriteString(report.NewPatch(p).Comments())
	templates := podTemplates(p)
	if len(templates) > 0 {
		yamlComment(&out, "", "Of the pod template, as a pod that runs keeps its securityContext. Save each document to a file, then:")
		yamlComment(&out, "", "  kubectl patch deployment NAME --patch-file FILE")
		yamlComment(&out, "", "The profiles must be on every node where the pod can run.")
	}
	for i, t := range templates {
		if i > 0 {
			out.WriteString("---\n")
		}
		t.write(&out)
	}
	_, err = io.WriteString(w, out.String())
	return nil, err
}

// A podTemplate is what one container of pods is to have.
type podTemplate struct {
	pods              []string // NAMESPACE/NAME, for the reader
	container         string   // "" for all of the pod
	apparmor, seccomp string
}

// podTemplates returns the containers concerned; replicas of one, as far as they
// can be told to be that, are one.
func podTemplates(p *patch.Patch) []podTemplate {
	var templates []podTemplate
	for _, w := range workloads(p) {
		t := podTemplate{apparmor: w.apparmor, seccomp: w.seccomp}
		pod := ""
		if c := w.container; c.Pod != "" {
			pod, t.container = c.Pod, c.Name
			if c.Namespace != "" {
				pod = c.Namespace + "/" + pod
			}
		}
		i := slices.IndexFunc(templates, func(o podTemplate) bool {
			return o.container == t.container && o.apparmor == t.apparmor && o.seccomp == t.seccomp && sameOwner(o.pods, pod)
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

func (t podTemplate) write(out *strings.Builder) {
	if len(t.pods) > 0 {
		yamlComment(out, "", "of pod %s", strings.Join(t.pods, ", "))
	}
	indent := "      "
	out.WriteString("spec:\n  template:\n    spec:\n")
	if t.container == "" {
		yamlComment(out, indent, "The container is not known, so this is for all containers of the pod.")
	} else {
		out.WriteString(indent + "containers:\n" + indent + "- name: " + yamlString(t.container) + "\n")
		indent += "  "
	}
	out.WriteString(indent + "securityContext:\n")
	if t.apparmor != "" {
		name := t.container
		if name == "" {
			name = "CONTAINER"
		}
		yamlComment(out, indent+"  ", "Before Kubernetes 1.30 it is an annotation of the template's metadata instead:")
		yamlComment(out, indent+"  ", "%s", yamlString("container.apparmor.security.beta.kubernetes.io/"+name)+": "+yamlString("localhost/"+t.apparmor))
		t.profile(out, indent+"  ", "appArmorProfile", t.apparmor)
	}
	if t.seccomp != "" {
		slash := filepath.ToSlash(t.seccomp)
		below, ok := strings.CutPrefix(slash, kubeletSeccomp)
		if !ok {
			below = path.Base(slash)
			yamlComment(out, indent+"  ", "Copy %s to %s on the nodes.", t.seccomp, kubeletSeccomp+below)
		}
		t.profile(out, indent+"  ", "seccompProfile", below)
	}
}

func (t podTemplate) profile(out *strings.Builder, indent, key, name string) {
	out.WriteString(indent + key + ":\n" + indent + "  type: Localhost\n" + indent + "  localhostProfile: " + yamlString(name) + "\n")
}
