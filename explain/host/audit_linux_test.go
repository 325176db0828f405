package host

import (
	"regexp"
	"strings"
	"testing"

	"github.com/elastic/go-libaudit/v2/rule"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// built is a rule in the form in which the kernel is given it, from what comes
// after auditctl -a.
func built(t *testing.T, text string) []byte {
	t.Helper()
	action, list, _ := strings.Cut(strings.Fields(text)[0], ",")
	r := rule.SyscallRule{Type: rule.AppendSyscallRuleType, Action: action, List: list}
	for _, m := range regexp.MustCompile(`-F (\w+)([!<>=]+)(\S+)`).FindAllStringSubmatch(text, -1) {
		r.Filters = append(r.Filters, rule.FilterSpec{Type: rule.ValueFilterType, LHS: m[1], Comparator: m[2], RHS: m[3]})
	}
	wire, err := rule.Build(&r)
	require.NoError(t, err, text)
	return wire
}

func TestExcludeOf(t *testing.T) {
	tests := []struct {
		rule string
		want Exclude // zero if it excludes nothing of ours
	}{
		{"always,exclude -F msgtype=AVC", Exclude{AppArmor: true}},
		{"never,exclude -F msgtype=SECCOMP", Exclude{Seccomp: true}},
		{"always,exclude -F msgtype=CWD", Exclude{}},
		{"always,exclude -F msgtype!=CWD", Exclude{AppArmor: true, Seccomp: true}},
		{"always,exclude -F msgtype>=SECCOMP -F msgtype<AVC", Exclude{Seccomp: true}},
		{"always,exclude -F msgtype>SECCOMP -F msgtype<=AVC", Exclude{AppArmor: true}},
		{"always,exclude -F msgtype=AVC -F uid=33", Exclude{AppArmor: true, Partly: true}},
		{"never,exit -F uid=33", Exclude{}},
		{"never,task", Exclude{}},
	}
	for _, test := range tests {
		wire := built(t, test.rule)
		got, ok := excludeOf(wire)
		assert.Equal(t, test.want != Exclude{}, ok, test.rule)
		if ok {
			test.want.Rule = test.rule
			assert.Equal(t, test.want, got)
		}
		for n := range len(wire) {
			excludeOf(wire[:n]) // does not panic
		}
	}
}
