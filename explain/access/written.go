package access

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/rules/apparmor"
)

// Written returns the words of a request that Parse reads, and whether the process owns
// the file. The error says that those words have nothing for it: they are read again, and
// must be the same request.
func Written(req apparmor.Request) (text string, owner bool, err error) {
	text, owner = written(req)
	d, err := Parse(text, owner)
	if err != nil {
		return text, owner, err
	}
	again, err := Request(d)
	if err == nil && !reflect.DeepEqual(req, again) {
		err = fmt.Errorf("%q is not all that was asked", text)
	}
	return text, owner, err
}

func written(req apparmor.Request) (text string, owner bool) {
	switch r := req.(type) {
	case apparmor.FileRequest:
		return writtenFile(r), r.Owner
	case apparmor.CapabilityRequest:
		return "capability " + r.Name, false
	case apparmor.NetworkRequest:
		return words("network", list("ip", r.IP, "port", r.Port, "peer_ip", r.PeerIP, "peer_port", r.PeerPort), word(r.Family), word(r.Type), comma(r.Perms)), false
	case apparmor.UnixRequest:
		return words("unix", list("type", r.Type, "addr", r.Addr, "label", r.Label, "peer_addr", r.PeerAddr, "peer_label", r.PeerLabel), comma(r.Perms)), false
	case apparmor.SignalRequest:
		return words("signal", nil, comma(r.Perms), r.Signal, word(r.Peer)), false
	case apparmor.PtraceRequest:
		return words("ptrace", nil, comma(r.Perms), word(r.Peer)), false
	case apparmor.MountRequest:
		return writtenMount(r), false
	case apparmor.PivotRootRequest:
		return words("pivot_root", list("oldroot", r.OldRoot), word(r.NewRoot)), false
	case apparmor.ChangeProfileRequest:
		return words("change_profile", nil, word(r.OnExec), "->", word(r.Target)), false
	case apparmor.RlimitRequest:
		return words("rlimit", nil, r.Name, strconv.FormatUint(r.Value, 10)), false
	case apparmor.UsernsRequest:
		return "userns", false
	case apparmor.MqueueRequest:
		return words("mqueue", list("type", r.Type, "label", r.Label), comma(r.Perms), word(r.Name)), false
	case apparmor.IOUringRequest:
		return words("io_uring", list("label", r.Label), comma(r.Perms)), false
	case apparmor.DBusRequest:
		return words("dbus", list("bus", r.Bus, "path", r.Path, "interface", r.Interface, "member", r.Member, "name", r.Name, "peer_label", r.PeerLabel), comma(r.Perms)), false
	}
	return "", false
}

func writtenFile(r apparmor.FileRequest) string {
	switch {
	case r.Perms == apparmor.Link && r.Target != "":
		return words("link", nil, word(r.Path), "->", word(r.Target))
	case r.Perms == apparmor.Exec:
		return words("exec", nil, word(r.Path))
	}
	return words("open", nil, word(r.Path), r.Perms.String())
}

func writtenMount(r apparmor.MountRequest) string {
	options := ""
	if len(r.Flags) > 0 {
		options = "options=(" + strings.Join(r.Flags, ", ") + ")"
	}
	switch r.Op {
	case "umount":
		return words("umount", nil, word(r.Target))
	case "remount":
		return words("remount", []string{options}, word(r.Target))
	}
	return words("mount", append(list("fstype", r.Fstype, "data", r.Data), options), word(r.Source), "->", word(r.Target))
}

// words joins a verb, its object and its conditions, less what is not said.
func words(verb string, conditions []string, object ...string) string {
	text := verb
	for _, w := range append(object, conditions...) {
		if w != "" {
			text += " " + w
		}
	}
	return text
}

// list returns the conditions NAME=VALUE of pairs whose value is said.
func list(pairs ...string) (words []string) {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			words = append(words, pairs[i]+"="+word(pairs[i+1]))
		}
	}
	return words
}

// comma returns the words of permissions, as one word.
func comma(perms apparmor.Perms) string { return strings.ReplaceAll(perms.Words(), ", ", ",") }

// word quotes a word where splitWords would not read it as it is.
func word(text string) string {
	if text != "" && !strings.ContainsAny(text, " \t\n\"'\\()#=") {
		return text
	}
	if text == "" {
		return ""
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}
