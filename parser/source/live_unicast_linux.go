package source

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openUnicast makes this process the host's audit daemon. What the kernel sends
// to that one it does not drop: it keeps what there is no room for, as much as
// auditctl -b says, and then has the processes wait that cause more. So a slow
// reader loses nothing, and the host pays for it.
func openUnicast(from Start) (*Live, error) {
	if from.past() {
		return nil, errNoPast
	}
	n, err := openNetlink(receiveBuffer, 0)
	if err != nil {
		return nil, fmt.Errorf("audit netlink: %w", err)
	}
	if err := n.register(); err != nil {
		n.file.Close()
		return nil, fmt.Errorf("audit netlink, unicast: %w", err)
	}
	n.watchRing()
	return &Live{
		Name:   "audit-unicast",
		Taken:  "the audit netlink as the host's audit daemon: until this ends no auditd can start, and records reach no log",
		Needs:  []Capability{AuditControl}, // to give it back
		stream: n,
		hold:   eventHold,
	}, nil
}

// register has the kernel send records to this socket (AUDIT_SET of
// audit_receive_msg, kernel/audit.c). It takes a PID only from the process that
// has it, and no daemon's place while that one answers.
func (n *netlink) register() error {
	err := n.setDaemon(os.Getpid())
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w; %s in the initial PID and user namespaces is needed: run as root, outside a container", err, AuditControl)
	case errors.Is(err, unix.EEXIST):
		holder := "another process"
		if pid := auditd(); pid != 0 {
			holder = fmt.Sprintf("auditd (process %d)", pid)
		}
		return fmt.Errorf("%s is the audit daemon; --source audit reads beside it", holder)
	case err != nil:
		return err
	}
	n.daemon = true
	return nil
}

// unregister gives the place of the audit daemon back.
func (n *netlink) unregister() {
	if n.daemon {
		n.daemon = false
		_ = n.setDaemon(0) // if it fails, the kernel notices when the socket is gone
	}
}

// setDaemon makes a process the audit daemon, or none with 0. Records that come
// before the answer are kept for run.
func (n *netlink) setDaemon(pid int) error {
	status := make([]byte, statusSize)
	binary.NativeEndian.PutUint32(status[0:], unix.AUDIT_STATUS_PID)
	binary.NativeEndian.PutUint32(status[statusPID:], uint32(pid))
	raw, err := n.file.SyscallConn()
	if err != nil {
		return err
	}
	var answer error
	err = raw.Control(func(fd uintptr) {
		// The kernel has answered when sendto returns.
		if answer = request(int(fd), unix.AUDIT_SET, unix.NLM_F_ACK, status); answer == nil {
			answer = n.answer(int(fd))
		}
	})
	return errors.Join(err, answer)
}

// Of struct audit_status of linux/audit.h, in bytes.
const (
	statusSize = 32 // what it has always had
	statusPID  = 12
)

// ours is the sequence number of our requests; records have 0.
const ours = 1

// request sends a request to the kernel.
func request(fd int, kind, flags uint16, body []byte) error {
	message := make([]byte, unix.NLMSG_HDRLEN, unix.NLMSG_HDRLEN+len(body))
	order := binary.NativeEndian
	order.PutUint32(message[0:], uint32(cap(message)))
	order.PutUint16(message[4:], kind)
	order.PutUint16(message[6:], unix.NLM_F_REQUEST|flags)
	order.PutUint32(message[8:], ours)
	return unix.Sendto(fd, append(message, body...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
}

// askDaemon asks the kernel who the audit daemon is; the answer comes among the
// records. Older kernels give one up that takes none for half a second, without a
// word to it (kauditd_thread of kernel/audit.c); newer ones drop records.
func (n *netlink) askDaemon(fd int) {
	if n.daemon {
		_ = request(fd, unix.AUDIT_GET, 0, nil) // it is asked again
	}
}

// isDaemon takes the kernel's answer; if it gave us up, we are its daemon again.
func (n *netlink) isDaemon(status []byte, in *intake) {
	if !n.daemon || len(status) < statusPID+4 || binary.NativeEndian.Uint32(status[statusPID:]) == uint32(os.Getpid()) {
		return
	}
	n.daemon = false
	text := "audit netlink: the kernel no longer took this process for the audit daemon, as it was too slow: records are missing"
	if err := n.register(); err != nil {
		text += ", and will be: " + err.Error()
	}
	in.notice(Notice{Kind: Lost, Text: text})
}

// answer reads up to the kernel's answer to a request.
func (n *netlink) answer(fd int) error {
	buf := make([]byte, maxMessage)
	for {
		size, from, err := unix.Recvfrom(fd, buf, 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOBUFS):
			n.overflows++
			continue
		case err != nil:
			return err
		}
		m := buf[:size]
		if addr, ok := from.(*unix.SockaddrNetlink); !ok || addr.Pid != 0 || size < unix.NLMSG_HDRLEN+4 {
			continue
		}
		if binary.NativeEndian.Uint16(m[4:]) != unix.NLMSG_ERROR || binary.NativeEndian.Uint32(m[8:]) != ours {
			n.early = append(n.early, append([]byte(nil), m...))
			continue
		}
		if errno := -int32(binary.NativeEndian.Uint32(m[unix.NLMSG_HDRLEN:])); errno != 0 {
			return unix.Errno(errno)
		}
		return nil
	}
}
