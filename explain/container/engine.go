package container

import (
	"slices"
	"strings"
)

// An Engine is what is known of a container engine, whatever its version. In
// Sockets and file names RUN is /run, or the runtime directory of a user whose
// engine it is (/run/user/1000), and DATA is /var/lib or ~/.local/share; ID is the
// container's, and * is a namespace. A name that begins otherwise stands for itself.
type Engine struct {
	Name string // as Container.Runtime and Host.Engine have it
	// Profiles are the AppArmor profiles of containers that name none. One that ends
	// in a dash is followed by a version.
	Profiles []string
	Sockets  []string
	Endpoint string // the environment variable that names another socket, as unix://PATH
	Docker   bool   // it has Docker's API, and its commands under its own name; else the CRI
	Rootless bool   // users run it too, with sockets of their own
	Program  string // whose --version is the engine's

	Bundles []string // config.json of OCI bundles, in which everything is resolved
	Configs []string // what the engine has itself of a container
	States  []string // state.json of its runc
	Names   []string // containers.json of containers/storage
	Plain   []string // configs of LXC, in which ID is the name
}

// Engines are the engines that are known. It is not to be changed.
var Engines = []Engine{
	{
		Name: "docker", Profiles: []string{"docker-default"}, Program: "dockerd",
		Sockets: []string{"RUN/docker.sock"}, Endpoint: "DOCKER_HOST", Docker: true, Rootless: true,
		Bundles: []string{"RUN/docker/containerd/daemon/io.containerd.runtime.v2.task/*/ID/config.json"}, // else containerd's
		Configs: []string{"DATA/docker/containers/ID/config.v2.json"},
		States:  []string{"RUN/docker/runtime-runc/*/ID/state.json"},
	},
	{
		Name: "podman", Profiles: []string{"containers-default-"}, Program: "podman",
		Sockets: []string{"RUN/podman/podman.sock"}, Docker: true, Rootless: true,
		Bundles: ofDrivers(
			"DATA/containers/storage/DRIVER-containers/ID/userdata/config.json",
			"RUN/containers/storage/DRIVER-containers/ID/userdata/config.json", // CRI-O's too
			"RUN/containers/DRIVER-containers/ID/userdata/config.json",
		),
		Names: ofDrivers("DATA/containers/storage/DRIVER-containers/containers.json", "DATA/containers/storage/DRIVER-containers/volatile-containers.json"),
	},
	{
		Name: "containerd", Profiles: []string{"cri-containerd.apparmor.d"}, Program: "containerd",
		Sockets:  []string{"RUN/containerd/containerd.sock", "RUN/k3s/containerd/containerd.sock", "/var/snap/microk8s/common/run/containerd.sock"},
		Endpoint: "CONTAINER_RUNTIME_ENDPOINT", // crictl's
		Bundles: []string{
			"RUN/containerd/io.containerd.runtime.v2.task/*/ID/config.json", "RUN/k3s/containerd/io.containerd.runtime.v2.task/*/ID/config.json",
			"/var/snap/microk8s/common/run/containerd/io.containerd.runtime.v2.task/*/ID/config.json",
		},
		States: []string{"RUN/containerd/runc/*/ID/state.json"},
	},
	{
		Name: "cri-o", Profiles: []string{"crio-default"}, Program: "crio",
		Sockets: []string{"RUN/crio/crio.sock"}, Endpoint: "CONTAINER_RUNTIME_ENDPOINT",
	},
	{
		Name: "lxc", Profiles: []string{"lxc-container-default", "lxc-container-default-cgns"},
		Plain: []string{"DATA/lxc/ID/config"},
	},
	// The config that the daemon hands to liblxc when an instance starts (RunPath() of Incus 6 and 7 in
	// internal/util/paths.go; LXD has it among the logs).
	{Name: "incus", Plain: []string{"RUN/incus/ID/lxc.conf"}},
	{Name: "lxd", Plain: []string{"/var/snap/lxd/common/lxd/logs/ID/lxc.conf", "/var/log/lxd/ID/lxc.conf"}},
}

// storageDrivers are those that containers/storage knows (drivers of its v1.59), each of which has
// folders of its own. Podman of a user falls back to vfs, where overlay cannot be had.
var storageDrivers = []string{"overlay", "vfs", "btrfs", "zfs"}

// ofDrivers returns file names with each driver in the place of DRIVER.
func ofDrivers(templates ...string) (names []string) {
	for _, driver := range storageDrivers {
		for _, template := range templates {
			names = append(names, strings.Replace(template, "DRIVER", driver, 1))
		}
	}
	return names
}

// inStorage reports whether a file is of a container in containers/storage.
func inStorage(file string) bool {
	return slices.ContainsFunc(storageDrivers, func(driver string) bool { return strings.Contains(file, "/"+driver+"-containers/") })
}

// Client returns the program that has the commands inspect and logs for the engine's
// containers, "" if none has.
func (e Engine) Client() string {
	switch {
	case e.Docker:
		return e.Name
	case e.Endpoint != "": // of the CRI
		return "crictl"
	}
	return ""
}

// EngineOf returns the engine that gives an AppArmor profile to containers that
// name none, or the zero Engine.
func EngineOf(profile string) Engine {
	for _, e := range Engines {
		for _, name := range e.Profiles {
			if profile == name || strings.HasSuffix(name, "-") && strings.HasPrefix(profile, name) {
				return e
			}
		}
	}
	return Engine{}
}

// fixedProfile returns the AppArmor profile of containers that name none, or "" if
// more than the engine decides which that is.
func (e Engine) fixedProfile() string {
	if len(e.Profiles) != 1 || strings.HasSuffix(e.Profiles[0], "-") {
		return ""
	}
	return e.Profiles[0]
}

// EngineNamed returns the engine of a name, or the zero Engine.
func EngineNamed(name string) Engine {
	for _, e := range Engines {
		if e.Name == name {
			return e
		}
	}
	return Engine{}
}
