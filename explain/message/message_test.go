package message

import (
	_ "embed"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// ordinary are lines of errors that no layer of the kernel refused.
//
//go:embed testdata/ordinary.txt
var ordinary string

// TestWordings holds what is read of lines by their words.
func TestWordings(t *testing.T) {
	for _, c := range []struct{ line, call, path, errno, comm string }{
		{`nginx: [emerg] open() "/var/run/nginx.pid" failed (13: Permission denied)`, "open", "/var/run/nginx.pid", "EACCES", "nginx"},
		{`2026/11/25 10:00:00 [emerg] 1#1: bind() to 0.0.0.0:80 failed (13: Permission denied)`, "bind", "", "EACCES", ""},
		{`nginx: [emerg] chown("/var/cache/nginx/client_temp", 101) failed (1: Operation not permitted)`, "chown", "/var/cache/nginx/client_temp", "EPERM", "nginx"},
		{`2026/11/25 10:00:00 [emerg] 20#20: setgid(101) failed (1: Operation not permitted)`, "setgid", "", "EPERM", ""},
		{`exec /docker-entrypoint.sh: permission denied`, "execve", "/docker-entrypoint.sh", "EACCES", ""},
		{`exec /docker-entrypoint.sh: exec format error`, "execve", "/docker-entrypoint.sh", "ENOEXEC", ""},
		{`docker: Error response from daemon: failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/app/run": permission denied: unknown.`, "execve", "/app/run", "EACCES", ""},
		{`standard_init_linux.go:228: exec user process caused: operation not permitted`, "execve", "", "EPERM", ""},
		{`unshare: unshare failed: Operation not permitted`, "unshare", "", "EPERM", "unshare"},
		{`mount: /mnt: permission denied.`, "mount", "/mnt", "EPERM", "mount"},
		{`mount: mounting tmpfs on /mnt failed: Operation not permitted`, "mount", "/mnt", "EPERM", "mount"},
		{`ping: socket: Operation not permitted`, "socket", "", "EPERM", "ping"},
		{`ping: permission denied (are you root?)`, "socket", "", "EPERM", "ping"},
		{`chown: changing ownership of '/etc/passwd': Operation not permitted`, "fchownat", "/etc/passwd", "EPERM", "chown"},
		{`cat: /etc/shadow: Permission denied`, "", "/etc/shadow", "EACCES", "cat"},
		{`cat: can't open '/etc/shadow': Permission denied`, "open", "/etc/shadow", "EACCES", "cat"},
		{`mkdir: cannot create directory ‘/data/x’: Permission denied`, "mkdir", "/data/x", "EACCES", "mkdir"},
		{`mkdir: can't create directory '/data/x': Permission denied`, "mkdir", "/data/x", "EACCES", "mkdir"},
		{`touch: cannot touch '/data/a b': Read-only file system`, "creat", "/data/a b", "EROFS", "touch"},
		{`/docker-entrypoint.sh: line 5: /usr/bin/find: Permission denied`, "execve", "/usr/bin/find", "EACCES", "docker-entrypoint.sh"},
		{`/docker-entrypoint.sh: 47: exec: nginx: Permission denied`, "execve", "nginx", "EACCES", "docker-entrypoint.sh"},
		{`/docker-entrypoint.d/10-listen.sh: 2: sed: Permission denied`, "execve", "sed", "EACCES", "10-listen.sh"},
		{`sh: 1: ping: Permission denied`, "execve", "ping", "EACCES", "sh"},
		{`bash: /app/run: Permission denied`, "execve", "/app/run", "EACCES", "bash"},
		{`sh: 1: cannot create /data/x: Permission denied`, "creat", "/data/x", "EACCES", "sh"},
		{`PermissionError: [Errno 13] Permission denied: '/data/x'`, "", "/data/x", "EACCES", ""},
		{`  File "/app/main.py", line 3, in <module> PermissionError: [Errno 1] Operation not permitted: '/data/y'`, "", "/data/y", "EPERM", ""},
		{`Error: EACCES: permission denied, open '/data/x'`, "open", "/data/x", "EACCES", ""},
		{`Error: EACCES: permission denied, mkdir '/data/x'`, "mkdir", "/data/x", "EACCES", ""},
		{`Error: spawn /app/run EACCES`, "execve", "/app/run", "EACCES", ""},
		{`Error: listen EACCES: permission denied 0.0.0.0:80`, "bind", "", "EACCES", ""},
		{`java.io.FileNotFoundException: /data/x (Permission denied)`, "", "/data/x", "EACCES", ""},
		{`Exception in thread "main" java.nio.file.AccessDeniedException: /data/x`, "", "/data/x", "EACCES", ""},
		{`java.io.IOException: Cannot run program "/app/tool": error=13, Permission denied`, "execve", "/app/tool", "EACCES", ""},
		{`panic: open /data/x: permission denied`, "open", "/data/x", "EACCES", ""},
		{`fork/exec /app/tool: operation not permitted`, "execve", "/app/tool", "EPERM", ""},
		{`listen tcp :80: bind: permission denied`, "bind", "", "EACCES", ""},
		{`error while loading shared libraries: libc.so.6: cannot open shared object file: Permission denied`, "openat", "", "EACCES", ""},
		{`/app/x: error while loading shared libraries: /lib/libz.so.1: failed to map segment from shared object`, "mmap", "/lib/libz.so.1", "EACCES", "x"},
		{`Error: Os { code: 13, kind: PermissionDenied, message: "Permission denied" }`, "", "", "EACCES", ""},
		{`/bin/bash: /app/run: Permission denied`, "execve", "/app/run", "EACCES", "bash"},
		{`/entrypoint.sh: ligne 12: /data/run.sh: Permission non accordée`, "execve", "/data/run.sh", "EACCES", "entrypoint.sh"},
		{`/entrypoint.sh: Zeile 12: /data/run.sh: Keine Berechtigung`, "execve", "/data/run.sh", "EACCES", "entrypoint.sh"},
		{`./start.sh: 第 3 行：/opt/app：权限不够`, "execve", "/opt/app", "EACCES", ""},
		{`/entrypoint.sh: 行 3: /usr/local/bin/app: 許可がありません`, "execve", "/usr/local/bin/app", "EACCES", "entrypoint.sh"},
		{`Error: EACCES: permission denied, open &#39;/data/config.json&#39;`, "open", "/data/config.json", "EACCES", ""},
		{`&gt; unable to start container process: exec: &quot;/app/run&quot;: permission denied: unknown.`, "execve", "/app/run", "EACCES", ""},
		{`{"message":"create failed","data":{"cause":"mkdir /srv/x: permission denied","error":"property not found"}}`, "mkdir", "/srv/x", "EACCES", ""},
		{`{"level":"warn","msg":"retry","attempts":[{"n":1,"why":"open /srv/x: permission denied"}]}`, "open", "/srv/x", "EACCES", ""},
		{`Bad system call (core dumped)`, "", "", "SIGSYS", ""},
		{`set_mempolicy: Operation not permitted`, "set_mempolicy", "", "EPERM", ""},

		// what is named makes the call, and no word before it
		{`panic: could not create io_uring instance: Operation not permitted (os error 1)`, "io_uring_setup", "", "EPERM", ""},
		{`./uring-cp: queue_init: Operation not permitted`, "io_uring_setup", "", "EPERM", ""},
		{`lxc n1 20260101 ERROR conf - conf.c:1401 - Permission denied - Failed to pivot into new root directory`, "pivot_root", "", "EACCES", ""},
		{`wsdd2[615]: open_ep: SO_RCVBUFFORCE: Operation not permitted`, "", "", "", "wsdd2"}, // no call of a filter's
		{`mongo  | {"s":"F","c":"CONTROL","msg":"Writing fatal message","attr":{"message":"std::exception::what(): Operation not permitted\nActual exception type: std::system_error\n"}}`, "clone3", "", "EPERM", ""},
		{`error: PermissionDenied`, "", "", "EPERM", ""}, // as Zig ends
		{`ERROR  : Failed to create user namespace: Permission denied`, "clone", "", "EACCES", ""},
		{`Error: crun: mount ` + "`proc` to `proc`" + `: Operation not permitted: OCI permission denied`, "mount", "", "EPERM", ""},
		{`Error: remount /, flags: 0x44000: permission denied`, "mount", "", "EACCES", ""},
		{`[1:0601/100000.1:FATAL:credentials.cc(127)] Check failed: . : Permission denied (13)`, "clone", "", "EACCES", ""},

		// threads, in whatever words, and errors that are named by their numbers
		{`OS can't spawn worker thread: Operation not permitted (os error 1)`, "clone3", "", "EPERM", ""},
		{`ThreadPoolBuildError { kind: IOError(Os { code: 1, kind: PermissionDenied, message: "Operation not permitted" }) }`, "clone3", "", "EPERM", ""},
		{`[ERROR] [MY-012574] [InnoDB] Could not create thread: errno: 1`, "clone3", "", "EPERM", ""},
		{`[ERROR] Can't create thread to handle bootstrap (errno: 1 "Operation not permitted")`, "clone3", "", "EPERM", ""},
		{`[ERROR] mysqld: Can't create interrupt-thread (error 1, errno: 1)`, "clone3", "", "EPERM", ""},
		{`Failed to create main thread: Operation not permitted (1)`, "clone3", "", "EPERM", ""},
		{`[ALERT] 331/100000 (1) : Cannot create thread 2: Operation not permitted`, "clone3", "", "EPERM", ""},
		{`nginx: [emerg] pthread_create() failed (1: Operation not permitted)`, "clone3", "", "EPERM", "nginx"},
		{`listen(): Operation not permitted`, "listen", "", "EPERM", ""},
		{`Can't start logger thread: Operation not permitted`, "clone3", "", "EPERM", ""},
		{`could not create a pipe for threads: Operation not permitted`, "pipe2", "", "EPERM", ""},
		{`cannot open /data/thread-1: Permission denied`, "open", "/data/thread-1", "EACCES", ""},

		{`initdb: error: could not change permissions of directory "/var/lib/postgresql/data": Operation not permitted`, "chmod", "/var/lib/postgresql/data", "EPERM", "initdb"},
		{`E: setegid 65534 failed - setegid (1: Operation not permitted)`, "setresgid", "", "EPERM", ""},
		{`losetup: cannot find an unused loop device: Operation not permitted`, "openat", "", "EPERM", "losetup"},

		// Podman ends what the runtime says by its kind, which is of EPERM, too
		{`Error: open executable: Operation not permitted: OCI permission denied`, "", "", "", ""}, // crun's own answer for what is no file
		{`Error: crun: open executable: Permission denied: OCI permission denied`, "faccessat2", "", "EACCES", ""},
		{`Error: crun: cannot set up namespace using /proc/123/ns/net: setns: Operation not permitted: OCI permission denied`, "setns", "/proc/123/ns/net", "EPERM", ""},
		{`Error: runc: runc create failed: error mounting "proc" to rootfs at "/proc": mount through procfd: operation not permitted: OCI runtime permission denied error`, "mount", "/proc", "EPERM", ""},
		{`Error: crun: creating /run/.containerenv: openat2: Permission denied: OCI permission denied`, "openat2", "/run/.containerenv", "EACCES", ""},

		// what stands nearest to the error failed; what is before a colon is what that was for
		{`app: could not execute command "backup": Could not open '/data/b.img': Permission denied`, "open", "/data/b.img", "EACCES", "app"},
		{`error: unable to execute QEMU command 'blockdev-add': Could not open '/data/b.img': Permission denied`, "openat", "/data/b.img", "EACCES", ""},
		{`mailer: cannot create a report: cannot remove /data/m: Permission denied`, "unlink", "/data/m", "EACCES", "mailer"},
		{`/usr/bin/env: 'ruby': Permission denied`, "execve", "ruby", "EACCES", "env"},
		{`/bin/mkdir: cannot create directory 'cache': Permission denied`, "mkdir", "", "EACCES", "mkdir"},
		{`/srv/data: Permission denied`, "", "/srv/data", "EACCES", "data"},

		// what is created is a file where the text says so
		{`could not create "a.lock": Permission denied`, "creat", "", "EACCES", ""},
		{`unable to create temporary file: Permission denied`, "creat", "", "EACCES", ""},
		{`failed to create bridge "br0": could not add "br0": operation not permitted`, "", "", "EPERM", ""},
		{`failed to create shim: the device is not writable: Permission denied`, "", "", "EACCES", ""},
		{`bash: /dev/usb/lp0: Permission denied`, "openat", "/dev/usb/lp0", "EACCES", "bash"}, // a redirection

		// what a program does, whatever language it says it in
		{`mv: impossible de déplacer 'a' vers 'b': Opération non permise`, "rename", "", "EPERM", "mv"},
		{`ls: no se puede acceder a '/tmp': Operación no permitida`, "statx", "/tmp", "EPERM", "ls"},
		{`ls: /root: Permission denied`, "", "/root", "EACCES", "ls"},
		{`PHP Warning:  fopen(/data/x): Failed to open stream: Operation not permitted`, "open", "/data/x", "EPERM", ""},
		{`bash: line 1: cd: /tmp: Operation not permitted`, "chdir", "/tmp", "EPERM", "bash"},
		{`dash: 1: ulimit: error setting limit (Operation not permitted)`, "prlimit64", "", "EPERM", "dash"},
		{`ntp_adjtime() failed: Operation not permitted`, "adjtimex", "", "EPERM", ""},

		// what the runtime does before it executes the program is no execution
		{`OCI runtime create failed: runc create failed: unable to start container process: error during container init: error mounting "proc" to rootfs at "/proc": mount proc:/proc (via /proc/self/fd/8), flags: 0xe: operation not permitted: unknown`, "mount", "/proc", "EPERM", ""},
		{`failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: error setting rlimits for ready process: error setting rlimit type 7: operation not permitted: unknown`, "prlimit64", "", "EPERM", ""},
	} {
		a, ok := Read(parser.Origin{}, c.line, seccomp.X86_64)
		require.True(t, ok, c.line)
		assert.Equal(t, []string{c.call, c.path, c.errno, c.comm}, []string{a.Syscall, a.Path, a.Errno, a.Comm}, c.line)
	}
	for _, line := range []string{"", "all good", "listening on /run/x", "the keepereacces of it", "\xff\xfe"} {
		_, ok := Read(parser.Origin{}, line, seccomp.X86_64)
		assert.False(t, ok, line)
	}
}

// TestRuntimeSteps holds that only what fails in executing the program is said of it.
func TestRuntimeSteps(t *testing.T) {
	for line, first := range map[string]bool{
		`runc create failed: unable to start container process: exec: "/app/run": permission denied: unknown`:                     true,
		`runc create failed: unable to start container process: error during container init: exec: "/app/run": permission denied`: true,
		`container_linux.go:380: starting container process caused: exec: "/app/run": permission denied: unknown`:                 true,
		`exec /app/run: operation not permitted`: true,
		`unable to start container process: error during container init: open sysctl net.ipv4.ip_unprivileged_port_start file: reopen fd 8: permission denied`:       false,
		`starting container process caused: process_linux.go:608: container init caused: rootfs_init_linux.go:366: failed to mkdirall /var/lib/x: permission denied`: false,
	} {
		a, ok := Read(parser.Origin{}, line, seccomp.X86_64)
		require.True(t, ok, line)
		assert.Equal(t, first, a.First, line)
		assert.True(t, first || a.Syscall != "execve", line)
	}
}

// TestVerbs holds that words of libraries and programs that are no names of calls tell them.
func TestIsPodman(t *testing.T) {
	for text, want := range map[string]bool{
		"Error: crun: mkdir `/x`: Operation not permitted: OCI permission denied":   true,
		"Error: runc: exec: permission denied: OCI runtime permission denied error": true,
		"podman: cannot re-exec process":                                            true,
		"mkdir: /home/podmans: Permission denied":                                   false,
		"docker: OCI runtime create failed: permission denied":                      false,
	} {
		assert.Equal(t, want, IsPodman(text), text)
	}
}

// TestReaderAround holds what the lines before tell: which frame of Python makes the call, and that Firejail runs
// the program.
func TestReaderAround(t *testing.T) {
	for _, c := range []struct{ text, call, hint string }{
		{"  File \"/srv/s.py\", line 434, in server_bind\n    self.socket.bind(self.server_address)\n  File \"/usr/lib/python2.7/socket.py\", line 228, in meth\n" +
			"    return getattr(self._sock,name)(*args)\nsocket.error: [Errno 13] Permission denied", "bind", ""},
		{"Parent pid 18618, child pid 18619\nChild process initialized in 12.24 ms\nfusermount: mount failed: Operation not permitted", "mount", "firejail"},
		{"Reading profile /etc/firejail/default.profile\nError: EACCES: permission denied, mkdir '/home/a/.config/x'", "mkdir", "firejail"},
		{"Error: EACCES: permission denied, mkdir '/home/a/.config/x'", "mkdir", ""},
	} {
		var got []parser.Attempt
		r := NewReader("out", seccomp.X86_64, func(a parser.Attempt) { got = append(got, a) })
		for line := range strings.Lines(c.text) {
			r.Line(strings.TrimRight(line, "\n"))
		}
		r.End()
		require.Len(t, got, 1, c.text)
		assert.Equal(t, c.call, got[0].Syscall, c.text)
		assert.Equal(t, hints[c.hint].says, got[0].Hint, c.text)
	}
}

// TestOfHost holds that what systemd and its programs log is of no engine's container.
func TestOfHost(t *testing.T) {
	for line, host := range map[string]bool{
		"Oct 08 10:14:18 vm systemd-nspawn[961]: Failed to open loop device /dev/loop0: Operation not permitted": true,
		"Failed to open loop device /dev/loop0: Operation not permitted":                                         false,
		"bwrap: Failed to make / slave: Operation not permitted":                                                 true,
	} {
		a, ok := Read(parser.Origin{}, line, seccomp.X86_64)
		require.True(t, ok, line)
		assert.Equal(t, host, a.Host, line)
	}
}

// TestNamesUnit holds that what is to be typed has the name of the unit, where the line has it.
func TestNamesUnit(t *testing.T) {
	for line, want := range map[string]string{
		"web.service: Main process exited, code=killed, status=31/SYS":                                      "systemctl cat web.service > unit.cat",
		"systemd[1]: app@1.service: Failed at step CHDIR spawning /srv/app: Permission denied":              "",
		"Jan 01 10:00:00 h systemd[1]: web.service: Main process exited, code=exited, status=226/NAMESPACE": "journalctl -u web.service",
		"  Main PID: 7 (code=exited, status=226/NAMESPACE)":                                                 "journalctl -u UNIT",
	} {
		a, ok := Read(parser.Origin{}, line, seccomp.X86_64)
		require.True(t, ok, line)
		assert.Contains(t, a.Hint, want, line)
	}
}

func TestVerbs(t *testing.T) {
	for line, call := range map[string]string{
		"redis-server: Can't chdir to '/data': Permission denied":                                        "chdir",
		"app: cannot bind mount /a on /b: Operation not permitted":                                       "mount",
		"Error: libscap: bpf_load_program() event=raw_tracepoint/x: Operation not permitted":             "bpf",
		"java.net.SocketException: Permission denied (Bind failed)":                                      "bind",
		"java.net.ConnectException: Permission denied (connect failed)":                                  "connect",
		"failed to set MEMLOCK rlimit: operation not permitted":                                          "prlimit64",
		"Error: failed to load BPF program: operation not permitted":                                     "bpf",
		`rsync: [generator] chgrp "/data/.x" failed: Operation not permitted (1)`:                        "fchownat",
		"Error: EPERM: operation not permitted, uv_os_setpriority":                                       "setpriority",
		"setpriv: failed to execute sh: Operation not permitted":                                         "execve",
		"watchdog: unable to run /opt/x: Permission denied":                                              "execve",
		"container_linux.go:380: starting container process caused: apply caps: operation not permitted": "capset",
	} {
		a, ok := Read(parser.Origin{}, line, seccomp.X86_64)
		require.True(t, ok, line)
		assert.Equal(t, call, a.Syscall, line)
	}
}

// TestIDMaps holds that an ID map is one in whatever words: EPERM is of whoever checks it, EACCES of
// what hides the file.
func TestIDMaps(t *testing.T) {
	for line, want := range map[string]string{
		`exited: write("/proc/self/uid_map", ..) => Operation not permitted (os error 1)`: "idmap",
		`box: cannot write /proc/4711/gid_map: Operation not permitted`:                   "idmap",
		`box: cannot open /proc/self/uid_map: Permission denied`:                          "userns-stub",
		`bwrap: setting up uid map: Permission denied`:                                    "userns-stub",
		`bwrap: setting up uid map: Operation not permitted`:                              "idmap",
		`box: cannot open /srv/uid_map: Permission denied`:                                "",
	} {
		a, ok := Read(parser.Origin{}, line, seccomp.X86_64)
		require.True(t, ok, line)
		assert.Equal(t, hints[want], hint{a.Layer, a.Hint}, line)
	}
}

// TestReader holds that the call of a line of source is that of the error below it, that of
// a frame the one above, and that source is not read as output.
func TestReader(t *testing.T) {
	for lines, want := range map[string]string{
		"Traceback (most recent call last):\n  File \"/app/x.py\", line 2, in <module>\n    os.sched_setaffinity(0, {1})\nPermissionError: [Errno 1] Operation not permitted":                   "sched_setaffinity EPERM",
		"  File \"/usr/lib/python3.11/socket.py\", line 232, in __init__\n    _socket.socket.__init__(self, family, type)\nPermissionError: [Errno 1] Operation not permitted":                  "socket EPERM",
		"web-1  |   File \"/app/x.py\", line 2, in f\nweb-1  |     os.setgid(gid)\nweb-1  |     ^^^^^^^^^^^^^^\nweb-1  | PermissionError: [Errno 1] Operation not permitted":                    "setgid EPERM",
		"  File \"/app/x.py\", line 2, in f\n    raise OSError('Permission denied')\nOSError: something else":                                                                                   "",
		"npm error code EACCES\nnpm error syscall mkdir\nnpm error Error: EACCES: permission denied, mkdir '/app/x'":                                                                            "mkdir EACCES",
		"Error: EPERM: operation not permitted, chown '/app/x'\n  errno: -1,\n  code: 'EPERM',\n  syscall: 'chown',":                                                                            "chown EPERM",
		"runc create failed: unable to start container process: error\nduring container init: unable to join session keyring: unable to create\nsession key: operation not permitted: unknown.": "keyctl EPERM",
		"root@0123456789ab:/usr/src/app# app: sched_setaffinity: Operation not permitt\ned":                                                                                                     "sched_setaffinity EPERM",
		"nginx: [emerg] chown(\"/var/cache/nginx/client_temp\", 101) failed (1:\nOperation not permitted)":                                                                                      "chown EPERM", // the error alone
		"I see 'unshare: unshare failed: Operation not permitted' in it and `mount: permission denied (are you root?)`, why?":                                                                   "mount EPERM; unshare EPERM",
		"It runs on my NAS, but `pthread_create failed: Operation not permitted` appears, and then `bind: Permission denied`.":                                                                  "clone3 EPERM; bind EACCES",
		"Error: crun: mount `proc` to `proc`: Operation not permitted: OCI permission denied":                                                                                                   "mount EPERM",
		"the connection to the database was made by socket(AF_INET), on port 5432\napp: could not do it: Operation not permitted":                                                               " EPERM", // of two messages
		"> the worker could not be started, of the reason see below: Vorgang wurde\n> shared: pthread_create failed: Operation not permitted":                                                   "clone3 EPERM",
		"  File \"/app/x.py\", line 3, in f\n    t = time.time()\nPermissionError: [Errno 1] Operation not permitted":                                                                           "clock_gettime64 EPERM",
		"OSError: [Errno 1] Operation not permitted\n  File \"/app/x.py\", line 2, in f\n    os.setgid(gid)":                                                                                    " EPERM",
	} {
		var said []string
		r := NewReader("f", seccomp.X86_64, func(a parser.Attempt) { said = append(said, a.Syscall+" "+a.Errno) })
		for line := range strings.Lines(lines) {
			r.Line(line)
		}
		r.End()
		assert.Equal(t, want, strings.Join(said, "; "), lines)
	}
}

// FuzzRead reads arbitrary lines: no panic, and nothing is made up.
func FuzzRead(f *testing.F) {
	for _, r := range Rows() {
		f.Add(sample(&r))
	}
	f.Add("bash: /x: Permission denied\n")
	f.Fuzz(func(t *testing.T, line string) {
		a, ok := Read(parser.Origin{}, line, seccomp.X86_64)
		if !ok {
			return
		}
		if a.Errno == "" && a.Hint == "" || a.Path != "" && !strings.Contains(line, a.Path) {
			t.Fatalf("%q: %+v", line, a)
		}
		for _, tried := range append(a.Or, parser.Tried{Syscall: a.Syscall}) {
			if tried.Syscall != "" && !isCall(tried.Syscall) && tried.Syscall != "umount" && tried.Syscall != "listen" {
				t.Fatalf("%q: %+v", line, a)
			}
		}
	})
}

// TestOthersRefusals holds that nothing is read of errors that are no refusals of the kernel,
// or that other authorities than the kernel gave.
func TestOthersRefusals(t *testing.T) {
	for line := range strings.Lines(ordinary) {
		if a, ok := Read(parser.Origin{}, line, seccomp.X86_64); ok {
			assert.Fail(t, "read", "%s: %+v", line, a)
		}
	}
}

// TestNoRefusal holds that what is no refusal is told as that, and nothing of what is one.
func TestNoRefusal(t *testing.T) {
	for line, want := range map[string]string{
		"write /data/x: no space left on device":                                                                                     "a file system is full",
		"failed to solve: failed to register layer: write /usr/lib/libLLVM.so: disk quota exceeded":                                  "a disk quota is used up",
		`OCI runtime exec failed: exec failed: exec: "bash": executable file not found in $PATH: unknown`:                            "not in the image",
		"exec /entrypoint.sh: no such file or directory":                                                                             "the interpreter of its first line",
		`standard_init_linux.go:228: exec user process caused: no such file or directory`:                                            "the interpreter of its first line",
		`Error creating: pods "web-1" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true`:                  "Pod Security Admission",
		`pods "x-" is forbidden: unable to validate against any security context constraint: [provider restricted-v2:`:               "the API server admits no such pod",
		`pods is forbidden: User "system:serviceaccount:default:default" cannot list resource "pods" in API group ""`:                "RBAC",
		"Permissions 0644 for '/root/.ssh/id_rsa' are too open.":                                                                     "the SSH client itself",
		"git@github.com: Permission denied (publickey).":                                                                             "the SSH server",
		"ERROR:  permission denied for table users":                                                                                  "the database",
		"fatal: detected dubious ownership in repository at '/app'":                                                                  "git itself",
		`2024-01-10 12:00:00.000 UTC [1] FATAL:  data directory "/var/lib/postgresql/data" has wrong ownership`:                      "PostgreSQL itself",
		"> docker: Error response from daemon: pull access denied for foo, repository does not exist or may require auth":            "the registry",
		`Connection ":1.698" is not allowed to own the service "org.PulseAudio1" due to security policies in the configuration file`: "the message bus itself",
		"System has not been booted with systemd as init system (PID 1). Can't operate.":                                             "there is no systemd",
		"modprobe: FATAL: Module wireguard not found in directory /lib/modules/6.8.0":                                                "the kernel's module",
		"max virtual memory areas vm.max_map_count [65530] is too low, increase to at least [262144]":                                "a limit of the host's kernel",
		"authorization denied by plugin hbm: Volume /x is not allowed to be mounted":                                                 "an authorization plugin",
		"fusermount: option allow_other only allowed if 'user_allow_other' is set in /etc/fuse.conf":                                 "fusermount itself",
		"web-1 exited with code 127":                                                                  "the program is not there",
		"Segmentation fault (core dumped)":                                                            "the program itself crashed",
		"dial tcp 10.0.0.1:443: connect: connection refused":                                          "nothing listens",
		"Failed to start x.service: Interactive authentication required.":                             "polkit",
		`forbidden sysctl: "net.core.somaxconn" not allowlisted`:                                      "the kubelet itself",
		`The Pod "x" is invalid: spec.securityContext.seccompProfile.localhostProfile: Invalid value`: "the API server does not take",
		"sudo: a password is required":                                                                "sudo itself",
		"app.service: Main process exited, code=exited, status=217/USER":                              "the unit's User=",
		"ERROR: Cannot open TUN/TAP dev /dev/net/tun: No such file or directory (errno=2)":            "there is no /dev/net/tun",
		"/user.slice/user-1000.slice/session-1.scope is not a snap cgroup":                            "snapd wants",
		`nginx: [emerg] open() "/dev/stdout" failed (6: No such device or address)`:                   "the program's output is a socket",
		"chmod: changing permissions of '/config/tasks': Bad address":                                 "the file system failed",
		"A system error occurred: uv_os_get_passwd returned ENOENT (no such file or directory)":       "the user's ID has no name",
		"Error: permission_denied: 403 Forbidden":                                                     "a server at the other end",
		"Lockdown: bpftrace: use of bpf to read kernel RAM is restricted; see man kernel_lockdown.7":  "the kernel's lockdown",
		"ERROR: bpftrace currently only supports running as the root user.":                           "the program itself asks for root",
		"Error: Error querying the database: db error: ERROR: must be owner of relation alert":        "the database",
		"FATAL: kernel too old": "the program's C library",
		"bwrap: Creating new namespace failed, likely because the kernel does not support user namespaces.": "the kernel has no user namespaces",
		"s6-overlay-suexec: fatal: can only run as pid 1":                                                   "s6-overlay wants",
		"dbus.exceptions.DBusException: org.bluez.Error.NotPermitted: Write not permitted":                  "BlueZ itself",
		"Error: 7 PERMISSION_DENIED: The caller does not have permission":                                   "a server at the other end",
		"ERROR: S3 error: 403 (AccessDenied): Access Denied":                                                "a server at the other end",
		"remote: Gitea: User permission denied for writing.":                                                "the git server",
		"remote: FATAL: W refs/heads/main DENIED by fallthru":                                               "the git server",
		`npm ERR! Error: EPERM: operation not permitted, unlink 'C:\Users\a\node_modules\x'`:                "Windows refused it",
		`PermissionError: [Errno 13] Permission denied: 'C:\\data\\x.csv'`:                                  "Windows refused it",
		"bwrap: Unexpected capabilities but not setuid, old file caps config?":                              "bubblewrap itself",
		"No CAP_SYS_NICE, falling back to regular-priority compute and threads.":                            "harmless",
		"mkdir /data/x: permission denied":                                                                  "",
		"all good":                                                                                          "",
	} {
		got := NoRefusal(line)
		assert.True(t, strings.HasPrefix(got, want) || strings.Contains(got, want), "%s: %s", line, got)
		assert.Equal(t, want == "", got == "", line)
		if _, refused := Read(parser.Origin{}, line, seccomp.X86_64); want != "" {
			assert.False(t, refused, line)
		}
	}
}

// TestBefore holds that what engines, loggers and collectors put before a line changes
// nothing of what is read of it, and that the C library may speak any language.
func TestBefore(t *testing.T) {
	quoted := func(s string) string { return strings.ReplaceAll(s, `"`, `\"`) }
	for _, line := range []string{
		`sh: 1: /bin/x: Operation not permitted`, `mount: /mnt: permission denied.`, `  what():  Operation not permitted`,
		`exec: "/app/run": operation not permitted`, `bash: /app/run: Permission denied`,
	} {
		want, ok := Read(parser.Origin{}, line, seccomp.X86_64)
		require.True(t, ok, line)
		for _, in := range []string{
			"2026-11-25T10:00:00.123456789Z " + line, "web-1  | " + line, "\x1b[36mweb-1  |\x1b[0m " + line, "Nov 25 10:00:00 node1 docker[77]: " + line,
			"2026-11-25T10:00:00+0200 node1 app[77]: " + line, "2026-11-25T10:00:00.1Z stderr F " + line, "[pod/web-0/app] " + line, "> > " + line,
			"E1125 10:00:00.000000       1 main.go:42] " + line, `{"log":"` + quoted(line) + `\n","stream":"stderr","time":"2026-11-25T10:00:00Z"}`,
			`{"level":"error","msg":"` + quoted(line) + `"}`, `time="2026-11-25T10:00:00Z" level=error msg="` + quoted(line) + `"`,
			`web-1  | 2026-11-25T10:00:00Z {"message":"` + quoted(line) + `"}`, line + "\r",
			strings.ReplaceAll(line, " ", "\u00a0"), `\u001b[31m` + line + `\u001b[0m`, "^[[31m" + line + "^[[0m", "\u200b" + line,
			"#12 0.345 " + line, "web.1.x7@node1    | " + line, "[2026-11-25T10:00:00.000Z] " + line, "[  123.456789] " + line, "2026/11/25 10:00:00 " + line,
		} {
			got, ok := Read(parser.Origin{}, in, seccomp.X86_64)
			require.True(t, ok, in)
			got.Text, want.Text = "", ""
			assert.Equal(t, want, got, in)
		}
	}
	for line, want := range map[string][]string{
		"bwrap: Creating new namespace failed: Die Operation ist nicht erlaubt":                               {"clone", "EPERM"},
		"keyctl: Opération non permise":                                                                       {"keyctl", "EPERM"},
		"nginx: [emerg] open() \"/run/x\" failed (13: 許可がありません)":                                              {"open", "EACCES"},
		"mount: /mnt: доступ запрещён: Операция не позволена":                                                 {"mount", "EPERM"},
		"[warning] failed to set scheduling policy: Operation not permitted":                                  {"sched_setscheduler", "EPERM"},
		"jackd: cannot use real-time scheduling (RR/10): Operation not permitted":                             {"sched_setscheduler", "EPERM"},
		"pipewire: mod.rt: could not set nice-level to -11: Permission denied":                                {"setpriority", "EACCES"},
		"ntpd: step_systime: Operation not permitted":                                                         {"clock_settime", "EPERM"},
		"mlockall failed: Cannot allocate memory":                                                             {"mlockall", "ENOMEM"},
		"Unable to lock JVM Memory: error=1, reason: Operation not permitted":                                 {"mlockall", "EPERM"},
		"redis-server: Can't set maximum open files to 10032 because of OS error: Operation not permitted.":   {"prlimit64", "EPERM"},
		"postgres: could not set permissions of directory \"/data\": Operation not permitted":                 {"chmod", "EPERM"},
		"dbus-daemon: Failed to start message bus: Failed to drop capabilities: Operation not permitted":      {"capset", "EPERM"},
		"capsh: failed to set groups: Operation not permitted":                                                {"setgroups", "EPERM"},
		"s6-applyuidgid: fatal: unable to set supplementary group list: Operation not permitted":              {"setgroups", "EPERM"},
		"crond: can't set uid: Operation not permitted":                                                       {"setuid", "EPERM"},
		"keyctl_search: Operation not permitted":                                                              {"keyctl", "EPERM"},
		"unbound[1]: [1:0] error: can't bind socket: Permission denied for 0.0.0.0 port 53":                   {"bind", "EACCES"},
		"ip: ioctl 0x8914 failed: Operation not permitted":                                                    {"ioctl", "EPERM"},
		"blkid: error: /dev/sda: Operation not permitted":                                                     {"openat", "EPERM"},
		"PHP Warning: fopen(/data/x): Failed to open stream: Operation not permitted in /srv/a.php on line 3": {"open", "EPERM"},
		"mkfs.ext4: Permission denied while trying to determine filesystem size":                              {"", "EACCES"},
		"web: socket: Address family not supported by protocol":                                               {"socket", "EAFNOSUPPORT"},
		"ip: Cannot open netlink socket: Address family not supported by protocol":                            {"socket", "EAFNOSUPPORT"},
		"mount: /mnt: доступ запрещен.":                                                                       {"mount", "EPERM"}, // util-linux's own words
		"mount: /mnt: Zugriff verweigert.":                                                                    {"mount", "EPERM"},
		"mount: /mnt: отказано в доступе.":                                                                    {"mount", "EPERM"},
		"umount: /mnt: seul le superutilisateur peut démonter.":                                               {"umount2", "EPERM"},
		"mount: /mnt: 必须以超级用户身份使用 mount。":                                                                     {"mount", "EPERM"},
		"ls: ディレクトリ '/root' を開くことが出来ません: 許可がありません":                                                            {"open", "EACCES"},
		"ls: невозможно открыть каталог '/root': Отказано в доступе":                                          {"open", "EACCES"},
		"head: impossible d'ouvrir '/x' en lecture: Permission non accordée":                                  {"open", "EACCES"},
	} {
		a, ok := Read(parser.Origin{}, line, seccomp.X86_64)
		require.True(t, ok, line)
		assert.Equal(t, want, []string{a.Syscall, a.Errno}, line)
	}
}

// A path is that of what was refused, and no other that the line names; what is no refusal is none.
func TestReadPaths(t *testing.T) {
	for line, want := range map[string]string{
		"PHP Warning: fopen(/data/x): Failed to open stream: Operation not permitted in /srv/a.php on line 3": "/data/x",
		"Error: spawn EACCES": "",
		"running `apparmor_parser -Kr /tmp/x`: profile not found": "/tmp/x",
		"open /sys/fs/cgroup/cgroup.procs: permission denied":     "/sys/fs/cgroup/cgroup.procs",
	} {
		a, ok := Read(parser.Origin{}, line, seccomp.X86_64)
		assert.True(t, ok, line)
		assert.Equal(t, want, a.Path, line)
	}
	for _, line := range []string{"fork: Cannot allocate memory", "malloc: Cannot allocate memory", "ENOMEM: Cannot allocate memory"} {
		_, ok := Read(parser.Origin{}, line, seccomp.X86_64)
		assert.False(t, ok, line)
	}
}

// TestFamilies holds that a message about a socket which names the family of addresses
// says the argument.
func TestFamilies(t *testing.T) {
	for line, want := range map[string]string{
		"nginx: [emerg] socket() [::]:80 failed (97: Address family not supported by protocol)": "AF_INET6",
		"listen tcp6 [::]:53: socket: address family not supported by protocol":                 "AF_INET6",
		"socket(AF_PACKET): Operation not permitted":                                            "AF_PACKET",
		"could not open PF_NETLINK socket: Address family not supported by protocol":            "AF_NETLINK",
		"failed to create a netlink socket: Address family not supported by protocol":           "AF_NETLINK",
		"connect to 10.0.0.1: Address family not supported by protocol":                         "",
		"socket: Operation not permitted":                                                       "",
	} {
		a, ok := Read(parser.Origin{}, line, seccomp.X86_64)
		require.True(t, ok, line)
		assert.Equal(t, "socket", a.Syscall, line)
		assert.Equal(t, want, strings.Join(a.Args, ", "), line)
	}
}

// TestRefusesNoSpace holds that a disk that is full is no refusal, and a limit of the kernel is.
func TestRefusesNoSpace(t *testing.T) {
	for line, want := range map[string]string{
		"unshare: unshare failed: No space left on device":                       "unshare",
		"inotify_add_watch: No space left on device":                             "inotify_add_watch",
		"Error: ENOSPC: System limit for number of file watchers reached, watch": "inotify_add_watch",
		"write /data/x: no space left on device":                                 "",
		"mkdir: cannot create directory '/data/x': No space left on device":      "",
	} {
		a, ok := Read(parser.Origin{}, line, seccomp.X86_64)
		assert.Equal(t, want != "", ok, line)
		if ok {
			assert.Equal(t, want, a.Syscall, line)
		}
	}
}

// TestObjects holds that what is created or opened by a call of its own is no file, and that
// words which are the names of old calls are read as words.
func TestObjects(t *testing.T) {
	for line, want := range map[string]string{
		"RuntimeError: failed to create memfd: Operation not permitted":                  "memfd_create",
		"cannot initialize inotify: Operation not permitted":                             "inotify_init1",
		"falco: Error: unable to open perf event: Operation not permitted":               "perf_event_open",
		"cp: cannot create special file 'x': Operation not permitted":                    "mknodat",
		"Failed to allocate the epoll instance: Function not implemented":                "epoll_create1",
		"mount: /mnt: fsconfig system call failed: Operation not permitted.":             "fsconfig",
		"mount: /mnt: mount(2) system call failed: Operation not permitted.":             "mount",
		"io_uring setup failed: Operation not permitted":                                 "io_uring_setup",
		"Error: EPERM: operation not permitted, uv_cwd":                                  "getcwd",
		"haproxy: Cannot raise FD limit to 8000, limit is 1024. Operation not permitted": "prlimit64",
		"./configure: line 2: ./a.out: Operation not permitted":                          "execve",
		"bash: /dev/tcp/10.0.0.1/80: Permission denied":                                  "socket",
		"mongod: Failed to set up signal: Operation not permitted":                       "",
		"touch: cannot create 'x': Operation not permitted":                              "creat",
	} {
		a, ok := Read(parser.Origin{}, line, seccomp.X86_64)
		require.True(t, ok, line)
		assert.Equal(t, want, a.Syscall, line)
	}
}

// TestOwnLine holds that a text which begins with its line is of that alone, however long the
// line before is.
func TestOwnLine(t *testing.T) {
	for _, line := range []string{"what():  Operation not permitted", "At least one invalid signature was encountered.", "pthread_create failed: Operation not permitted"} {
		for _, before := range []string{"terminate called after throwing an instance of 'std::system_error'", "the worker was not started, for a reason that comes below:"} {
			var said []string
			r := NewReader("f", seccomp.X86_64, func(a parser.Attempt) { said = append(said, a.Text) })
			r.Line(before)
			r.Line(line)
			r.End()
			assert.Equal(t, []string{line}, said)
		}
	}
}

// A kubelet quotes what containerd quoted that quoted something.
func TestQuotedInQuoted(t *testing.T) {
	line := `E1201 18:13:59.820339 558 pod_workers.go:1338] "Error syncing pod, skipping" err="failed to \"StartContainer\" for \"web\" with CreateContainerError: \"failed to create containerd container: cannot load seccomp profile \\\"/x/none.json\\\": open /x/none.json: no such file or directory\"" pod="prod/web" podUID="1"`
	a, ok := Read(parser.Origin{}, line, seccomp.X86_64)
	require.True(t, ok)
	assert.Equal(t, "seccomp", a.Layer)
	assert.True(t, IsKubelet(line))
}
