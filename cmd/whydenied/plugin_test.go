package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPluginArgs(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"whydenied explain whydenied", "explain whydenied"},
		{"/usr/libexec/docker/cli-plugins/docker-whydenied whydenied explain -", "explain -"},
		{"docker-whydenied --context x whydenied explain whydenied", "explain whydenied"},
		{"docker-whydenied docker-cli-plugin-metadata", "docker-cli-plugin-metadata"},
		{"docker-whydenied.exe whydenied --version", "--version"},
		{"kubectl-whydenied explain -", "explain -"},
		{"docker-whydenied", ""},
	} {
		assert.Equal(t, strings.Fields(test.want), append([]string{}, pluginArgs(strings.Fields(test.line))...), test.line)
	}
}

func TestPluginMetadata(t *testing.T) {
	var out bytes.Buffer
	require.Equal(t, exitClean, run(context.Background(), []string{"docker-cli-plugin-metadata"}, strings.NewReader(""), &out, &out))
	var said map[string]string
	require.NoError(t, json.Unmarshal(out.Bytes(), &said))
	assert.Equal(t, "0.1.0", said["SchemaVersion"])
	assert.NotEmpty(t, said["Vendor"])
}
