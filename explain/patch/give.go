package patch

import (
	"strings"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/rules/shell"
)

// The kinds of policy that a container is given, as --security-opt has them.
const (
	apparmorOption = "apparmor"
	seccompOption  = "seccomp"
)

// giving says how a container is given a policy of a kind, the name of an AppArmor profile or the
// file of a seccomp profile, in the forms of what runs it: docker-run(1), podman-run(1), the flags of
// ctr run (cmd/ctr/commands/run of containerd 1.6 and 2.1), lxc.container.conf(5), config.json of the
// OCI runtime specification, the options of instances of Incus 6. Where that is not known it is
// those that most have.
func giving(to container.Container, kind, value string) string {
	option := kind + "=" + value
	switch {
	case to.Pod != "" || to.Runtime == "cri-o":
		return ofPod(kind, value)
	case to.Runtime == "docker":
		return shell.Command("docker run --security-opt", option) + ", " + ofCompose(option)
	case to.Runtime == "podman", to.Runtime == "buildah":
		return shell.Command(to.Runtime+" run --security-opt", option)
	case to.Runtime == "containerd":
		flag := map[string]string{apparmorOption: "--apparmor-profile", seccompOption: "--seccomp --seccomp-profile"}[kind]
		return shell.Command("ctr run "+flag, value) + ", " + shell.Command("nerdctl run --security-opt", option)
	case to.Runtime == "lxc":
		return "lxc." + kind + ".profile = " + value + " in the container's config"
	case isLowLevel(to.Runtime) && kind == apparmorOption:
		return "process.apparmorProfile in config.json of its bundle: " + value
	case isLowLevel(to.Runtime):
		return "linux.seccomp in config.json of its bundle: what " + value + " holds"
	}
	return shell.Command("docker run --security-opt", option) + ", " + ofCompose(option) + ", " + ofPod(kind, value)
}

// isLowLevel reports whether a runtime runs bundles of the OCI that somebody else makes.
func isLowLevel(runtime string) bool {
	return runtime == "runc" || runtime == "crun" || runtime == "youki"
}

func ofCompose(option string) string {
	return `Compose security_opt: ["` + strings.ReplaceAll(option, `"`, `\"`) + `"]`
}

func ofPod(kind, value string) string {
	if kind == apparmorOption {
		return "Kubernetes 1.30 or later securityContext.appArmorProfile: {type: Localhost, localhostProfile: " + value + "}"
	}
	return "Kubernetes securityContext.seccompProfile: {type: Localhost, localhostProfile: a path below /var/lib/kubelet/seccomp}"
}
