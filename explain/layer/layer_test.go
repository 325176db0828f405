package layer_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/layer"
	"github.com/whydenied/whydenied/explain/message"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// config is an OCI config.json with what a case says besides.
func config(t *testing.T, more string) container.Container {
	t.Helper()
	text := `{"ociVersion":"1.2.0","process":{"user":{"uid":0},"capabilities":{"bounding":["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FOWNER","CAP_KILL","CAP_MKNOD","CAP_SETUID"],
		"effective":["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FOWNER","CAP_KILL","CAP_MKNOD","CAP_SETUID"]}},"root":{},"linux":{}}`
	base, extra := map[string]any{}, map[string]any{}
	require.NoError(t, json.Unmarshal([]byte(text), &base))
	if more != "" {
		require.NoError(t, json.Unmarshal([]byte(more), &extra), more)
	}
	merge(base, extra)
	merged, err := json.Marshal(base)
	require.NoError(t, err)
	found, err := container.Read("config.json", merged)
	require.NoError(t, err)
	return found[0]
}

func merge(to, from map[string]any) {
	for key, value := range from {
		inner, ok := value.(map[string]any)
		if into, both := to[key].(map[string]any); ok && both {
			merge(into, inner)
			continue
		}
		to[key] = value
	}
}

// last returns the last attempt of a trace, or of a text that a program printed.
func last(t *testing.T, text string) parser.Attempt {
	t.Helper()
	s := &parser.Strace{File: "trace"}
	var a parser.Attempt
	found := false
	for line := range strings.Lines(text) {
		if next, ok := s.Line(strings.TrimSpace(line)); ok {
			a, found = next, true
		} else if next, ok := message.Read(parser.Origin{File: "f"}, line, seccomp.X86_64); ok && !strings.Contains(line, ") = ") {
			a, found = next, true
		}
	}
	require.True(t, found, text)
	return a
}

const started = "1 execve(\"/bin/x\", [\"x\"], 0x1 /* 1 var */) = 0\n"

