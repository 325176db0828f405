//go:build linux

// Refuse has the kernel refuse something by a layer that is nobody's by default, while a
// command runs:
//
//	refuse bpf HOOK UID -- CMD...      a BPF program at an LSM hook answers EPERM to a user
//	refuse fanotify FILE -- CMD...     a fanotify group that is asked about FILE denies it, as fapolicyd does
//
// Of a program of BPF it prints to standard output what bpftool prog list prints.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

func main() {
	if err := refuse(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "refuse:", err)
		os.Exit(125)
	}
}

func refuse(args []string) error {
	at := slices.Index(args, "--")
	if at < 2 || at == len(args)-1 {
		return fmt.Errorf("usage: refuse bpf HOOK UID -- CMD..., refuse fanotify FILE -- CMD...")
	}
	end, err := func() {}, error(nil)
	switch {
	case args[0] == "bpf" && at == 3:
		end, err = byBPF(args[1], args[2])
	case args[0] == "fanotify" && at == 2:
		err = byFanotify(args[1])
	default:
		err = fmt.Errorf("unknown: %s", args[:at])
	}
	if err != nil {
		return err
	}
	defer end()
	cmd := exec.Command(args[at+1], args[at+2:]...)
	cmd.Stderr = os.Stderr
	_ = cmd.Run() // that it fails is what is wanted
	return nil
}

// byBPF attaches a program that answers EPERM to a user.
func byBPF(hook, user string) (end func(), err error) {
	uid, err := strconv.ParseInt(user, 10, 32)
	if err != nil {
		return nil, err
	}
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "deny_" + hook, Type: ebpf.LSM, AttachType: ebpf.AttachLSMMac, AttachTo: hook, License: "GPL",
		Instructions: asm.Instructions{
			asm.FnGetCurrentUidGid.Call(),
			asm.Mov.Reg32(asm.R0, asm.R0), // the lower half is the user
			asm.JEq.Imm(asm.R0, int32(uid), "deny"),
			asm.Mov.Imm(asm.R0, 0),
			asm.Return(),
			asm.Mov.Imm(asm.R0, -int32(unix.EPERM)).WithSymbol("deny"),
			asm.Return(),
		}})
	if err != nil {
		return nil, err
	}
	attached, err := link.AttachLSM(link.LSMOptions{Program: program})
	if err != nil {
		return nil, err
	}
	info, err := program.Info()
	if err != nil {
		return nil, err
	}
	id, _ := info.ID()
	fmt.Printf("%d: lsm  name %s  tag %s  gpl\n", id, info.Name, info.Tag)
	return func() { _ = attached.Close() }, nil
}

// byFanotify denies opening and executing a file, with a record of it.
func byFanotify(file string) error {
	group, err := unix.FanotifyInit(unix.FAN_CLASS_CONTENT|unix.FAN_ENABLE_AUDIT|unix.FAN_CLOEXEC, unix.O_RDONLY)
	if err != nil {
		return fmt.Errorf("fanotify_init: %w", err)
	}
	if err := unix.FanotifyMark(group, unix.FAN_MARK_ADD, unix.FAN_OPEN_PERM|unix.FAN_OPEN_EXEC_PERM, unix.AT_FDCWD, file); err != nil {
		return fmt.Errorf("fanotify_mark: %w", err)
	}
	go deny(group)
	return nil
}

// deny answers whatever a group is asked.
func deny(group int) {
	const eventLen, fdAt = 24, 16 // struct fanotify_event_metadata
	buf := make([]byte, 4096)
	for {
		n, err := unix.Read(group, buf)
		if err != nil {
			return
		}
		for at := 0; at+eventLen <= n; at += int(binary.NativeEndian.Uint32(buf[at:])) {
			fd := binary.NativeEndian.Uint32(buf[at+fdAt:])
			answer := binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, fd), unix.FAN_DENY|unix.FAN_AUDIT)
			_, _ = unix.Write(group, answer)
			_ = unix.Close(int(fd))
		}
	}
}
