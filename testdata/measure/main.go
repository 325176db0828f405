// Command measure runs another command and prints what it took to standard
// error: wall-clock and CPU time in seconds, peak resident memory in KiB and the
// exit status. It is GNU time for machines that have none.
//
//	measure COMMAND [ARG]...    prints "0.213 0.402 18432 3"
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: measure COMMAND [ARG]...")
		os.Exit(2)
	}
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stdin, cmd.Stdout = os.Stdin, os.Stdout
	began := time.Now()
	err := cmd.Run()
	elapsed := time.Since(began)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
	state := cmd.ProcessState
	cpu := state.UserTime() + state.SystemTime()
	fmt.Fprintf(os.Stderr, "%.3f %.3f %d %d\n", elapsed.Seconds(), cpu.Seconds(), peakKiB(state), state.ExitCode())
}
