package container

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"
)

// kinds are the metadata that Read understands, for people.
const kinds = "saved output of `docker inspect`, `podman inspect`, `crictl inspect`, `ctr containers info` or `kubectl get pod -o json` (or yaml; a Deployment and its like, too), a file of Compose, an OCI bundle's config.json, runc's state.json, Docker's config.v2.json, /proc/PID/status, a unit of systemd (`systemctl cat`, `systemctl show`), the config of a container of LXC or Proxmox VE, an instance of Incus or LXD (`incus config show NAME --expanded`, `lxc list --format json`), a virtual machine of libvirt (`virsh dumpxml`), the meta/snap.yaml of a snap, or a list of objects with id, name, image and apparmor"

// Metadata is one text that a host has about one container, or about its engine.
type Metadata struct {
	Container string // its ID; "" for an engine's version
	Name      string // the file, or the engine's socket and the question to it
	Text      []byte
}

// Containers reads a container's metadata: what Read gives, under the ID that
// is known though the text may not say it.
func (m Metadata) Containers() ([]Container, error) {
	found, err := Read(m.Name, m.Text)
	if err == nil && len(found) == 1 && found[0].ID == "" {
		found[0].ID = m.Container
	}
	return found, err
}

// MaxFile is the size of the largest file of metadata that is read, in bytes.
const MaxFile = 64 << 20

// MaxContainers is how many containers are read of one file.
const MaxContainers = 50_000

// Read returns the containers of one file of saved metadata, whatever engine it
// is from: one JSON value, an array of them, or several in a row; objects of Kubernetes in YAML, too. The name is
// used in errors and, as the folder of an OCI bundle is the container's ID, to
// identify what says no ID itself.
func Read(name string, text []byte) ([]Container, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if isStatus(text) {
		c, err := readStatus(name, text)
		return []Container{c}, err
	}
	if found, err := readConfig(name, text); found != nil || err != nil {
		return found, err
	}
	text, err := JSON(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	var containers []Container
	open := false // in an array
	for values := 0; ; values++ {
		if open && !decoder.More() {
			if _, err := decoder.Token(); err != nil {
				return nil, notJSON(name, text, err, decoder.InputOffset())
			}
			open = false
		}
		if rest := bytes.TrimLeft(text[decoder.InputOffset():], " \t\r\n"); !open && len(rest) > 0 && rest[0] == '[' {
			_, _ = decoder.Token()
			open = true
			continue
		}
		var object json.RawMessage
		err := decoder.Decode(&object)
		if err == io.EOF && values > 0 {
			return containers, nil
		}
		if err != nil {
			return nil, notJSON(name, text, err, decoder.InputOffset())
		}
		found, err := readObject(name, object)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if containers = append(containers, found...); len(containers) > MaxContainers {
			return nil, fmt.Errorf("%s: more than %d containers are too many; save those that the log is about", name, MaxContainers)
		}
	}
}

// readConfig returns what a config that is no JSON says, nil if a text is none.
func readConfig(name string, text []byte) ([]Container, error) {
	switch configOf(text) {
	case unitConfig:
		return []Container{readUnit(name, text)}, nil
	case domainConfig:
		return one(readDomain(name, text))
	case incusConfig:
		return one(readInstance(name, text))
	case snapConfig:
		return readSnap(name, text)
	case lxcConfig:
		return []Container{readLXC(name, text)}, nil
	}
	return nil, nil
}

func one(c Container, err error) ([]Container, error) {
	if err != nil {
		return nil, err
	}
	return []Container{c}, nil
}

func notJSON(name string, text []byte, err error, offset int64) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return fmt.Errorf("%s: empty; give %s", name, kinds)
	}
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.Is(err, io.ErrUnexpectedEOF):
		offset = int64(len(text))
	}
	line := 1 + bytes.Count(text[:min(max(offset-1, 0), int64(len(text)))], []byte("\n"))
	if first := bytes.TrimSpace(text)[0]; first != '{' && first != '[' {
		return fmt.Errorf("%s:%d: not JSON; give %s", name, line, kinds)
	}
	return fmt.Errorf("%s:%d: broken JSON: %w; save the output again", name, line, err)
}

