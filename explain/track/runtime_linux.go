package track

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// runtimeDirs are where a runtime lies whose process shows another path: crun runs
// from a mount of itself (clone_binary of its cloned_binary.c).
var runtimeDirs = []string{"/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/usr/libexec/crio", "/usr/lib/cri-o-runc/sbin"}

// readCommand reads the command line and the working directory of a low-level
// runtime. Any user can have a process that is called like one, with a command
// line as they like, or give those to a setuid program of root's. So the process
// must be root's or our own user's with all its IDs, in our user namespace if it is
// root's, and run a file that is known to be a runtime; and be all that after its
// command line was read, too, as its next program could be anything.
func readCommand(proc string, c command) (args []string, cwd string, ok bool) {
	dir, err := unix.Open(filepath.Join(proc, strconv.Itoa(c.pid)), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, "", false
	}
	defer unix.Close(dir)
	before, ok := readProgram(proc, dir)
	if !ok || !near(before.start, c.start) || !before.isRuntime() {
		return nil, "", false
	}
	text, err := readAt(dir, "cmdline")
	if err != nil || len(text) == 0 {
		return nil, "", false
	}
	cwd = readLink(dir, "cwd") // without it, only absolute paths help
	if after, ok := readProgram(proc, dir); !ok || after != before {
		return nil, "", false
	}
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00"), cwd, true
}

// A program is what a process of ours runs.
type program struct {
	start    time.Duration // of the process
	path     string        // as the process has it
	dev, ino uint64
	mode     uint32
}

// readProgram reads what a process runs that is root's or our own user's. The
// kernel alone answers until that is known.
func readProgram(proc string, dir int) (p program, ok bool) {
	status, err := readAt(dir, "status")
	if err != nil {
		return p, false
	}
	uid, ok := parseUID(string(status))
	if !ok || !isOurs(uid) || uid == 0 && !sameFile(dir, "ns/user", filepath.Join(proc, "self/ns/user")) {
		return p, false
	}
	stat, err := readAt(dir, "stat")
	if err != nil {
		return p, false
	}
	if _, p.start, _, ok = parseStat(string(stat)); !ok {
		return p, false
	}
	var file unix.Stat_t
	if unix.Fstatat(dir, "exe", &file, 0) != nil || file.Mode&unix.S_IFMT != unix.S_IFREG || !isOurs(file.Uid) {
		return p, false
	}
	p.path, p.dev, p.ino, p.mode = readLink(dir, "exe"), uint64(file.Dev), file.Ino, file.Mode
	return p, true
}

// parseUID returns the user of /proc/PID/status (proc_pid_status(5)) whose process it
// is: real, effective, saved and file system ID alike. Those of a setuid program
// differ.
func parseUID(status string) (uid uint32, ok bool) {
	for line := range strings.Lines(status) {
		rest, found := strings.CutPrefix(line, "Uid:")
		if !found {
			continue
		}
		ids := strings.Fields(rest)
		if len(ids) != 4 || len(slices.Compact(ids)) != 1 {
			return 0, false
		}
		n, err := strconv.ParseUint(ids[0], 10, 32)
		return uint32(n), err == nil
	}
	return 0, false
}

// isOurs reports whether root or our own user is meant.
func isOurs(uid uint32) bool { return uid == 0 || int(uid) == os.Geteuid() }

// isRuntime reports whether a program is a runtime's file, where nobody else can
// put one. One that runs from a copy in memory, as crun does where it cannot mount
// itself, has no other name: it is enough that ours made it.
func (p program) isRuntime() bool {
	if p.mode&(unix.S_ISUID|unix.S_ISGID) != 0 {
		return false
	}
	if strings.HasPrefix(p.path, "/memfd:") {
		return strings.HasSuffix(p.path, " (deleted)")
	}
	if p.mode&0o022 != 0 {
		return false
	}
	paths := []string{p.path}
	for _, dir := range runtimeDirs {
		paths = append(paths, dir+"/runc", dir+"/crun", dir+"/youki")
	}
	return slices.ContainsFunc(paths, func(path string) bool {
		var file unix.Stat_t
		return runtimeOf(filepath.Base(path)) != "" && unix.Lstat(path, &file) == nil && uint64(file.Dev) == p.dev && file.Ino == p.ino && onlyOurs(path)
	})
}

// onlyOurs reports whether nobody but root and our own user can put another file in
// a path's place: each folder above is theirs, no link, and not writable for others,
// or in it, as in /tmp, entries are their owners' (sticky).
func onlyOurs(path string) bool {
	for dir := path; dir != "/"; {
		dir = filepath.Dir(dir)
		var folder unix.Stat_t
		if dir == "." || unix.Lstat(dir, &folder) != nil || folder.Mode&unix.S_IFMT != unix.S_IFDIR || !isOurs(folder.Uid) {
			return false
		}
		if folder.Mode&0o022 != 0 && folder.Mode&unix.S_ISVTX == 0 {
			return false
		}
	}
	return true
}

// sameFile reports whether two names, the first below an open folder, are of one
// file.
func sameFile(dir int, name, other string) bool {
	var a, b unix.Stat_t
	return unix.Fstatat(dir, name, &a, 0) == nil && unix.Stat(other, &b) == nil && a.Dev == b.Dev && a.Ino == b.Ino
}

// readLink returns where a link in an open folder leads, or "".
func readLink(dir int, name string) string {
	target := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dir, name, target)
	if err != nil || n == len(target) {
		return ""
	}
	return string(target[:n])
}
