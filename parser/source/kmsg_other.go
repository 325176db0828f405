//go:build !linux

package source

import (
	"context"
	"errors"
	"io"
	"time"
)

const kmsgPath = "/dev/kmsg"

func openKmsg(context.Context) (io.ReadCloser, time.Time, error) {
	return nil, time.Time{}, errors.New("only Linux has it")
}