// readObject tells the kinds apart by keys that only they have.
func readObject(name string, object []byte) ([]Container, error) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(object, &keys); err != nil {
		return nil, fmt.Errorf("not container metadata; give %s", kinds)
	}
	has := func(names ...string) bool {
		for _, n := range names {
			if _, ok := keys[n]; !ok {
				return false
			}
		}
		return true
	}
	var c Container
	var err error
	switch {
	case has("kind", "apiVersion"):
		return readKubernetes(object)
	case has("services") && !has("Id"):
		return readCompose(object)
	case has("ID", "State", "Config"), has("Id", "State", "Config"), has("Id", "HostConfig"): // of which people leave parts out
		c, err = readDocker(object)
	case has("status", "info"):
		c, err = readCRI(object)
	case has("ID", "Spec", "SnapshotKey"):
		c, err = readContainerd(object)
	case has("ociVersion", "process"), has("ociVersion", "linux"):
		c, err = readOCI(name, object)
	case has("id", "layer", "names"):
		c, err = readStorage(object)
	case has("id", "init_process_pid", "config"):
		c, err = readRunc(object)
	case has("name", "expanded_config"), has("name", "config", "devices", "architecture"):
		c, err = readInstanceJSON(name, object)
	case has("id", "name", "apparmor"):
		c, err = readListed(object)
	default:
		return nil, fmt.Errorf("not container metadata that is known; give %s", kinds)
	}
	return []Container{c}, err
}

// state is .State of docker inspect, podman inspect and config.v2.json.
type state struct {
	Status     string
	Running    bool
	Pid        int
	ExitCode   int
	Error      string // why it could not be started
	OOMKilled  bool
	StartedAt  Timestamp
	FinishedAt Timestamp
	OciVersion string // Podman's
	CgroupPath string // Podman's
}

// readDocker reads one element of docker inspect or podman inspect, or a
// config.v2.json, which lacks HostConfig.
func readDocker(object []byte) (Container, error) {
	var in struct {
		ID, Name, Image                 string
		Created                         Timestamp
		Path                            string
		RestartCount                    int
		Args                            []string
		State                           state
		AppArmorProfile, SeccompProfile string
		Config                          struct {
			Image, User string
			Labels      map[string]string
		}
		HostConfig *struct {
			CapAdd, CapDrop []string
			Privileged      bool
			Runtime         string
			dockerHost
		}
		Mounts                []dockerMount
		ProcessLabel          string // of SELinux
		ImageName, OCIRuntime string // Podman's
		BoundingCaps          []string
		EffectiveCaps         []string
	}
	if err := json.Unmarshal(object, &in); err != nil {
		return Container{}, broken("docker inspect", err)
	}
	c := Container{
		ID: in.ID, Name: strings.TrimPrefix(in.Name, "/"), Image: in.Config.Image, Runtime: "docker",
		PID: in.State.Pid, AppArmorProfile: in.AppArmorProfile, SeccompProfile: in.SeccompProfile, CgroupPath: in.State.CgroupPath,
		Created: in.Created.Time, Started: in.State.StartedAt.Time, Finished: in.State.FinishedAt.Time, Ended: in.State.FinishedAt.Time,
		State: in.State.Status, ExitCode: in.State.ExitCode, Error: in.State.Error, OOMKilled: in.State.OOMKilled, Restarts: in.RestartCount,
		Pod: in.Config.Labels["io.kubernetes.pod.name"], Namespace: in.Config.Labels["io.kubernetes.pod.namespace"],
		PodUID: in.Config.Labels["io.kubernetes.pod.uid"], Service: in.Config.Labels["com.docker.compose.service"],
	}
	if in.Path != "" {
		c.Command = append([]string{in.Path}, in.Args...)
	}
	c.OCIRuntime = ociRuntime(in.OCIRuntime)
	podman := in.State.OciVersion+in.OCIRuntime+in.ImageName != ""
	if podman {
		c.Runtime, c.Image, c.Caps = "podman", in.ImageName, in.BoundingCaps
	}
	fill(&c.State, map[bool]string{true: "running", false: "exited"}[in.State.Running]) // config.v2.json has no Status
	if in.State.Running {
		c.Finished = time.Time{} // of the run before
	}
	if h := in.HostConfig; h != nil {
		c.Privileged, c.CapAdd, c.CapDrop = h.Privileged, withPrefix(h.CapAdd), withPrefix(h.CapDrop)
		c.securityOptions(h.SecurityOpt)
		fill(&c.OCIRuntime, ociRuntime(h.Runtime))
		if !podman {
			c.Caps = bounding(c.CapAdd, c.CapDrop, c.Privileged)
		}
		c.Limits = h.limits(&c, in.Config.User, in.Mounts)
		c.Limits.give(in.ProcessLabel, in.EffectiveCaps)
	}
	return c, nil
}

// securityOptions reads --security-opt values. Docker's client has put the JSON
// text of a seccomp profile in the place of its path.
func (c *Container) securityOptions(options []string) {
	if c.Privileged && c.SeccompProfile == "" {
		c.SeccompProfile = "unconfined"
	}
	for _, option := range options {
		key, value, ok := strings.Cut(option, "=")
		if !ok {
			key, value, _ = strings.Cut(option, ":") // the form before Docker 1.11
		}
		switch {
		case key == "seccomp" && value != "builtin":
			c.SeccompProfile = value
		case key == "apparmor" && c.AppArmorProfile == "":
			c.AppArmorProfile = value
		}
	}
}

