package disk

import (
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// kernels are the file systems whose files the kernel makes when they are read
// (linux/magic.h). That of /dev is tmpfs, and has devices, which are no regular files.
var kernels = []int64{
	unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.SECURITYFS_MAGIC, unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC,
	unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.BPF_FS_MAGIC, unix.EFIVARFS_MAGIC, unix.PSTOREFS_MAGIC,
	unix.SELINUX_MAGIC, unix.SMACK_MAGIC, unix.BINFMTFS_MAGIC, unix.DEVPTS_SUPER_MAGIC, unix.NSFS_MAGIC,
	0x19800202, // mqueue, of ipc/mqueue.c
	0x5a3c69f0, // aafs, of security/apparmor/apparmorfs.c
	0x62656570, // configfs, of fs/configfs/mount.c
}

// isKernels reports whether a file is of such a file system. What cannot be told is.
func isKernels(f *os.File) bool {
	var s unix.Statfs_t
	err := unix.Fstatfs(int(f.Fd()), &s)
	return err != nil || slices.Contains(kernels, int64(s.Type)&0xffffffff)
}