// cases are what real programs met, as a trace or as they printed it, with what else the
// config.json had. The filter and the profile permit it, unless the case says otherwise.
var cases = []struct {
	name, config, text string
	layer              layer.Layer // "" if it must not be named
	sure               bool
	why                string
}{
	{"read-only root", `{"root":{"readonly":true}}`, `openat(AT_FDCWD, "/etc/x", O_WRONLY|O_CREAT, 0666) = -1 EROFS (R)`, layer.Mount, true, "the container's root is read-only"},
	{"read-only mount", `{"mounts":[{"destination":"/data","options":["ro"]}]}`, `mkdir("/data/x", 0777) = -1 EROFS (R)`, layer.Mount, true, "/data is mounted read-only"},
	{"read-only path", `{"linux":{"readonlyPaths":["/proc/sys"]}}`, `openat(AT_FDCWD, "/proc/sys/kernel/x", O_WRONLY) = -1 EROFS (R)`, layer.Mount, true, "read-only paths"},
	{"cgroups", `{}`, `mkdir("/sys/fs/cgroup/init", 0755) = -1 EROFS (R)`, layer.Mount, true, "--systemd=always"},
	{"masked path", `{"linux":{"maskedPaths":["/proc/scsi"]}}`, `openat(AT_FDCWD, "/proc/scsi/x", O_WRONLY|O_CREAT, 0666) = -1 EROFS (R)`, layer.Mount, true, "masked paths"},
	{"noexec", `{"mounts":[{"destination":"/tmp","options":["noexec"]}]}`, started + `1 execve("/tmp/x", ["x"], 0x1) = -1 EACCES (P)`, layer.Mount, true, "/tmp is mounted noexec"},
	{"noexec mapping", `{"mounts":[{"destination":"/tmp","options":["noexec"]}]}`, `mmap(NULL, 8, PROT_READ|PROT_EXEC, MAP_PRIVATE, 3</tmp/x.so>, 0) = -1 EPERM (O)`, layer.Mount, true, "noexec"},
	{"sysctl", "", `sysctl: error setting key 'net.ipv4.conf.all.src_valid_mark': Read-only file system`, layer.Mount, true, "docker run --sysctl"},
	{"said read-only", "", "touch: cannot touch '/x': Read-only file system", layer.Mount, true, "mounted read-only"},

	{"mode", `{"process":{"user":{"uid":1000}}}`, started + `1 openat(AT_FDCWD, "/etc/shadow", O_RDONLY) = -1 EACCES (P)`, layer.Mode, false, "user 1000"},
	{"no x bit", "", started + `1 execve("/srv/x", ["x"], 0x1) = -1 EACCES (P)`, layer.Mode, false, "no x bit"},
	{"another's file", `{"process":{"user":{"uid":1000}}}`, started + `1 fchmodat(AT_FDCWD, "/srv/x", 0777) = -1 EPERM (O)`, layer.Mode, false, "not the owner"},
	{"immutable", "", started + `1 unlinkat(AT_FDCWD, "/srv/x", 0) = -1 EPERM (O)`, layer.Mode, false, "immutable"},
	{"root without DAC_OVERRIDE", `{"process":{"capabilities":{"effective":[]}}}`, started + `1 openat(AT_FDCWD, "/srv/x", O_RDONLY) = -1 EACCES (P)`, layer.Capability, false, "CAP_DAC_OVERRIDE"},

	{"capability", "", started + `1 mount("x", "/mnt", "tmpfs", 0, NULL) = -1 EPERM (O)`, layer.Capability, true, "CAP_SYS_ADMIN"},
	{"dropped by itself", `{"process":{"capabilities":{"effective":["CAP_SYS_CHROOT"]}}}`, started + `1 capset({version=_LINUX_CAPABILITY_VERSION_3, pid=0}, {effective=1<<CAP_CHOWN, permitted=1<<CAP_CHOWN, inheritable=0}) = 0
		1 chroot("/srv") = -1 EPERM (O)`, layer.Capability, true, "CAP_SYS_CHROOT"},
	{"an operation that asks for none", "", started + `1 keyctl(KEYCTL_JOIN_SESSION_KEYRING, NULL) = -1 EPERM (O)`, "", false, ""},
	{"an operation that is not known", "", started + `1 keyctl(KEYCTL_OF_TOMORROW, NULL) = -1 EPERM (O)`, layer.Capability, false, "unless"},
	{"an operation that asks for one", "", started + `1 keyctl(KEYCTL_CHOWN, 5, 0, 0) = -1 EPERM (O)`, layer.Capability, true, "CAP_SYS_ADMIN"},
	{"a device", `{"process":{"capabilities":{"effective":["CAP_CHOWN"]}}}`, started + `1 mknodat(AT_FDCWD</tmp>, "/tmp/n", S_IFCHR|0666, makedev(0x1, 0x3)) = -1 EPERM (O)`, layer.Capability, true, "CAP_MKNOD"},
	{"a pipe asks for none", `{"process":{"capabilities":{"effective":["CAP_CHOWN"]}}}`, started + `1 mknodat(AT_FDCWD</tmp>, "/tmp/n", S_IFIFO|0666) = -1 EPERM (O)`, "", false, ""},
	{"the whiteout of an overlay asks for none", `{"process":{"capabilities":{"effective":["CAP_CHOWN"]}}}`, started + `1 mknodat(AT_FDCWD</tmp>, "/tmp/n", S_IFCHR|0666, makedev(0, 0)) = -1 EPERM (O)`, "", false, ""},
	{"a device in a user namespace", `{"linux":{"namespaces":[{"type":"user"}]}}`, started + `1 mknod("/tmp/n", S_IFBLK|0666, makedev(0x7, 0x100)) = -1 EPERM (O)`, layer.UserNamespace, true, "CAP_MKNOD"},
	{"the same in a user namespace", `{"linux":{"namespaces":[{"type":"user"}]}}`, started + `1 keyctl(KEYCTL_JOIN_SESSION_KEYRING, NULL) = -1 EPERM (O)`, "", false, ""},
	{"the execution or the look before it", "", "exec /usr/bin/caddy: operation not permitted", layer.Capability, false, "may have capabilities"},
	{"the file can have none that is lacking", `{"process":{"capabilities":{"bounding":["CAP_NET_RAW","CAP_NET_ADMIN","CAP_NET_BIND_SERVICE","CAP_SYS_NICE","CAP_SYS_ADMIN","CAP_SYS_PTRACE","CAP_SETUID","CAP_SETGID","CAP_IPC_LOCK","CAP_PERFMON","CAP_BPF"]}}}`, "sh: 1: /usr/bin/ping: Operation not permitted", "", false, ""},
	{"opened to read or to write", "", "cat: can't open '/srv/x': Operation not permitted", "", false, ""},
	{"low port", "", started + `1 bind(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("0.0.0.0")}, 16) = -1 EACCES (P)`, layer.Capability, true, "CAP_NET_BIND_SERVICE"},

	{"no new privileges", `{"process":{"user":{"uid":1000},"noNewPrivileges":true}}`, "1 execve(\"/bin/su\", [\"su\"], 0x1) = 0\n1 setgid(0) = -1 EPERM (O)", layer.NoNewPrivs, true, "su is setuid"},
	{"sudo says", `{"process":{"user":{"uid":1000},"noNewPrivileges":true}}`, `sudo: The "no new privileges" flag is set, which prevents sudo from running as root.`, layer.NoNewPrivs, true, "as the text says"},

	{"ID map", "", started + `1 write(3</proc/1/uid_map>, "0 0 9\n", 6) = -1 EPERM (O)`, layer.UserNamespace, true, "mapping of IDs"},
	{"namespaces used up", "", started + `1 unshare(CLONE_NEWUSER) = -1 ENOSPC (N)`, layer.UserNamespace, true, "max_*_namespaces"},
	{"unmapped", "", started + `1 setuid(70000) = -1 EINVAL (I)`, layer.UserNamespace, true, "no such ID"},
	{"only in its namespace", `{"linux":{"namespaces":[{"type":"user"}]},"process":{"capabilities":{"effective":["CAP_SYS_TIME"]}}}`, started + `1 clock_settime(CLOCK_REALTIME, {tv_sec=1, tv_nsec=0}) = -1 EPERM (O)`, layer.UserNamespace, true, "CAP_SYS_TIME"},

	{"landlock", "", started + "1 landlock_restrict_self(3, 0) = 0\n1 openat(AT_FDCWD, \"/srv/x\", O_RDONLY) = -1 EACCES (P)", layer.Landlock, false, "landlock_restrict_self"},
	{"landlock and modes", `{"process":{"user":{"uid":1000}}}`, started + "1 landlock_restrict_self(3, 0) = 0\n1 openat(AT_FDCWD, \"/srv/x\", O_RDONLY) = -1 EACCES (P)", "", false, ""},

	{"device", "", started + `1 openat(AT_FDCWD, "/dev/fuse", O_RDWR) = -1 EPERM (O)`, layer.Devices, true, "/dev/fuse is not among"},
	{"said of a device", "", "fuse: failed to open /dev/fuse: Operation not permitted", layer.Devices, true, "/dev/fuse"},
	{"a device that was given", `{"linux":{"devices":[{"path":"/dev/fuse"}]}}`, started + `1 openat(AT_FDCWD, "/dev/fuse", O_RDWR) = -1 EPERM (O)`, "", false, ""},

	{"pids limit", `{"linux":{"resources":{"pids":{"limit":5}}}}`, started + `1 clone(child_stack=NULL, flags=SIGCHLD) = -1 EAGAIN (R)`, layer.Limits, true, "5 processes"},
	{"a text without an error", `{"linux":{"resources":{"pids":{"limit":5}}}}`, "sh: 1: Cannot fork", layer.Limits, false, "5 processes"},
	{"files", `{"process":{"rlimits":[{"type":"RLIMIT_NOFILE","soft":8,"hard":8}]}}`, `openat(AT_FDCWD, "/x", O_RDONLY) = -1 EMFILE (T)`, layer.Limits, true, "(8)"},
	{"locked memory", "", `mlockall(MCL_CURRENT) = -1 ENOMEM (C)`, layer.Limits, true, "RLIMIT_MEMLOCK"},

	{"affinity of its own", "", "os.sched_setaffinity: Operation not permitted", layer.Capability, false, "its own user's"},
	{"watchers", "", "failed to create fsnotify watcher: too many open files", layer.Limits, true, "max_user_instances"},
	{"watches", "", "inotify_add_watch: No space left on device", layer.Limits, true, "max_user_watches"},
	{"a family that may lack", "", "socket: AF_INET6: Address family not supported by protocol", layer.None, false, "ipv6.disable"},
	{"of the runtime itself", "", `runc create failed: unable to start container process: error during container init: error mounting "proc" to rootfs at "/proc": mount src=proc: operation not permitted`, "", false, ""},
	{"own filter", "", started + "1 seccomp(SECCOMP_SET_MODE_FILTER, 0, {len=4, filter=0x1}) = 0\n1 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = -1 EPERM (O)", "", false, ""},
	{"labelled", `{"process":{"selinuxLabel":"system_u:system_r:container_t:s0:c1,c2","user":{"uid":1000}}}`, started + `1 openat(AT_FDCWD, "/srv/x", O_RDONLY) = -1 EACCES (P)`, "", false, ""},
	{"no such call", "", started + `1 lsm_list_modules(0x1, 0x2, 0) = -1 ENOSYS (F)`, layer.None, true, "does not have"},
	{"wrong architecture", "", "exec /app: exec format error", layer.None, true, "architecture"},
}

