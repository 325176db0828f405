package docs

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/report"
)

var update = flag.Bool("update", false, "write *.schema.json anew")

// schemas are those that are published, NAME.schema.json: what a line of the JSON form of the
// commands is.
var schemas = []struct {
	name, commands string
	lines          []reflect.Type // one of them
}{
	{"findings", "explain, run, summary, trace, watch", []reflect.Type{reflect.TypeFor[report.Message]()}},
	{"calls", "trace --observe", []reflect.Type{reflect.TypeFor[report.Observation]()}},
	{"check", "check", []reflect.Type{reflect.TypeFor[report.CheckMessage]()}},
	{"compare", "compare", []reflect.Type{reflect.TypeFor[report.CompareMessage]()}},
	{"coverage", "coverage", []reflect.Type{reflect.TypeFor[report.Coverage]()}},
	{"diff", "diff", []reflect.Type{reflect.TypeFor[report.Comparison]()}},
	{"doctor", "doctor", []reflect.Type{reflect.TypeFor[report.DoctorMessage]()}},
	{"patch", "patch", []reflect.Type{reflect.TypeFor[report.Patch]()}},
	{"query", "query", []reflect.Type{reflect.TypeFor[report.Answer](), reflect.TypeFor[report.Unanswered]()}},
	{"replay", "replay", []reflect.Type{reflect.TypeFor[report.Replayed]()}},
	{"test", "test", []reflect.Type{reflect.TypeFor[report.Expectation]()}},
}

// TestSchemas holds that the published schemas are those of the messages.
func TestSchemas(t *testing.T) {
	for _, s := range schemas {
		definitions := map[string]any{}
		schema := map[string]any{
			"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "whydenied " + s.name + " " + report.SchemaVersion,
			"description": "One line of what --format json of " + s.commands + " writes; see json.md. Readers pass over keys that they do not know.",
			"$defs":       definitions,
		}
		var lines []any
		for _, line := range s.lines {
			lines = append(lines, schemaOf(line, definitions))
		}
		schema["$ref"] = lines[0].(map[string]any)["$ref"]
		if len(lines) > 1 {
			delete(schema, "$ref")
			schema["anyOf"] = lines
		}
		text, err := json.MarshalIndent(schema, "", "  ")
		require.NoError(t, err)
		text = append(text, '\n')
		if *update {
			require.NoError(t, os.WriteFile(s.name+".schema.json", text, 0o644))
		}
		published, err := os.ReadFile(s.name + ".schema.json")
		require.NoError(t, err)
		assert.Equal(t, string(published), string(text), "go test ./docs -update writes it")
	}
}

// readSchema reads a published schema.
func readSchema(t *testing.T, name string) (schema map[string]any) {
	t.Helper()
	text, err := os.ReadFile(name + ".schema.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &schema))
	return schema
}

// violationsOf compares each line of an output with a schema.
func violationsOf(t *testing.T, schema map[string]any, lines []byte, name string) (list []string) {
	t.Helper()
	for line := range bytes.Lines(lines) {
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		var value any
		require.NoError(t, d.Decode(&value), "%s", line)
		list = append(list, violations(schema, schema, value, name)...)
	}
	return list
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
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Struct:
		if typ == reflect.TypeFor[time.Time]() {
			return map[string]any{"type": "string"}
		}
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
// be null. A struct in it without a name is part of it: all of it or, by a pointer, none.
func objectOf(typ reflect.Type, definitions map[string]any) map[string]any {
	properties, required := map[string]any{}, []string{}
	for i := range typ.NumField() {
		field := typ.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous && name == "" {
			part, optional := field.Type, field.Type.Kind() == reflect.Pointer
			if optional {
				part = part.Elem()
			}
			inner := objectOf(part, definitions)
			maps.Copy(properties, inner["properties"].(map[string]any))
			if needs, ok := inner["required"].([]string); ok && !optional {
				required = append(required, needs...)
			}
			continue
		}
		if !field.IsExported() || name == "" || name == "-" {
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
	schema := readSchema(t, "findings")
	files, err := filepath.Glob("../explain/report/testdata/*findings.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		lines, err := os.ReadFile(name)
		require.NoError(t, err)
		assert.Empty(t, violationsOf(t, schema, lines, name))
	}
	assert.NotEmpty(t, violations(schema, schema, map[string]any{"finding": map[string]any{"id": 7}}, ""))
}

// TestSchemasOfOutput holds that what the commands write of the example is as the schemas say.
func TestSchemasOfOutput(t *testing.T) {
	program := filepath.Join(t.TempDir(), "whydenied")
	out, err := exec.Command("go", "build", "-o", program, "../cmd/whydenied").CombinedOutput()
	require.NoError(t, err, "%s", out)
	const web = "examples/web/"
	dir := t.TempDir()
	changed, saved := filepath.Join(dir, "web.apparmor"), filepath.Join(dir, "saved.json")
	policy, err := os.ReadFile(web + "web.apparmor")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(changed, bytes.Replace(policy, []byte("deny /etc/shadow rw,"), []byte("/etc/shadow r,"), 1), 0o600))
	broken := filepath.Join(dir, "broken.apparmor")
	require.NoError(t, os.WriteFile(broken, []byte("profile broken {\n  /x rr\n}\n"), 0o600))
	filter := filepath.Join(dir, "filter.json")
	require.NoError(t, os.WriteFile(filter, []byte(`{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}`), 0o600))
	const batch = `{"class": "file", "name": "/etc/shadow", "requested_mask": "r"}
{"class": "file", "name": "/var/cache/nginx/x", "requested_mask": "w"}
no JSON
`
	for i, c := range []struct {
		schema, stdin string
		args          []string
	}{
		{"findings", "", []string{"explain", web + "audit.log", "--profile", web + "web.apparmor", "--inventory", web + "containers.json"}},
		{"findings", "", []string{"summary", web + "audit.log", "--profile", web + "web.apparmor"}},
		{"findings", "", []string{"explain", "--profile", web + "web.apparmor", "/dev/null"}},
		{"check", "", []string{"check", broken, filter}},
		{"compare", "", []string{"compare", "/dev/null", saved}},
		{"coverage", "", []string{"coverage", web + "audit.log", "--profile", web + "web.apparmor"}},
		{"diff", "", []string{"diff", web + "web.apparmor", changed}},
		{"doctor", "", []string{"doctor"}},
		{"patch", "", []string{"patch", web + "audit.log", "--profile", web + "web.apparmor"}},
		{"query", batch, []string{"query", "--profile", web + "web.apparmor"}},
		{"query", "", []string{"query", "--profile", web + "web.apparmor", "--access", "exec /bin/sh"}},
		{"query", "", []string{"query", "--seccomp", filter, "--syscall", "mount"}},
		{"replay", "", []string{"replay", web + "audit.log", "--profile", changed}},
		{"test", "", []string{"test", web + "web.expect"}},
	} {
		cmd := exec.Command(program, append(c.args, "--format", "json")...)
		cmd.Stdin = strings.NewReader(c.stdin)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		lines, _ := cmd.Output()
		name := strings.Join(c.args, " ")
		require.NotEmpty(t, lines, "%s: %s", name, stderr.String())
		assert.Empty(t, violationsOf(t, readSchema(t, c.schema), lines, name))
		if i == 0 {
			require.NoError(t, os.WriteFile(saved, lines, 0o600)) // for compare
		}
	}
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
