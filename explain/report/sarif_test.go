package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

// some returns diagnostics of every shape, about files with hostile names.
func someDiagnostics() []rules.Diagnostic {
	web := rules.NewFile("/etc/apparmor.d/we b%\x1b]0;x\xff", "profile web {\n\t/ü r,\n  deny /** r,\n}\n")
	base := rules.NewFile("abstractions/ba:se", "/a r,\n")
	at := func(f *rules.File, start, end int) rules.Location {
		return rules.Location{File: f, Span: rules.Span{Start: start, End: end}}
	}
	rule := at(web, 15, 21)
	deny := at(web, 24, 35)
	return []rules.Diagnostic{
		{At: rule, Severity: rules.Warning, Code: "shadowed-rule", Message: "\"/ü r,\" \x1b[31m see [here](https://x.example)",
			Related: []rules.Related{{At: deny, Message: "the deny rule"}, {Message: "nowhere"}},
			Fixes: []rules.Fix{
				{Message: "log it", Edits: []rules.Edit{{At: at(web, 24, 24), New: "audit "}, {At: at(base, 0, 0), New: "# \u202e\n"}, {At: rule, New: ""}}},
				{Message: "clash", Edits: []rules.Edit{{At: rule, New: "a"}, {At: rule, New: "b"}}},
				{Message: "outside a file"},
			}},
		{At: at(base, 0, 5), Severity: rules.Error, Code: "syntax", Message: "expected a rule"},
		{At: at(base, 5, 2), Severity: rules.Note, Code: "syntax", Message: "a span that ends before it starts"},
		{Severity: rules.Note, Code: "general", Message: "about no place"},
	}
}

// The essential constraints of the SARIF 2.1.0 schema on the objects that are
// written: the keys that each may have, those with ! it must have, and the kind
// of object below a key.
var sarifSchema = map[string]string{
	"log":              "$schema version! runs!:run",
	"run":              "tool!:tool invocations:invocation columnKind results:result",
	"tool":             "driver!:component",
	"component":        "name! version rules:descriptor",
	"descriptor":       "id! shortDescription:message help:multiformat",
	"multiformat":      "text! markdown",
	"invocation":       "executionSuccessful!",
	"result":           "ruleId ruleIndex level message!:message locations:location relatedLocations:location fixes:fix partialFingerprints baselineState",
	"message":          "text!",
	"location":         "id physicalLocation:physicalLocation logicalLocations:logicalLocation message:message",
	"logicalLocation":  "name fullyQualifiedName kind",
	"physicalLocation": "artifactLocation!:artifactLocation region:region",
	"artifactLocation": "uri",
	"region":           "startLine startColumn endLine endColumn byteOffset byteLength",
	"fix":              "description:message artifactChanges!:artifactChange",
	"artifactChange":   "artifactLocation!:artifactLocation replacements!:replacement",
	"replacement":      "deletedRegion!:region insertedContent:content",
	"content":          "text binary",
}

func checkSARIF(t *testing.T, kind, path string, value any) {
	t.Helper()
	object, ok := value.(map[string]any)
	require.True(t, ok, "%s is no object", path)
	known := map[string]string{}
	for word := range strings.FieldsSeq(sarifSchema[kind]) {
		key, below, _ := strings.Cut(word, ":")
		name := strings.TrimSuffix(key, "!")
		known[name] = below
		if name != key {
			assert.Contains(t, object, name, path)
		}
	}
	for key, v := range object {
		below, ok := known[key]
		assert.True(t, ok, "%s has the unknown key %q", path, key)
		list, isList := v.([]any)
		switch {
		case below != "" && isList:
			for i, item := range list {
				checkSARIF(t, below, fmt.Sprintf("%s.%s[%d]", path, key, i), item)
			}
		case below != "":
			checkSARIF(t, below, path+"."+key, v)
		}
	}
	switch kind {
	case "result":
		assert.Contains(t, []any{"none", "note", "warning", "error"}, object["level"], path)
	case "region":
		if _, ok := object["byteOffset"]; ok {
			assert.NotContains(t, object, "startLine", path)
			break
		}
		line, column := object["startLine"].(float64), object["startColumn"].(float64)
		assert.GreaterOrEqual(t, line, 1.0, path)
		assert.GreaterOrEqual(t, column, 1.0, path)
		assert.GreaterOrEqual(t, object["endLine"], line, path)
		if object["endLine"] == line {
			assert.GreaterOrEqual(t, object["endColumn"], column, path)
		}
	case "artifactLocation":
		_, err := url.Parse(object["uri"].(string))
		assert.NoError(t, err, path)
	case "artifactChange":
		assert.NotEmpty(t, object["replacements"], path)
	case "fix":
		assert.NotEmpty(t, object["artifactChanges"], path)
	}
}

