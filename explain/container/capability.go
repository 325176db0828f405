package container

import "strings"

// CapAdd returns how containers are given a capability, such as CAP_SYS_ADMIN: an
// option of `docker run` and `podman run`, a key of a service in a Compose file, and a
// field of a container in Kubernetes, a line each.
func CapAdd(name string) []string {
	name = strings.TrimPrefix(name, "CAP_") // Kubernetes takes no other form
	return []string{
		"docker run --cap-add " + name,
		"Compose: cap_add: [" + name + "]",
		"Kubernetes: securityContext: {capabilities: {add: [" + name + "]}}",
	}
}
