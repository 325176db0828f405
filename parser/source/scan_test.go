package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/parser"
)

// avc is an AppArmor record whose object says on which line it stands.
func avc(line int) string {
	return fmt.Sprintf(`type=AVC msg=audit(1795427685.%03d:%d): apparmor="DENIED" operation="open" profile="web" name="/line/%d" pid=7 comm="a" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`+"\n", line%1000, line, line)
}

// mixed returns a log of about n bytes with a denial on every 97th line, among
// lines of very different lengths.
func mixed(n int) (text string, denials int) {
	rng := rand.New(rand.NewPCG(7, 7))
	var b strings.Builder
	b.Grow(n + 1<<20)
	for line := 1; b.Len() < n; line++ {
		switch {
		case line%97 == 0:
			b.WriteString(avc(line))
			denials++
		case line%5000 == 0:
			b.WriteString(strings.Repeat("y", rng.IntN(200_000)) + "\n")
		default:
			b.WriteString("type=CWD msg=audit(1795427685.000:1): cwd=\"/" + strings.Repeat("x", rng.IntN(300)) + "\"\n")
		}
	}
	return b.String(), denials
}

func text(s string) Input {
	return Input{Name: "text", Open: func(context.Context) (io.ReadCloser, time.Time, error) {
		return io.NopCloser(strings.NewReader(s)), time.Time{}, nil
	}}
}

// collect returns everything that a scan yields, as "input:line name" strings.
func collect(t testing.TB, inputs []Input) (found []string, total Batch, errs []error) {
	t.Helper()
	for batch, err := range Scan(t.Context(), inputs) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, d := range batch.Denials {
			record := d.Event.Records[d.Record]
			found = append(found, fmt.Sprintf("%s:%d %s", record.Origin.File, record.Origin.Line, record.Get("name")))
		}
		total.Stats.Lines += batch.Stats.Lines
		total.TooLong += batch.TooLong
	}
	return found, total, errs
}

func TestScanFindsEveryLineOnce(t *testing.T) {
	log, want := mixed(9 << 20)
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"whole":         func(r io.Reader) io.Reader { return r },
		"half reads":    iotest.HalfReader,
		"data with EOF": iotest.DataErrReader,
	} {
		t.Run(name, func(t *testing.T) {
			in := Input{Name: "log", Open: func(context.Context) (io.ReadCloser, time.Time, error) {
				return io.NopCloser(wrap(strings.NewReader(log))), time.Time{}, nil
			}}
			found, total, errs := collect(t, []Input{in})
			require.Empty(t, errs)
			require.Len(t, found, want)
			for i, f := range found {
				n := (i + 1) * 97
				require.Equal(t, fmt.Sprintf("log:%d /line/%d", n, n), f)
			}
			assert.Equal(t, strings.Count(log, "\n"), total.Stats.Lines)
		})
	}
}

// What Scan finds must not depend on where it cuts: the oracle is the parser on
// the whole text at once.
func TestScanEqualsOneBlock(t *testing.T) {
	log, _ := mixed(3 << 20)
	want, stats := parser.Scan(nil, parser.Block{File: "text", Body: []byte(log), Location: time.Local})
	i := 0
	var total parser.Stats
	for batch, err := range Scan(t.Context(), []Input{text(log)}) {
		require.NoError(t, err)
		for _, d := range batch.Denials {
			require.Less(t, i, len(want))
			require.Equal(t, want[i], d)
			i++
		}
		total.Lines += batch.Stats.Lines
	}
	assert.Equal(t, len(want), i)
	assert.Equal(t, stats.Lines, total.Lines)
}

