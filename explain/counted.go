package explain

import (
	"cmp"
	"time"

	"github.com/whydenied/whydenied/explain/container"
)

// A Counted is one denial that was counted in a finding, for who keeps more of it than
// the finding does.
type Counted struct {
	Finding *Finding
	Time    time.Time // zero if the log has none
	Serial  uint32    // of its event; 0 if the log has none
	PID     int
	Node    string // that logged it; "" if the log does not say
	Line    int    // of its log

	// What it was counted in of the finding's Containers and Programs; nil where it is of none.
	Container, Program *Tallied
	Made               time.Time // when the container was, as far as that is known
}

// made is when a container was made, the zero time if that is not known.
func made(c *container.Container) time.Time { return cmp.Or(c.Created, c.Started) }
