package container

import (
	"cmp"
	"encoding/json"
)

// A CRI is the part of what crictl inspect prints that is read here. Info is
// the same of containerd and CRI-O.
type CRI struct {
	Status CRIStatus `json:"status"`
	Info   CRIInfo   `json:"info"`
}

type CRIStatus struct {
	ID       string `json:"id"`
	Metadata struct {
		Name    string `json:"name"`
		Attempt int    `json:"attempt"` // the kubelet's count of restarts
	} `json:"metadata"`
	State      string    `json:"state"`
	CreatedAt  Timestamp `json:"createdAt"`
	StartedAt  Timestamp `json:"startedAt"`
	FinishedAt Timestamp `json:"finishedAt"`
	ExitCode   int       `json:"exitCode"`
	Reason     string    `json:"reason"`
	Message    string    `json:"message"`
	Image      struct {
		Image              string `json:"image"`
		UserSpecifiedImage string `json:"userSpecifiedImage"`
	} `json:"image"`
	Labels map[string]string `json:"labels"`
}

type CRIInfo struct {
	PID         int    `json:"pid"`
	RuntimeType string `json:"runtimeType"` // containerd's
	Privileged  bool   `json:"privileged"`  // CRI-O's
	Config      struct {
		Linux struct {
			SecurityContext struct {
				Privileged bool `json:"privileged"`
				Seccomp    struct {
					LocalhostRef string `json:"localhost_ref"`
				} `json:"seccomp"`
			} `json:"security_context"`
		} `json:"linux"`
	} `json:"config"`
	RuntimeSpec json.RawMessage `json:"runtimeSpec"`
}

// readCRI reads crictl inspect, of containerd and of CRI-O.
func readCRI(object []byte) (Container, error) {
	var in CRI
	if err := json.Unmarshal(object, &in); err != nil {
		return Container{}, broken("crictl inspect", err)
	}
	var c Container
	if len(in.Info.RuntimeSpec) > 0 && string(in.Info.RuntimeSpec) != "null" {
		var err error
		if c, err = readOCI("", in.Info.RuntimeSpec); err != nil {
			return c, err
		}
	}
	s := in.Status
	c.ID, c.PID, c.Name, c.Image, c.State, c.ExitCode = s.ID, in.Info.PID, s.Metadata.Name, s.Image.Image, s.State, s.ExitCode
	c.Error, c.OOMKilled = said(s.Reason, s.Message), s.Reason == oomKilled
	c.Created, c.Started, c.Finished = s.CreatedAt.Time, s.StartedAt.Time, s.FinishedAt.Time
	c.Ended = c.Finished
	c.Restarts = s.Metadata.Attempt
	// The kubelet labels containers; others need not, and the bundle's annotations are the runtime's.
	c.Pod, c.Namespace = cmp.Or(c.Pod, s.Labels["io.kubernetes.pod.name"]), cmp.Or(c.Namespace, s.Labels["io.kubernetes.pod.namespace"])
	c.PodUID = cmp.Or(c.PodUID, s.Labels["io.kubernetes.pod.uid"])
	c.SeccompFrom = in.Info.Config.Linux.SecurityContext.Seccomp.LocalhostRef
	c.Privileged = in.Info.Privileged || in.Info.Config.Linux.SecurityContext.Privileged
	if s.Image.UserSpecifiedImage != "" {
		c.Image = s.Image.UserSpecifiedImage
	}
	if in.Info.RuntimeType != "" && c.Runtime == "" {
		c.Runtime = "containerd" // CRI-O does not say
	}
	return c, nil
}
