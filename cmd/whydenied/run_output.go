package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/report"
)

// runFormats are the values of --format.
var runFormats = []string{"text", "json", "sarif", "junit", "markdown"}

// printer returns a function that prints a message while the command runs, and
// one that prints what is due at the end. Formats that hold all findings at once
// print nothing until then.
func (f *runFlags) printer(cmd *cobra.Command, out *bufio.Writer) (print func(report.Message) error, finish func([]*explain.Explained, *explain.Patch) error, err error) {
	atEnd := func(report.Message) error { return nil }
	switch f.output.format {
	case "text":
		opts, err := f.output.textOptions(cmd)
		return report.NewText(out, opts), func(findings []*explain.Explained, patch *explain.Patch) error {
			f.annotate(out, findings)
			if len(findings) == 0 {
				return nil
			}
			fmt.Fprintln(out)
			return report.NewPatch(patch).WriteDiff(out)
		}, err
	case "json":
		return report.NewJSON(out), func(_ []*explain.Explained, patch *explain.Patch) error {
			return report.NewJSON(out)(report.Message{Patch: report.NewPatch(patch)})
		}, nil
	case "sarif":
		return atEnd, func(_ []*explain.Explained, patch *explain.Patch) error {
			return report.WriteSARIF(out, version(), report.PatchDiagnostics(patch), true)
		}, nil
	case "junit":
		return atEnd, func(findings []*explain.Explained, _ *explain.Patch) error {
			return report.WriteJUnit(out, wire(findings))
		}, nil
	case "markdown":
		return atEnd, func(findings []*explain.Explained, patch *explain.Patch) error {
			return report.WriteMarkdown(out, wire(findings), report.NewPatch(patch))
		}, nil
	}
	return nil, nil, usagef("--format %q is unknown; use %s", f.output.format, oneOf(runFormats))
}

func wire(findings []*explain.Explained) []report.Finding {
	out := make([]report.Finding, len(findings))
	for i, f := range findings {
		out[i] = report.New(*f)
	}
	return out
}

// annotate writes findings as annotations of a workflow run, where one runs:
// the workflow commands of GitHub Actions.
func (f *runFlags) annotate(out *bufio.Writer, findings []*explain.Explained) {
	if os.Getenv("GITHUB_ACTIONS") != "true" {
		return
	}
	escape := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace
	for _, m := range wire(findings) {
		where := "title=" + property("whydenied: "+m.Cause)
		if len(m.Rules) > 0 && m.Rules[0].Builtin == "" {
			where += fmt.Sprintf(",file=%s,line=%d", property(m.Rules[0].File), m.Rules[0].Line)
		}
		fmt.Fprintf(out, "::error %s::%s\n", where, escape(m.Message+": "+m.Why))
	}
}
