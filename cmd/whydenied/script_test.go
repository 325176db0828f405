package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/whydenied/whydenied/explain/host"
)

// TestMain lets scripts run the program as a command of its own. What it prints
// must not depend on this machine, such as whether it has apparmor_parser; TestCompiler
// asks for it. The host that the program runs on is one below TEST_HOST.
func TestMain(m *testing.M) {
	compilerName = ""
	thisHost = host.Host{Root: cmp.Or(os.Getenv("TEST_HOST"), "/nonexistent"), Run: saidBelow}
	testscript.Main(m, map[string]func(){"whydenied": main})
}

// saidBelow is a host.Host.Run that answers with what the directory TEST_HOST has of a
// program: a file bin/PROGRAM.
func saidBelow(_ context.Context, program string, _ ...string) ([]byte, error) {
	said, err := os.ReadFile(filepath.Join(thisHost.Root, "bin", program))
	if err != nil {
		return nil, exec.ErrNotFound
	}
	return said, nil
}

// TestScripts runs the command line end to end.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Cmds:          map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits is "exits CODE COMMAND...": it runs a command, which must exit with the
// code. Its output is there for stdout and stderr as after exec.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%v exited with %d, not %d", args[1:], got, want)
	}
}
