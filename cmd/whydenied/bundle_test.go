package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/bundle"
)

// A bundle is explained by what the programs of its host said of themselves; that of an
// older whydenied has the first line of each.
func TestBundledLoaders(t *testing.T) {
	const profile = `{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["mseal"],"action":"SCMP_ACT_ALLOW"}]}`
	const record = `type=SECCOMP msg=audit(1795427689.211:1270): auid=4294967295 uid=0 gid=0 ses=4294967295 subj=docker-default pid=3246 comm="x" exe="/x" sig=0 arch=c000003e syscall=462 compat=0 ip=0x401007 code=0x50000` + "\n"
	for runc, want := range map[string]string{
		"runc version 1.1.5+ds1\ncommit: x\nlibseccomp: 2.5.4\n": "needs libseccomp 2.5.6 or newer, this is 2.5.4",
		"runc version 1.1.5+ds1":                                 "either libseccomp is older than 2.5.6",
		"":                                                       "either libseccomp is older than 2.5.6",
		"\x1b[2J\xff{":                                           "either libseccomp is older than 2.5.6",
	} {
		m := bundle.Manifest{Created: time.Now(), Dir: "/root", ProfileDir: "/etc/apparmor.d", Seccomp: "s.json",
			Host:    bundle.Host{Kernel: "6.1.0-18-amd64", Arch: "amd64", Versions: map[string]string{"runc": runc}},
			Records: []bundle.Records{{Member: "records/audit.log", Name: "audit.log", Denials: 1}}}
		var text bytes.Buffer
		require.NoError(t, bundle.Write(&text, m, []bundle.Text{{Name: "records/audit.log", Data: []byte(record)}, {Name: "files/root/s.json", Data: []byte(profile)}}))
		name := filepath.Join(t.TempDir(), "bundle.tar.zst")
		require.NoError(t, os.WriteFile(name, text.Bytes(), 0o600))
		var stdout, stderr bytes.Buffer
		assert.Equal(t, exitFound, run(t.Context(), []string{"explain", name}, strings.NewReader(""), &stdout, &stderr), stderr.String())
		assert.Contains(t, strings.Join(strings.Fields(stdout.String()), " "), want)
	}
}