func TestJudge(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a, of := last(t, c.text), config(t, c.config)
			v := layer.Judge(layer.Question{Attempt: &a, Container: &of, Seccomp: layer.Answer{Known: true, Why: "permits"}})
			assert.Equal(t, c.layer, v.Layer, "%+v", v.Candidates)
			assert.Equal(t, c.sure, v.Sure, "%+v", v.Candidates)
			if c.layer != "" {
				assert.Contains(t, v.Of(c.layer).Why, c.why)
			}
			for _, candidate := range v.Candidates {
				assert.NotEmpty(t, candidate.Why, candidate.Layer)
				assert.NotEmpty(t, candidate.Layer.Title())
			}
		})
	}
}

// Where neither filter nor profile is known, only what the error tells is named.
func TestJudgeWithoutMetadata(t *testing.T) {
	for text, want := range map[string]layer.Layer{
		"mount: /mnt: permission denied.":                                             "",
		"cat: /etc/shadow: Permission denied":                                         "",
		"getrandom: Operation not permitted":                                          layer.Seccomp,
		"touch: cannot touch '/x': Read-only file system":                             layer.Mount,
		"mknod: /x: Operation not permitted":                                          "",
		"ls: cannot open directory '/root': Permission denied":                        "",
		"bash: fork: retry: Resource temporarily unavailable":                         layer.Limits,
		"nginx: [alert] socketpair() failed while spawning (24: Too many open files)": layer.Limits,
	} {
		a := last(t, text)
		v := layer.Judge(layer.Question{Attempt: &a, Container: &container.Container{}})
		assert.Equal(t, want, v.Layer, "%s: %+v", text, v.Candidates)
	}
}

