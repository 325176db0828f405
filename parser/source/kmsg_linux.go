package source

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// kmsgPath is the ring buffer's device (Documentation/ABI/testing/dev-kmsg of
// Linux).
const kmsgPath = "/dev/kmsg"

// openKmsg returns the records that the ring buffer holds now, as the device
// gives them: "5,123,456,-;message" with continuation lines that start with a
// space.
func openKmsg(context.Context) (io.ReadCloser, time.Time, error) {
	fd, err := unix.Open(kmsgPath, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		if errors.Is(err, os.ErrPermission) {
			return nil, time.Time{}, errors.New("permission denied; run as root (kernel.dmesg_restrict is set, or the device is root's)")
		}
		return nil, time.Time{}, err
	}
	return &kmsg{fd: fd}, time.Now(), nil
}

// kmsg reads the device, each read of which gives one record and fails if the
// record does not fit.
type kmsg struct {
	fd     int
	rest   []byte     // of record, not yet returned
	record [8192]byte // CONSOLE_EXT_LOG_MAX of kernel/printk/internal.h, PRINTKRB_RECORD_MAX is less
}

// Read returns as many records as fit, and io.EOF after the newest.
func (k *kmsg) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(k.rest) == 0 {
			if err = k.next(); err != nil {
				break
			}
		}
		m := copy(p[n:], k.rest)
		k.rest = k.rest[m:]
		n += m
	}
	if n > 0 {
		return n, nil // the next Read returns the error again
	}
	return 0, err
}

func (k *kmsg) next() error {
	for {
		n, err := unix.Read(k.fd, k.record[:])
		switch {
		case err == unix.EPIPE, err == unix.EINTR: // records were overwritten meanwhile: go on with the oldest
		case err == unix.EAGAIN, err == nil && n == 0:
			return io.EOF
		case err != nil:
			return err
		default:
			k.rest = k.record[:n]
			return nil
		}
	}
}

func (k *kmsg) Close() error { return unix.Close(k.fd) }
