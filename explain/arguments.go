package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// byAnswer says which calls it can only have been that the kernel answered as a record has it: "", if these
// are more than a few, or hang on more than one argument.
func byAnswer(profile *seccomp.Profile, call seccomp.Call, d seccomp.Decision, record *parser.Seccomp) string {
	const few = 3
	index, bounds := comparedWith(d)
	if index < 0 || call.Args != nil {
		return ""
	}
	var calls []string
	answers := func(value uint64) bool {
		call.Args = make([]uint64, 6)
		call.Args[index] = value
		if !access.Answers(profile.Decide(call), record) {
			return false
		}
		text := seccomp.CallText(call.Arch, d.Syscall, call.Args)
		if text == d.Syscall {
			text = fmt.Sprintf("%s with a%d == %d", text, index, value)
		}
		calls = append(calls, text)
		return true
	}
	// Between two values that it is compared with, all others are answered alike.
	next := uint64(0)
	for _, bound := range bounds {
		for value := next; value < bound && answers(value); value++ {
			if len(calls) > few {
				return ""
			}
		}
		answers(bound)
		next = bound + 1
	}
	if next > 0 && answers(next) || len(calls) == 0 || len(calls) > few {
		return ""
	}
	return "by the kernel's answer it was " + strings.Join(calls, " or ")
}

// comparedWith returns the only argument that a decision hangs on, and the values that it is compared
// with, ordered; -1 if it hangs on something else, too, or on bits.
func comparedWith(d seccomp.Decision) (index int, values []uint64) {
	index = -1
	for _, o := range append(slices.Clip(d.Whens), d.Outcome) {
		if o.Entry == nil && o.When == "" { // the default action
			continue
		}
		if o.Entry == nil || o.Loader || o.Releases != "" || len(o.Entry.Args) != 1 {
			return -1, nil
		}
		arg := o.Entry.Args[0]
		if arg.Op == seccomp.MaskedEQ || index >= 0 && arg.Index != index {
			return -1, nil
		}
		index, values = arg.Index, append(values, arg.Value)
	}
	slices.Sort(values)
	return index, slices.Compact(values)
}
