package report

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// The JUnit form, as test runners and CI systems read it: a failed test case for
// each finding and each error, and one that passed for what else is said of a
// policy file.
type (
	junitSuites struct {
		XMLName xml.Name   `xml:"testsuites"`
		Suite   junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Failure *junitFailure `xml:"failure"`
		Output  string        `xml:"system-out,omitempty"`
	}
	junitFailure struct {
		Type    string `xml:"type,attr"`
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// writeJUnit writes findings and diagnostics as JUnit XML.
func writeJUnit(w io.Writer, r *Report, _ TextOptions) error {
	suite := junitSuite{Name: "whydenied"}
	for i := range r.Findings {
		f := &r.Findings[i]
		fixes := f.Fixes
		if len(fixes) == 0 && r.Patch != nil {
			fixes = r.Patch.fixes(f.ID)
		}
		suite.add(f.Cause, f.Message, f.Why, true, f.Rules, fixes)
	}
	for _, d := range r.Diagnostics {
		places := d.Related
		if d.Line > 0 {
			places = append([]Rule{d.Rule}, places...)
		}
		suite.add(d.Code, d.Message, "", d.Severity == rules.Error.String(), places, d.Fixes)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(junitSuites{Suite: suite}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// add adds a test case.
func (s *junitSuite) add(class, message, why string, failed bool, places []Rule, fixes []Fix) {
	text := ""
	if why != "" {
		text = why + "\n"
	}
	for _, r := range places {
		text += fmt.Sprintf("%s:%d:%d: %s\n", r.File, r.Line, r.Column, cmp.Or(r.Note, strings.TrimSpace(r.Text)))
	}
	for n, x := range fixes {
		text += fmt.Sprintf("fix %d: %s (risk: %s)\n%s\n", n+1, x.Message, x.Risk, x.Rule)
	}
	class, message, text = Escape(class), Escape(message), escapeLines(text)
	c := junitCase{Name: message, Class: "whydenied." + class, Output: text}
	if failed {
		c.Failure, c.Output = &junitFailure{Type: class, Message: message, Text: text}, ""
		s.Failures++
	}
	s.Tests++
	s.Cases = append(s.Cases, c)
}
