// Package e2e runs containers under seccomp profiles on this machine's kernel,
// reads what the kernel logs through the audit netlink, and has the real
// whydenied explain it. docs/e2e.md says what that proves; `make e2e` runs it.
//
// The tests have the build tag e2e. They need Linux on x86-64, root, runc,
// busybox and gcc, and skip naming what is missing; with REQUIRE_KERNEL=1 they
// fail instead. They turn auditing on while they run, and restore it.
package e2e
