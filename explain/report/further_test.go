package report

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
)

// A finding of further names says which in every format, and none of them in its
// sentence.
func TestFurther(t *testing.T) {
	for class, want := range map[string]string{
		"file":    "evil in container web was refused further accesses of class file",
		"syscall": "evil in container web was refused further system calls",
		"":        "evil in container web was refused further accesses of any kind",
	} {
		f := Finding{Further: &Further{Class: class, Samples: []string{"/x"}}, Mode: "DENIED", Subject: Subject{Comm: "evil"},
			Container: &Container{Name: "web", Confidence: "high"}}
		assert.Equal(t, want, sentenceOf(&f).String())
	}
	f := poison(t)
	f.Finding.Further, f.Fixes, f.Rules = &explain.Further{Class: "file", Samples: []string{evil}, Why: evil}, nil, nil
	wire := NewFinding(f)
	for _, format := range Formats {
		r := new(Report)
		require.NoError(t, r.Add(Message{Finding: &wire}))
		var out bytes.Buffer
		require.NoError(t, format.Write(&out, r, TextOptions{Width: 100}))
		assert.Contains(t, out.String(), "further", format.Name)
		assertPrintable(t, out.String())
	}
}
