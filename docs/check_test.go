package docs

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/report"
)

// TestKeys holds that the pages name every key of their JSON forms.
func TestKeys(t *testing.T) {
	for file, typ := range map[string]reflect.Type{
		"check.md": reflect.TypeFor[report.CheckMessage](),
		"query.md": reflect.TypeFor[report.Answer](),
		"diff.md":  reflect.TypeFor[report.Comparison](),
		"test.md":  reflect.TypeFor[report.Expectation](),

		"replay.md": reflect.TypeFor[report.Replayed](),
	} {
		page, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, key := range keysOf(typ, map[reflect.Type]bool{}) {
			documented := key == "" || strings.Contains(string(page), "`"+key+"`") || strings.Contains(string(page), `{"`+key+`":`)
			assert.True(t, documented, "%s does not name the key %q", file, key)
		}
	}
}
