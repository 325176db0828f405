package container

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules/yaml"
)

// JSON returns a text as it is, but for objects of Kubernetes in YAML (`kubectl get -o yaml`) and files of Compose: these
// as JSON, a line each. A kubelet's configuration stays what it is, as ReadHosts reads its lines.
func JSON(text []byte) ([]byte, error) {
	start := bytes.TrimLeft(text, " \t\r\n\xef\xbb\xbf")
	isKubernetes := hasLine(start, "apiVersion:") && hasLine(start, "kind:")
	isYAML := !bytes.HasPrefix(start, []byte("{")) && !bytes.HasPrefix(start, []byte("[")) && (isKubernetes || hasLine(start, "services:"))
	if !isYAML || hasLine(start, "kind: KubeletConfiguration") {
		return text, nil
	}
	lines, err := yaml.JSON(string(start))
	switch {
	case err != nil && !isKubernetes:
		return nil, fmt.Errorf("a file of Compose that is not read: %w; save what `docker compose config` prints of it", err)
	case err != nil:
		return nil, fmt.Errorf("YAML of Kubernetes that is not read: %w; save it with `-o json`", err)
	}
	return lines, nil
}

// readKubernetes reads a pod, what makes pods, or a list that holds such.
func readKubernetes(object []byte) ([]Container, error) {
	var in struct {
		Kind  string
		Items []json.RawMessage
	}
	if err := json.Unmarshal(object, &in); err != nil {
		return nil, broken("a Kubernetes object", err)
	}
	if in.Kind == "Pod" {
		return readPod(object)
	}
	if pod, ok := podOf(object); ok {
		return readPod(pod)
	}
	var containers []Container
	pods := 0
	for _, item := range in.Items {
		var kind struct{ Kind string }
		if err := json.Unmarshal(item, &kind); err != nil {
			return nil, broken("a Kubernetes list", err)
		}
		if pod, ok := podOf(item); ok {
			item = pod
		} else if kind.Kind != "Pod" && in.Kind != "PodList" {
			continue
		}
		found, err := readPod(item)
		if err != nil {
			return nil, err
		}
		pods++
		containers = append(containers, found...)
	}
	if pods == 0 {
		return nil, fmt.Errorf("a Kubernetes %.40q without a pod in it; give %s", in.Kind, kinds)
	}
	return containers, nil
}

// podOf returns the pod that a workload makes, such as a Deployment or a CronJob, without a name, of the owner
// that the workload is; false of what makes none.
func podOf(object []byte) (pod []byte, ok bool) {
	type podTemplate struct {
		Metadata struct{ Annotations map[string]string }
		Spec     json.RawMessage
	}
	var in struct {
		Kind     string
		Metadata struct{ Name, Namespace string }
		Spec     struct {
			Template    podTemplate
			JobTemplate struct {
				Spec struct{ Template podTemplate }
			}
		}
	}
	if json.Unmarshal(object, &in) != nil {
		return nil, false
	}
	template := in.Spec.Template
	if template.Spec == nil {
		template = in.Spec.JobTemplate.Spec.Template
	}
	if template.Spec == nil {
		return nil, false
	}
	pod, err := json.Marshal(map[string]any{
		"metadata": map[string]any{
			"namespace": in.Metadata.Namespace, "annotations": template.Metadata.Annotations,
			"ownerReferences": []any{map[string]any{"kind": in.Kind, "name": in.Metadata.Name, "controller": true}},
		},
		"spec": template.Spec,
	})
	return pod, err == nil
}

// A securityContext is that of a pod or of a container; Kubernetes 1.30 and
// later have appArmorProfile.
type securityContext struct {
	Privileged, ReadOnlyRootFilesystem bool
	AllowPrivilegeEscalation           *bool
	RunAsUser                          *int64
	Capabilities                       struct{ Add, Drop []string }
	SeccompProfile,
	AppArmorProfile *struct{ Type, LocalhostProfile string }
}

type podContainer struct {
	Name, Image     string
	Command, Args   []string
	SecurityContext securityContext
	VolumeMounts    []struct {
		MountPath string
		ReadOnly  bool
	}
	VolumeDevices []struct{ DevicePath string }
}

type containerState struct {
	ContainerID           string
	ExitCode              int
	Reason, Message       string
	StartedAt, FinishedAt Timestamp
}

type podStatus struct {
	Name, ContainerID string
	RestartCount      int
	State             struct{ Running, Terminated, Waiting *containerState }
	LastState         struct{ Terminated *containerState }
}

// ownerReferences are those of a pod.
type ownerReferences []struct {
	Kind, Name string
	Controller bool
}

// owner is what made the pod, "" if nothing did.
func (all ownerReferences) owner() (owner string) {
	for _, o := range all {
		if o.Controller {
			owner = ownerOf(o.Kind, o.Name)
		}
	}
	return owner
}

