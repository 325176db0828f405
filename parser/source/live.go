package source

import (
	"context"
	"errors"
	"time"
)

// A Start says where in a log to begin. The zero Start is now: only what comes
// from here on.
type Start struct {
	Since time.Time // with the records from this time on; zero for none of the past
	Last  int       // with this many of the newest lines; not with Since
}

// A Live is an opened source of records as they come, which Follow reads. All
// that needs privilege was done when it was opened, but for Needs.
type Live struct {
	Name   string       // audit, kmsg, journal, or the file's name
	Taken  string       // which it is, for people
	Passed []string     // why better ones were passed over, one sentence each
	Needs  []Capability // what the source needs later on, if it needs it now; see DropCapabilities

	from   Start
	stream stream
	// hold is how long a line waits for the rest of its event. The kernel writes
	// the records of an event within microseconds, but those of events on other
	// CPUs come between them, so that neither the next serial nor an EOE record
	// tells that an event is whole.
	hold time.Duration
}

// Close closes a Live that is not followed.
func (l *Live) Close() { l.stream.close() }

// A stream is what each kind of source is to Follow.
type stream interface {
	// run gives what comes to in, until ctx ends or the source does. The error
	// says why the source ended, and is nil if ctx did.
	run(ctx context.Context, in *intake) error
	close()
}

// Open opens a file to be followed, which need not exist yet.
func Open(name string, from Start) (*Live, error) {
	if from.Last < 0 || from.Last > 0 && !from.Since.IsZero() {
		return nil, errors.New("begin either at a time or with the last lines")
	}
	return openFile(name, from)
}
