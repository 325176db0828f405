package source

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// appended writes to the end of a file, which it makes if need be.
func appended(t testing.TB, path string, text ...string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	_, err = io.WriteString(f, strings.Join(text, ""))
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// followFile follows a file with a text in it.
func followFile(t testing.TB, text string, from Start) (*watched, string) {
	path := filepath.Join(folder(t, map[string]string{"audit.log": text}), "audit.log")
	l, err := Open(path, from)
	require.NoError(t, err)
	return watch(t, l), path
}

// copied does what logrotate's copytruncate does.
func copied(t testing.TB, from, to string) {
	text, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, text, 0o600))
	require.NoError(t, os.Truncate(from, 0))
}

func TestFollowFile(t *testing.T) {
	w, path := followFile(t, avc(1)+avc(2), Start{})
	appended(t, path, avc(3))
	w.sees(3)
	appended(t, path, avc(4), "no record\n", avc(5))
	w.sees(3, 4, 5)
	assert.Empty(t, w.notices)
}

func TestFollowFileStarts(t *testing.T) {
	text := avc(1) + avc(2) + avc(3) + avc(4)[:50]
	rest := avc(4)[50:]
	for _, c := range []struct {
		from Start
		want []int
	}{
		{Start{}, []int{4}},
		{Start{Last: 1}, []int{3, 4}},
		{Start{Last: 2}, []int{2, 3, 4}},
		{Start{Last: 99}, []int{1, 2, 3, 4}},
		{Start{Since: time.UnixMilli(1795427685_002)}, []int{2, 3, 4}},
		{Start{Since: time.Unix(1, 0)}, []int{1, 2, 3, 4}},
	} {
		t.Run(fmt.Sprint(c.from), func(t *testing.T) {
			w, path := followFile(t, text, c.from)
			time.Sleep(2 * look) // so that the half line is seen as one
			appended(t, path, rest)
			w.sees(c.want...)
		})
	}
	_, err := Open("audit.log", Start{Since: time.Now(), Last: 1})
	assert.ErrorContains(t, err, "either")
}

// The records before the last rotation are among those since a time.
func TestFollowFileSinceBeforeRotation(t *testing.T) {
	dir := folder(t, map[string]string{"audit.log.2": avc(1), "audit.log.1": avc(2) + avc(3), "audit.log": avc(4), "audit.log.3.gz": gzipped(t, avc(0))})
	old := time.UnixMilli(1795427685_001)
	require.NoError(t, os.Chtimes(filepath.Join(dir, "audit.log.2"), old, old))
	require.NoError(t, os.Chtimes(filepath.Join(dir, "audit.log.3.gz"), old, old))
	now := time.Now()
	require.NoError(t, os.Chtimes(filepath.Join(dir, "audit.log.1"), now, now))
	l, err := Open(filepath.Join(dir, "audit.log"), Start{Since: old.Add(2 * time.Millisecond)})
	require.NoError(t, err)
	w := watch(t, l)
	w.sees(3, 4)
	appended(t, filepath.Join(dir, "audit.log"), avc(5))
	w.sees(3, 4, 5)
	assert.Empty(t, w.notices)
}

func TestFollowFileRenamed(t *testing.T) {
	w, path := followFile(t, avc(1), Start{})
	writer, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	defer writer.Close()
	io.WriteString(writer, avc(2)+avc(3)[:40])
	require.NoError(t, os.Rename(path, path+".1"))
	// The writer goes on in the old file until it is told.
	io.WriteString(writer, avc(3)[40:])
	w.sees(2, 3)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	w.notice(Rotated, "was rotated")
	io.WriteString(writer, avc(4))
	w.sees(2, 3, 4)
	appended(t, path, avc(5))
	w.sees(2, 3, 4, 5)
	io.WriteString(writer, avc(6))
	w.sees(2, 3, 4, 5, 6)
}

