package container

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A composeService is what is read of a service in a file of Compose, or in what
// `docker compose config` prints: https://github.com/compose-spec/compose-spec.
type composeService struct {
	ContainerName string `json:"container_name"`
	Image         string
	User          any // a name, or a number
	Privileged    bool
	ReadOnly      bool     `json:"read_only"`
	CapAdd        []string `json:"cap_add"`
	CapDrop       []string `json:"cap_drop"`
	SecurityOpt   []string `json:"security_opt"`
	Runtime       string
	Command       any
	Entrypoint    any
	Tmpfs         any   // a text, or a list
	Volumes       []any // texts, or objects
	Devices       []any
}

// readCompose reads the services of a file of Compose, each as the container that Docker would make of it. The
// values of variables (${NAME}) are not known here.
func readCompose(object []byte) ([]Container, error) {
	var in struct{ Services map[string]composeService }
	if err := json.Unmarshal(object, &in); err != nil {
		return nil, broken("a file of Compose", err)
	}
	var containers []Container
	for _, name := range slices.Sorted(maps.Keys(in.Services)) {
		s := in.Services[name]
		c := Container{
			Name: cmp.Or(s.ContainerName, name), Service: name, Image: s.Image, Runtime: "docker", Privileged: s.Privileged,
			CapAdd: withPrefix(s.CapAdd), CapDrop: withPrefix(s.CapDrop), Command: slices.Concat(words(s.Entrypoint), words(s.Command)), OCIRuntime: ociRuntime(s.Runtime),
		}
		c.securityOptions(s.SecurityOpt)
		if c.AppArmorProfile == "" && !c.Privileged {
			c.AppArmorProfile = EngineNamed(c.Runtime).fixedProfile()
		}
		c.Caps = bounding(c.CapAdd, c.CapDrop, c.Privileged)
		c.Limits = s.limits(&c)
		containers = append(containers, c)
	}
	return containers, nil
}

// limits returns what a service says of its container, and what Docker does unasked.
func (s *composeService) limits(c *Container) *Limits {
	host := dockerHost{SecurityOpt: s.SecurityOpt, ReadonlyRootfs: s.ReadOnly, Tmpfs: map[string]string{}}
	for _, at := range words(s.Tmpfs) {
		path, options, _ := strings.Cut(at, ":")
		host.Tmpfs[path] = options
	}
	for _, device := range s.Devices {
		host.Devices = append(host.Devices, struct{ PathInContainer string }{target(device, 1)})
	}
	var mounts []dockerMount
	for _, volume := range s.Volumes {
		m := dockerMount{Destination: target(volume, 1), RW: true}
		switch v := volume.(type) {
		case string:
			parts := strings.Split(v, ":")
			m.RW = len(parts) < 3 || !slices.Contains(strings.Split(parts[2], ","), "ro")
		case map[string]any:
			m.RW = v["read_only"] != true
		}
		if m.Destination != "" {
			mounts = append(mounts, m)
		}
	}
	user := ""
	if s.User != nil {
		user = fmt.Sprint(s.User)
	}
	return host.limits(c, user, mounts)
}

// target is where something is in the container: of source:target:options, or of an object.
func target(of any, at int) string {
	switch v := of.(type) {
	case string:
		parts := strings.Split(v, ":")
		return parts[min(at, len(parts)-1)]
	case map[string]any:
		path, _ := v["target"].(string)
		return path
	}
	return ""
}

// words are the texts of a list, or of one text.
func words(of any) (list []string) {
	switch v := of.(type) {
	case string:
		return strings.Fields(v)
	case []any:
		for _, item := range v {
			if text, ok := item.(string); ok {
				list = append(list, text)
			}
		}
	}
	return list
}
