package apparmor

import (
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules/apparmor/aare"
)

// RuleFor returns the narrowest rule that grants a request, as profiles write
// it: "/etc/hosts r,". exec is how a file is to be executed, with the target that
// it has in some rule, where the request is for that; the zero Transition writes
// the bare x of a deny rule.
func RuleFor(req Request, exec Transition) string { return req.rule(exec) }

// joinWords joins the words that are not empty with spaces.
func joinWords(words ...string) string { return joinWith(" ", words) }

// peerCondition returns the condition peer=( ) of those that are not empty, or "".
func peerCondition(conditions ...string) string {
	if list := joinWith(", ", conditions); list != "" {
		return "peer=(" + list + ")"
	}
	return ""
}

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

// quoteIf is QuotePath that keeps the empty string.
func quoteIf(name string) string {
	if name == "" {
		return ""
	}
	return QuotePath(name)
}

// QuotePath returns the path expression that matches exactly the file of that
// name, which may hold any bytes but NUL; see aare.Escape.
func QuotePath(name string) string {
	escaped := aare.Escape(name)
	if name == "" || strings.ContainsAny(name, ", !#=()") {
		return `"` + escaped + `"`
	}
	return escaped
}

// quoted puts a glob into quotes if it needs them.
func quoted(glob string) string {
	if strings.ContainsAny(glob, " !#=()") || strings.Contains(glob, `\,`) {
		return `"` + glob + `"`
	}
	return glob
}

// QuoteAround returns a path expression of a glob between two names that stand
// for themselves.
func QuoteAround(before, glob, after string) string {
	quote := false
	literal := func(name string) string {
		if name == "" {
			return ""
		}
		text := QuotePath(name)
		if inner, ok := strings.CutPrefix(text, `"`); ok {
			quote = true
			return strings.TrimSuffix(inner, `"`)
		}
		return text
	}
	text := literal(before) + glob + literal(after)
	if quote {
		return `"` + text + `"`
	}
	return text
}
