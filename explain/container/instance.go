package container

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/rules/shell"
	"github.com/whydenied/whydenied/rules/yaml"
)

// Instance is the Runtime of an instance of which it is not told whether Incus or LXD runs it.
// It is what `incus config show NAME --expanded` prints, or an object of `incus list --format
// json` (the options: "Instance options" of the manuals of Incus 6 and LXD 5; the object:
// shared/api/instance.go). The text of the former names neither the instance nor which of the
// two it is of: the file is to be called by the instance.
const Instance = "incus or lxd"

// IsInstance reports whether a container is an instance of Incus or LXD.
func (c Container) IsInstance() bool {
	return c.Runtime == "incus" || c.Runtime == "lxd" || c.Runtime == Instance
}

// clients are the programs by which an instance is managed: both, Incus' first, where it is not told whose it is.
func (c Container) clients() []string {
	switch c.Runtime {
	case "incus":
		return []string{"incus"}
	case "lxd":
		return []string{"lxc"}
	}
	return []string{"incus", "lxc"}
}

// InstanceCommand returns a command of an instance's own client about it, in backticks; both clients' where
// it is not told which of the two runs it.
func (c Container) InstanceCommand(command string) string {
	var by []string
	for _, client := range c.clients() {
		by = append(by, "`"+c.clientCommand(client, command)+"`")
	}
	return strings.Join(by, ", of LXD ")
}

// Config is how the config of a container of LXC, Incus or LXD is had, which --inventory takes: a command
// that prints it, else a file; both are "" of other containers.
func (c Container) Config() (command, file string) {
	switch {
	case c.IsInstance():
		return c.clientCommand(c.clients()[0], "config show --expanded"), ""
	case c.Runtime == "lxc" && c.Name != "":
		return "", "/var/lib/lxc/" + c.Name + "/config"
	}
	return "", ""
}

// clientCommand is a command of a client of Incus or LXD about an instance.
func (c Container) clientCommand(client, command string) string {
	if c.Setup != nil && c.Setup.Project != "" && c.Setup.Project != "default" {
		client = shell.Command(client+" --project", c.Setup.Project)
	}
	return shell.Command(client+" "+command, c.Name)
}

// isInstance reports whether a text is what config show prints.
func isInstance(text []byte) bool {
	return hasLine(text, "architecture: ") && hasLine(text, "config:") && hasLine(text, "ephemeral:", "stateful:", "profiles:", "devices:")
}

// An instanceFile is what is read of it.
type instanceFile struct {
	Architecture string            `yaml:"architecture"`
	Name         string            `yaml:"name,omitempty"`
	Config       map[string]string `yaml:"config"`
	Ephemeral    bool              `yaml:"ephemeral"`
	Type         string            `yaml:"type,omitempty"` // which config show does not say: see isMachine
}

// readInstance reads what config show prints.
func readInstance(name string, text []byte) (Container, error) {
	var in instanceFile
	if err := yaml.Decode(string(text), &in); err != nil {
		return Container{}, fmt.Errorf("%s: broken YAML of an instance of Incus or LXD: %w; save it again with `incus config show NAME --expanded`", name, err)
	}
	c := Container{Name: in.Name, Runtime: Instance}
	if c.Name == "" {
		c.Name, _, _ = strings.Cut(path.Base(name), ".")
	}
	c.instance(name, in.Config, isMachine(in.Type, in.Config))
	return c, nil
}

// machine is the type of an instance that is a virtual machine.
const machine = "virtual-machine"

// isMachine reports whether an instance is a virtual machine: by its type, else by what only these
// have (volatile.vsock_id, and images of disks: "Instance options" of the manuals).
func isMachine(kind string, config map[string]string) bool {
	return kind == machine || kind == "" && (config["volatile.vsock_id"] != "" || strings.HasPrefix(config["image.type"], "disk"))
}

