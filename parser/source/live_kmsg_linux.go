package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// openRing opens the kernel's ring buffer, which holds the newest messages since
// boot.
func openRing(from Start) (*Live, error) {
	fd, err := unix.Open(kmsgPath, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, os.ErrPermission) {
		err = fmt.Errorf("%w; %s is needed: run as root", err, Syslog)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kmsgPath, err)
	}
	if !from.past() {
		if _, err := unix.Seek(fd, 0, unix.SEEK_END); err != nil {
			unix.Close(fd)
			return nil, fmt.Errorf("%s: %w", kmsgPath, err)
		}
	}
	r := &ring{file: os.NewFile(uintptr(fd), kmsgPath), last: from.Last, auditd: auditd()}
	l := &Live{
		Name: "kmsg", Taken: "the kernel's ring buffer (" + kmsgPath + ")", from: from, hold: 2 * time.Millisecond,
		stream: r,
	}
	if r.auditd != 0 {
		l.Taken += fmt.Sprintf(", although auditd (process %d) runs and gets the records in its place", r.auditd)
	}
	return l, nil
}

// ring is the ring buffer's device, each read of which gives one record.
type ring struct {
	file   *os.File
	auditd int               // its process ID when the ring was opened, or 0
	last   int               // records of the past to begin with, if not 0
	wanted func([]byte) bool // nil for all
	next   uint64            // sequence number after that of the last record; 0 if there was none
	record [8192]byte        // see kmsg
}

func (r *ring) close() { r.file.Close() }

func (r *ring) run(ctx context.Context, in *intake) error {
	ctx, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	defer func() { <-watched }()
	defer stop()
	go func() {
		watchAuditd(ctx, in, r.auditd)
		close(watched)
	}()
	return r.read(ctx, in)
}

func (r *ring) read(ctx context.Context, in *intake) error {
	defer context.AfterFunc(ctx, func() { r.file.SetReadDeadline(time.Unix(1, 0)) })()
	if r.last > 0 {
		if err := r.newest(in); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil // whose deadline newest may have undone
		}
	}
	for {
		record, err := r.one(in)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("cannot read the ring buffer: %w", err)
		case r.wanted == nil || r.wanted(record):
			in.lines(record)
		}
	}
}

// newest gives the last records of those that there are now.
func (r *ring) newest(in *intake) error {
	records := make([][]byte, 0, min(r.last, 1024))
	r.file.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	for {
		record, err := r.one(in)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			return err
		}
		if len(records) == r.last {
			records = records[1:]
		}
		records = append(records, bytes.Clone(record))
	}
	for _, record := range records {
		in.lines(record)
	}
	r.file.SetReadDeadline(time.Time{})
	return nil
}

// one returns the next record, "5,123,456,-;message" and perhaps further lines,
// and counts those that were overwritten before they were read: their sequence
// numbers are missing (Documentation/ABI/testing/dev-kmsg).
func (r *ring) one(in *intake) ([]byte, error) {
	for {
		n, err := r.file.Read(r.record[:])
		switch {
		case errors.Is(err, unix.EPIPE):
			if r.next == 0 {
				in.notice(Notice{Lost, 0, "ring buffer: messages were overwritten before the first was read"})
			}
			continue // with the oldest
		case errors.Is(err, unix.EINVAL):
			continue // a record of more than the documented size, whose number will be missing
		case err != nil:
			return nil, err
		}
		record := r.record[:n]
		r.count(record, in)
		return record, nil
	}
}

func (r *ring) count(record []byte, in *intake) {
	fields := bytes.SplitN(record, []byte(","), 3)
	if len(fields) < 3 {
		return
	}
	number, err := strconv.ParseUint(string(fields[1]), 10, 64)
	if err != nil {
		return
	}
	if r.next != 0 && number > r.next && r.wanted == nil {
		lost := int(number - r.next)
		in.notice(Notice{Lost, lost, fmt.Sprintf("ring buffer: %d messages were overwritten before they were read", lost)})
	}
	r.next = number + 1
}
