package report

import (
	"encoding/xml"
	"fmt"
	"io"
)

// The JUnit form, as test runners and CI systems read it: one failed test case
// for each finding.
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
		Name    string       `xml:"name,attr"`
		Class   string       `xml:"classname,attr"`
		Failure junitFailure `xml:"failure"`
	}
	junitFailure struct {
		Type    string `xml:"type,attr"`
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes findings as JUnit XML.
func WriteJUnit(w io.Writer, findings []Finding) error {
	suite := junitSuite{Name: "whydenied", Tests: len(findings), Failures: len(findings)}
	for i := range findings {
		f := &findings[i]
		text := f.Why + "\n"
		for _, r := range f.Rules {
			text += fmt.Sprintf("%s:%d:%d: %s\n", r.File, r.Line, r.Column, r.Note)
		}
		for n, x := range f.Fixes {
			text += fmt.Sprintf("fix %d: %s (risk: %s)\n%s\n", n+1, x.Message, x.Risk, x.Rule)
		}
		suite.Cases = append(suite.Cases, junitCase{
			Name:    Escape(f.Message),
			Class:   "whydenied." + f.Cause,
			Failure: junitFailure{Type: f.Cause, Message: Escape(f.Message), Text: escapeLines(text)},
		})
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
