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

// endsItself is set while a command goes on after a signal: it sums up what it saw, or
// waits for the command that it runs. Its exit status stands then.
var endsItself atomic.Bool

func main() {
	collectRarely()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, pluginArgs(os.Args), os.Stdin, os.Stdout, os.Stderr) }()
	select {
	case code := <-ended:
		os.Exit(code)
	case sig := <-signals:
		signal.Stop(signals) // the next one ends the program at once
		stop()
		os.Exit(interrupted(sig.(syscall.Signal), ended))
	}
}

// interrupted waits for the end of a command after a signal, and returns the exit
// status: that of a shell for a program that the signal ended, unless the command
// ends itself or had done its work. One that reads from a pipe or a terminal does not
// see the context end, and is not waited for.
func interrupted(sig syscall.Signal, ended <-chan int) int {
	select {
	case code := <-ended:
		if code == exitFailed && !endsItself.Load() {
			return 128 + int(sig)
		}
		return code
	case <-time.After(200 * time.Millisecond):
	}
	if endsItself.Load() {
		return <-ended
	}
	say(os.Stderr, "interrupted")
	return 128 + int(sig)
}
