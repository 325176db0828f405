package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/whydenied/whydenied/rules/disk"
)

const (
	look       = 20 * time.Millisecond  // between looks at a followed file
	lookQuiet  = 100 * time.Millisecond // the same at one to which nothing was written for quietAfter
	quietAfter = 2 * time.Second
	linger     = 10 * time.Second // how long a rotated file may be silent before it is closed
	absent     = time.Second      // how long a file may be away before that is said
)

// openFile follows a file, which need not be there yet: through rotation by
// renaming and by copying, and truncation.
func openFile(path string, from Start) (*Live, error) {
	// Its successors are opened later on.
	l := &Live{Name: path, Taken: path, Needs: []Capability{DACReadSearch}, from: from, hold: look + look/4}
	t := &tail{path: path, buf: make([]byte, 256<<10)}
	l.stream = t
	f, err := openRegular(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		t.said = path + " does not exist yet"
		l.Taken += ", which does not exist yet"
		return l, nil
	case err != nil:
		if err = explain(err); errors.Is(err, fs.ErrPermission) {
			err = fmt.Errorf("%w, or with %s", err, DACReadSearch)
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if !from.Since.IsZero() {
		t.addSince(from.Since)
	}
	if err := t.add(f, from); err != nil {
		f.Close()
		t.close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

// A tail is a followed name. nxadm/tail closes a renamed file unread, holds a
// line of any length in memory, and exits the process if stat fails.
type tail struct {
	path  string
	files []*tailed // the last is, or was, at path; those before may still be written to
	buf   []byte
	pause time.Duration // between the last two looks
	said  string        // what is wrong with path, as the user knows
	gone  time.Time     // since when there is nothing at path
	tries int           // looks since a rotation whose files are not found

	unhurried bool // whether it is looked at as seldom as one that is quiet

	unread []string // predecessors that could not be read, and why
}

// tailed is one file that is being followed.
type tailed struct {
	file     *os.File
	info     fs.FileInfo // which file it is
	at       int64       // read up to here
	recent   []byte      // the bytes before at
	splitter splitter
	active   time.Time // when bytes were last read
}

// openRegular opens a file, and says what to do with a pipe.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file; pipe it into `whydenied explain -`")
	}
	if err != nil {
		return nil, err
	}
	return disk.Open(path)
}

// whole is to begin with a file's first line.
var whole = Start{Since: time.Unix(1, 0)}

// add follows an open file as the newest.
func (t *tail) add(f *os.File, from Start) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	head := make([]byte, 8<<10)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return explain(err)
	}
	if bytes.HasPrefix(head, []byte{0x1f, 0x8b}) || bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
		return errors.New("compressed, and so not written to any more; name it to `whydenied explain`")
	}
	if err := notLog(t.path, head[:n]); err != nil {
		return err
	}
	if t.follows(info) {
		f.Close() // it was rotated again just now
		return nil
	}
	d := &tailed{file: f, info: info, active: time.Now()}
	if from.Since.IsZero() {
		if d.at, err = lineStart(f, info.Size(), from.Last); err != nil {
			return explain(err)
		}
	}
	t.files = append(t.files, d)
	return nil
}

// addSince puts the predecessors first that were written to since a time.
func (t *tail) addSince(since time.Time) {
	for _, name := range t.siblings() {
		info, err := os.Stat(name)
		if err != nil || info.ModTime().Before(since) {
			continue
		}
		f, err := openRegular(name)
		if err == nil {
			if err = t.add(f, whole); err != nil {
				f.Close()
			}
		}
		if err != nil {
			t.unread = append(t.unread, fmt.Sprintf("%s: %v", name, explain(err)))
		}
	}
}

// lineStart returns where the last n whole lines of a file begin; what follows
// the last line end comes after them.
func lineStart(f io.ReaderAt, size int64, n int) (int64, error) {
	buf := make([]byte, 64<<10)
	for end := size; end > 0; {
		start := max(0, end-int64(len(buf)))
		text := buf[:end-start]
		if m, err := f.ReadAt(text, start); m < len(text) && err != nil {
			return 0, err
		}
		for i := len(text) - 1; i >= 0; i-- {
			if text[i] != '\n' {
				continue
			}
			if n == 0 {
				return start + int64(i) + 1, nil
			}
			n--
		}
		end = start
	}
	return 0, nil
}

func (t *tail) close() {
	for _, d := range t.files {
		d.file.Close()
	}
}

func (t *tail) unhurry() { t.unhurried = true }

