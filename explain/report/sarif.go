package report

import (
	"fmt"
	"io"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/secret"
	"github.com/whydenied/whydenied/rules"
)

// writeSARIF writes diagnostics and findings as one SARIF 2.1.0 log (OASIS
// Standard, 27 March 2020): a result for each, with the part of the patch that
// fixes it or, without a patch, its fixes. Columns count characters.
func writeSARIF(w io.Writer, r *Report, _ TextOptions) error {
	run := sarifRun{
		Tool:        sarifTool{Driver: sarifDriver{Name: "whydenied", Version: plain(r.Version), Rules: []sarifRule{}}},
		Invocations: []sarifInvocation{{ExecutionSuccessful: !r.Incomplete}},
		ColumnKind:  "unicodeCodePoints",
		Results:     []sarifResult{},
	}
	diagnostics := slices.Clip(r.Diagnostics)
	if r.Patch != nil && r.Patch.of != nil {
		diagnostics = append(diagnostics, patchDiagnostics(r.Patch.of)...)
	} else {
		for _, f := range r.Findings {
			diagnostics = append(diagnostics, findingDiagnostic(f, ""))
		}
	}
	gates := map[string]*Gate{}
	for i := range r.Findings {
		gates[r.Findings[i].ID] = r.Findings[i].Gate
	}
	for _, d := range diagnostics {
		driver := &run.Tool.Driver
		index := slices.IndexFunc(driver.Rules, func(r sarifRule) bool { return r.ID == d.Code })
		if index < 0 {
			index = len(driver.Rules)
			driver.Rules = append(driver.Rules, newSARIFRule(d.Code, r.Help))
		}
		result := newSARIFResult(d, index)
		if d.finding != nil {
			result.ofFinding(d.finding, gates[d.finding.ID])
		}
		run.Results = append(run.Results, result)
	}
	return escape.JSON(w, sarifLog{
		Schema:  "https://json.schemastore.org/sarif-2.1.0.json",
		Version: "2.1.0",
		Runs:    []sarifRun{run},
	})
}

