package seccomp

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTakesFlags(t *testing.T) {
	for _, test := range []struct {
		engine, version string
		takes, known    bool
	}{
		{"docker", "20.10.24+dfsg1", false, true},
		{"docker", "23.0.0", true, true},
		{"docker", "23.0", true, true},
		{"docker", "20.10", false, true},
		{"docker", "23", true, true},
		{"docker", "", false, false},
		{"podman", "4.0.3", false, true},
		{"podman", "4.1.0", true, true},
		{"crio", "1.24.6", false, true},
		{"containerd", "", true, true},
		{"lxc", "5.0", false, false},
	} {
		takes, _, known := TakesFlags(test.engine, test.version)
		assert.Equal(t, [2]bool{test.takes, test.known}, [2]bool{takes, known}, test)
	}
}

// What an engine passes over of a profile that a user wrote decides nothing.
func TestEngineIgnores(t *testing.T) {
	p := parse(t, "p.json", `{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 62, "flags": ["SECCOMP_FILTER_FLAG_LOG"],
		"archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
		"syscalls": [
			{"names": ["read"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "99.0"}},
			{"names": ["write"], "action": "SCMP_ACT_ALLOW", "excludes": {"minKernel": "4.8"}},
			{"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
			{"names": ["dup", "statx"], "action": "SCMP_ACT_ERRNO", "errnoRet": 62}]}`)
	for _, test := range []struct {
		engine Engine
		want   string // read, write, mount, dup, getpid, read of i386
		logs   bool
		passed string
	}{
		{Engine{}, "62 62 62 62 62 62", true, ""},
		{Engine{"docker", "28.1.0"}, "62 62 62 62 62 62", true, ""},
		{Engine{"docker", ""}, "62 62 62 62 62 62", true, ""},
		{Engine{"docker", "20.10.24+dfsg1"}, "1 1 1 62 1 1", false, "flags and defaultErrnoRet before 23.0.0, and this is 20.10.24"},
		{Engine{"podman", "4.3.1"}, "allow allow 62 62 62 allow", true, "passes over minKernel"},
		{Engine{"cri-o", "1.24.6"}, "allow allow 62 62 62 allow", false, "passes over minKernel"},
		{Engine{"containerd", "1.6.20"}, "allow allow allow 62 62 kill", true, "includes, excludes and archMap"},
	} {
		var got []string
		for _, call := range []Call{{Name: "read"}, {Name: "write"}, {Name: "mount"}, {Name: "dup"}, {Name: "getpid"}, {Arch: I386, Name: "read"}} {
			if call.Arch == 0 {
				call.Arch = X86_64
			}
			call.Caps, call.Kernel, call.Engine = []string{}, "6.1", test.engine
			switch d := p.Decide(call); {
			case d.Action == Allow:
				got = append(got, "allow")
			case d.Action == Errno:
				got = append(got, strconv.Itoa(d.Errno))
			default:
				got = append(got, "kill")
			}
		}
		assert.Equal(t, test.want, strings.Join(got, " "), test.engine)
		assert.Equal(t, test.logs, p.Logs(test.engine), test.engine)
		assert.Contains(t, p.PassedOver(test.engine), test.passed)
		assert.Equal(t, test.passed == "", p.PassedOver(test.engine) == "", test.engine)
	}
}

// Of a built-in text nothing is passed over: its conditions are the engine's own code.
func TestEngineBuiltin(t *testing.T) {
	p, _, _ := Builtin("containerd", "1.6.20")
	call := Call{Arch: X86_64, Name: "mount", Caps: []string{}, Kernel: "6.1", Engine: Engine{"containerd", "1.6.20"}}
	assert.Equal(t, Errno, p.Decide(call).Action)
	call.Caps = []string{"CAP_SYS_ADMIN"}
	assert.Equal(t, Allow, p.Decide(call).Action)
}

// An empty minKernel is any kernel to Docker: what excludes it is never in force.
func TestEmptyMinKernel(t *testing.T) {
	p := parse(t, "p.json", `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
		{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "excludes": {"minKernel": ""}},
		{"names": ["rmdir"], "action": "SCMP_ACT_ERRNO", "includes": {"minKernel": ""}},
		{"names": ["chdir"], "action": "SCMP_ACT_ERRNO", "excludes": {"minKernel": null}}]}`)
	for name, want := range map[string]Action{"mkdir": Allow, "rmdir": Errno, "chdir": Errno} {
		d := p.Decide(Call{Arch: X86_64, Name: name})
		assert.Equal(t, want, d.Action, name)
		assert.False(t, d.Undecidable, name)
	}
	assert.Equal(t, Errno, p.Decide(Call{Arch: X86_64, Name: "mkdir", Engine: Engine{"podman", "5.4.2"}}).Action)
}
