package apparmor

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

func TestObserve(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a quiet deny rule", "profile p {\n  deny /a w,\n}\n", "profile p {\n  audit deny /a w,\n}\n"},
		{"a priority", "profile p {\n  priority=1 deny /a w,\n}\n", "profile p {\n  priority=1 audit deny /a w,\n}\n"},
		{"in a block", "profile p {\n  deny {\n    /a w,\n  }\n}\n", "profile p {\n  deny {\n    audit /a w,\n  }\n}\n"},
		{"logged already", "profile p {\n  audit deny /a w,\n  /b r,\n}\n", ""},
		{"no profile", "# nothing\n", ""},
	} {
		loader := &Loader{}
		policy, _ := loader.Load(rules.NewFile("p", c.text))
		edits, err := loader.Observe(policy)
		require.NoError(t, err, c.name)
		changes, err := rules.Apply(edits)
		require.NoError(t, err, c.name)
		if c.want == "" {
			assert.Empty(t, changes, c.name)
			continue
		}
		require.Len(t, changes, 1, c.name)
		assert.Equal(t, observed+c.want, changes[0].New, c.name)
	}
}
