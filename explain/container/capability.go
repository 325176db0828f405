package container

import "strings"

// CapAdd returns how containers of a runtime, "" if it is not known, are given a capability, such as
// CAP_SYS_ADMIN: an option of `docker run` and `podman run`, a key of a service in a Compose file,
// and a field of a container in Kubernetes, a line each; or of LXC the keys of its config
// (lxc.container.conf(5)), which Incus and LXD have in raw.lxc.
func CapAdd(name, runtime string) []string {
	name = strings.TrimPrefix(name, "CAP_") // Kubernetes takes no other form
	switch lower := strings.ToLower(name); runtime {
	case "lxc":
		return []string{"lxc.cap.drop without " + lower + ": an empty `lxc.cap.drop =` clears the list, those that stay dropped go below it", "lxc.cap.keep, where the config has that: with " + lower}
	case "incus", "lxd", Instance:
		return []string{"raw.lxc, of a container: lxc.cap.drop without " + lower + ", where an empty `lxc.cap.drop =` clears the list"}
	}
	return []string{
		"docker run --cap-add " + name,
		"Compose: cap_add: [" + name + "]",
		"Kubernetes: securityContext: {capabilities: {add: [" + name + "]}}",
	}
}