func TestSARIF(t *testing.T) {
	var out bytes.Buffer
	r := &Report{Version: "v1", Incomplete: true}
	for _, d := range someDiagnostics() {
		r.Diagnostics = append(r.Diagnostics, NewDiagnostic(d))
	}
	require.NoError(t, writeSARIF(&out, r, TextOptions{}))
	assertPrintable(t, out.String())

	var log map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &log))
	checkSARIF(t, "log", "log", log)

	var parsed sarifLog
	require.NoError(t, json.Unmarshal(out.Bytes(), &parsed))
	assert.Equal(t, "2.1.0", parsed.Version)
	run := parsed.Runs[0]
	assert.Equal(t, []sarifRule{{ID: "shadowed-rule"}, {ID: "syntax"}, {ID: "general"}}, run.Tool.Driver.Rules)
	assert.False(t, run.Invocations[0].ExecutionSuccessful)
	require.Len(t, run.Results, 4)
	for _, r := range run.Results {
		assert.Equal(t, r.RuleID, run.Tool.Driver.Rules[r.RuleIndex].ID)
	}

	first := run.Results[0]
	assert.Equal(t, `"/ü r," \x1b\[31m see \[here\](https://x.example)`, string(first.Message.Text), "no link, no control character")
	assert.Equal(t, sarifRegion{StartLine: 2, StartColumn: 2, EndLine: 2, EndColumn: 7}, first.Locations[0].PhysicalLocation.Region, "columns count characters")
	assert.Equal(t, "file:///etc/apparmor.d/we%20b%25%1B%5D0;x%FF", first.Locations[0].PhysicalLocation.ArtifactLocation.URI)
	require.Len(t, first.RelatedLocations, 1)
	require.Len(t, first.Fixes, 1, "a fix without edits, or whose edits clash, is no SARIF fix")
	changes := first.Fixes[0].ArtifactChanges
	require.Len(t, changes, 2)
	assert.Equal(t, []sarifReplacement{
		{DeletedRegion: sarifRegion{StartLine: 2, StartColumn: 2, EndLine: 2, EndColumn: 7}},
		{sarifRegion{StartLine: 3, StartColumn: 3, EndLine: 3, EndColumn: 3}, &sarifContent{Text: "audit "}},
	}, changes[0].Replacements)
	assert.Equal(t, "./abstractions/ba:se", fileURI("./abstractions/ba:se"))
	assert.Equal(t, "abstractions/ba:se", changes[1].ArtifactLocation.URI)
	assert.Equal(t, "# \u202e\n", changes[1].Replacements[0].InsertedContent.Text, "what a fix inserts is exact")
	assert.Empty(t, run.Results[3].Locations)
}

// TestSARIFEmpty holds that a clean run has results, an empty list, which means
// that nothing was found, where none would mean that nothing was looked for.
func TestSARIFEmpty(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, writeSARIF(&out, &Report{Version: "v1"}, TextOptions{}))
	assert.Contains(t, out.String(), `"results":[]`)
	assert.Contains(t, out.String(), `"executionSuccessful":true`)
}
