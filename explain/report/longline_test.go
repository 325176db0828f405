package report

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/whydenied/whydenied/rules"
)

// A line that nobody reads is not told for each thing to say about it.
func TestLongLine(t *testing.T) {
	file := rules.NewFile("f", "short\n"+strings.Repeat("x", maxLine+1)+"\n"+strings.Repeat("y", maxLine))
	at := func(line int) rules.Diagnostic {
		start := file.LineStart(line) + 3
		return rules.Diagnostic{At: rules.Location{File: file, Span: rules.Span{Start: start, End: start + 1}}}
	}
	for line, want := range map[int]int{1: len("short"), 2: 0, 3: maxLine} {
		assert.Len(t, NewDiagnostic(at(line)).Rule.Text, want)
	}
	assert.Equal(t, "the line has 65537 bytes and is not shown", NewDiagnostic(at(2)).Rule.Note)
}
