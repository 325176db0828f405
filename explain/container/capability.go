package container

import "strings"

// CapAdd returns how containers of a runtime, "" if it is not known, are given a capability, such as
// CAP_SYS_ADMIN, a line each: an option of the command that runs them (docker-run(1), podman-run(1), ctr
// run of containerd 1.6), a key of a service in a Compose file, a field of a container in Kubernetes; of
// LXC the keys of its config (lxc.container.conf(5)), which Incus and LXD have in raw.lxc; of a machine
// of systemd-nspawn its setting (systemd.nspawn(5)).
func CapAdd(name, runtime string) []string {
	name = strings.TrimPrefix(name, "CAP_") // Kubernetes takes no other form
	lower := strings.ToLower(name)
	compose := "Compose: cap_add: [" + name + "]"
	kubernetes := "Kubernetes: securityContext: {capabilities: {add: [" + name + "]}}"
	switch runtime {
	case "podman":
		return []string{"podman run --cap-add " + name, compose}
	case "containerd":
		return []string{"ctr run --cap-add CAP_" + name, "nerdctl run --cap-add " + name, kubernetes}
	case "cri-o":
		return []string{kubernetes}
	case Nspawn:
		return []string{"Capability=CAP_" + name + " below [Exec] in the machine's .nspawn file", "systemd-nspawn --capability=CAP_" + name}
	case "lxc":
		return []string{"lxc.cap.drop without " + lower + ": an empty `lxc.cap.drop =` clears the list, those that stay dropped go below it", "lxc.cap.keep, where the config has that: with " + lower}
	case "incus", "lxd", Instance:
		return []string{"raw.lxc, of a container: lxc.cap.drop without " + lower + ", where an empty `lxc.cap.drop =` clears the list"}
	}
	return []string{"docker run --cap-add " + name, compose, kubernetes}
}
