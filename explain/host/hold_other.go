//go:build !linux

package host

import (
	"context"
	"io"
	"os"
	"os/exec"
	"time"
)

// Hold applies nothing where there is no Linux.
func (h Host) Hold(file string, levers []Lever, guardian *exec.Cmd) (changes []Change, release func() error, err error) {
	return nil, nil, errUnsupported
}

// Guard has nothing to undo where there is no Linux.
func (h Host) Guard(ctx context.Context, in *os.File, out io.Writer, file, owner string, limit time.Duration) error {
	return errUnsupported
}

func lockState(*os.File) (*os.File, error) { return nil, errUnsupported }

func stateLocked(string) bool { return false }
