package container

import (
	"encoding/json"
	"strings"
)

// An Engine is a container engine and its version, which decide what its default
// profiles are.
type Engine struct{ Name, Version string } // docker, podman, containerd or cri-o; "28.1.0"

// ReadEngine returns the engine that a saved `docker version`, `docker info`,
// `podman version`, `podman info` or `crictl version` in JSON, or the answer to
// /version of the Docker Engine API, speaks of, and reports false for anything else. Only Docker's version always has a server.
func ReadEngine(text []byte) (Engine, bool) {
	var in struct {
		ServerVersion  string // docker info
		Server, Client *struct{ Version string }
		Host           json.RawMessage // podman info
		Version        json.RawMessage
		Components     []struct{ Name, Version string } // the API's /version
		RuntimeName    string                           // crictl version
		RuntimeVersion string
	}
	if json.Unmarshal(text, &in) != nil {
		return Engine{}, false
	}
	var podman struct{ Version string }
	_ = json.Unmarshal(in.Version, &podman) // of crictl it is a string
	if len(in.Components) > 0 {
		switch engine := in.Components[0]; engine.Name {
		case "Engine":
			return Engine{"docker", engine.Version}, true
		case "Podman Engine":
			return Engine{"podman", engine.Version}, true
		}
	}
	switch {
	case in.ServerVersion != "":
		return Engine{"docker", in.ServerVersion}, true
	case in.RuntimeVersion != "" && in.RuntimeName != "":
		return Engine{strings.ToLower(in.RuntimeName), strings.TrimPrefix(in.RuntimeVersion, "v")}, true
	case in.Host != nil && podman.Version != "":
		return Engine{"podman", podman.Version}, true
	case in.Server != nil && in.Server.Version != "":
		return Engine{"docker", in.Server.Version}, true
	case in.Client != nil && in.Client.Version != "":
		return Engine{"podman", in.Client.Version}, true
	}
	return Engine{}, false
}
