package report

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/rules"
)

// The JUnit form, as test runners and CI systems read it: a failed test case for
// each finding and each error, and one that passed for what the gate of a run lets pass and
// for what else is said of a policy file.
type (
	junitSuites struct {
		XMLName xml.Name   `xml:"testsuites"`
		Suite   junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     escape.Text `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    escape.Text   `xml:"name,attr"`
		Class   escape.Text   `xml:"classname,attr"`
		Failure *junitFailure `xml:"failure"`
		Output  escape.Text   `xml:"system-out,omitempty"`
	}
	junitFailure struct {
		Type    escape.Text `xml:"type,attr"`
		Message escape.Text `xml:"message,attr"`
		Text    escape.Text `xml:",chardata"`
	}
)

// writeJUnit writes findings and diagnostics as JUnit XML.
func writeJUnit(w io.Writer, r *Report, _ TextOptions) error {
	return escape.XML(w, junitSuites{Suite: suiteOf(r)})
}

// writeTAP writes the same test cases by the Test Anything Protocol, version 14.
func writeTAP(w io.Writer, r *Report, _ TextOptions) error {
	suite := suiteOf(r)
	var out escape.Builder[escape.Text]
	out.Add("TAP version 14\n", escape.Linef("1..%d", suite.Tests), "\n")
	for i, c := range suite.Cases {
		status, text := "ok", c.Output
		if c.Failure != nil {
			status, text = "not ok", c.Failure.Text
		}
		// A # would begin a directive.
		out.Add(escape.Linef("%s %d - %s", status, i+1, strings.ReplaceAll(string(c.Name), "#", `\#`)), "\n")
		for line := range strings.Lines(string(text)) {
			out.Add("# ", escape.Line(strings.TrimRight(line, "\n")), "\n")
		}
	}
	return escape.Write(w, out.Text())
}

// suiteOf returns findings and diagnostics as test cases.
func suiteOf(r *Report) junitSuite {
	suite := junitSuite{Name: "whydenied"}
	for i := range r.Findings {
		f := &r.Findings[i]
		fixes := f.Fixes
		if len(fixes) == 0 && r.Patch != nil {
			fixes = r.Patch.fixes(f.ID)
		}
		why := f.Why
		if f.Unchecked != nil {
			why += fmt.Sprintf("\n%s\n%s", f.Unchecked.Rule, f.Unchecked.Unproved)
		}
		if gate := f.gateWords(); gate != "" {
			why = strings.TrimPrefix(why+"\n"+gate, "\n")
		}
		suite.add(f.Cause, f.Message, why, !f.passes(), f.Rules, fixes)
	}
	for _, d := range r.Diagnostics {
		places := d.Related
		if d.Line > 0 {
			places = append([]Rule{d.Rule}, places...)
		}
		suite.add(d.Code, d.Message, "", d.Severity == rules.Error.String(), places, d.Fixes)
	}
	return suite
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
	c := junitCase{Name: escape.Line(message), Class: "whydenied." + escape.Line(class), Output: escape.Lines(text)}
	if failed {
		c.Failure, c.Output = &junitFailure{Type: escape.Line(class), Message: c.Name, Text: c.Output}, ""
		s.Failures++
	}
	s.Tests++
	s.Cases = append(s.Cases, c)
}
