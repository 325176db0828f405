package track

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/whydenied/whydenied/parser/bpf"
)

// Of linux/connector.h and linux/cn_proc.h.
const (
	cnIndexProc  = 1
	cnValueProc  = 1
	cnListen     = 1 // PROC_CN_MCAST_LISTEN
	cnIgnore     = 2 // PROC_CN_MCAST_IGNORE
	cnHeader     = 20
	procEventMin = 16 + 8 // what, CPU and time, and the PIDs of an exec

	procFork = 0x1
	procExec = 0x2
	procExit = 0x80000000
)

// receiveBuffer holds some 20,000 events until they are read.
const receiveBuffer = 16 << 20

// A connectorFeed is the process connector: a netlink multicast of fork, exec and
// exit. Its parent of a fork is the one that waits for the child, which with
// CLONE_PARENT is not the one whose cgroups it has.
type connectorFeed struct {
	socket int
	buffer []byte
}

// openConnector starts to listen. It needs the initial PID and network namespaces
// and, before Linux 6.6, CAP_NET_ADMIN.
func openConnector() (feed, error) {
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_CONNECTOR)
	if err != nil {
		return nil, fmt.Errorf("cannot open the process connector: %w", err)
	}
	f := &connectorFeed{socket: socket, buffer: make([]byte, 1<<16)}
	if err := f.open(); err != nil {
		unix.Close(socket)
		if errors.Is(err, os.ErrPermission) {
			err = fmt.Errorf("%w; before Linux 6.6 it needs CAP_NET_ADMIN", err)
		}
		return nil, err
	}
	return f, nil
}

func (f *connectorFeed) open() error {
	if err := unix.Bind(f.socket, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: cnIndexProc}); err != nil {
		return fmt.Errorf("cannot join the process connector: %w", err)
	}
	// The larger, the rarer events are lost; without CAP_NET_ADMIN it is what
	// net.core.rmem_max allows.
	if unix.SetsockoptInt(f.socket, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		_ = unix.SetsockoptInt(f.socket, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
	}
	err := f.send(cnListen)
	switch {
	case err == unix.ECONNREFUSED:
		return errors.New("nobody answers: the process connector is only in the initial network namespace, of kernels with CONFIG_PROC_EVENTS")
	case err != nil:
		return fmt.Errorf("cannot listen to the process connector: %w", err)
	}
	// The kernel answers with an event that has the error in it.
	for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); {
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(f.socket), Events: unix.POLLIN}}, 100); err != nil && err != unix.EINTR {
			return fmt.Errorf("cannot wait for the process connector: %w", err)
		}
		n, _, err := unix.Recvfrom(f.socket, f.buffer, 0)
		if err != nil {
			continue
		}
		if errno, ok := acknowledged(f.buffer[:n]); ok {
			if errno != 0 {
				return fmt.Errorf("the process connector refuses: %w", errno)
			}
			return nil
		}
	}
	return errors.New("the process connector does not answer; it is only in the initial PID and network namespaces, of kernels with CONFIG_PROC_EVENTS")
}

func (f *connectorFeed) send(operation uint32) error {
	order := binary.NativeEndian
	message := make([]byte, unix.NLMSG_HDRLEN+cnHeader+4)
	order.PutUint32(message[0:], uint32(len(message)))
	order.PutUint16(message[4:], unix.NLMSG_DONE)
	order.PutUint32(message[12:], uint32(os.Getpid()))
	connector := message[unix.NLMSG_HDRLEN:]
	order.PutUint32(connector[0:], cnIndexProc)
	order.PutUint32(connector[4:], cnValueProc)
	order.PutUint16(connector[16:], 4)
	order.PutUint32(connector[cnHeader:], operation)
	return unix.Sendto(f.socket, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
}

func (f *connectorFeed) close() {
	_ = f.send(cnIgnore) // the kernel stops making events when nobody listens
	unix.Close(f.socket)
}

func (f *connectorFeed) fd() int { return f.socket }

// drain hands over what the socket holds, in the order in which the kernel told
// it, and reports whether events are missing.
func (f *connectorFeed) drain(apply func(event)) (lost bool, err error) {
	boot := bpf.SinceBoot()
	var monotonic unix.Timespec // the clock of events
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &monotonic)
	suspended := (boot - time.Duration(monotonic.Nano())).Round(time.Millisecond)
	for {
		n, from, err := unix.Recvfrom(f.socket, f.buffer, 0)
		switch {
		case err == unix.EAGAIN:
			return lost, nil
		case err == unix.EINTR:
			continue
		case err == unix.ENOBUFS:
			lost = true
			continue
		case err != nil:
			return lost, fmt.Errorf("cannot read the process connector: %w", err)
		}
		if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != 0 {
			continue // not the kernel
		}
		for _, e := range decodeConnector(f.buffer[:n]) {
			e.at += suspended
			apply(e)
		}
	}
}

// procEvents returns the struct proc_event of each netlink message.
func procEvents(raw []byte) [][]byte {
	var all [][]byte
	for len(raw) >= unix.NLMSG_HDRLEN+cnHeader {
		length := int(binary.NativeEndian.Uint32(raw))
		if length < unix.NLMSG_HDRLEN+cnHeader || length > len(raw) {
			break
		}
		connector := raw[unix.NLMSG_HDRLEN:length]
		if binary.NativeEndian.Uint32(connector) == cnIndexProc && binary.NativeEndian.Uint32(connector[4:]) == cnValueProc {
			all = append(all, connector[cnHeader:])
		}
		raw = raw[min((length+3)&^3, len(raw)):]
	}
	return all
}

// acknowledged finds the answer to a request: an event of no kind with an errno.
func acknowledged(raw []byte) (unix.Errno, bool) {
	for _, e := range procEvents(raw) {
		if len(e) >= procEventMin && binary.NativeEndian.Uint32(e) == 0 {
			return unix.Errno(binary.NativeEndian.Uint32(e[16:])), true
		}
	}
	return 0, false
}

// decodeConnector reads the events of processes in a datagram; those of threads
// are left out.
func decodeConnector(raw []byte) []event {
	var all []event
	for _, b := range procEvents(raw) {
		if len(b) < procEventMin {
			continue
		}
		pid := func(i int) int { return int(int32(binary.NativeEndian.Uint32(b[16+4*i:]))) }
		e := event{at: time.Duration(binary.NativeEndian.Uint64(b[8:]))}
		switch binary.NativeEndian.Uint32(b) {
		case procFork: // the parent's thread and process, the child's
			if len(b) < 32 || pid(2) != pid(3) {
				continue
			}
			e.kind, e.pid, e.parent, e.inherits = forked, pid(3), pid(1), true
		case procExec: // thread and process
			e.kind, e.pid = executed, pid(1)
		case procExit:
			if pid(0) != pid(1) {
				continue
			}
			e.kind, e.pid = exited, pid(1)
		default:
			continue
		}
		all = append(all, e)
	}
	return all
}
