package apparmor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// RuleFor returns the narrowest rule that grants a request, as profiles write
// it: "/etc/hosts r,". For an execution, exec is the exec mode to grant, such
// as "ix"; "" writes the bare x of a deny rule.
func RuleFor(req Request, exec string) string {
	switch r := req.(type) {
	case FileRequest:
		return fileRuleFor(r, exec)
	case CapabilityRequest:
		return "capability " + r.Name + ","
	case NetworkRequest:
		return joinWords("network", r.Family, r.Type) + ","
	case MountRequest:
		return mountRuleFor(r)
	case PivotRootRequest:
		return "pivot_root oldroot=" + QuotePath(r.OldRoot) + " " + QuotePath(r.NewRoot) + ","
	case PtraceRequest:
		return "ptrace (" + r.Perms.Words() + ")" + labelCond(" peer=", r.Peer) + ","
	case SignalRequest:
		set := ""
		if r.Signal != "" {
			set = " set=(" + r.Signal + ")"
		}
		return "signal (" + r.Perms.Words() + ")" + set + labelCond(" peer=", r.Peer) + ","
	case UnixRequest:
		return unixRuleFor(r)
	case DBusRequest:
		return dbusRuleFor(r)
	case ChangeProfileRequest:
		return changeProfileRuleFor(r)
	case RlimitRequest:
		return "set rlimit " + r.Name + " <= " + rlimitText(r) + ","
	case UsernsRequest:
		return "userns create,"
	case MqueueRequest:
		return joinWords("mqueue", "("+r.Perms.Words()+")", condition("type=", r.Type), labelCond("label=", r.Label), quoteIf(r.Name)) + ","
	case IOUringRequest:
		return joinWords("io_uring", "("+r.Perms.Words()+")", labelCond("label=", r.Label)) + ","
	}
	panic(fmt.Sprintf("apparmor: no rule for %T", req))
}

// rlimitText is the value of a limit as policy writes it; see rlimitValue.
func rlimitText(r RlimitRequest) string {
	switch {
	case r.Value == ^uint64(0):
		return "infinity"
	case rlimitKinds[r.Name] == "nice":
		return strconv.FormatInt(20-int64(r.Value), 10)
	}
	return strconv.FormatUint(r.Value, 10)
}

func fileRuleFor(r FileRequest, exec string) string {
	if r.Perms == Link && r.Target != "" {
		return "link " + QuotePath(r.Path) + " -> " + QuotePath(r.Target) + ","
	}
	perms := r.Perms
	if perms&Write != 0 {
		perms &^= Append // w includes a, and the two together are refused
	}
	letters := perms.String()
	if perms&Exec != 0 && exec != "" {
		letters = (perms &^ Exec).String() + exec
	}
	return QuotePath(r.Path) + " " + letters + ","
}

func mountRuleFor(r MountRequest) string {
	if r.Op == "umount" {
		return "umount " + QuotePath(r.Target) + ","
	}
	word := "mount"
	options := slices.Clone(r.Flags)
	if r.Op == "remount" {
		word = "remount"
		options = slices.DeleteFunc(options, func(flag string) bool { return flag == "remount" })
	}
	if r.Op == "mount" && len(options) == 0 {
		options = []string{"rw"} // without options a rule covers them all
	}
	option := ""
	if len(options) > 0 {
		option = "options=(" + strings.Join(options, ", ") + ")"
	}
	if r.Op == "remount" {
		return joinWords(word, option, QuotePath(r.Target)) + ","
	}
	return joinWords(word, condition("fstype=", quoteIf(r.Fstype)), option, quoteIf(r.Source), "->", QuotePath(r.Target)) + ","
}

func unixRuleFor(r UnixRequest) string {
	peer := joinList(condition("label=", quoteIf(r.PeerLabel)), condition("addr=", quoteIf(r.PeerAddr)))
	if peer != "" {
		peer = "peer=(" + peer + ")"
	}
	addr := r.Addr
	if addr == "none" && r.PeerAddr != "" {
		addr = "" // the socket of a client, which rules name by its peer
	}
	return joinWords("unix", "("+r.Perms.Words()+")", condition("type=", r.Type), condition("addr=", quoteIf(addr)), peer) + ","
}

func dbusRuleFor(r DBusRequest) string {
	words := []string{"dbus", "(" + r.Perms.Words() + ")", condition("bus=", r.Bus)}
	if r.Perms == Bind {
		return joinWords(append(words, condition("name=", quoteIf(r.Name)))...) + ","
	}
	peer := joinList(condition("name=", quoteIf(r.Name)), condition("label=", quoteIf(r.PeerLabel)))
	if peer != "" {
		peer = "peer=(" + peer + ")"
	}
	return joinWords(append(words, condition("path=", quoteIf(r.Path)), condition("interface=", quoteIf(r.Interface)),
		condition("member=", quoteIf(r.Member)), peer)...) + ","
}

func changeProfileRuleFor(r ChangeProfileRequest) string {
	target := r.Target
	if r.Namespace != "" {
		target = ":" + r.Namespace + ":" + target
	}
	stack := ""
	if rest, ok := strings.CutPrefix(target, "&"); ok {
		stack, target = "&", rest
	}
	return joinWords("change_profile", quoteIf(r.OnExec), "->", stack+QuotePath(target)) + ","
}

// joinWords joins the words that are not empty with spaces.
func joinWords(words ...string) string { return joinWith(" ", words) }

// joinList joins the conditions that are not empty with commas.
func joinList(conditions ...string) string { return joinWith(", ", conditions) }

func joinWith(sep string, words []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "" }), sep)
}

// condition returns key and value, or "" if there is no value.
func condition(key, value string) string {
	if value == "" {
		return ""
	}
	return key + value
}

// labelCond is condition for the label of a task or socket.
func labelCond(key, label string) string { return condition(key, quoteIf(label)) }

// quoteIf is QuotePath that keeps the empty string.
func quoteIf(name string) string {
	if name == "" {
		return ""
	}
	return QuotePath(name)
}
