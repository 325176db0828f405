package container

import (
	"encoding/json"
	"strings"
)

// readContainerd reads what containerd keeps of a container, whoever asked for it: ctr
// containers info and nerdctl inspect --mode=native (core/containers.Container of
// containerd 2.0, whose Spec is an OCI config.json). It says nothing of what runs.
func readContainerd(object []byte) (Container, error) {
	var in struct {
		ID        string
		Image     string
		Labels    map[string]string
		CreatedAt Timestamp
		Spec      json.RawMessage
	}
	if err := json.Unmarshal(object, &in); err != nil {
		return Container{}, broken("ctr containers info", err)
	}
	var c Container
	if spec := string(in.Spec); spec != "" && spec != "null" { // a sandbox need not have one
		var err error
		if c, err = readOCI("", in.Spec); err != nil {
			return c, err
		}
	}
	c.ID, c.Image, c.Created = in.ID, in.Image, in.CreatedAt.Time
	c.annotated(in.Labels)
	if c.Runtime == "" {
		c.Runtime = "containerd"
	}
	for label := range in.Labels {
		if strings.HasPrefix(label, "com.docker/") { // libcontainerd of Moby
			c.Runtime = "docker"
		}
	}
	return c, nil
}