func TestScanLongLines(t *testing.T) {
	long := strings.Repeat("z", MaxLine+2*parser.Context) + "\n"
	fits := strings.Repeat("z", MaxLine-1) + "\n"
	tests := map[string]struct {
		log     string
		found   []string
		lines   int
		tooLong int
	}{
		"fits":             {avc(1) + fits + avc(3), []string{"text:1 /line/1", "text:3 /line/3"}, 3, 0},
		"too long":         {avc(1) + long + avc(3), []string{"text:1 /line/1", "text:3 /line/3"}, 3, 1},
		"two, at once":     {long + long + avc(3), []string{"text:3 /line/3"}, 3, 2},
		"at the start":     {long + avc(2), []string{"text:2 /line/2"}, 2, 1},
		"torn at the end":  {avc(1) + long + long[:len(long)-1] + long[:len(long)-1], []string{"text:1 /line/1"}, 3, 2},
		"the only line":    {long, nil, 1, 1},
		"far too long":     {strings.Repeat("z", 5*MaxLine) + "\n" + avc(2), []string{"text:2 /line/2"}, 2, 1},
		"in many lines":    {avc(1) + fits + avc(3) + long + avc(5) + fits + avc(7), []string{"text:1 /line/1", "text:3 /line/3", "text:5 /line/5", "text:7 /line/7"}, 7, 1},
		"torn last line":   {avc(1) + strings.TrimSuffix(avc(2), "\n"), []string{"text:1 /line/1", "text:2 /line/2"}, 2, 0},
		"nothing":          {"", nil, 0, 0},
		"only a line end":  {"\n", nil, 1, 0},
		"one block to end": {strings.Repeat("\n", bufferSize) + avc(bufferSize+1), []string{fmt.Sprintf("text:%d /line/%[1]d", bufferSize+1)}, bufferSize + 1, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			found, total, errs := collect(t, []Input{text(test.log)})
			assert.Empty(t, errs)
			assert.Equal(t, test.found, found)
			assert.Equal(t, test.lines, total.Stats.Lines, "lines")
			assert.Equal(t, test.tooLong, total.TooLong, "too long")
		})
	}
}

func TestScanSeveralInputs(t *testing.T) {
	broken := Input{Name: "broken", Open: func(context.Context) (io.ReadCloser, time.Time, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader(avc(1)), iotest.ErrReader(errors.New("disk on fire")))), time.Time{}, nil
	}}
	missing := Inputs([]string{"no/such.log"}, nil)[0]
	found, _, errs := collect(t, []Input{text(avc(1)), missing, broken, text(avc(1) + avc(2))})
	assert.Equal(t, []string{"text:1 /line/1", "broken:1 /line/1", "text:1 /line/1", "text:2 /line/2"}, found)
	require.Len(t, errs, 2)
	var e *Error
	require.ErrorAs(t, errs[0], &e)
	assert.Equal(t, "no/such.log", e.Input)
	assert.ErrorIs(t, e, os.ErrNotExist)
	assert.EqualError(t, errs[1], "broken: disk on fire")
}

func TestScanStops(t *testing.T) {
	log, _ := mixed(4 << 20)
	t.Run("early", func(t *testing.T) {
		n := 0
		for range Scan(t.Context(), []Input{text(log), text(log)}) {
			n++
			break
		}
		assert.Equal(t, 1, n)
	})
	t.Run("cancelled while blocked", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r, w := io.Pipe()
		defer w.Close()
		time.AfterFunc(50*time.Millisecond, cancel)
		var last error
		for _, err := range Scan(ctx, Inputs([]string{"-"}, r)) {
			last = err
		}
		assert.ErrorIs(t, last, context.Canceled)
	})
	t.Run("cancelled between batches", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var last error
		defer cancel()
		for _, err := range Scan(ctx, []Input{text(log), text(log), text(log)}) {
			cancel()
			last = err
		}
		assert.ErrorIs(t, last, context.Canceled)
	})
}

// endless is a log without end.
type endless struct{ line []byte }

func (e endless) Read(p []byte) (n int, err error) {
	for n < len(p) {
		n += copy(p[n:], e.line)
	}
	return n, nil
}

func TestScanMemoryIsBounded(t *testing.T) {
	in := Input{Name: "endless", Open: func(context.Context) (io.ReadCloser, time.Time, error) {
		return io.NopCloser(io.LimitReader(endless{[]byte(strings.Repeat("q", 999) + "\n")}, 300<<20)), time.Time{}, nil
	}}
	result := testing.Benchmark(func(b *testing.B) {
		for range b.N {
			for _, err := range Scan(t.Context(), []Input{in}) {
				require.NoError(t, err)
			}
		}
	})
	assert.Less(t, result.AllocedBytesPerOp(), int64(32<<20), "300 MB of text must go through a few reused buffers")
}