// readStorage reads one element of containers.json of containers/storage, which
// has the names of Podman's containers.
func readStorage(object []byte) (Container, error) {
	var in struct {
		ID, Metadata string
		Names        []string
	}
	if err := json.Unmarshal(object, &in); err != nil {
		return Container{}, broken("containers.json of containers/storage", err)
	}
	var metadata struct {
		Name  string
		Image string `json:"image-name"`
	}
	_ = json.Unmarshal([]byte(in.Metadata), &metadata) // its absence is no error
	if metadata.Name == "" && len(in.Names) > 0 {
		metadata.Name = in.Names[0]
	}
	return Container{ID: in.ID, Name: metadata.Name, Image: metadata.Image}, nil
}

// readListed reads one element of a list that people or their scripts made, in plain
// words, such as the containers.json of testdata/corpus.
func readListed(object []byte) (Container, error) {
	var in struct {
		ID, Name, Image, Runtime, AppArmor, Error string
		PID, Exit                                 int
		SecurityOpt, CapAdd                       []string
	}
	if err := json.Unmarshal(object, &in); err != nil {
		return Container{}, broken("a list of containers", err)
	}
	c := Container{
		ID: in.ID, Name: strings.TrimPrefix(in.Name, "/"), Image: in.Image, Runtime: in.Runtime, PID: in.PID,
		AppArmorProfile: in.AppArmor, ExitCode: in.Exit, Error: in.Error, CapAdd: withPrefix(in.CapAdd),
	}
	c.securityOptions(in.SecurityOpt)
	return c, nil
}

// readRunc reads runc's state.json. Its seccomp filter is in a form of its own,
// so only its absence is taken.
func readRunc(object []byte) (Container, error) {
	var in struct {
		ID      string
		PID     int       `json:"init_process_pid"`
		Created Timestamp // when the first process was made
		Config  struct {
			Labels          []string
			AppArmorProfile string `json:"apparmor_profile"`
			Capabilities    struct{ Bounding []string }
			Seccomp         json.RawMessage
			Cgroups         struct{ Path string }
		}
	}
	if err := json.Unmarshal(object, &in); err != nil {
		return Container{}, broken("runc's state.json", err)
	}
	c := Container{
		ID: in.ID, PID: in.PID, Runtime: "runc", Created: in.Created.Time, Started: in.Created.Time,
		AppArmorProfile: in.Config.AppArmorProfile, Caps: in.Config.Capabilities.Bounding, CgroupPath: in.Config.Cgroups.Path,
	}
	if s := string(in.Config.Seccomp); s == "" || s == "null" {
		c.SeccompProfile = "unconfined"
	}
	annotations := map[string]string{}
	for _, label := range in.Config.Labels {
		key, value, _ := strings.Cut(label, "=")
		annotations[key] = value
	}
	c.annotated(annotations)
	return c, nil
}

// bundleID returns the container ID in the path of a bundle's config.json, such
// as .../io.containerd.runtime.v2.task/moby/ID/config.json and
// .../overlay-containers/ID/userdata/config.json; or "".
func bundleID(name string) string {
	dir := filepath.Dir(name)
	if filepath.Base(dir) == "userdata" {
		dir = filepath.Dir(dir)
	}
	if id := filepath.Base(dir); IsFullID(id) {
		return id
	}
	return ""
}

func broken(kind string, err error) error {
	return fmt.Errorf("looks like %s, but %w", kind, err)
}

// A Timestamp is a time as engines write it: RFC 3339 with any precision, or (the
// CRI) nanoseconds since 1970 as a number or a string. Zero times of either, and
// what is neither, are the zero time.
type Timestamp struct{ time.Time }

func (t *Timestamp) UnmarshalJSON(text []byte) error {
	s := strings.Trim(string(text), `"`)
	if parsed, err := time.Parse(time.RFC3339Nano, s); err == nil {
		if parsed.Year() > 1970 { // Docker's zero is year 1, the CRI's 1970
			t.Time = parsed
		}
		return nil
	}
	var ns int64
	if _, err := fmt.Sscanf(s, "%d", &ns); err == nil {
		*t = Nanoseconds(ns)
	}
	return nil
}

// Nanoseconds is a time of the CRI; what is not after 1970 is the zero time.
func Nanoseconds(since1970 int64) (t Timestamp) {
	if since1970 > 0 {
		t.Time = time.Unix(0, since1970).UTC()
	}
	return t
}
