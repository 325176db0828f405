package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/parser/source"
)

// TestProgressLine: how fast it goes, and how long it takes where the size is known.
func TestProgressLine(t *testing.T) {
	for _, test := range []struct {
		bytes, total int
		want         string
	}{
		{30 << 20, 90 << 20, "read 30 of 90 MB (15 MB/s, 4s left), 7 denials"},
		{30 << 20, 0, "read 30 MB (15 MB/s), 7 denials"},
		{30 << 20, 20 << 20, "read 30 MB (15 MB/s), 7 denials"}, // it was compressed
		{0, 20 << 20, "read 0 MB (0 MB/s), 7 denials"},
	} {
		p := progress{bytes: test.bytes, total: test.total, denials: 7}
		assert.EqualValues(t, test.want, p.line(2*time.Second))
	}
}

func TestSizeOf(t *testing.T) {
	dir := t.TempDir()
	log, packed := filepath.Join(dir, "audit.log"), filepath.Join(dir, "audit.log.1.gz")
	require.NoError(t, os.WriteFile(log, make([]byte, 300), 0o600))
	require.NoError(t, os.WriteFile(packed, make([]byte, 300), 0o600))
	size := func(names ...string) int { return sizeOf(source.Inputs(names, nil)) }
	assert.Equal(t, 600, size(log, log))
	assert.Zero(t, size(log, packed))
	assert.Zero(t, size(log, "-"))
	assert.Zero(t, size(log, filepath.Join(dir, "missing")))
}
