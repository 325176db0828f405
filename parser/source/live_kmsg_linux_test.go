package source

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// fakeRing returns a ring that gives what is said, a record a time, as the
// device does.
func fakeRing(t *testing.T) (r *ring, say func(sequence int, message string)) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(fds[1]) })
	return &ring{file: os.NewFile(uintptr(fds[0]), "ring")}, func(sequence int, message string) {
		_, err := unix.Write(fds[1], fmt.Appendf(nil, "5,%d,1000,-;%s\n", sequence, message))
		require.NoError(t, err)
	}
}

// printed is a record as the kernel prints it.
func printed(line int) string {
	return "audit: type=1400 " + strings.TrimSuffix(strings.TrimPrefix(avc(line), "type=AVC msg="), "\n")
}

func TestFollowRing(t *testing.T) {
	r, say := fakeRing(t)
	w := watch(t, &Live{Name: "kmsg", stream: r})
	say(7, printed(1))
	say(8, "eth0: link is up\n SUBSYSTEM=net")
	say(9, printed(2))
	w.sees(1, 2)
	say(15, printed(3))
	say(16, printed(4))
	w.sees(1, 2, 3, 4)
	assert.Equal(t, []Notice{{Lost, 5, "ring buffer: 5 messages were overwritten before they were read"}}, w.notices)
}

func TestFollowRingFromTheLast(t *testing.T) {
	r, say := fakeRing(t)
	r.last = 2
	for i := range 5 {
		say(i, printed(i))
	}
	w := watch(t, &Live{Name: "kmsg", stream: r})
	w.sees(3, 4)
	say(5, printed(5))
	w.sees(3, 4, 5)
	assert.Empty(t, w.notices)
}

// With the audit netlink comes what the kernel says that it dropped, and not the
// records once more. A process cannot say it in its place.
func TestLostOfTheNetlink(t *testing.T) {
	r, say := fakeRing(t)
	r.wanted = tellsLost
	w := watch(t, &Live{Name: "audit", stream: r})
	say(1, printed(1))
	say(90, "audit: audit_lost=41 audit_rate_limit=0 audit_backlog_limit=64")
	w.until("what was lost", func() bool { return w.stats.Lost.AuditLost == 41 })
	assert.Empty(t, w.names)
	assert.Empty(t, w.notices)
	assert.False(t, tellsLost([]byte("12,1,1,-;audit: audit_lost=5 audit_rate_limit=0")), "facility 1")
	assert.False(t, tellsLost([]byte("5,1,1,-;x: audit: audit_lost=5")))
}
