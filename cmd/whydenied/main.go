// Command whydenied explains why AppArmor or seccomp refused something to a
// container, names the rule responsible, and proposes the smallest patch.
package main

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// endsItself is set by commands that go on after a signal: they sum up what they
// saw, or wait for the command that they run.
var endsItself atomic.Bool

func main() {
	collectRarely()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A read that waits for a pipe or a terminal does not see the context end.
	context.AfterFunc(ctx, func() {
		stop() // the next signal ends the program at once
		time.Sleep(time.Second)
		if endsItself.Load() {
			return
		}
		say(os.Stderr, "interrupted")
		os.Exit(exitFailed)
	})
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
