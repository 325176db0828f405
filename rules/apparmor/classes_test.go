package apparmor

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Requests has a request of each type that is one.
func TestRequests(t *testing.T) {
	method := regexp.MustCompile(`(?m)^func \((?:\w+ )?(\w+)\) class\(\)`)
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var want, got []string
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, m := range method.FindAllStringSubmatch(string(text), -1) {
			want = append(want, m[1])
		}
	}
	for _, req := range Requests() {
		got = append(got, reflect.TypeOf(req).Name())
	}
	assert.ElementsMatch(t, want, got)
}
