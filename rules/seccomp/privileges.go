package seccomp

import "strings"

// The bits of arguments that the table looks at: include/uapi/linux, Linux 6.12.
const (
	int32Bits   = 1<<32 - 1
	newUser     = 0x10000000
	anyCloneNew = 0x6e020000         // CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWPID, NEWNET
	anyNew      = anyCloneNew | 0x80 // and CLONE_NEWTIME, which is part of clone's signal
	fanFID      = 0x1e00             // FAN_REPORT_FID, DIR_FID, NAME, TARGET_FID
	fanAdmin    = 0x21bc             // FANOTIFY_ADMIN_INIT_FLAGS
	moveAll     = 4                  // MPOL_MF_MOVE_ALL
	fileType    = 0xf000             // S_IFMT
)

// to makes a condition.
func to(index int, mask uint64, values ...uint64) []among {
	return []among{{index, mask, values}}
}

// row makes a row of the table. The capabilities are written without CAP_.
func row(names string, when []among, caps string, p Privilege) privilegeRow {
	for name := range strings.FieldsSeq(caps) {
		p.Caps = append(p.Caps, "CAP_"+name)
	}
	return privilegeRow{strings.Fields(names), when, p}
}

// privileges says which capability the kernel asks for, by the call and its
// arguments. Of the rows of a call the first counts whose conditions hold; one
// without capabilities is of calls that need none. Where a call is refused another
// way than by seccomp and capabilities, by an LSM or a mount's flags, it is not here.
//
// The source is Linux 6.12. Older ones differ: syslog takes CAP_SYS_ADMIN, too,
// with a warning, until 6.10 at least; bpf and perf_event_open take CAP_SYS_ADMIN
// alone before 5.8, fanotify_init always wants it before 5.13, ioctl(TIOCSTI) never
// for the own terminal before 6.2; lookup_dcookie is gone since 6.7. Debian and
// Ubuntu have kernel.perf_event_paranoid=3 and more, with which perf_event_open
// wants CAP_SYS_ADMIN.
var privileges = []privilegeRow{
	row("mount umount umount2 fsopen fspick fsmount move_mount mount_setattr pivot_root", nil, "SYS_ADMIN", Privilege{Source: "may_mount() in fs/namespace.c"}),
	row("fsconfig", nil, "SYS_ADMIN", Privilege{Source: "fsopen() in fs/fsopen.c, which gives the descriptor"}),
	row("open_tree", to(2, 1, 0), "", Privilege{Unless: "it does not clone the mount (OPEN_TREE_CLONE)"}),
	row("open_tree", nil, "SYS_ADMIN", Privilege{Source: "open_tree() in fs/namespace.c"}),
	row("chroot", nil, "SYS_CHROOT", Privilege{Source: "chroot() in fs/open.c"}),
	row("sethostname setdomainname", nil, "SYS_ADMIN", Privilege{Source: "sethostname() in kernel/sys.c"}),

	row("unshare clone", to(0, newUser, newUser), "", Privilege{Unless: "CLONE_NEWUSER is among the flags"}),
	row("unshare", to(0, anyNew, 0), "", Privilege{Unless: "the flags name no namespace"}),
	row("unshare", nil, "SYS_ADMIN", Privilege{Source: "unshare_nsproxy_namespaces() in kernel/nsproxy.c"}),
	row("clone", to(0, anyCloneNew, 0), "", Privilege{Unless: "the flags name no namespace"}),
	row("clone", nil, "SYS_ADMIN", Privilege{Source: "copy_namespaces() in kernel/nsproxy.c"}),
	row("clone3", nil, "SYS_ADMIN", Privilege{Unless: "CLONE_NEWUSER is among the flags, or they name no namespace", Source: "copy_namespaces() in kernel/nsproxy.c"}),
	row("setns", nil, "SYS_ADMIN", Privilege{Source: "the install functions of each namespace, as utsns_install() in kernel/utsname.c"}),

	row("swapon swapoff", nil, "SYS_ADMIN", Privilege{Host: true, Source: "swapon() in mm/swapfile.c"}),
	row("acct", nil, "SYS_PACCT", Privilege{Host: true, Source: "acct() in kernel/acct.c"}),
	row("syslog", to(0, int32Bits, 3, 10), "SYSLOG", Privilege{Setting: "kernel.dmesg_restrict=0, where all of the log is read (SYSLOG_ACTION_READ_ALL)", Host: true, Source: "check_syslog_permissions() in kernel/printk/printk.c"}),
	row("syslog", nil, "SYSLOG", Privilege{Host: true, Source: "check_syslog_permissions() in kernel/printk/printk.c"}),
	row("vhangup", nil, "SYS_TTY_CONFIG", Privilege{Host: true, Source: "vhangup() in fs/open.c"}),
	row("fanotify_init", to(0, fanFID, 0), "SYS_ADMIN", Privilege{Host: true, Source: "fanotify_init() in fs/notify/fanotify/fanotify_user.c"}),
	row("fanotify_init", to(0, fanAdmin, 0), "", Privilege{Unless: "it asks for file handles (FAN_REPORT_FID) and for nothing of FANOTIFY_ADMIN_INIT_FLAGS"}),
	row("fanotify_init", nil, "SYS_ADMIN", Privilege{Host: true, Source: "fanotify_init() in fs/notify/fanotify/fanotify_user.c"}),

	// The command is in the upper 24 bits: Q_SYNC, Q_GETFMT, Q_GETINFO, Q_XGETQSTAT, Q_XQUOTASYNC, Q_XGETQSTATV; Q_GETQUOTA, Q_XGETQUOTA.
	row("quotactl", to(0, int32Bits&^0xff, 0x80000100, 0x80000400, 0x80000500, 0x580500, 0x580700, 0x580800), "", Privilege{Unless: "the command reads the state of quotas"}),
	row("quotactl_fd", to(1, int32Bits&^0xff, 0x80000100, 0x80000400, 0x80000500, 0x580500, 0x580700, 0x580800), "", Privilege{Unless: "the command reads the state of quotas"}),
	row("quotactl", to(0, int32Bits&^0xff, 0x80000700, 0x580300), "SYS_ADMIN", Privilege{Unless: "the quota is the process's own", Host: true, Source: quotaSource}),
	row("quotactl_fd", to(1, int32Bits&^0xff, 0x80000700, 0x580300), "SYS_ADMIN", Privilege{Unless: "the quota is the process's own", Host: true, Source: quotaSource}),
	row("quotactl quotactl_fd", nil, "SYS_ADMIN", Privilege{Host: true, Source: quotaSource}),

	// BPF_MAP_CREATE and BPF_PROG_LOAD, which want CAP_NET_ADMIN or CAP_PERFMON besides for some types.
	row("bpf", to(0, int32Bits, 0, 5), "BPF SYS_ADMIN", Privilege{Setting: "kernel.unprivileged_bpf_disabled=0", Source: "map_create() and bpf_prog_load() in kernel/bpf/syscall.c"}),
	row("bpf", to(0, int32Bits, 18, 19), "BPF SYS_ADMIN", Privilege{Source: "bpf_btf_load() in kernel/bpf/syscall.c"}), // BPF_BTF_LOAD, BPF_BTF_GET_FD_BY_ID
	row("bpf", to(0, int32Bits, 11, 12, 13, 14, 20, 23, 30, 31, 32), "SYS_ADMIN", Privilege{Host: true, Source: "bpf_prog_get_fd_by_id() and others in kernel/bpf/syscall.c"}),
	row("bpf", nil, "BPF SYS_ADMIN", Privilege{Setting: "kernel.unprivileged_bpf_disabled=0", Source: "map_create() and bpf_prog_load() in kernel/bpf/syscall.c, which give the descriptors"}),
	row("perf_event_open", nil, "PERFMON SYS_ADMIN", Privilege{Setting: "kernel.perf_event_paranoid=2 or less, for the own process in user mode", Host: true, Source: "perf_event_open() in kernel/events/core.c"}),

	row("kexec_load kexec_file_load", nil, "SYS_BOOT", Privilege{Host: true, Source: "kexec_load_permitted() in kernel/kexec_core.c"}),
	row("reboot", nil, "SYS_BOOT", Privilege{Source: "reboot() in kernel/reboot.c"}),
	row("init_module finit_module delete_module", nil, "SYS_MODULE", Privilege{Host: true, Source: "may_init_module() in kernel/module/main.c"}),
	row("iopl", to(0, int32Bits, 0), "", Privilege{Unless: "it gives the level up"}),
	row("ioperm", to(2, int32Bits, 0), "", Privilege{Unless: "it gives the ports up"}),
	row("iopl ioperm", nil, "SYS_RAWIO", Privilege{Host: true, Source: "ksys_ioperm() and iopl() in arch/x86/kernel/ioport.c"}),
	row("pciconfig_read pciconfig_write", nil, "SYS_ADMIN", Privilege{Host: true, Source: "pciconfig_read() in drivers/pci/syscall.c"}),
	row("settimeofday stime", nil, "SYS_TIME", Privilege{Host: true, Source: "cap_settime() in security/commoncap.c"}),
	row("clock_settime clock_settime64", to(0, int32Bits, 0), "SYS_TIME", Privilege{Host: true, Source: "cap_settime() in security/commoncap.c"}), // CLOCK_REALTIME
	row("clock_settime clock_settime64", nil, "", Privilege{Unless: "the clock is a device's"}),
	row("adjtimex clock_adjtime clock_adjtime64", nil, "SYS_TIME", Privilege{Unless: "it reads the clock and sets nothing (modes is 0)", Host: true, Source: "timekeeping_validate_timex() in kernel/time/timekeeping.c"}),
	row("timer_create timerfd_create", to(0, int32Bits, 8, 9), "WAKE_ALARM", Privilege{Host: true, Source: "alarm_timer_create() in kernel/time/alarmtimer.c, timerfd_create() in fs/timerfd.c"}), // CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM
	row("timer_create timerfd_create", nil, "", Privilege{Unless: "the clock does not wake the host up"}),

	row("mknod", to(1, fileType, 0, 0x1000, 0x8000, 0xc000), "", Privilege{Unless: "it makes no device"}),
	row("mknodat", to(2, fileType, 0, 0x1000, 0x8000, 0xc000), "", Privilege{Unless: "it makes no device"}),
	row("mknod", append(to(1, fileType, 0x2000), among{2, int32Bits, []uint64{0}}), "", Privilege{Unless: "it makes the whiteout of an overlay"}),
	row("mknodat", append(to(2, fileType, 0x2000), among{3, int32Bits, []uint64{0}}), "", Privilege{Unless: "it makes the whiteout of an overlay"}),
	row("mknod mknodat", nil, "MKNOD", Privilege{Host: true, Source: "vfs_mknod() in fs/namei.c"}),
	row("open_by_handle_at", nil, "DAC_READ_SEARCH", Privilege{Host: true, Source: "handle_to_path() in fs/fhandle.c"}),
	row("lookup_dcookie", nil, "SYS_ADMIN", Privilege{Host: true, Source: "lookup_dcookie() in fs/dcookies.c of Linux 6.6"}),

	row("socket", to(0, int32Bits, 17, 44), "NET_RAW", Privilege{Source: "packet_create() in net/packet/af_packet.c, xsk_create() in net/xdp/xsk.c"}),
	row("socket", append(to(0, int32Bits, 2, 10), among{1, 0xf, []uint64{3}}), "NET_RAW", Privilege{Source: "inet_create() in net/ipv4/af_inet.c"}), // SOCK_RAW
	row("socket", to(0, int32Bits, 15), "NET_ADMIN", Privilege{Source: "pfkey_create() in net/key/af_key.c"}),
	row("socket", nil, "", Privilege{Unless: "the socket is neither raw nor of AF_PACKET or AF_XDP"}),
	row("ioctl", to(1, int32Bits, 0x5412), "SYS_ADMIN", Privilege{Setting: "dev.tty.legacy_tiocsti=1, for the own terminal", Host: true, Source: "tiocsti() in drivers/tty/tty_io.c"}),
	row("ioctl", nil, "", Privilege{Unless: "the request is another than TIOCSTI"}),

	row("ptrace", to(0, int32Bits, 0), "", Privilege{Unless: "the process lets its parent trace it"}), // PTRACE_TRACEME
	row("ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd", nil, "SYS_PTRACE", Privilege{Unless: "the other process has the same user, and kernel.yama.ptrace_scope lets it", Source: "__ptrace_may_access() in kernel/ptrace.c"}),
	row("process_madvise", nil, "SYS_NICE", Privilege{Unless: "the memory is the process's own", Host: true, Source: "process_madvise() in mm/madvise.c"}),
	row("userfaultfd", to(0, 1, 1), "", Privilege{Unless: "it handles faults of user mode alone (UFFD_USER_MODE_ONLY)"}),
	row("userfaultfd", nil, "SYS_PTRACE", Privilege{Setting: "vm.unprivileged_userfaultfd=1", Host: true, Source: "userfaultfd_syscall_allowed() in fs/userfaultfd.c"}),
	row("io_uring_setup", nil, "SYS_ADMIN", Privilege{Unless: "kernel.io_uring_disabled is 0, its default, or the process is in kernel.io_uring_group", Host: true, Source: "io_uring_allowed() in io_uring/io_uring.c"}),

	row("mbind move_pages", to(5, moveAll, moveAll), "SYS_NICE", Privilege{Host: true, Source: "do_mbind() in mm/mempolicy.c, kernel_move_pages() in mm/migrate.c"}),
	row("mbind", nil, "", Privilege{Unless: "it moves no pages that other processes map (MPOL_MF_MOVE_ALL)"}),
	row("move_pages", to(0, int32Bits, 0), "", Privilege{Unless: "the pages are the process's own"}),
	row("move_pages", nil, "SYS_PTRACE", Privilege{Unless: "the other process has the same user", Source: "find_mm_struct() in mm/migrate.c"}),
	row("migrate_pages", nil, "SYS_NICE", Privilege{Unless: "the other process has the same user, and may use the nodes", Host: true, Source: "kernel_migrate_pages() in mm/mempolicy.c"}),
	row("ioprio_set", to(2, 0xe000, 0x2000), "SYS_NICE SYS_ADMIN", Privilege{Host: true, Source: "ioprio_check_cap() in block/ioprio.c"}), // IOPRIO_CLASS_RT
	row("ioprio_set", nil, "", Privilege{Unless: "the class is not the real-time one"}),
	row("sched_setscheduler", to(1, int32Bits&^0x40000000, 0, 3, 5), "", Privilege{Unless: "the policy is none of real time"}),
	row("sched_setscheduler sched_setattr sched_setparam", nil, "SYS_NICE", Privilege{Unless: "RLIMIT_RTPRIO and RLIMIT_NICE let it", Host: true, Source: "user_check_sched_setscheduler() in kernel/sched/syscalls.c"}),
	row("setpriority nice", nil, "SYS_NICE", Privilege{Unless: "the priority becomes no higher than RLIMIT_NICE lets it", Source: "set_one_prio() in kernel/sys.c"}),
	row("mlock mlock2 mlockall", nil, "IPC_LOCK", Privilege{Unless: "RLIMIT_MEMLOCK is enough", Host: true, Source: "do_mlock() in mm/mlock.c"}),
	row("setrlimit prlimit64", nil, "SYS_RESOURCE", Privilege{Unless: "the hard limit is not raised, and the process is its own", Host: true, Source: "do_prlimit() in kernel/sys.c"}),
	row("keyctl", to(0, int32Bits, 4, 5), "SYS_ADMIN", Privilege{Unless: "the key is the process's own", Host: true, Source: "keyctl_chown_key() in security/keys/keyctl.c"}), // KEYCTL_CHOWN, KEYCTL_SETPERM
	row("keyctl", nil, "", Privilege{Unless: "the operation changes no key of another user"}),
	row("setgroups setgroups32", nil, "SETGID", Privilege{Source: "may_setgroups() in kernel/groups.c"}),
	row("setuid setreuid setresuid setfsuid setuid32 setreuid32 setresuid32 setfsuid32", nil, "SETUID", Privilege{Unless: "the IDs are among those that the process has", Source: "__sys_setuid() and others in kernel/sys.c"}),
	row("setgid setregid setresgid setfsgid setgid32 setregid32 setresgid32 setfsgid32", nil, "SETGID", Privilege{Unless: "the IDs are among those that the process has", Source: "__sys_setgid() and others in kernel/sys.c"}),
}

const quotaSource = "check_quotactl_permission() in fs/quota/quota.c"