type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		ColumnKind  string            `json:"columnKind"`
		Results     []sarifResult     `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID    string        `json:"id"`
		Short *sarifMessage `json:"shortDescription,omitempty"`
		Help  *sarifHelp    `json:"help,omitempty"`
	}
	sarifHelp struct {
		Text     escape.SARIF `json:"text"`
		Markdown string       `json:"markdown"` // a page of the program's own
	}
	sarifInvocation struct {
		ExecutionSuccessful bool `json:"executionSuccessful"`
	}
	sarifResult struct {
		RuleID           string          `json:"ruleId"`
		RuleIndex        int             `json:"ruleIndex"`
		Level            string          `json:"level"` // error, warning, note
		Message          sarifMessage    `json:"message"`
		Locations        []sarifLocation `json:"locations,omitempty"`
		RelatedLocations []sarifLocation `json:"relatedLocations,omitempty"`
		Fixes            []sarifFix      `json:"fixes,omitempty"`

		Fingerprints  map[string]string `json:"partialFingerprints,omitempty"`
		BaselineState string            `json:"baselineState,omitempty"` // new, unchanged
	}
	sarifMessage struct {
		Text escape.SARIF `json:"text"`
	}
	sarifLocation struct {
		ID               int            `json:"id,omitempty"`
		PhysicalLocation *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical          []sarifLogical `json:"logicalLocations,omitempty"`
		Message          *sarifMessage  `json:"message,omitempty"`
	}
	// A sarifLogical is the profile and the workload, which stay where a file does not.
	sarifLogical struct {
		Name escape.Text `json:"name"`
		Full escape.Text `json:"fullyQualifiedName"`
		Kind string      `json:"kind"` // resource, as section 3.33.7 has it
	}
	sarifPhysical struct {
		ArtifactLocation sarifArtifact `json:"artifactLocation"`
		Region           sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	// A sarifRegion counts lines and columns from 1; its end is exclusive. One of
	// bytes has ByteOffset and ByteLength instead.
	sarifRegion struct {
		StartLine   int  `json:"startLine,omitempty"`
		StartColumn int  `json:"startColumn,omitempty"`
		EndLine     int  `json:"endLine,omitempty"`
		EndColumn   int  `json:"endColumn,omitempty"`
		ByteOffset  *int `json:"byteOffset,omitempty"`
		ByteLength  *int `json:"byteLength,omitempty"`
	}
	sarifFix struct {
		Description     sarifMessage          `json:"description"`
		ArtifactChanges []sarifArtifactChange `json:"artifactChanges"`
	}
	sarifArtifactChange struct {
		ArtifactLocation sarifArtifact      `json:"artifactLocation"`
		Replacements     []sarifReplacement `json:"replacements"`
	}
	sarifReplacement struct {
		DeletedRegion   sarifRegion   `json:"deletedRegion"`
		InsertedContent *sarifContent `json:"insertedContent,omitempty"`
	}
	sarifContent struct {
		Text   string `json:"text,omitempty"`
		Binary []byte `json:"binary,omitempty"` // base64
	}
)

// findingDiagnostic says what a finding is, and why it is left if it is.
func findingDiagnostic(f Finding, left string) Diagnostic {
	d := Diagnostic{Severity: rules.Warning.String(), Code: f.Cause, Message: f.Message, Fixes: f.Fixes, finding: &f}
	if f.Why != "" && f.Why != left {
		d.Message += ": " + f.Why
	}
	if left != "" {
		d.Message += "; not fixed: " + left
		d.Fixes = nil
	}
	if i := slices.IndexFunc(f.Rules, func(r Rule) bool { return r.Builtin == "" }); i >= 0 {
		d.Rule = f.Rules[i]
	}
	return d
}

// newSARIFRule describes a cause or a code, by its page if it has one.
func newSARIFRule(code string, help func(string) (string, bool)) sarifRule {
	rule := sarifRule{ID: code}
	if help == nil {
		return rule
	}
	page, ok := help(code)
	if !ok {
		return rule
	}
	_, text, _ := strings.Cut(page, "\n")
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n\n")
	rule.Short = &sarifMessage{escape.SARIFMessage(strings.Join(strings.Fields(first), " "))}
	rule.Help = &sarifHelp{Text: escape.SARIFMessage(strings.TrimSpace(page)), Markdown: page}
	return rule
}

// ofFinding says of a result what lets it be known again.
func (r *sarifResult) ofFinding(f *Finding, g *Gate) {
	r.Fingerprints = map[string]string{fmt.Sprintf("whydenied/v%d", f.IDVersion): f.ID}
	profile := f.profile()
	logical := sarifLogical{Name: escape.Line(profile), Full: escape.Line(strings.TrimPrefix(f.Workload+"/"+profile, "/")), Kind: "resource"}
	if len(r.Locations) == 0 {
		r.Locations = []sarifLocation{{}}
	}
	r.Locations[0].Logical = []sarifLogical{logical}
	switch {
	case g == nil || g.State == "":
		return
	case g.State == "known":
		r.BaselineState, r.Level = "unchanged", "note"
	case g.State == "expired":
		r.BaselineState = "unchanged"
	default:
		r.BaselineState = "new"
	}
}

func newSARIFResult(d Diagnostic, index int) sarifResult {
	r := sarifResult{RuleID: d.Code, RuleIndex: index, Level: d.Severity, Message: sarifMessage{escape.SARIFMessage(d.Message)}}
	if d.Line > 0 {
		r.Locations = []sarifLocation{newSARIFLocation(d.Rule)}
	}
	for i, related := range d.Related {
		at := newSARIFLocation(related)
		message := sarifMessage{escape.SARIFMessage(related.Note)}
		at.ID, at.Message = i+1, &message
		r.RelatedLocations = append(r.RelatedLocations, at)
	}
	for _, fix := range d.Fixes {
		edits, conflicts := rules.Merge(fix.edits)
		if len(edits) == 0 || len(conflicts) > 0 {
			continue
		}
		r.Fixes = append(r.Fixes, newSARIFFix(fix.Message, edits))
	}
	return r
}

// newSARIFFix returns a fix of edits that are sorted by file and place.
func newSARIFFix(message string, edits []rules.Edit) sarifFix {
	fix := sarifFix{Description: sarifMessage{escape.SARIFMessage(message)}}
	for i, e := range edits {
		at := *newSARIFLocation(newRule(explain.Place{At: e.At})).PhysicalLocation
		if i == 0 || edits[i-1].At.File != e.At.File {
			fix.ArtifactChanges = append(fix.ArtifactChanges, sarifArtifactChange{ArtifactLocation: at.ArtifactLocation})
		}
		change := &fix.ArtifactChanges[len(fix.ArtifactChanges)-1]
		change.Replacements = append(change.Replacements, newSARIFReplacement(e, at.Region))
	}
	return fix
}

// newSARIFReplacement returns an edit. One whose text is not UTF-8 is a
// replacement of bytes (section 3.57.2), as no text of JSON could be exact.
func newSARIFReplacement(e rules.Edit, region sarifRegion) sarifReplacement {
	switch {
	case e.New == "":
		return sarifReplacement{DeletedRegion: region}
	case !utf8.ValidString(e.New):
		offset, length := e.At.Span.Start, e.At.Span.End-e.At.Span.Start
		return sarifReplacement{
			DeletedRegion:   sarifRegion{ByteOffset: &offset, ByteLength: &length},
			InsertedContent: &sarifContent{Binary: []byte(secret.Policy(e.New, nil))},
		}
	}
	return sarifReplacement{DeletedRegion: region, InsertedContent: &sarifContent{Text: secret.Policy(e.New, nil)}}
}

func newSARIFLocation(r Rule) sarifLocation {
	name := r.File
	if !r.at.IsZero() {
		name = r.at.File.Name // which need not be UTF-8
	}
	region := sarifRegion{StartLine: r.Line, StartColumn: max(r.Column, 1), EndLine: max(r.EndLine, r.Line), EndColumn: max(r.EndColumn, 1)}
	if region.EndLine == region.StartLine {
		region.EndColumn = max(region.EndColumn, region.StartColumn)
	}
	return sarifLocation{PhysicalLocation: &sarifPhysical{ArtifactLocation: sarifArtifact{URI: fileURI(name)}, Region: region}}
}

// fileURI returns a file's name as a URI reference: relative names stay so.
func fileURI(name string) string {
	slash := filepath.ToSlash(name)
	if path.IsAbs(slash) || filepath.IsAbs(name) {
		u := url.URL{Scheme: "file", Path: "/" + strings.TrimPrefix(slash, "/")}
		return u.String()
	}
	u := url.URL{Path: slash}
	return u.String()
}
