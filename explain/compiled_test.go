package explain

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/parser"
)

// A profile that is there only as it is loaded decides, without rules and fixes.
func TestExplainCompiled(t *testing.T) {
	record := func(profile, rest string) string {
		return fmt.Sprintf("type=AVC msg=audit(1795427169.844:13): apparmor=\"DENIED\" %s profile=%q pid=7 comm=\"sh\"\n", rest, profile)
	}
	file := `operation="open" name=%q requested_mask=%q denied_mask=%q fsuid=0 ouid=0`
	for _, test := range []struct {
		log      string
		cause    Cause
		decision Decision
		why      string
	}{
		{record("web//hat", fmt.Sprintf(file, "/srv/x", "w", "w")), NoMatchingRule, Refused, "the loaded profile refuses w: no rule grants it"},
		{record("web//hat", fmt.Sprintf(file, "/x", "r", "r")), AllowedByProfile, Granted, "the loaded profile allows this"},
		{record("web", fmt.Sprintf(file, "/srv/no", "r", "r")), DenyRule, Quiet, "a deny rule of the loaded profile refuses r"},
		{record("web//hat", `operation="capable" capability=21 capname="sys_admin"`), NoMatchingRule, Refused, "the loaded profile refuses it"},
		{record("web", fmt.Sprintf(file, "/srv/x", "w", "w")), FlagsMismatch, Refused, "another version of the profile was in force"},
		{strings.Replace(record("web", fmt.Sprintf(file, "/srv/x", "w", "w")), "DENIED", "ALLOWED", 1), Complain, Granted, "would be refused: the loaded profile refuses w"},
		{record("web//hat", `info="Failed name lookup - disconnected path" error=-13 `+fmt.Sprintf(file, "srv/x", "w", "w")), DisconnectedPath, Refused, ""},
		{record("none", fmt.Sprintf(file, "/srv/x", "w", "w")), ProfileNotFound, Undecidable, "was not found"},
	} {
		findings, _, err := Log(parser.Block{Body: []byte(test.log)}, Options{Profiles: []string{"../rules/apparmor/binary/testdata/all.bin"}, ProfileDir: t.TempDir()})
		require.NoError(t, err)
		require.Len(t, findings, 1)
		f := findings[0]
		assert.Equal(t, test.cause, f.Cause, test.log)
		assert.Equal(t, test.decision, f.Decision, test.log)
		assert.Contains(t, f.Why, test.why)
		assert.Empty(t, f.Fixes)
	}
}
