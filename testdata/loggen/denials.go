package main

import (
	"fmt"
	"math/rand/v2"
	"path"
)

// A denial is one that the log repeats, each time with another pid.
type denial struct {
	before, after string // the record's body before and after its pid=N
	exe, label    string
	syscall       int
	userAVC       bool // written by dbus-daemon
}

var (
	programs = []string{"/usr/bin/dockerd", "/usr/bin/containerd", "/usr/bin/runc", "/usr/sbin/cron", "/usr/bin/bash", "/usr/bin/python3.11", "/usr/sbin/nginx", "/usr/bin/redis-server", "/usr/lib/postgresql/15/bin/postgres", "/usr/bin/node", "/usr/bin/java", "/usr/bin/curl", "/usr/bin/prometheus", "/usr/local/bin/kubelet"}
	folders  = []string{"/etc/nginx/conf.d", "/var/lib/app", "/var/cache/nginx", "/proc/sys/net/ipv4", "/proc/sys/kernel", "/sys/fs/cgroup", "/srv/data", "/var/log/app", "/run/secrets", "/usr/share/zoneinfo", "/home/app/.config", "/tmp/build"}
	words    = []string{"config", "session", "index", "cache", "upload", "token", "state", "lock", "backup", "report", "queue", "snapshot"}
	profiles = []string{"docker-default", "cri-containerd.apparmor.d", "web", "db", "worker", "api//helper", "queue", "containers-default-0.57.4"}
	accesses = []struct {
		operation, mask string
		syscall         int
	}{{"open", "r", 257}, {"open", "w", 257}, {"mknod", "c", 259}, {"open", "wc", 257}, {"open", "wr", 257}, {"unlink", "d", 87}, {"file_lock", "k", 73}, {"chown", "w", 92}}
	// The numbers of x86-64 system calls that profiles often refuse.
	syscalls = []int{101, 155, 160, 161, 163, 164, 165, 166, 167, 168, 169, 170, 171, 172, 173, 175, 176, 179, 246, 248, 249, 250, 272, 298, 304, 308, 310, 312, 313, 320, 321, 323, 425, 426, 427, 428, 435, 439, 442, 443}
)

func comm(exe string) string {
	name := path.Base(exe)
	return name[:min(len(name), 15)]
}

// apparmorDenials returns n distinct AppArmor denials of the common kinds:
// mostly files, with some capabilities, sockets, signals, ptrace, mounts, execs
// and D-Bus calls among them.
func apparmorDenials(rng *rand.Rand, n int) []denial {
	denials := make([]denial, n)
	for i := range denials {
		exe, label := programs[rng.IntN(len(programs))], profiles[rng.IntN(len(profiles))]
		name := fmt.Sprintf("%s/%s-%d", folders[rng.IntN(len(folders))], words[rng.IntN(len(words))], i)
		if i%23 == 0 {
			name += " of the day" // is logged in hex
		}
		d := denial{exe: exe, label: label}
		operation, info, object, rest := "", "", "", ""
		switch i % 16 {
		default:
			access := accesses[rng.IntN(len(accesses))]
			operation, d.syscall = access.operation, access.syscall
			object = "name=" + untrusted(name) + " "
			rest = fmt.Sprintf(`requested_mask="%[1]s" denied_mask="%[1]s" fsuid=%[2]d ouid=0`, access.mask, 1000*rng.IntN(2))
		case 9:
			operation, d.syscall = "capable", 125
			rest = fmt.Sprintf(`capability=%d  capname="%s"`, i%41, capabilities[i%41])
		case 10:
			operation, d.syscall = "create", 41
			rest = fmt.Sprintf(`family="%s" sock_type="%s" protocol=%d requested_mask="create" denied_mask="create"`,
				[...]string{"inet", "inet6", "netlink", "packet"}[i/16%4], [...]string{"raw", "dgram", "stream"}[i%3], i%17)
		case 11:
			operation, d.syscall = "signal", 62
			rest = fmt.Sprintf(`requested_mask="send" denied_mask="send" signal=%s peer="%s"`,
				[...]string{"kill", "term", "hup", "usr1", "exists"}[i%5], profiles[i/16%len(profiles)])
		case 12:
			operation, d.syscall = "ptrace", 101
			rest = fmt.Sprintf(`requested_mask="read" denied_mask="read" peer="%s"`, profiles[i/16%len(profiles)])
		case 13:
			operation, d.syscall = "mount", 165
			info, object = `info="failed mntpnt match" error=-13 `, "name="+untrusted(name)+" "
			rest = `fstype="tmpfs" srcname="tmpfs" flags="rw, nosuid, nodev"`
		case 14:
			operation, d.syscall = "exec", 59
			object = "name=" + untrusted(name) + " "
			rest = `requested_mask="x" denied_mask="x" fsuid=0 ouid=0`
		case 15:
			d.userAVC = true
			d.before = `pid=612 uid=101 auid=4294967295 ses=4294967295 subj=unconfined msg='apparmor="DENIED" operation="dbus_method_call"  bus="system" path="/org/freedesktop/systemd1" interface="org.freedesktop.systemd1.Manager" ` +
				fmt.Sprintf(`member="Get%s%d" mask="send" name="org.freedesktop.systemd1" `, words[rng.IntN(len(words))], i)
			d.after = fmt.Sprintf(` label="%s" peer_pid=1 peer_label="unconfined" exe="/usr/bin/dbus-daemon" sauid=101 hostname=? addr=? terminal=?'`, label)
			denials[i] = d
			continue
		}
		d.before = fmt.Sprintf(`apparmor="DENIED" operation="%s" %sprofile="%s" %s`, operation, info, label, object)
		d.after = fmt.Sprintf(` comm="%s" %s`, comm(exe), rest)
		denials[i] = d
	}
	return denials
}

// seccompDenials returns n distinct seccomp records.
func seccompDenials(rng *rand.Rand, n int) []denial {
	denials := make([]denial, n)
	for i := range denials {
		exe, label := programs[i%len(programs)], profiles[rng.IntN(len(profiles))]
		number := syscalls[i%len(syscalls)]
		arch, compat, signal, code := "c000003e", 0, 0, "0x50000"
		switch i % 10 {
		case 7:
			code = "0x7ffc0000"
		case 8:
			signal, code = 31, "0x80000000"
		case 9:
			arch, compat = "40000003", 1
		}
		denials[i] = denial{exe: exe, label: label, syscall: number,
			before: fmt.Sprintf(`auid=4294967295 uid=%d gid=0 ses=4294967295 subj=%s `, 1000*rng.IntN(2), label),
			after: fmt.Sprintf(` comm="%s" exe="%s" sig=%d arch=%s syscall=%d compat=%d ip=0x%x code=%s`,
				comm(exe), exe, signal, arch, number, compat, 0x7f0000000000+rng.Int64N(1<<32), code)}
	}
	return denials
}

// capabilities are the names of capabilities 0 to 40 (linux/capability.h).
var capabilities = [...]string{"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore"}