// loggen returns a generated log.
func loggen(t testing.TB, lines int) []byte {
	log, err := exec.Command("go", "run", "../../testdata/loggen", "-lines", strconv.Itoa(lines)).Output()
	require.NoError(t, err)
	return log
}

// The generated log is what it claims to be, and all of it is understood.
func TestGeneratedLog(t *testing.T) {
	const lines = 100_000
	log := loggen(t, lines)
	assert.Equal(t, log, loggen(t, lines), "the same bytes every time")
	assert.Equal(t, lines, bytes.Count(log, []byte("\n")))
	assert.InDelta(t, 190, len(log)/lines, 15, "bytes per line")
	assert.InDelta(t, lines/20, bytes.Count(log, []byte("apparmor=")), 20)
	assert.InDelta(t, lines/20, bytes.Count(log, []byte("type=SECCOMP")), 20)

	denials, stats := 0, parser.Stats{}
	distinct := map[string]bool{}
	number := regexp.MustCompile(`pid=\d+`)
	for batch, err := range Scan(t.Context(), Inputs([]string{"-"}, bytes.NewReader(log))) {
		require.NoError(t, err)
		for _, d := range batch.Denials {
			distinct[number.ReplaceAllString(d.Event.Records[d.Record].Text, "")] = true
		}
		denials += len(batch.Denials)
		stats.Add(batch.Stats)
	}
	assert.InDelta(t, lines/10, denials, 40)
	assert.InDelta(t, 500, len(distinct), 10, "distinct denials")
	assert.Equal(t, lines, stats.Lines)
	assert.Empty(t, stats.Samples)
	missing, known := stats.Serials.Missing()
	assert.True(t, known)
	assert.Zero(t, missing, "serials without holes")
}

// BenchmarkScan reads a generated log of 50,000 lines, or LOGGEN_LINES; of
// interest are MB/s.
func BenchmarkScan(b *testing.B) {
	lines := 50_000
	if n, err := strconv.Atoi(os.Getenv("LOGGEN_LINES")); err == nil {
		lines = n
	}
	log := loggen(b, lines)
	in := Input{Name: "log", Open: func(context.Context) (io.ReadCloser, time.Time, error) {
		return io.NopCloser(bytes.NewReader(log)), time.Time{}, nil
	}}
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		denials := 0
		for batch, err := range Scan(b.Context(), []Input{in}) {
			require.NoError(b, err)
			denials += len(batch.Denials)
		}
		require.InDelta(b, lines/10, denials, 10)
	}
}

// What was pasted from an old log is dated by the stamps that have a year, not by its new file.
func TestYearOfPastedLog(t *testing.T) {
	const yearless = `Apr 14 15:21:37 h audit[9]: AVC apparmor="DENIED" operation="open" profile="web" name="/x" pid=9 comm="a" requested_mask="r" denied_mask="r" fsuid=0 ouid=0` + "\n"
	years := func(log string, written time.Time) (years []int) {
		in := Input{Name: "x", Open: func(context.Context) (io.ReadCloser, time.Time, error) {
			return io.NopCloser(strings.NewReader(log)), written, nil
		}}
		for batch, err := range Scan(t.Context(), []Input{in}) {
			require.NoError(t, err)
			for _, d := range batch.Denials {
				years = append(years, d.Time.Year())
			}
		}
		return years
	}
	written := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	old := strings.ReplaceAll(avc(1), "1795427685", "1586870497") // April 2020
	assert.Equal(t, []int{2020, 2020}, years(old+yearless, written))
	assert.Equal(t, []int{2026}, years(yearless, written))
	assert.Equal(t, []int{2019, 2019}, years(strings.ReplaceAll(old, "1586870497", "1556870497")+yearless, written), "May 2019")
	assert.Equal(t, []int{1970, 2026}, years(strings.ReplaceAll(old, "1586870497", "7")+yearless, written), "no such stamp")
	assert.Equal(t, []int{2037, 2026}, years(strings.ReplaceAll(old, "1586870497", "2122222222")+yearless, written), "a stamp of the future")
}