func readPod(object []byte) ([]Container, error) {
	var in struct {
		Metadata struct {
			Name, Namespace, UID string
			CreationTimestamp    Timestamp
			Annotations          map[string]string
			OwnerReferences      ownerReferences
		}
		Spec struct {
			NodeName                                        string
			HostUsers                                       *bool
			SecurityContext                                 securityContext
			InitContainers, Containers, EphemeralContainers []podContainer
		}
		Status struct {
			InitContainerStatuses, ContainerStatuses, EphemeralContainerStatuses []podStatus
			Reason, Message                                                      string
			Conditions                                                           []struct{ Status, Reason, Message string }
		}
	}
	if err := json.Unmarshal(object, &in); err != nil {
		return nil, broken("a Kubernetes pod", err)
	}
	status := map[string]podStatus{}
	for _, s := range slices.Concat(in.Status.InitContainerStatuses, in.Status.ContainerStatuses, in.Status.EphemeralContainerStatuses) {
		status[s.Name] = s
	}
	var containers []Container
	for _, p := range slices.Concat(in.Spec.InitContainers, in.Spec.Containers, in.Spec.EphemeralContainers) {
		c := Container{
			Name: p.Name, Image: p.Image, Pod: in.Metadata.Name, Namespace: in.Metadata.Namespace, PodUID: in.Metadata.UID, Node: in.Spec.NodeName, Owner: in.Metadata.OwnerReferences.owner(),
			Created: in.Metadata.CreationTimestamp.Time, Privileged: p.SecurityContext.Privileged,
			CapAdd: withPrefix(p.SecurityContext.Capabilities.Add), CapDrop: withPrefix(p.SecurityContext.Capabilities.Drop),
		}
		c.UserNamespace = in.Spec.HostUsers != nil && !*in.Spec.HostUsers
		if len(p.Command) > 0 {
			c.Command = slices.Concat(p.Command, p.Args)
		}
		c.podState(status[p.Name])
		c.addError(said(in.Status.Reason, in.Status.Message))
		for _, condition := range in.Status.Conditions {
			if condition.Status != "True" {
				c.addError(said(condition.Reason, condition.Message))
			}
		}
		c.podProfiles(in.Spec.SecurityContext, p.SecurityContext, in.Metadata.Annotations["container.apparmor.security.beta.kubernetes.io/"+p.Name])
		if c.Runtime == "containerd" || c.Runtime == "docker" {
			c.Caps = bounding(c.CapAdd, c.CapDrop, c.Privileged)
		}
		c.Limits = p.limits(&c, in.Spec.SecurityContext)
		containers = append(containers, c)
	}
	return containers, nil
}

// oomKilled is the reason of the kubelet and of containerd for an end by want of memory.
const oomKilled = "OOMKilled"

// said joins a reason, one word, and a message of the kubelet; "" if they say nothing.
func said(reason, message string) string {
	if reason == "Completed" {
		reason = ""
	}
	return strings.Trim(reason+": "+message, ": ")
}

// addError adds what else is said of an end.
func (c *Container) addError(text string) {
	if text != "" && !strings.Contains(c.Error, text) {
		c.Error = strings.TrimPrefix(c.Error+"\n"+text, "\n")
	}
}

// podState takes the ID, the times of the last run, and what is said of it.
func (c *Container) podState(s podStatus) {
	c.Runtime, c.ID, _ = strings.Cut(s.ContainerID, "://")
	c.Restarts = s.RestartCount
	for _, state := range []*containerState{s.State.Waiting, s.State.Terminated, s.LastState.Terminated} {
		if state != nil {
			c.addError(said(state.Reason, state.Message))
			c.OOMKilled = c.OOMKilled || state.Reason == oomKilled
		}
	}
	switch {
	case s.State.Running != nil:
		c.State, c.Started = "running", s.State.Running.StartedAt.Time
		if last := s.LastState.Terminated; last != nil {
			c.ExitCode, c.Ended = last.ExitCode, last.FinishedAt.Time
		}
		return
	case s.State.Terminated != nil:
		c.State = "terminated"
	case s.State.Waiting != nil:
		c.State = "waiting"
	}
	if last := cmp.Or(s.State.Terminated, s.LastState.Terminated); last != nil {
		c.Started, c.Ended, c.ExitCode = last.StartedAt.Time, last.FinishedAt.Time, last.ExitCode
		if c.State == "terminated" { // one that waits will run again
			c.Finished = last.FinishedAt.Time
		}
	}
}

// podProfiles takes the profiles: the container's own before the pod's, and the
// annotation of Kubernetes before 1.30 last.
func (c *Container) podProfiles(pod, own securityContext, annotation string) {
	appArmor, seccomp := own.AppArmorProfile, own.SeccompProfile
	if appArmor == nil {
		appArmor = pod.AppArmorProfile
	}
	if seccomp == nil {
		seccomp = pod.SeccompProfile
	}
	local, isLocal := strings.CutPrefix(annotation, "localhost/")
	switch {
	case appArmor != nil && appArmor.Type == "Localhost":
		c.AppArmorProfile = appArmor.LocalhostProfile
	case appArmor != nil && appArmor.Type == "Unconfined", appArmor == nil && annotation == "unconfined":
		c.AppArmorProfile = "unconfined"
	case appArmor == nil && isLocal:
		c.AppArmorProfile = local
	case own.Privileged && appArmor == nil:
		c.AppArmorProfile = "unconfined"
	default: // RuntimeDefault, which is also what nothing means where AppArmor is on
		c.AppArmorProfile = EngineNamed(c.Runtime).fixedProfile()
	}
	switch {
	case own.Privileged, seccomp != nil && seccomp.Type == "Unconfined":
		c.SeccompProfile = "unconfined"
	case seccomp != nil && seccomp.Type == "Localhost":
		c.SeccompProfile = path.Join(KubeletSeccomp, seccomp.LocalhostProfile)
	case seccomp == nil:
		c.SeccompUnset = true
	}
}
