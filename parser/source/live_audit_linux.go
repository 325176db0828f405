package source

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// receiveBuffer is what the kernel may keep for us, in bytes of its own
// bookkeeping: some 2300 for a record, so that this is about a third of a second
// of 40,000 records/s. Beyond rmem_max it takes CAP_NET_ADMIN.
const receiveBuffer = 32 << 20

// openAudit joins the multicast group of the audit netlink (AUDIT_NLGRP_READLOG,
// Linux 3.16), which has all that auditd gets, whether or not it runs.
func openAudit(from Start) (*Live, error) {
	if from.past() {
		return nil, errNoPast
	}
	n, err := openNetlink(receiveBuffer, 1<<(unix.AUDIT_NLGRP_READLOG-1))
	if err != nil {
		return nil, fmt.Errorf("audit netlink: %w", err)
	}
	n.watchRing()
	return &Live{Name: "audit", Taken: "the audit netlink", stream: n, hold: eventHold}, nil
}

// eventHold is how long a record of the netlink waits for the rest of its event.
const eventHold = 2 * time.Millisecond

// watchRing reads the kernel's count of what it lost along, if that is permitted.
func (n *netlink) watchRing() {
	if r, err := openRing(Start{}); err == nil {
		n.ring = r.stream.(*ring)
		n.ring.wanted = tellsLost
	}
}

// tellsLost reports whether a record of the ring buffer is the kernel's count of
// the events that it dropped before they had a serial (audit_log_lost of
// kernel/audit.c).
func tellsLost(record []byte) bool {
	priority, _, _ := bytes.Cut(record, []byte(","))
	n, err := strconv.Atoi(string(priority))
	return err == nil && n < 8 && bytes.Contains(record, []byte(";audit: audit_lost="))
}

// netlink is a socket of the audit netlink. go-libaudit's client neither lets
// its buffer grow nor can be woken up.
type netlink struct {
	file   *os.File
	size   int      // of its buffer, as granted
	ring   *ring    // nil if it cannot be read
	daemon bool     // this process is the audit daemon
	early  [][]byte // messages that came before run

	gaps      gaps
	overflows int // times that the buffer was full since it was told how much that lost
	said      int // of them, those that were said before that was known
	passed    int // events that were passed over for other processes' since that was said
	passedAt  time.Time

	pause time.Duration // between two readings; 0 is none
}

// unhurry has records wait in the buffer, for no longer than 40,000 of them a second take to fill
// a half of it: without CAP_NET_ADMIN it has little room (net.core.rmem_max). The socket is taken
// from Go's own poller then, which wakes up for each record whether or not it is waited for.
func (n *netlink) unhurry() {
	const record, rate = 2300, 40000
	if n.daemon { // for which the kernel waits
		return
	}
	raw, err := n.file.SyscallConn()
	if err != nil {
		return
	}
	var file *os.File
	raw.Control(func(fd uintptr) {
		var apart int
		if apart, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err != nil {
			return
		}
		err = unix.SetNonblock(apart, false) // of which os.NewFile knows that it is not to be polled
		file = os.NewFile(uintptr(apart), "audit netlink")
		err = cmp.Or(err, unix.SetNonblock(apart, true))
	})
	if err != nil {
		return // then each record is read at once
	}
	n.file.Close()
	n.file = file
	n.pause = min(time.Second*time.Duration(n.size/record/2)/rate, lookQuiet/2)
}

// read reads what there is when something came, or nothing for a while. Where there is a pause the
// socket is left alone for that afterwards.
func (n *netlink) read(ctx context.Context, raw syscall.RawConn, drain func(fd uintptr) bool) error {
	if n.pause == 0 {
		n.file.SetReadDeadline(time.Now().Add(patience / 4))
		if ctx.Err() != nil { // whose deadline that may have undone
			return nil
		}
		return raw.Read(drain)
	}
	return raw.Control(func(fd uintptr) {
		wait := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if some, err := unix.Poll(wait, int(lookQuiet/time.Millisecond)); err == nil && some > 0 {
			drain(fd)
			time.Sleep(n.pause)
		}
	})
}

// openNetlink opens a socket that is in multicast groups, or none.
func openNetlink(buffer int, groups uint32) (*netlink, error) {
	if groups != 0 && elsewhere() {
		return nil, errors.New("this process is in a network namespace of its own, where the kernel sends no records; run it in the host's")
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_AUDIT)
	if err == unix.EPROTONOSUPPORT { // netlink(7)
		return nil, fmt.Errorf("%w; the kernel is built without auditing", err)
	}
	if err != nil {
		return nil, err
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer) != nil {
		// Then as much as net.core.rmem_max allows.
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer)
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups})
	}
	if err != nil {
		unix.Close(fd)
		if errors.Is(err, unix.EPERM) {
			return nil, fmt.Errorf("%w; %s in the initial user namespace is needed: run as root, outside a container", err, AuditRead)
		}
		return nil, err
	}
	size, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	return &netlink{file: os.NewFile(uintptr(fd), "audit netlink"), size: size}, nil
}

// maxMessage bounds one message in bytes; the kernel's records have 8,970
// (MAX_AUDIT_MESSAGE_LENGTH of libaudit.h).
const maxMessage = 64 << 10

// elsewhere reports whether this process is known to be in another network
// namespace than the first process, which sees the records of the whole kernel
// (kauditd_send_multicast_skb of kernel/audit.c: init_net).
func elsewhere() bool {
	first, err := os.Readlink("/proc/1/ns/net")
	if err != nil {
		return false
	}
	ours, err := os.Readlink("/proc/self/ns/net")
	return err == nil && ours != first
}