// readInstanceJSON reads an object of `incus list` or `lxc list`.
func readInstanceJSON(name string, object []byte) (Container, error) {
	var in struct {
		Name, Status, Location, Project string
		Type                            string
		Config                          map[string]string
		Expanded                        map[string]string `json:"expanded_config"`
		Created                         Timestamp         `json:"created_at"`
		State                           *struct{ Pid int }
	}
	if err := json.Unmarshal(object, &in); err != nil {
		return Container{}, broken("an instance of Incus or LXD", err)
	}
	c := Container{Name: in.Name, Runtime: Instance, State: strings.ToLower(in.Status), Created: in.Created.Time}
	if in.Location != "none" {
		c.Node = in.Location
	}
	if in.State != nil && in.State.Pid > 0 {
		c.PID = in.State.Pid
	}
	if in.Expanded == nil {
		in.Expanded = in.Config
	}
	c.instance(name, in.Expanded, isMachine(in.Type, in.Expanded))
	c.Setup.Project = in.Project
	return c, nil
}

// instance takes what the options of an instance say. Without any it runs in a user
// namespace. A virtual machine has raw.apparmor alone of these, which is of its QEMU.
func (c *Container) instance(file string, config map[string]string, isMachine bool) {
	c.Image = config["image.description"]
	if isMachine {
		c.Setup = &Setup{File: file, Option: "raw.apparmor", Raw: config["raw.apparmor"], Machine: true}
		return
	}
	c.UserNamespace = !isTrue(config["security.privileged"])
	c.Setup = &Setup{File: file, Option: "raw.apparmor", Raw: config["raw.apparmor"], Nesting: isTrue(config["security.nesting"])}
	own := lxcValues(config["raw.lxc"])
	if profile := lastOf(own, "lxc.apparmor.profile", "lxc.aa_profile"); profile != "generated" && profile != "unchanged" {
		c.AppArmorProfile = profile
	}
	c.SeccompProfile = instancePolicy(config)
	l := &Limits{NoNewPrivs: lastOf(own, "lxc.no_new_privs") == "1"}
	l.Pids, _ = strconv.ParseInt(config["limits.processes"], 10, 64)
	for _, limit := range []string{"nofile", "nproc", "memlock"} {
		l.addRlimit(limit, config["limits.kernel."+limit])
	}
	c.Limits = l
}

// instancePolicy is the policy of LXC that Incus and LXD make of the options of an instance
// (seccompGetPolicyContent() in internal/server/seccomp/seccomp.go of Incus); "" where they
// have the daemon asked about calls, which it answers as it sees fit.
func instancePolicy(config map[string]string) string {
	const byDefault = "kexec_load errno 38\nopen_by_handle_at errno 38\ninit_module errno 38\nfinit_module errno 38\ndelete_module errno 38\n"
	const of = "security.syscalls."
	raw, allow := config["raw.seccomp"], cmp.Or(config[of+"allow"], config[of+"whitelist"])
	deny, denyDefault := cmp.Or(config[of+"deny"], config[of+"blacklist"]), cmp.Or(config[of+"deny_default"], config[of+"blacklist_default"], "true")
	switch {
	case raw != "":
		return raw
	case asksDaemon(config):
		return ""
	case allow != "":
		return "2\nallowlist\n[all]\n" + allow
	case isTrue(denyDefault):
		return "2\ndenylist\n[all]\n" + byDefault + deny
	case deny != "":
		return "2\ndenylist\n[all]\n" + deny
	}
	return "unconfined"
}

// asksDaemon reports whether options add to the policy what is not read here.
func asksDaemon(config map[string]string) bool {
	for option, value := range config {
		if isTrue(value) && (strings.HasPrefix(option, "security.syscalls.intercept.") || strings.HasSuffix(option, "list_compat") || option == "security.syscalls.deny_compat") {
			return true
		}
	}
	return false
}

// hasLine reports whether a line of a text begins with one of some words.
func hasLine(text []byte, words ...string) bool {
	return slices.ContainsFunc(words, func(word string) bool {
		return bytes.HasPrefix(text, []byte(word)) || bytes.Contains(text, []byte("\n"+word))
	})
}