func (t *tail) run(ctx context.Context, in *intake) error {
	if t.said != "" {
		in.notice(Notice{Waiting, 0, t.said + "; waiting for it"})
	}
	for _, why := range t.unread {
		in.notice(Notice{Lost, 0, why})
	}
	next := time.NewTimer(look)
	defer next.Stop()
	for began := time.Now(); ; {
		for _, d := range t.files {
			t.read(ctx, d, in)
		}
		t.succeed(in)
		select {
		case <-ctx.Done():
			t.finish(ctx, in)
			return nil
		case <-next.C:
		}
		t.pause = look
		if quiet := t.active(); t.unhurried || time.Since(began) > quietAfter && time.Since(quiet) > quietAfter {
			t.pause = lookQuiet
		}
		next.Reset(t.pause)
	}
}

// active returns when something was read last.
func (t *tail) active() (at time.Time) {
	for _, d := range t.files {
		if d.active.After(at) {
			at = d.active
		}
	}
	return at
}

// finish gives what was written before the end, and lines that have none.
func (t *tail) finish(ctx context.Context, in *intake) {
	last, stop := context.WithTimeout(context.WithoutCancel(ctx), look) // a log can grow without end
	defer stop()
	for _, d := range t.files {
		t.read(last, d, in)
		if len(d.splitter.line) > 0 {
			in.tornLine()
		}
		d.splitter.flush(in.lines)
	}
}

// read gives what was written to a file since the last time.
func (t *tail) read(ctx context.Context, d *tailed, in *intake) {
	for ctx.Err() == nil {
		// The bytes before are read again: if they are others, or not there any
		// more, the file was truncated and is written anew. They are read by one
		// call with what follows: ReadAt makes several, between which that can
		// happen, and would join the old bytes with new ones.
		_, err := d.file.Seek(d.at-int64(len(d.recent)), io.SeekStart)
		n := 0
		if err == nil {
			n, err = d.file.Read(t.buf)
		}
		text, same := bytes.CutPrefix(t.buf[:n], d.recent)
		switch {
		case err != nil && err != io.EOF:
			t.wrong(in, fmt.Sprintf("%s: %v", t.path, explain(err)))
			return
		case !same:
			t.truncated(ctx, d, in)
			continue
		case len(text) == 0:
			return
		}
		d.take(text, in)
	}
}

// take notes that text was read, and gives its whole lines on.
func (d *tailed) take(text []byte, in *intake) {
	const enough = 256 // to tell one place of a log from another: a record's length
	d.at += int64(len(text))
	d.recent = append(d.recent, text[max(0, len(text)-enough):]...)
	d.recent = append(d.recent[:0], d.recent[max(0, len(d.recent)-enough):]...)
	d.active = time.Now()
	d.splitter.feed(text, in, in.lines)
}

// truncated begins a file anew. What was written to it between the last look and
// the truncation is in the copy that logrotate's copytruncate makes, and in later
// copies if it was truncated more than once.
func (t *tail) truncated(ctx context.Context, d *tailed, in *intake) {
	names := t.siblings()
	from := slices.IndexFunc(names, func(name string) bool { return d.isCopied(name) })
	text := fmt.Sprintf("%s was truncated and is read from its start", t.path)
	if from < 0 {
		text += "; what was written in the " + t.pause.String() + " before that is missing, if anything was"
	} else {
		missed := d.readCopy(ctx, names[from], d.at, t.buf, in)
		for _, name := range names[from+1:] {
			if info, err := os.Stat(name); err == nil && !t.follows(info) {
				missed += d.readCopy(ctx, name, 0, t.buf, in)
			}
		}
		text += fmt.Sprintf("; %d bytes before that were read from the copy %s", missed, names[from])
	}
	in.notice(Notice{Rotated, 0, text})
	d.splitter.flush(in.lines)
	d.at, d.recent = 0, nil
}

// isCopied reports whether a file holds what d held before it was truncated.
func (d *tailed) isCopied(name string) bool {
	f, err := openRegular(name)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || os.SameFile(info, d.info) || len(d.recent) == 0 {
		return false
	}
	text := make([]byte, len(d.recent))
	n, _ := f.ReadAt(text, d.at-int64(len(text)))
	return bytes.Equal(text[:n], d.recent)
}

// readCopy gives what a copy of d has from an offset on, and returns how many
// bytes that is.
func (d *tailed) readCopy(ctx context.Context, name string, at int64, buf []byte, in *intake) int64 {
	f, err := openRegular(name)
	if err != nil {
		return 0
	}
	defer f.Close()
	c := tailed{at: at, splitter: d.splitter}
	for ctx.Err() == nil {
		n, _ := f.ReadAt(buf, c.at)
		if n == 0 {
			break
		}
		c.take(buf[:n], in)
	}
	d.splitter = c.splitter
	return c.at - at
}

