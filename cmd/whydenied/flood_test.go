package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/explain/patch"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/parser/source"
)

// flooded returns denials of names that a program made up.
func flooded(pid, from, n int) []parser.Denial {
	var log strings.Builder
	for i := range n {
		fmt.Fprintf(&log, `type=AVC msg=audit(1795427169.844:%d): apparmor="DENIED" operation="open" profile="web" name="/invented/%d/x" pid=%d comm="sh" requested_mask="w" denied_mask="w" fsuid=0 ouid=0`+"\n", from+i, from+i, pid)
	}
	denials, _ := parser.Scan(nil, parser.Block{Body: []byte(log.String())})
	return denials
}

// Whatever one container floods a watch with, the denial of another is told after at
// most one more explanation, and which budget is spent is told at once, once.
func TestFloodDelaysNobody(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "web")
	require.NoError(t, os.WriteFile(file, []byte("profile web {\n}\n"), 0o600))
	var messages []report.Message
	explainer := explain.New(library.New(dir, nil))
	s := &stream{
		explainer: explainer, suggestions: patch.NewSuggestions(explainer), printed: map[*explain.Finding]*printed{}, waiting: make(chan struct{}, 1),
		print: func(m report.Message) error { messages = append(messages, m); return nil },
		Session: explain.NewSession(func(s container.Subject) container.Container {
			return container.Container{Name: fmt.Sprint("container-", s.PID), Confidence: container.High}
		}, explain.Filter{}),
	}
	require.NoError(t, s.take(source.Batch{Denials: flooded(1, 1, 6000)}))
	require.Len(t, messages, 1, "nothing is explained while records are taken")
	assert.Equal(t, "budget", messages[0].Notice.Kind)
	assert.Contains(t, messages[0].Notice.Text, "container container-1 under profile web has room for")
	for range 100 {
		require.True(t, s.explainNext())
	}
	s.revise(1)
	require.NoError(t, s.take(source.Batch{Denials: flooded(1, 6000, 6000)}))
	require.NoError(t, s.take(source.Batch{Denials: flooded(2, 20000, 1)}))
	messages = nil
	require.True(t, s.explainNext())
	require.True(t, s.explainNext())
	require.Len(t, messages, 2, "a budget is told once")
	assert.Equal(t, "container-2", messages[1].Finding.Container.Name)
	assert.NotEmpty(t, messages[1].Finding.Fixes)
}
