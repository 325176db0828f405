package main

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What packages make before main runs is paid by every command, `whydenied --version` too:
// tables of expressions and files that are compiled in are read when they are first needed.
// Bytes are compared, as times are those of the machine.
func TestStartsAtOnce(t *testing.T) {
	const most = 256 << 10 // of one package; of one it was 1.7 MB
	cmd := exec.Command(os.Args[0])
	cmd.Args = []string{"whydenied", "--version"}
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	trace, err := cmd.CombinedOutput()
	require.NoError(t, err)
	made := regexp.MustCompile(`(?m)^init (\S+) @.* (\d+) bytes, \d+ allocs$`).FindAllStringSubmatch(string(trace), -1)
	require.NotEmpty(t, made, "%s", trace)
	total := 0
	for _, m := range made {
		name, ours := strings.CutPrefix(m[1], "github.com/whydenied/whydenied/")
		if !ours || name == "cmd/whydenied" || strings.HasPrefix(name, "testdata/") { // the tests are among its variables
			continue
		}
		bytes, err := strconv.Atoi(m[2])
		require.NoError(t, err)
		assert.LessOrEqual(t, bytes, most, "init of %s: is a table made before it is needed?", name)
		total += bytes
	}
	assert.LessOrEqual(t, total, 5*most, "all packages together")
}