// What a policy refuses is that policy's, whatever else would refuse it.
func TestJudgePolicies(t *testing.T) {
	a, c := last(t, started+`1 mount("x", "/mnt", "tmpfs", 0, NULL) = -1 EPERM (O)`), config(t, "")
	v := layer.Judge(layer.Question{Attempt: &a, Container: &c, Seccomp: layer.Answer{Known: true, Refuses: true, Why: "errno(1)"}})
	assert.Equal(t, layer.Seccomp, v.Layer)
	read := last(t, started+`1 openat(AT_FDCWD, "/srv/x", O_RDONLY) = -1 EACCES (P)`)
	v = layer.Judge(layer.Question{Attempt: &read, Container: &c, Seccomp: layer.Answer{Known: true}, AppArmor: layer.Answer{Known: true, Refuses: true, Why: "deny"}})
	assert.Equal(t, layer.AppArmor, v.Layer)
	v = layer.Judge(layer.Question{Attempt: &a, Container: &c, Seccomp: layer.Answer{}})
	assert.Empty(t, v.Layer, "a filter may have been asked first")
	assert.Equal(t, layer.Refused, v.Of(layer.Capability).Standing)
}

// Programs of BPF leave no record. That there are some speaks for them where nothing else
// does, unless they are known to be asked about something else.
func TestJudgeBPF(t *testing.T) {
	for _, c := range []struct {
		programs, config, text string
		want                   layer.Layer
	}{
		{"", "", `1 openat(AT_FDCWD, "/srv/x", O_RDONLY) = -1 EPERM (O)`, ""},
		{"deny_all", "", `1 openat(AT_FDCWD, "/srv/x", O_RDONLY) = -1 EPERM (O)`, layer.BPF},
		{"restrict_filesy", "", `1 openat(AT_FDCWD, "/srv/x", O_RDONLY) = -1 EPERM (O)`, layer.BPF},
		{"restrict_filesy", "", `1 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = -1 EPERM (O)`, ""},
		{"restrict_filesy userns_restrict", "", `1 mkdir("/srv/x", 0777) = -1 EPERM (O)`, ""},
		{"deny_all", "", `1 openat(AT_FDCWD, "/srv/x", O_WRONLY) = -1 EPERM (O)`, ""}, // or an immutable file
		{"deny_all", `{"process":{"user":{"uid":1000}}}`, `1 openat(AT_FDCWD, "/srv/x", O_RDONLY) = -1 EACCES (P)`, ""},
	} {
		a, of := last(t, started+c.text), config(t, c.config)
		v := layer.Judge(layer.Question{Attempt: &a, Container: &of, Seccomp: layer.Answer{Known: true}, AppArmor: layer.Answer{Known: true}, BPF: c.programs})
		assert.Equal(t, c.want, v.Layer, "%+v %+v", c, v.Candidates)
	}
	a, of := last(t, started+`1 openat(AT_FDCWD, "/srv/x", O_RDONLY) = -1 EPERM (O)`), config(t, "")
	of.Limits.Modules = []string{"capability", "landlock"}
	v := layer.Judge(layer.Question{Attempt: &a, Container: &of, BPF: "deny_all"})
	assert.Equal(t, layer.RuledOut, v.Of(layer.BPF).Standing)
}

