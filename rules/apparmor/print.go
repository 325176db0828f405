package apparmor

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
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

// QuotePath returns the path expression that matches exactly the file of that
// name. The name may hold any bytes but NUL, which no file name holds. What a
// terminal would not show as it is comes out as \NNN, and so do the quote and
// the backslash, which could be taken for the end of the expression or for
// keeping it open.
func QuotePath(name string) string {
	var out strings.Builder
	quote := name == ""
	for i := 0; i < len(name); {
		r, n := utf8.DecodeRuneInString(name[i:])
		switch {
		case r == '"' || r == '\\' || r == utf8.RuneError && n == 1 || !unicode.IsPrint(r):
			for _, c := range []byte(name[i : i+n]) {
				out.Write([]byte{'\\', '0' + c>>6, '0' + c>>3&7, '0' + c&7})
			}
		case strings.ContainsRune("*?[]{}^,", r):
			out.WriteByte('\\')
			out.WriteRune(r)
			quote = quote || r == ','
		default:
			out.WriteRune(r)
			quote = quote || strings.ContainsRune(" !#=()", r)
		}
		i += n
	}
	if quote {
		return `"` + out.String() + `"`
	}
	return out.String()
}
