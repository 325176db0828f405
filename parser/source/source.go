// Package source is where log bytes come from: named files, rotated and
// compressed ones, directories, standard input, and this host's own log. It
// cuts them into blocks of whole lines and parses the blocks on all CPUs. Batches
// come in the order of the log, to one goroutine. An *Error is of one input, and
// others follow; any other error ends the sequence.
package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/whydenied/whydenied/rules/disk"
	"github.com/whydenied/whydenied/rules/shell"
)

// An Input is one log, opened when it is its turn to be read.
type Input struct {
	Name  string // as the user gave it; "-" for standard input
	Found bool   // in a directory that the user named
	// Open returns the log's bytes, compressed or not, and the time that dates
	// without a year are relative to: no line is younger. An error says what to
	// do.
	Open func(context.Context) (io.ReadCloser, time.Time, error)
}

// Inputs returns the logs that command-line arguments name: a file is itself
// (and not its rotated predecessors), "-" is stdin, and a directory stands for
// the logs in it and in its folders, rotated ones before their successors. An argument that cannot
// be read is an Input whose Open fails, so that each is reported in its place.
func Inputs(args []string, stdin io.Reader) []Input {
	var inputs []Input
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case arg == "-":
			inputs = append(inputs, Input{Name: "-", Open: func(context.Context) (io.ReadCloser, time.Time, error) {
				return io.NopCloser(stdin), time.Now(), nil
			}})
		case err != nil:
			inputs = append(inputs, failed(arg, explain(err)))
		case arg == kmsgPath:
			inputs = append(inputs, Input{Name: arg, Open: openKmsg})
		case info.IsDir():
			inputs = append(inputs, directory(arg)...)
		case info.Mode().IsRegular():
			inputs = append(inputs, file(arg))
		default: // a pipe, which is waited for as it was named
			inputs = append(inputs, opened(arg, os.Open))
		}
	}
	return inputs
}

func file(path string) Input { return opened(path, disk.Open) }

func opened(path string, open func(string) (*os.File, error)) Input {
	return Input{Name: path, Open: func(context.Context) (io.ReadCloser, time.Time, error) {
		f, err := open(path)
		if err != nil {
			return nil, time.Time{}, explain(err)
		}
		now := time.Now()
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			now = info.ModTime()
		}
		return f, now, nil
	}}
}

func failed(name string, err error) Input {
	return Input{Name: name, Open: func(context.Context) (io.ReadCloser, time.Time, error) {
		return nil, time.Time{}, err
	}}
}

// explain shortens a file error, whose path the caller says already, and adds
// what to do about it.
func explain(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w; check the name", err)
	case errors.Is(err, fs.ErrPermission):
		hint := "run as root"
		if runtime.GOOS == "linux" {
			hint += ", or as a member of the group that may read it (often adm)"
		}
		return fmt.Errorf("%w; %s", err, hint)
	}
	return err
}

// directory returns the logs of a directory and of the folders in it, or one Input
// that says why there are none. Links to folders are not followed.
func directory(dir string) []Input {
	inputs := logsIn(dir)
	if len(inputs) == 0 {
		return []Input{failed(dir, errors.New("no logs in this directory (audit.log, kern.log, syslog, messages, dmesg, *.log, saved journal text or JSON); name the log file itself"))}
	}
	return inputs
}

// logsIn returns the logs of a folder, and of those in it after its own.
func logsIn(dir string) []Input {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return []Input{failed(dir, explain(err))}
	}
	var names, folders []string
	journals := false
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path)
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case e.IsDir():
			folders = append(folders, path)
		case err != nil || !info.Mode().IsRegular():
		case strings.HasSuffix(e.Name(), ".journal"):
			journals = true
		case isLogName(e.Name()) || looksLikeLog(path):
			names = append(names, e.Name())
		}
	}
	var inputs []Input
	sortRotated(names)
	for _, name := range names {
		in := file(filepath.Join(dir, name))
		in.Found = true
		inputs = append(inputs, in)
	}
	if journals {
		inputs = append(inputs, failed(dir, fmt.Errorf("holds binary journal files; run `journalctl --directory %s -o json | whydenied explain -`", shell.Quote(dir))))
	}
	for _, path := range folders {
		inputs = append(inputs, logsIn(path)...)
	}
	return inputs
}
