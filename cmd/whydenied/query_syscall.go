package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/rules/seccomp"
)

// syscall returns the system call that a request asks about, with what the flags
// say where the request does not.
func (q *query) syscall(r *request) (seccomp.Call, error) {
	call := q.call
	if r.Arch != "" {
		if err := setArch(&call, string(r.Arch)); err != nil {
			return call, err
		}
	}
	if r.Caps != nil {
		call.Caps = capNames(r.Caps)
	}
	if r.Kernel != "" {
		call.Kernel = r.Kernel
	}
	for _, text := range r.Args {
		arg, err := argument(text)
		if err != nil {
			return call, err
		}
		call.Args = append(call.Args, arg)
	}
	if len(call.Args) > 6 {
		return call, fmt.Errorf("a system call has six arguments, not %d", len(call.Args))
	}
	x32 := call.Syscall
	name := strings.TrimPrefix(string(r.Syscall), "syscall_")
	if name == "" {
		name = strings.TrimPrefix(r.SyscallName, "syscall_")
	}
	if nr, err := strconv.ParseUint(name, 0, 32); err == nil {
		call.Syscall |= uint32(nr)
		return call, nil
	}
	call.Syscall, call.Name = 0, name
	if x32 == 0 {
		return call, nil
	}
	for nr := range uint32(1024) {
		if known, _ := seccomp.SyscallName(seccomp.X86_64, nr|x32); known == name {
			call.Syscall, call.Name = nr|x32, ""
			return call, nil
		}
	}
	return call, fmt.Errorf("x32 has no system call %.40q", name)
}

// setArch sets the architecture of a call. x32 shows in the number of the call.
func setArch(call *seccomp.Call, name string) error {
	arch, err := seccomp.ParseArch(name)
	call.Arch, call.Syscall = arch, 0
	if strings.HasSuffix(strings.ToLower(name), "x32") {
		call.Syscall = 1 << 30
	}
	return err
}

// argument reads an argument of a system call; a negative one is the register's
// 64 bits, as of AT_FDCWD.
func argument(text string) (uint64, error) {
	text = strings.TrimSpace(text)
	if n, err := strconv.ParseUint(text, 0, 64); err == nil {
		return n, nil
	}
	if n, err := strconv.ParseInt(text, 0, 64); err == nil {
		return uint64(n), nil
	}
	return 0, errors.New("the argument " + strconv.QuoteToASCII(text[:min(len(text), 40)]) + " is no number of 64 bits, such as 17 or 0x10000")
}
