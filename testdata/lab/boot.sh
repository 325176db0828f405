#!/bin/bash
# Boots the lab's guest, runs a program in it and brings back what it left.
#
#	boot.sh IN OUT
#
# IN is a folder that becomes /lab in the guest; its executable "run" is run there
# as root. OUT gets the guest's /results, with the program's output in "output", and
# the console. The exit status is the program's, or 125 if it never ended (console
# and qemu.log in OUT say why).
#
#	KERNEL=6.1, 6.12 or 7.2   which guest
#	PROGRAMS=all              the one with more programs
#	LIMIT=SECONDS             after which the guest is killed (3600)
#	KEEP=1                    keep what the guest writes to its disk (build.sh)
#
# The processor is emulated (TCG): /dev/kvm, where there is one, is not always one
# that works, and emulation needs no privilege.
set -euo pipefail
in=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
lab=${XDG_CACHE_HOME:-$HOME/.cache}/whydenied/lab/${KERNEL:-6.1}${PROGRAMS:+-$PROGRAMS}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# The disks /dev/vdb and /dev/vdc hold a tar archive each, and no file system.
tar -C "$in" -cf "$tmp/in" . -C "$(dirname "$(realpath "$0")")/guest" init docker
truncate -s %512 "$tmp/in"
truncate -s 256M "$tmp/out"
rm -f "$out/status"

# A plain old processor model is faster to emulate than a new one with AVX, and
# nothing that the guest guards itself against with its mitigations runs in it.
# One processor: with two, QEMU 7.2 now and then never sees that the guest's kernel
# has patched its own code, as it does where a BPF program is attached, and hangs.
# Once in some hundred boots QEMU loses a request to a disk or its end, and what waits for it
# waits for ever: the kernel panics of that after two minutes, which ends the guest.
timeout -s KILL "${LIMIT:-3600}" qemu-system-x86_64 -machine q35 -accel tcg,tb-size=512 -cpu Nehalem -smp 1 -m 2048 \
	-nodefaults -no-reboot -display none -monitor none -serial "file:$out/console" \
	-kernel "$lab/vmlinuz" -initrd "$lab/initrd.gz" \
	-append "console=ttyS0 loglevel=4 panic=-1 sysctl.kernel.hung_task_panic=1 mitigations=off apparmor=1 security=apparmor audit=1 audit_backlog_limit=8192 net.ifnames=0" \
	-drive "file=$lab/disk,format=raw,if=virtio,cache=unsafe,snapshot=$([ -n "${KEEP:-}" ] && echo off || echo on)" \
	-drive "file=$tmp/in,format=raw,if=virtio,readonly=on" \
	-drive "file=$tmp/out,format=raw,if=virtio,cache=unsafe" \
	-device virtio-rng-pci >"$out/qemu.log" 2>&1 || true
tar -C "$out" -xf "$tmp/out" 2>/dev/null || true
exit "$(cat "$out/status" 2>/dev/null || echo 125)"
