package container

import (
	"strings"

	"github.com/whydenied/whydenied/rules/shell"
)

// KubeletSeccomp is where a kubelet looks for the seccomp profiles that pods name.
const KubeletSeccomp = "/var/lib/kubelet/seccomp"

// The kinds of policy that a container is given, as --security-opt has them.
const (
	GivenAppArmor = "apparmor"
	GivenSeccomp  = "seccomp"
)

// GivenPolicy says how a container is given a policy of a kind, the name of an AppArmor profile or the
// file of a seccomp profile, in the forms of what runs it: docker-run(1), podman-run(1), the flags of
// ctr run (cmd/ctr/commands/run of containerd 1.6 and 2.1), lxc.container.conf(5), config.json of the
// OCI runtime specification, the options of instances of Incus 6. Where that is not known it is
// those that most have.
func (c Container) GivenPolicy(kind, value string) string {
	option := kind + "=" + value
	switch {
	case c.ofPod():
		return inPod(kind, value)
	case c.Runtime == "docker":
		return shell.Command("docker run --security-opt", option) + ", " + inCompose(option)
	case c.Runtime == "podman", c.Runtime == "buildah":
		return shell.Command(c.Runtime+" run --security-opt", option)
	case c.Runtime == "containerd":
		flag := map[string]string{GivenAppArmor: "--apparmor-profile", GivenSeccomp: "--seccomp --seccomp-profile"}[kind]
		return shell.Command("ctr run "+flag, value) + ", " + shell.Command("nerdctl run --security-opt", option)
	case c.Runtime == "lxc":
		return "lxc." + kind + ".profile = " + value + " in the container's config"
	case c.isBundle() && kind == GivenAppArmor:
		return "process.apparmorProfile in config.json of its bundle: " + value
	case c.isBundle():
		return "linux.seccomp in config.json of its bundle: what " + value + " holds"
	}
	return shell.Command("docker run --security-opt", option) + ", " + inCompose(option) + ", " + inPod(kind, value)
}

// GivenCapability returns how a container is given a capability, such as CAP_SYS_ADMIN, in the forms of what runs
// it, a line each: an option of the command (docker-run(1), podman-run(1), buildah-run(1), ctr run of
// containerd 1.6), a key of a service in a Compose file, a field of a container in Kubernetes; the sets of
// config.json of the OCI runtime specification; of LXC the keys of its config (lxc.container.conf(5)),
// which Incus and LXD have in raw.lxc; of a machine of systemd-nspawn its setting (systemd.nspawn(5)), and
// of a unit those of systemd.exec(5). Where that is not known it is those that most have.
func (c Container) GivenCapability(name string) []string {
	name = strings.TrimPrefix(name, "CAP_") // Kubernetes takes no other form
	lower := strings.ToLower(name)
	compose := "Compose: cap_add: [" + name + "]"
	kubernetes := "Kubernetes: securityContext: {capabilities: {add: [" + name + "]}}"
	switch {
	case c.ofPod():
		return []string{kubernetes}
	case c.isBundle():
		return []string{"process.capabilities in config.json of its bundle: CAP_" + name + " in bounding, permitted and effective"}
	case c.Unit != "":
		return []string{"AmbientCapabilities=CAP_" + name + " below [Service] of " + c.Unit + " (`" + shell.Command("systemctl edit", c.Unit) + "`), and in CapabilityBoundingSet=, if that is set"}
	}
	switch c.Runtime {
	case "podman":
		return []string{"podman run --cap-add " + name, compose}
	case "buildah":
		return []string{"buildah run --cap-add CAP_" + name}
	case "containerd":
		return []string{"ctr run --cap-add CAP_" + name, "nerdctl run --cap-add " + name, kubernetes}
	case Nspawn:
		return []string{"Capability=CAP_" + name + " below [Exec] in the machine's .nspawn file", "systemd-nspawn --capability=CAP_" + name}
	case "lxc":
		return []string{"lxc.cap.drop without " + lower + ": an empty `lxc.cap.drop =` clears the list, those that stay dropped go below it", "lxc.cap.keep, where the config has that: with " + lower}
	case "incus", "lxd", Instance:
		return []string{"raw.lxc, of a container: lxc.cap.drop without " + lower + ", where an empty `lxc.cap.drop =` clears the list"}
	}
	return []string{"docker run --cap-add " + name, compose, kubernetes}
}

// ofPod reports whether Kubernetes gives the container what it has.
func (c Container) ofPod() bool { return c.Pod != "" || c.Runtime == "cri-o" }

// isBundle reports whether what runs the container takes a bundle of the OCI that somebody else makes.
func (c Container) isBundle() bool {
	return c.Runtime == "runc" || c.Runtime == "crun" || c.Runtime == "youki"
}

func inCompose(option string) string {
	return `Compose security_opt: ["` + strings.ReplaceAll(option, `"`, `\"`) + `"]`
}

func inPod(kind, value string) string {
	if kind == GivenAppArmor {
		return "Kubernetes 1.30 or later securityContext.appArmorProfile: {type: Localhost, localhostProfile: " + value + "}"
	}
	below, ok := strings.CutPrefix(value, KubeletSeccomp+"/")
	if !ok {
		below = "a path below " + KubeletSeccomp
	}
	return "Kubernetes securityContext.seccompProfile: {type: Localhost, localhostProfile: " + below + "}"
}