// follows reports whether a file is among those followed.
func (t *tail) follows(info fs.FileInfo) bool {
	return slices.ContainsFunc(t.files, func(d *tailed) bool { return os.SameFile(d.info, info) })
}

// siblings returns the names of the log's rotated predecessors, the oldest first.
func (t *tail) siblings() []string {
	entries, err := os.ReadDir(filepath.Dir(t.path))
	if err != nil {
		return nil
	}
	base := filepath.Base(t.path)
	var names []string
	for _, e := range entries {
		if of, _, _ := rotation(e.Name()); of == base && e.Name() != base && e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	sortRotated(names)
	for i, name := range names {
		names[i] = filepath.Join(filepath.Dir(t.path), name)
	}
	return names
}

// succeed closes predecessors that are silent, or many, and looks for a successor
// at the path.
func (t *tail) succeed(in *intake) {
	// All that are followed have been read to their ends.
	for len(t.files) > 1 && (len(t.files) > 8 || time.Since(t.files[0].active) > linger) {
		t.files[0].splitter.flush(in.lines)
		t.files[0].file.Close()
		t.files = slices.Delete(t.files, 0, 1)
	}
	info, err := os.Stat(t.path)
	switch {
	case err != nil:
		if t.gone.IsZero() {
			t.gone = time.Now()
		}
		switch {
		case time.Since(t.gone) < absent:
		case errors.Is(err, fs.ErrNotExist) && len(t.files) == 0:
			t.wrong(in, t.path+" does not exist yet")
		case errors.Is(err, fs.ErrNotExist):
			t.wrong(in, t.path+" is gone")
		default:
			t.wrong(in, fmt.Sprintf("%s: %v", t.path, explain(err)))
		}
	case len(t.files) == 0 || !os.SameFile(info, t.files[len(t.files)-1].info):
		t.open(in)
	default:
		t.gone, t.said = time.Time{}, ""
	}
}

// wrong says once what is wrong with the path.
func (t *tail) wrong(in *intake, what string) {
	if t.said != what {
		t.said = what
		in.notice(Notice{Waiting, 0, what + "; waiting for it"})
	}
}

// open follows what is at the path now, after the files that were rotated away
// since the last look.
func (t *tail) open(in *intake) {
	f, err := openRegular(t.path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			t.wrong(in, fmt.Sprintf("%s: %v", t.path, explain(err)))
		}
		return
	}
	between, known := t.between()
	if !known && t.tries < maxTries {
		t.tries++ // a rotation may be under way
		f.Close()
		return
	}
	t.tries = 0
	before := len(t.files)
	for _, old := range between {
		if err := t.add(old, whole); err != nil {
			old.Close()
			known = false
		}
	}
	if err := t.add(f, whole); err != nil {
		f.Close()
		t.wrong(in, fmt.Sprintf("%s: %v", t.path, err))
		return
	}
	t.gone, t.said = time.Time{}, ""
	switch {
	case before == 0:
		in.notice(Notice{Resumed, 0, t.path + " is there now, and is read from its start"})
	case !known:
		in.notice(Notice{Rotated, 0, t.path + " was rotated, and what was written before its successor cannot all be found: if it was rotated more than once since the last look, lines are missing"})
	default:
		in.notice(Notice{Rotated, 0, t.path + " was rotated, and its successor is read"})
	}
}

// maxTries is how many looks the newest file that is followed may be nowhere
// while something else is at the path.
const maxTries = 10

// between opens the files that took the path after the newest that is followed,
// and were rotated away too, the oldest first. It is false if that cannot be
// known: the newest is not there, or names change. From the newest to the oldest, as they are
// shifted the other way while it looks, none is passed over.
func (t *tail) between() ([]*os.File, bool) {
	if len(t.files) == 0 {
		return nil, true
	}
	var found []*os.File
	names := t.siblings()
	for _, name := range slices.Backward(names) {
		f, err := openRegular(name)
		if err != nil {
			continue
		}
		info, err := f.Stat()
		if err == nil && os.SameFile(info, t.files[len(t.files)-1].info) {
			f.Close()
			if !slices.Equal(names, t.siblings()) {
				break // a name may have been missed as it changed
			}
			slices.Reverse(found)
			return found, true
		}
		found = append(found, f)
	}
	for _, f := range found {
		f.Close()
	}
	return nil, false
}
