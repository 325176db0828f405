package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/whydenied/whydenied/rules/disk"
	"github.com/whydenied/whydenied/rules/program"
)

// AuditLog is where auditd writes, unless its configuration says otherwise.
const AuditLog = "/var/log/audit/audit.log"

// journalFolders are where systemd-journald keeps its files.
var journalFolders = []string{"/var/log/journal", "/run/log/journal"}

// A HostLog is this host's own log: the best of auditd's log with its rotated
// predecessors, the journal, and the kernel's ring buffer.
type HostLog struct {
	Inputs []Input  // empty if there is none that can be read
	Taken  string   // which it is, for people; "" if none
	Passed []string // why better ones were passed over, one sentence each
}

// Host looks for this host's own log. It reads directories and starts nothing;
// the log itself is opened by Scan.
func Host() HostLog {
	var h HostLog
	if runtime.GOOS != "linux" {
		h.Passed = []string{"AppArmor and seccomp are parts of Linux, and this is " + runtime.GOOS + ": name a log that was copied from a Linux host"}
		return h
	}
	for _, try := range []func(since time.Time) ([]Input, string, error){auditLog, journal, ringBuffer} {
		inputs, taken, err := try(time.Time{})
		if err == nil {
			h.Inputs, h.Taken = inputs, taken
			return h
		}
		h.Passed = append(h.Passed, err.Error())
	}
	return h
}

// A Transport is one of the ways by which records reach a host's logs.
type Transport struct {
	Name   string // audit.log, journal or kmsg
	Inputs []Input
	Taken  string // what it is, for people
	Err    error  // why it cannot be read; nil if it can
}

// Transports returns all that Host chooses from, for a copy of what this host
// logged since a time. They hold older records too.
func Transports(since time.Time) []Transport {
	var all []Transport
	for _, t := range []struct {
		name string
		open func(since time.Time) ([]Input, string, error)
	}{{"audit.log", auditLog}, {"journal", journal}, {"kmsg", ringBuffer}} {
		found := Transport{Name: t.name}
		found.Inputs, found.Taken, found.Err = t.open(since)
		all = append(all, found)
	}
	return all
}

// auditLog returns auditd's log and its rotated predecessors, without those last
// written before a time.
func auditLog(since time.Time) ([]Input, string, error) { return auditLogAt(AuditLog, since) }

func auditLogAt(path string, since time.Time) ([]Input, string, error) {
	f, err := disk.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", fmt.Errorf("%s: does not exist; auditd is not installed, or logs elsewhere", path)
	}
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, explain(err))
	}
	defer f.Close()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", filepath.Dir(path), explain(err))
	}
	var names []string
	size := int64(0)
	base, _, _ := rotation(filepath.Base(path))
	for _, e := range entries {
		info, err := e.Info()
		if other, _, _ := rotation(e.Name()); err == nil && other == base && info.Mode().IsRegular() && !info.ModTime().Before(since) {
			names = append(names, e.Name())
			size += info.Size()
		}
	}
	if size == 0 && !since.IsZero() {
		return nil, "", fmt.Errorf("%s: nothing was written since %s", path, since.UTC().Format(time.RFC3339))
	}
	if size == 0 {
		return nil, "", fmt.Errorf("%s: empty", path)
	}
	sortRotated(names)
	var inputs []Input
	for _, name := range names {
		inputs = append(inputs, file(filepath.Join(filepath.Dir(path), name)))
	}
	taken := path
	if info, err := f.Stat(); err == nil {
		taken += ", last written " + info.ModTime().UTC().Format(time.RFC3339)
	}
	if n := len(names) - 1; n > 0 {
		taken += fmt.Sprintf(", and %d rotated before it", n)
	}
	return inputs, taken, nil
}

// journal returns the journal's messages of the kernel and the audit system since
// a time.
func journal(since time.Time) ([]Input, string, error) {
	command, err := disk.Program("journalctl")
	if err != nil {
		return nil, "", noJournalctl(err)
	}
	if err := journalReadable(journalFolders); err != nil {
		return nil, "", fmt.Errorf("journal: %w", err)
	}
	// --all, as otherwise a field of more than 4 KB comes out as null.
	args := []string{"--no-pager", "--quiet", "--all", "--output=json", "_TRANSPORT=audit", "+", "_TRANSPORT=kernel"}
	if !since.IsZero() {
		args = append(args, fmt.Sprintf("--since=@%d", since.Unix()))
	}
	in := Input{Name: "journal", Open: func(ctx context.Context) (io.ReadCloser, time.Time, error) {
		return start(ctx, command, args...)
	}}
	return []Input{in}, "the journal (journalctl " + strings.Join(args, " ") + ")", nil
}

// noJournalctl says why journalctl is not run.
func noJournalctl(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("journal: journalctl is not installed")
	}
	return fmt.Errorf("journal: %w", err)
}

// journalReadable returns nil if the system's journal is there and this user
// may read it. Without permission journalctl shows the user's own messages only.
func journalReadable(folders []string) error {
	var denied error
	for _, folder := range folders {
		files, _ := filepath.Glob(filepath.Join(folder, "*", "system*.journal"))
		for _, name := range files {
			f, err := os.Open(name)
			if err == nil {
				f.Close()
				return nil
			}
			denied = fmt.Errorf("%s: %w; run as root, or as a member of the group systemd-journal", name, errors.Unwrap(err))
		}
	}
	if denied != nil {
		return denied
	}
	return fmt.Errorf("no journal files in %s", strings.Join(folders, " or "))
}

// start returns what a command writes to its standard output. Close ends the
// command, and returns its error if it ended before by itself. The command ends with
// this process, and signals of the terminal are not for it.
func start(ctx context.Context, name string, args ...string) (io.ReadCloser, time.Time, error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, name, args...)
	c := &output{name: name, cancel: cancel}
	cmd.Stderr = &c.stderr
	stdout, end, err := os.Pipe()
	if err == nil {
		cmd.Stdout = end
		c.stdout = stdout
		c.wait, err = program.Start(cmd, program.Limits{})
		end.Close()
	}
	if err != nil {
		cancel()
		stdout.Close() // which does nothing if there is none
		return nil, time.Time{}, err
	}
	return c, time.Now(), nil
}

// output is the standard output of a running command.
type output struct {
	name   string
	cancel context.CancelFunc
	wait   func() error
	stdout *os.File
	stderr bytes.Buffer
	ended  bool
}

func (o *output) Read(p []byte) (int, error) {
	n, err := o.stdout.Read(p)
	o.ended = o.ended || err == io.EOF
	return n, err
}

func (o *output) Close() error {
	if !o.ended {
		o.cancel()
	}
	o.stdout.Close()
	err := o.wait()
	o.cancel()
	if err == nil || !o.ended {
		return nil
	}
	message, _, _ := strings.Cut(strings.TrimSpace(o.stderr.String()), "\n")
	return fmt.Errorf("%s failed: %w: %s", filepath.Base(o.name), err, message)
}

// ringBuffer returns the kernel's ring buffer, whole.
func ringBuffer(time.Time) ([]Input, string, error) {
	r, _, err := openKmsg(context.Background())
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", kmsgPath, err)
	}
	r.Close()
	return []Input{{Name: kmsgPath, Open: openKmsg}}, "the kernel's ring buffer (" + kmsgPath + "), which holds the newest messages since boot only", nil
}