func (n *netlink) close() {
	n.unregister()
	n.file.Close()
	if n.ring != nil {
		n.ring.close()
	}
}

func (n *netlink) run(ctx context.Context, in *intake) error {
	ctx, stop := context.WithCancel(ctx)
	if n.ring != nil {
		ended := make(chan struct{})
		defer func() { <-ended }()
		go func() {
			n.ring.read(ctx, in) // without it, the records still come
			close(ended)
		}()
	}
	defer stop()
	context.AfterFunc(ctx, func() { n.file.SetReadDeadline(time.Unix(1, 0)) })
	raw, err := n.file.SyscallConn()
	if err != nil {
		return err
	}
	r := netlinkReader{netlink: n, in: in, buf: make([]byte, maxMessage)}
	var asked time.Time
	for ctx.Err() == nil {
		r.takeEarly()
		if now := time.Now(); now.Sub(asked) > patience/4 {
			asked = now
			raw.Control(func(fd uintptr) { n.askDaemon(int(fd)) })
		}
		err := n.read(ctx, raw, r.drain)
		if r.err != nil {
			return r.err
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		n.tell(in, time.Now().Add(-patience))
	}
	n.unregister()
	r.takeEarly()
	raw.Control(func(fd uintptr) { // what came before the end
		for range 8 { // more than the buffer holds
			r.drain(fd)
		}
	})
	n.tell(in, time.Now())
	n.sayPassed(in)
	return nil
}

// tell says what was lost up to a time.
func (n *netlink) tell(in *intake, before time.Time) {
	if now := time.Now(); n.passed > 0 && now.Sub(n.passedAt) > time.Second {
		n.sayPassed(in)
		n.passedAt = now
	}
	lost := n.gaps.expire(before)
	switch {
	case lost > 0 && n.overflows > 0:
		in.notice(Notice{Lost, lost, fmt.Sprintf("audit netlink: %s missing: the receive buffer of %d KiB was full %s", events(lost), n.size>>10, times(n.overflows))})
		n.overflows, n.said = 0, 0
	case lost > 0:
		in.notice(Notice{Lost, lost, fmt.Sprintf("audit netlink: %s missing that the kernel numbered and did not send: its rate limit (auditctl -r), a full queue (auditctl -b), or want of memory", events(lost))})
	case n.overflows > n.said && len(n.gaps.holes) == 0:
		in.notice(Notice{Lost, 0, fmt.Sprintf("audit netlink: the receive buffer of %d KiB was full %s: records are missing, how many shows with the next one", n.size>>10, times(n.overflows))})
		n.said = n.overflows
	}
}

// sayPassed says how many events were passed over.
func (n *netlink) sayPassed(in *intake) {
	if n.passed > 0 {
		in.notice(Notice{Lost, n.passed, fmt.Sprintf("audit netlink: %s passed over, of processes that make more of them than can be read; those of others are read", events(n.passed))})
	}
	n.passed = 0
}

func events(n int) string {
	if n == 1 {
		return "1 event is"
	}
	return fmt.Sprintf("%d events are", n)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// netlinkReader takes the messages off the socket and gives them on as lines of
// auditd's log.
type netlinkReader struct {
	*netlink
	in   *intake
	buf  []byte
	text []byte
	err  error
}

// drain reads until there is nothing more, as syscall.RawConn has it.
func (r *netlinkReader) drain(fd uintptr) (done bool) {
	defer r.give()
	for range 4096 {
		size, from, err := unix.Recvfrom(int(fd), r.buf, 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return len(r.text) > 0
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOBUFS):
			r.overflows++
			continue
		case err != nil:
			r.err = err
			return true
		}
		// Other processes with CAP_NET_ADMIN can send to the socket too.
		if addr, ok := from.(*unix.SockaddrNetlink); ok && addr.Pid == 0 {
			r.message(r.buf[:size])
		}
	}
	return true
}

// takeEarly takes the messages that came while an answer was waited for.
func (r *netlinkReader) takeEarly() {
	early := r.early
	r.early = nil
	for _, m := range early {
		r.message(m)
	}
	r.give()
}

// message takes one message: a header (netlink(7)), whose length is not right
// before Linux 4.13, and "audit(TIME:SERIAL): BODY".
func (r *netlinkReader) message(m []byte) {
	if len(m) < unix.NLMSG_HDRLEN {
		return
	}
	kind := binary.NativeEndian.Uint16(m[4:])
	body := bytes.TrimRight(m[unix.NLMSG_HDRLEN:], "\x00\n")
	serial, ok := serialOf(body)
	if !ok { // an answer to a command
		if kind == unix.AUDIT_GET {
			r.isDaemon(m[unix.NLMSG_HDRLEN:], r.in)
		}
		return
	}
	r.gaps.see(serial, time.Now())
	// A process with CAP_AUDIT_WRITE, as Docker's containers have it, can send a
	// message of several lines that would look like others' records.
	for i, c := range body {
		if c == '\n' || c == '\r' {
			body[i] = ' '
		}
	}
	r.text = append(r.text, "type="...)
	r.text = strconv.AppendUint(r.text, uint64(kind), 10)
	r.text = append(r.text, " msg="...)
	r.text = append(r.text, body...)
	r.text = append(r.text, '\n')
	if len(r.text) >= 64<<10 {
		r.give()
	}
}

func (r *netlinkReader) give() {
	if r.daemon { // for which the kernel waits
		r.in.lines(r.text)
	} else {
		r.passed += r.in.fairLines(r.text)
	}
	r.text = r.text[:0]
}
