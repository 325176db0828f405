package report

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/whydenied/whydenied/rules"
)

// Of a long line what is around the place is told, and where in the line that is.
func TestLongLine(t *testing.T) {
	file := rules.NewFile("f", "short\n"+strings.Repeat("x", 70000)+"\n"+strings.Repeat("é", 700))
	at := func(line, n int) Rule {
		start := file.LineStart(line) + n
		return NewDiagnostic(rules.Diagnostic{At: rules.Location{File: file, Span: rules.Span{Start: start, End: start + 1}}}).Rule
	}
	for _, test := range []struct{ line, at, length, column int }{
		{1, 3, 5, 0}, {2, 3, 515, 0}, {2, 60000, 1024, 60001 - 512}, {2, 69999, 513, 70000 - 512}, {3, 600, 700, 0},
	} {
		r := at(test.line, test.at)
		assert.Equal(t, test.length, utf8.RuneCountInString(r.Text), "%+v", test)
		assert.Equal(t, test.column, r.TextColumn, "%+v", test)
	}
}
