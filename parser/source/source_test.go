package source

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func gzipped(t testing.TB, s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(s))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

func zstded(t testing.TB, s string) string {
	w, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	return string(w.EncodeAll([]byte(s), nil))
}

// folder writes files and returns their directory.
func folder(t testing.TB, files map[string]string) string {
	dir := t.TempDir()
	for name, content := range files {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return dir
}

func TestInputsOfAFileAreTheFile(t *testing.T) {
	dir := folder(t, map[string]string{"audit.log": avc(1), "audit.log.1": avc(1)})
	found, _, errs := collect(t, Inputs([]string{filepath.Join(dir, "audit.log")}, nil))
	assert.Empty(t, errs)
	assert.Equal(t, []string{filepath.Join(dir, "audit.log") + ":1 /line/1"}, found)
}

func TestInputsOfADirectory(t *testing.T) {
	journal := `{"__REALTIME_TIMESTAMP":"1795426979607716","_TRANSPORT":"kernel","MESSAGE":"nothing"}` + "\n"
	dir := folder(t, map[string]string{
		"audit.log": avc(1), "audit.log.1": avc(1), "audit.log.2.gz": gzipped(t, avc(1)), "audit.log.10.zst": zstded(t, avc(1)),
		"messages": "", "messages-20260131": "", "messages-20260201.gz": gzipped(t, ""),
		"saved.json": journal, "dump": "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1\n", "kernel-messages.txt": avc(1), "gz-without-suffix": gzipped(t, avc(1)),
		// Not logs:
		"web.profile": "profile web { deny /etc/** r, }\n", "findings.json": `{"a":"apparmor=\"DENIED\""}`, "lastlog": strings.Repeat("\x00", 300),
		".audit.log.swp": avc(1), "nested/profile": "profile nested {}\n",
		// Of its folders:
		"nested/audit.log": avc(1), "nested/deeper/kern.log": "", ".hidden/audit.log": avc(1),
	})
	var names []string
	for _, in := range Inputs([]string{dir}, nil) {
		name, err := filepath.Rel(dir, in.Name)
		require.NoError(t, err)
		names = append(names, name)
	}
	assert.Equal(t, []string{
		"audit.log.10.zst", "audit.log.2.gz", "audit.log.1", "audit.log", "dump", "gz-without-suffix", "kernel-messages.txt",
		"messages-20260131", "messages-20260201.gz", "messages", "saved.json", "nested/audit.log", "nested/deeper/kern.log",
	}, names)
	found, _, errs := collect(t, Inputs([]string{dir}, nil))
	assert.Empty(t, errs)
	assert.Len(t, found, 7)
}

func TestInputsSayWhatIsWrong(t *testing.T) {
	dir := folder(t, map[string]string{
		"none/profile": "profile a {}\n", "journals/system.journal": "LPKSHHRH\x00", "my logs/user.journal": "LPKSHHRH\x00",
		"elf": "\x7fELF\x02\x01\x01", "noise": random(8 << 10), "zip": "PK\x03\x04", "xz": "\xfd7zXZ\x00\x00", "bz2": "BZh91AY", "utf16": "\xff\xfet\x00",
		"tar": strings.Repeat("a", 257) + "ustar\x0000" + strings.Repeat("b", 300), "elf.gz": gzipped(t, "\x7fELF"), "twice.gz": gzipped(t, gzipped(t, avc(1))),
		"short.gz": gzipped(t, avc(1))[:30], "stub.gz": "\x1f\x8b",
	})
	tests := map[string]string{
		"absent.log":              "no such file or directory; check the name",
		"none":                    "no logs in this directory (audit.log,",
		"journals":                "run `journalctl --directory DIR/journals -o json | whydenied explain -`",
		"my logs":                 "run `journalctl --directory 'DIR/my logs' -o json | whydenied explain -`",
		"journals/system.journal": "run `journalctl --file DIR/journals/system.journal -o json | whydenied explain -`",
		"elf":                     "looks like a binary file, not a log",
		"elf.gz":                  "looks like a binary file, not a log",
		"noise":                   "looks like a binary file, not a log",
		"zip":                     "a zip archive",
		"xz":                      "xz -dc DIR/xz | whydenied explain -",
		"bz2":                     "bzip2 -dc DIR/bz2 | whydenied explain -",
		"utf16":                   "iconv -f UTF-16",
		"tar":                     "a tar archive",
		"twice.gz":                "compressed twice",
		"short.gz":                "ends early",
		"stub.gz":                 "not a whole gzip file",
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, name)
			found, _, errs := collect(t, Inputs([]string{path}, nil))
			assert.Empty(t, found)
			require.Len(t, errs, 1)
			assert.True(t, strings.HasPrefix(errs[0].Error(), path+": "), "%v", errs[0])
			assert.Contains(t, strings.ReplaceAll(errs[0].Error(), dir, "DIR"), want)
		})
	}
}

// random returns bytes that no log has.
func random(n int) string {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return string(b)
}