// Rotated more than once before the follower looks again.
func TestFollowFileRenamedTwice(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.log")
	appended(t, path, avc(1))
	l, err := Open(path, Start{})
	require.NoError(t, err)
	appended(t, path, avc(2))
	require.NoError(t, os.Rename(path, path+".1"))
	appended(t, path, avc(3))
	require.NoError(t, os.Rename(path+".1", path+".2"))
	require.NoError(t, os.Rename(path, path+".1"))
	appended(t, path, avc(4))
	w := watch(t, l)
	w.sees(2, 3, 4)
	w.notice(Rotated, "its successor is read")
}

func TestFollowFileRotatedAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	appended(t, path, avc(1))
	l, err := Open(path, Start{})
	require.NoError(t, err)
	appended(t, path, avc(2))
	require.NoError(t, os.Remove(path))
	appended(t, path, avc(3))
	w := watch(t, l)
	w.sees(2, 3)
	w.notice(Rotated, "if it was rotated more than once since the last look, lines are missing")
}

func TestFollowFileCopiedAndTruncated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	appended(t, path, avc(1))
	l, err := Open(path, Start{})
	require.NoError(t, err)
	w := watch(t, l)
	appended(t, path, avc(2))
	w.sees(2)
	// Written after the last look and before the copy.
	appended(t, path, avc(3))
	copied(t, path, path+".1")
	appended(t, path, avc(4))
	w.sees(2, 3, 4)
	w.notice(Rotated, "was truncated and is read from its start")
}

func TestFollowFileTruncated(t *testing.T) {
	w, path := followFile(t, avc(1)+avc(2), Start{})
	appended(t, path, avc(3))
	w.sees(3)
	require.NoError(t, os.Truncate(path, 0))
	w.notice(Rotated, "is missing, if anything was")
	appended(t, path, avc(4))
	w.sees(3, 4)
}

// A file that has grown beyond its old size by the next look.
func TestFollowFileRewritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	appended(t, path, avc(1))
	l, err := Open(path, Start{Last: 1})
	require.NoError(t, err)
	w := watch(t, l)
	w.sees(1)
	require.NoError(t, os.WriteFile(path, []byte(avc(2)+avc(3)), 0o600))
	w.sees(1, 2, 3)
	w.notice(Rotated, "was truncated")
}

// A writer without O_APPEND leaves a hole before what it writes next.
func TestFollowFileTruncatedUnderItsWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	writer, err := os.Create(path)
	require.NoError(t, err)
	defer writer.Close()
	l, err := Open(path, Start{})
	require.NoError(t, err)
	w := watch(t, l)
	io.WriteString(writer, avc(1)+strings.Repeat(strings.Repeat("x", 99)+"\n", 100_000))
	w.until("all of it", func() bool { return w.stats.Lines == 100_001 })
	require.NoError(t, os.Truncate(path, 0))
	io.WriteString(writer, avc(2))
	w.sees(1, 2)
	assert.Zero(t, w.tooLong)
}

func TestFollowFileThatComesLate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit", "audit.log")
	l, err := Open(path, Start{})
	require.NoError(t, err)
	assert.Contains(t, l.Taken, "does not exist yet")
	w := watch(t, l)
	w.notice(Waiting, "does not exist yet; waiting for it")
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
	appended(t, path, avc(1))
	w.sees(1)
	w.notice(Resumed, "is there now")
}

func TestFollowFileThatGoes(t *testing.T) {
	w, path := followFile(t, avc(1), Start{Last: 1})
	w.sees(1)
	require.NoError(t, os.Remove(path))
	w.notice(Waiting, "waiting for it")
	appended(t, path, avc(2))
	w.sees(1, 2)
}

func TestFollowFileOfAnyBytes(t *testing.T) {
	w, path := followFile(t, "", Start{})
	first := strings.TrimSuffix(avc(1), "\n") + "\r\n"
	appended(t, path, first[:30])
	time.Sleep(2 * look)
	appended(t, path, first[30:len(first)-1])
	time.Sleep(2 * look)
	appended(t, path, "\n", "\xff\xfe\x00\x1b]0;x\x07\n", avc(2))
	w.sees(1, 2)
	appended(t, path, strings.Repeat("a", MaxLine/2))
	appended(t, path, strings.Repeat("b", MaxLine/2), strings.Repeat("c", 1<<20), "\n", avc(3))
	w.sees(1, 2, 3)
	w.until("the long line", func() bool { return w.tooLong == 1 })
	assert.Equal(t, 1, w.stats.CRLF)
}

