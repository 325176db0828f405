package docs

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/report"
)

// TestJSONKeys holds that json.md names every key of the JSON form.
func TestJSONKeys(t *testing.T) {
	page, err := os.ReadFile("json.md")
	require.NoError(t, err)
	for _, key := range keysOf(reflect.TypeFor[report.Message](), map[reflect.Type]bool{}) {
		documented := strings.Contains(string(page), "`"+key+"`") || strings.Contains(string(page), `{"`+key+`":`)
		assert.True(t, documented, "json.md does not name the key %q", key)
	}
	assert.Contains(t, string(page), "`"+report.SchemaVersion+"`")
}

// keysOf returns the JSON keys of a struct and of the structs in it.
func keysOf(typ reflect.Type, seen map[reflect.Type]bool) (keys []string) {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[report.Field]() || seen[typ] {
		return nil
	}
	seen[typ] = true
	for i := range typ.NumField() {
		field := typ.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !field.IsExported() || name == "-" {
			continue
		}
		if !field.Anonymous { // whose keys are those of the struct that it is part of
			keys = append(keys, name)
		}
		keys = append(keys, keysOf(field.Type, seen)...)
	}
	return keys
}

// TestJSONExample holds that the example of json.md is of the present form: it
// has no key that is not in it, and reads back as it was written.
func TestJSONExample(t *testing.T) {
	page, err := os.ReadFile("json.md")
	require.NoError(t, err)
	_, example, found := strings.Cut(string(page), "A finding, pretty-printed:\n")
	require.True(t, found)
	example, _, _ = strings.Cut(example, "\n## ")

	d := json.NewDecoder(strings.NewReader(example))
	d.DisallowUnknownFields()
	var m report.Message
	require.NoError(t, d.Decode(&m))
	require.NotNil(t, m.Finding)

	var written, compact bytes.Buffer
	require.NoError(t, report.NewJSON(&written)(m))
	require.NoError(t, json.Compact(&compact, []byte(strings.TrimSpace(example))))
	assert.Equal(t, compact.String(), strings.TrimSpace(written.String()))
}