// A record of the very refusal is its evidence, whatever else would refuse it.
func TestJudgeRecords(t *testing.T) {
	a, of := last(t, started+`1 openat(AT_FDCWD, "/srv/x", O_RDONLY) = -1 EACCES (P)`), config(t, `{"process":{"user":{"uid":1000}}}`)
	v := layer.Judge(layer.Question{Attempt: &a, Container: &of, Records: map[layer.Layer]string{layer.SELinux: "the log has it"}})
	assert.Equal(t, layer.SELinux, v.Layer)
	assert.True(t, v.Sure)
	assert.Equal(t, layer.Candidate{Layer: layer.SELinux, Standing: layer.Refused, Why: "the log has it"}, v.Of(layer.SELinux))
}

// TestBoundingSet holds that a capability which the container's bounding set lacks is held by
// none of its processes, whoever their user is.
func TestBoundingSet(t *testing.T) {
	a := last(t, `1 settimeofday({tv_sec=1}, NULL) = -1 EPERM (O)`)
	known := layer.Answer{Known: true}
	for _, c := range []struct {
		caps []string
		want layer.Standing
	}{{[]string{}, layer.Refused}, {[]string{"CAP_SYS_TIME"}, layer.Open}, {nil, layer.Open}} {
		of := container.Container{Caps: c.caps, Limits: &container.Limits{UID: -1}}
		v := layer.Judge(layer.Question{Attempt: &a, Container: &of, Seccomp: known, AppArmor: known})
		assert.Equal(t, c.want, v.Of(layer.Capability).Standing, c.caps)
	}
}