func TestFollowFileRefuses(t *testing.T) {
	dir := folder(t, map[string]string{"a.gz": gzipped(t, avc(1)), "b": "\x7fELF" + strings.Repeat("\x00\x01", 500)})
	for name, why := range map[string]string{dir: "not a regular file", filepath.Join(dir, "a.gz"): "compressed", filepath.Join(dir, "b"): "binary file"} {
		_, err := Open(name, Start{})
		assert.ErrorContains(t, err, why)
	}
	if runtime.GOOS == "linux" && os.Geteuid() != 0 {
		secret := filepath.Join(dir, "secret")
		require.NoError(t, os.WriteFile(secret, nil, 0))
		_, err := Open(secret, Start{})
		assert.ErrorContains(t, err, "CAP_DAC_READ_SEARCH")
	}
}

// rotator writes numbered records in halves, and rotates the log.
type rotator struct {
	t    *testing.T
	path string
	n    int   // rotations
	want []int // lines written
}

func (r *rotator) write(lines int) {
	for range lines {
		n := len(r.want) + 1
		r.want = append(r.want, n)
		line := avc(n)
		appended(r.t, r.path, line[:n%len(line)])
		appended(r.t, r.path, line[n%len(line):])
	}
}

func (r *rotator) name(i int) string { return fmt.Sprintf("%s.%d", r.path, i) }

// shift makes room for a new .1.
func (r *rotator) shift() {
	for i := r.n; i > 0; i-- {
		require.NoError(r.t, os.Rename(r.name(i), r.name(i+1)))
	}
	r.n++
}

// Renamed over and over, now and then twice between two looks: every line comes
// once, and in order.
func TestFollowFileThroughManyRenames(t *testing.T) {
	w, path := followFile(t, "", Start{})
	r := rotator{t: t, path: path}
	for i := range 12 {
		r.write(50)
		r.shift()
		require.NoError(t, os.Rename(path, r.name(1)))
		if i%3 == 0 {
			time.Sleep(2 * look)
		}
	}
	r.write(1)
	w.sees(r.want...)
}

// Copied and truncated over and over, with lines before the truncation that were
// not looked at.
func TestFollowFileThroughManyCopies(t *testing.T) {
	w, path := followFile(t, "", Start{})
	r := rotator{t: t, path: path}
	for range 10 {
		r.write(20)
		w.sees(r.want...)
		r.write(20)
		r.shift()
		copied(t, path, r.name(1))
	}
	r.write(1)
	w.sees(r.want...)
}

func BenchmarkFollowFile(b *testing.B) {
	text, denials := mixed(16 << 20)
	path := filepath.Join(b.TempDir(), "audit.log")
	require.NoError(b, os.WriteFile(path, []byte(text), 0o600))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		l, err := Open(path, whole)
		require.NoError(b, err)
		seen := 0
		for batch := range Follow(b.Context(), l) {
			if seen += len(batch.Denials); seen == denials {
				break
			}
		}
	}
}

// What nobody looks at at once is read seldom, and comes in larger pieces, whole and in order.
func TestUnhurried(t *testing.T) {
	in := newIntake(t.Context())
	in.together = time.Hour
	in.lines([]byte("first\n"))
	<-in.changed
	in.lines([]byte("second\n"))
	assert.Empty(t, in.changed, "nobody is woken up for it")
	require.Len(t, in.arrivals, 1)
	f := follower{in: in, hold: time.Second}
	text, end, _ := f.take(time.Now().Add(time.Hour), false, &Batch{})
	assert.Equal(t, "first\nsecond\n", string(text[:end]))

	l, err := Open(filepath.Join(t.TempDir(), "audit.log"), Start{})
	require.NoError(t, err)
	defer l.Close()
	l.Patient()
	l.Unhurried()
	assert.Equal(t, longPatience, l.patience, "which is longer")
	assert.True(t, l.stream.(*tail).unhurried)
	assert.Greater(t, unhurried, lookQuiet, "a line that is cut by a look has the next one to become whole")
}
