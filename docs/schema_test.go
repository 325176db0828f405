package docs

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/report"
)

var update = flag.Bool("update", false, "write findings.schema.json anew")

const schemaFile = "findings.schema.json"

// TestSchema holds that the published schema is that of the messages.
func TestSchema(t *testing.T) {
	definitions := map[string]any{}
	message := schemaOf(reflect.TypeFor[report.Message](), definitions)
	schema := map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "whydenied findings " + report.SchemaVersion,
		"description": "One line of what whydenied --format json writes; see json.md. Readers pass over keys that they do not know.",
		"$ref":        message["$ref"], "$defs": definitions,
	}
	text, err := json.MarshalIndent(schema, "", "  ")
	require.NoError(t, err)
	text = append(text, '\n')
	if *update {
		require.NoError(t, os.WriteFile(schemaFile, text, 0o644))
	}
	published, err := os.ReadFile(schemaFile)
	require.NoError(t, err)
	assert.Equal(t, string(published), string(text), "go test ./docs -update writes it")
}

// schemaOf describes a type: structs by references to definitions.
func schemaOf(typ reflect.Type, definitions map[string]any) map[string]any {
	switch typ.Kind() {
	case reflect.Pointer:
		return schemaOf(typ.Elem(), definitions)
	case reflect.Slice:
		if typ == reflect.TypeFor[report.Fields]() {
			return map[string]any{"type": "object", "additionalProperties": map[string]any{"type": []string{"string", "integer", "boolean"}}}
		}
		return map[string]any{"type": "array", "items": schemaOf(typ.Elem(), definitions)}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(typ.Elem(), definitions)}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Struct:
		ref := map[string]any{"$ref": "#/$defs/" + typ.Name()}
		if definitions[typ.Name()] == nil {
			definitions[typ.Name()] = true // it may be in itself
			definitions[typ.Name()] = objectOf(typ, definitions)
		}
		return ref
	}
	return map[string]any{"type": "integer"}
}

// objectOf describes the fields of a struct. A pointer that is written when it is nil can
// be null.
func objectOf(typ reflect.Type, definitions map[string]any) map[string]any {
	properties, required := map[string]any{}, []string{}
	for i := range typ.NumField() {
		field := typ.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !field.IsExported() || name == "" {
			continue
		}
		schema := schemaOf(field.Type, definitions)
		if options != "omitempty" {
			required = append(required, name)
			if field.Type.Kind() == reflect.Pointer {
				schema = map[string]any{"anyOf": []any{schema, map[string]any{"type": "null"}}}
			}
		}
		properties[name] = schema
	}
	object := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		object["required"] = required
	}
	return object
}

// TestSchemaHolds holds that what is written, of all that a finding can have, is as the
// schema says, without a key that it does not name; and that what was saved before has no
// key that has gone.
func TestSchemaHolds(t *testing.T) {
	text, err := os.ReadFile(schemaFile)
	require.NoError(t, err)
	var schema map[string]any
	require.NoError(t, json.Unmarshal(text, &schema))
	files, err := filepath.Glob("../explain/report/testdata/*findings.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		lines, err := os.ReadFile(name)
		require.NoError(t, err)
		for line := range bytes.Lines(lines) {
			d := json.NewDecoder(bytes.NewReader(line))
			d.UseNumber()
			var value any
			require.NoError(t, d.Decode(&value))
			assert.Empty(t, violations(schema, schema, value, name))
		}
	}
	assert.NotEmpty(t, violations(schema, schema, map[string]any{"finding": map[string]any{"id": 7}}, ""))
}

// violations compares a value with the part of JSON Schema that schemaOf uses.
func violations(root, schema map[string]any, value any, path string) (list []string) {
	if ref, ok := schema["$ref"].(string); ok {
		name := strings.TrimPrefix(ref, "#/$defs/")
		return violations(root, root["$defs"].(map[string]any)[name].(map[string]any), value, path)
	}
	if choices, ok := schema["anyOf"].([]any); ok {
		for _, s := range choices {
			if list = violations(root, s.(map[string]any), value, path); len(list) == 0 {
				return nil
			}
		}
		return list
	}
	if !isOfType(schema["type"], value) {
		return []string{fmt.Sprintf("%s is %T, not %v", path, value, schema["type"])}
	}
	switch v := value.(type) {
	case []any:
		for i, item := range v {
			list = append(list, violations(root, schema["items"].(map[string]any), item, fmt.Sprintf("%s[%d]", path, i))...)
		}
	case map[string]any:
		properties, _ := schema["properties"].(map[string]any)
		required, _ := schema["required"].([]any)
		for _, key := range required {
			if _, ok := v[key.(string)]; !ok {
				list = append(list, path+" lacks "+key.(string))
			}
		}
		for key, item := range v {
			of, ok := properties[key].(map[string]any)
			if !ok {
				of, ok = schema["additionalProperties"].(map[string]any)
			}
			if !ok {
				list = append(list, path+" has the key "+key)
				continue
			}
			list = append(list, violations(root, of, item, path+"."+key)...)
		}
	}
	return list
}

func isOfType(types, value any) bool {
	is := map[string]bool{}
	switch v := value.(type) {
	case nil:
		is["null"] = true
	case string:
		is["string"] = true
	case bool:
		is["boolean"] = true
	case json.Number:
		is["integer"] = !strings.ContainsAny(v.String(), ".eE")
	case []any:
		is["array"] = true
	case map[string]any:
		is["object"] = true
	}
	if one, ok := types.(string); ok {
		return is[one]
	}
	return slices.ContainsFunc(types.([]any), func(one any) bool { return is[one.(string)] })
}
