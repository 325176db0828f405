package replay

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

func text(t *testing.T, policy string) []library.Text {
	t.Helper()
	loaded, diagnostics := (&apparmor.Loader{}).Load(rules.NewFile("policy", policy))
	require.Empty(t, diagnostics)
	return []library.Text{{Name: "policy", AppArmor: loaded.Profiles}}
}

func TestOf(t *testing.T) {
	for _, c := range []struct {
		name, record, old, new string
		want                   Outcome
	}{
		{"granted now", "DENIED", "", "profile web {\n /a r,\n}", Fixed},
		{"refused still", "DENIED", "", "profile web {\n}", StillRefused},
		{"silent now", "DENIED", "", "profile web {\n deny /a r,\n}", NewlySilent},
		{"silent before too", "DENIED", "profile web {\n deny /a r,\n}", "profile web {\n deny /* r,\n}", StillRefused},
		{"granted and refused now", "AUDIT", "", "profile web {\n}", NewlyRefused},
		{"granted still", "AUDIT", "", "profile web {\n /a r,\n}", StillGranted},
		{"let through, and enforced now", "ALLOWED", "", "profile web {\n}", NewlyRefused},
		{"let through still", "ALLOWED", "", "profile web flags=(complain) {\n}", StillGranted},
		{"granted by the old text", "DENIED", "profile web {\n /a r,\n}", "profile web {\n}", NewlyRefused},
		{"of a profile that the old text has not", "DENIED", "profile other {\n}", "profile web {\n /a r,\n}", Fixed},
	} {
		d, err := parser.Parse(`type=AVC msg=audit(1.000:1): apparmor="` + c.record + `" operation="open" class="file" profile="web" name="/a" requested_mask="r" denied_mask="r" fsuid=33 ouid=0`)
		require.NoError(t, err)
		p := Policies{New: text(t, c.new)}
		if c.old != "" {
			p.Old = text(t, c.old)
		}
		list, others := p.Of([]*explain.Finding{{Denial: d, Count: 1}})
		require.Len(t, list, 1, c.name)
		assert.Empty(t, others, c.name)
		assert.Equal(t, c.want, list[0].Outcome, c.name)
	}
}

func TestOfOtherProfiles(t *testing.T) {
	d, err := parser.Parse(`type=AVC msg=audit(1.000:1): apparmor="DENIED" operation="open" class="file" profile="web" name="/a" requested_mask="r" denied_mask="r"`)
	require.NoError(t, err)
	p := Policies{New: text(t, "profile other {\n}")}
	list, others := p.Of([]*explain.Finding{{Denial: d, Count: 7}})
	assert.Empty(t, list)
	assert.Equal(t, map[string]int{"web": 7}, others)
}
