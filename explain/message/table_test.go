package message

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

var update = flag.Bool("update", false, "write docs/messages.md anew")

// sample is a line that holds the text of a row.
func sample(r *Row) string {
	return strings.NewReplacer("{error}", "Operation not permitted", "{EPERM}", "Operation not permitted", "{EACCES}", "Permission denied",
		"{path}", "/srv/a", "{word}", "word", "{n}", "7", "{any}", "any text ", "{nr}", "0230").Replace(r.Text)
}

// TestRows holds that each row is read as it says, wherever the text stands, and is not
// hidden by one above it.
func TestRows(t *testing.T) {
	assert.GreaterOrEqual(t, len(Rows()), 150)
	used := map[string]bool{}
	for _, r := range Rows() {
		used[r.Hint] = true
		assert.True(t, r.Hint == "" || hints[r.Hint].says != "", r.Text)
		assert.True(t, len(r.Calls) > 0 || r.Hint != "", r.Text)
		for _, call := range r.Calls {
			assert.True(t, isCall(call.Syscall) || call.Syscall == "{nr}", "%s: %s", r.Text, call.Syscall)
		}
		for _, before := range []string{"", "2026-11-25T10:00:00Z ", "web-1  | ", "[main] error: ", "level=fatal msg=\"x: "} {
			line := before + sample(&r)
			found, _ := find(Rows(), lowerASCII(line))
			if !assert.NotNil(t, found, line) {
				break
			}
			assert.Equal(t, r.Text, found.Text, line)
			a, ok := Read(parser.Origin{}, line, seccomp.X86_64)
			require.True(t, ok, line)
			if r.Errno != "" {
				assert.Equal(t, r.Errno, a.Errno, line)
			}
			if len(r.Calls) > 0 && r.Calls[0].Syscall != "{nr}" {
				assert.Equal(t, r.Calls, append([]parser.Tried{{Syscall: a.Syscall, Args: a.Args}}, a.Or...), line)
				assert.NotEmpty(t, a.Errno, line)
			}
			assert.Equal(t, hints[r.Hint], hint{a.Layer, a.Hint}, line)
		}
	}
	for name := range hints {
		assert.True(t, used[name], "no text has the hint %s", name)
	}
}

// TestDocs holds that docs/messages.md is the table.
func TestDocs(t *testing.T) {
	var b strings.Builder
	seen := 0
	cell := func(s string) string { return strings.NewReplacer("|", "\\|", "<", "&lt;").Replace(s) }
	for _, r := range Rows() {
		if r.Seen() {
			seen++
		}
		var means []string
		for _, c := range r.Calls {
			call := c.Syscall
			if c.Args != nil {
				call += "(" + strings.Join(c.Args, ", ") + ")"
			}
			means = append(means, "`"+call+"`")
		}
		what := strings.Join(means, ", ")
		if r.Errno != "" {
			what = strings.TrimSpace(r.Errno + " " + what)
		}
		if r.Hint != "" {
			what = strings.TrimPrefix(what+"; ", "; ") + "[" + r.Hint + "](#" + r.Hint + ")"
		}
		text := strings.ReplaceAll(r.Text, "`", "'")
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", cell(text), cell(r.From), what, cell(r.Source))
	}
	var h strings.Builder
	for _, name := range sortedHints() {
		fmt.Fprintf(&h, "### %s\n\n%s.\n\n", name, hints[name].says)
	}
	page := fmt.Sprintf(docsHead, len(Rows()), seen) + b.String() + "\n## What the names mean\n\n" + strings.TrimSuffix(h.String(), "\n")
	const name = "../../docs/messages.md"
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(page), 0o644))
	}
	have, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, page, string(have), "go test ./explain/message -update")
}

func sortedHints() []string { return slices.Sorted(maps.Keys(hints)) }

const docsHead = `# Messages

What programs, runtimes and engines print when something was refused, and what it means: the table by which
` + "`whydenied explain --stderr FILE`" + ` reads them (explain/message/messages.tsv, of which a test writes this page).

` + "`{error}`" + ` is any refusal by its name, ` + "`{EPERM}`" + ` is "Operation not permitted", ` + "`{EACCES}`" + ` "Permission denied". The calls are
suspects, the likeliest first: the policy says whether one of them is refused. %d texts; of %d of them the
program was made to fail and print it (seen, with its version), the others are those of the public source that is named.
A name of a call before a colon or a parenthesis is the call, in whatever program's text.

| text | printed by | suspect | known from |
|---|---|---|---|
`