func TestInputsTakeOddLogs(t *testing.T) {
	for name, log := range map[string]string{
		"NUL run of a crash":  avc(1) + strings.Repeat("\x00", 6000) + "\n",
		"NUL run at the head": strings.Repeat("\x00", 20_000) + "\n" + avc(2),
		"enriched":            strings.Repeat(strings.TrimSuffix(avc(1), "\n")+"\x1dFSUID=\"root\"\n", 50),
		"CRLF":                strings.ReplaceAll(avc(1), "\n", "\r\n"),
		"latin-1":             "Jan  1 00:00:00 caf\xe9 kernel: x\n" + avc(2),
		"escape sequences":    "\x1b[31mred\x1b[0m\n" + avc(2),
	} {
		t.Run(name, func(t *testing.T) {
			found, _, errs := collect(t, Inputs([]string{"-"}, strings.NewReader(log)))
			assert.Empty(t, errs)
			assert.NotEmpty(t, found)
		})
	}
}

func TestInputsDecompress(t *testing.T) {
	log, want := mixed(3 << 20)
	half := len(log) / 2
	for name, data := range map[string]string{
		"gzip": gzipped(t, log), "gzip members": gzipped(t, log[:half]) + gzipped(t, log[half:]),
		"zstd": zstded(t, log), "zstd frames": zstded(t, log[:half]) + zstded(t, log[half:]),
		"zstd after a skippable frame": "\x50\x2a\x4d\x18\x04\x00\x00\x00user" + zstded(t, log),
	} {
		t.Run(name, func(t *testing.T) {
			found, total, errs := collect(t, Inputs([]string{"-"}, strings.NewReader(data)))
			assert.Empty(t, errs)
			assert.Len(t, found, want)
			assert.Equal(t, strings.Count(log, "\n"), total.Stats.Lines)
		})
	}
	t.Run("torn gzip gives what it has", func(t *testing.T) {
		z := gzipped(t, log)
		found, _, errs := collect(t, Inputs([]string{"-"}, strings.NewReader(z[:len(z)/2])))
		require.Len(t, errs, 1)
		assert.Contains(t, errs[0].Error(), "ends early")
		assert.Greater(t, len(found), want/3)
	})
	t.Run("damaged zstd", func(t *testing.T) {
		z := []byte(zstded(t, log))
		z[len(z)/2] ^= 0xff
		_, _, errs := collect(t, Inputs([]string{"-"}, bytes.NewReader(z)))
		require.Len(t, errs, 1)
	})
}

func TestRotation(t *testing.T) {
	tests := []struct {
		name, base, date string
		generation       int
	}{
		{"audit.log", "audit.log", "", 0},
		{"audit.log.1", "audit.log", "", 1},
		{"audit.log.12.gz", "audit.log", "", 12},
		{"syslog-20260131", "syslog", "20260131", 0},
		{"syslog-20260131.zst", "syslog", "20260131", 0},
		{"messages-20260131-1769850000.gz", "messages", "202601311769850000", 0},
		{"kern.log.2026-01-31", "kern.log", "20260131", 0},
		{"dmesg.0", "dmesg", "", 0},
		{"x", "x", "", 0},
		{"", "", "", 0},
	}
	for _, test := range tests {
		base, date, generation := rotation(test.name)
		assert.Equal(t, test.base, base, test.name)
		assert.Equal(t, test.date, date, test.name)
		assert.Equal(t, test.generation, generation, test.name)
	}
	names := []string{"audit.log", "audit.log.2", "audit.log.10", "audit.log.1", "kern.log", "audit.log-20260101", "audit.log-20251231.gz"}
	sortRotated(names)
	assert.Equal(t, []string{"audit.log-20251231.gz", "audit.log-20260101", "audit.log.10", "audit.log.2", "audit.log.1", "audit.log", "kern.log"}, names)
}

func TestUnreadable(t *testing.T) {
	if os.Geteuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("needs a user whom permissions stop")
	}
	dir := folder(t, map[string]string{"audit.log": avc(1)})
	path := filepath.Join(dir, "audit.log")
	require.NoError(t, os.Chmod(path, 0))
	_, _, errs := collect(t, Inputs([]string{path}, nil))
	require.Len(t, errs, 1)
	assert.Contains(t, errs[0].Error(), "permission denied; run as root")
}

func FuzzInputs(f *testing.F) {
	f.Add([]byte(avc(1)))
	f.Add([]byte(gzipped(f, avc(1))))
	f.Add([]byte(zstded(f, avc(1))))
	f.Add([]byte("\x50\x2a\x4d\x18\xff\xff\xff\xff"))
	f.Add([]byte("LPKSHHRH"))
	f.Add([]byte("\xff\xfea\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		// Any bytes give denials or one error, and every line is counted.
		found, total, errs := collect(t, Inputs([]string{"-"}, bytes.NewReader(data)))
		assert.LessOrEqual(t, len(errs), 1)
		assert.LessOrEqual(t, len(found), total.Stats.Lines)
	})
}
