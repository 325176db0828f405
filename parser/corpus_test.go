package parser

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// logs returns the files below testdata that match, in order.
func logs(t testing.TB, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", filepath.FromSlash(pattern)))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

func readLog(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	return b
}

// describe writes what a golden file keeps of a scan.
func describe(buf *bytes.Buffer, name string, denials []Denial, stats *Stats) {
	missing, known := stats.Serials.Missing()
	fmt.Fprintf(buf, "# %s: %d lines, %d records, %d unparsed, %d NUL, %d CRLF, torn %v, suppressed %d, missing %d %v\n",
		name, stats.Lines, stats.Records, stats.Unparsed, stats.NULs, stats.CRLF, stats.TornLast, stats.Lost.Suppressed, missing, known)
	for i := range denials {
		x := &denials[i]
		types := []string{}
		for _, r := range x.Event.Records {
			types = append(types, string(r.Type))
		}
		line := Pairs{
			{"line", x.Event.Records[x.Record].Origin.Line}, {"transport", x.Event.Records[x.Record].Origin.Transport},
			{"mode", x.Mode.String()}, {"event", strings.Join(types, " ")}, {"subject", x.Subject}, {"record", x.Pairs()},
		}
		if x.AppArmor != nil {
			line = append(line, Pair{"apparmor", compact(x.AppArmor)})
		}
		if x.Seccomp != nil {
			line = append(line, Pair{"seccomp", compact(x.Seccomp)})
		}
		b, err := line.MarshalJSON()
		if err != nil {
			panic(err)
		}
		buf.Write(append(b, '\n'))
	}
}

// compact returns the fields of a struct that are set.
func compact(v any) map[string]any {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	m := map[string]any{}
	if err := json.Unmarshal(b, &m); err != nil {
		panic(err)
	}
	for key, value := range m {
		if value == nil || value == "" || value == 0.0 || value == false {
			delete(m, key)
		}
	}
	return m
}

func TestCorpus(t *testing.T) {
	for _, group := range []string{"linux-6.1-auditd", "linux-6.1-docker", "linux-6.1-ringbuffer", "linux-6.12-apparmor-4.1", "journal"} {
		t.Run(group, func(t *testing.T) {
			pattern := "corpus/" + group + "/*.log"
			if group == "journal" {
				pattern = "journal/*"
			}
			var got bytes.Buffer
			for _, file := range logs(t, pattern) {
				log := readLog(t, file)
				denials, stats := Scan(nil, Block{File: filepath.Base(file), Body: log, Reference: reference})
				assert.Zero(t, stats.Unparsed, "%s: %v", file, stats.Samples)
				// Nothing that says apparmor= or SECCOMP at its usual place is left out.
				if !strings.Contains(file, "json") && !strings.Contains(file, "export") {
					want := bytes.Count(log, []byte("apparmor=\"")) + bytes.Count(log, []byte("SECCOMP ")) + bytes.Count(log, []byte("type=1326 ")) +
						bytes.Count(log, []byte("sig=31 res="))
					assert.Len(t, denials, want, file)
				}
				describe(&got, filepath.Base(file), denials, &stats)
			}
			golden := filepath.Join("testdata", "golden", group+".jsonl")
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(golden), 0o777))
				require.NoError(t, os.WriteFile(golden, got.Bytes(), 0o666))
			}
			assert.Equal(t, string(readLog(t, golden)), got.String())
		})
	}
}

// The same events were saved from journald and the ring buffer in every shape.
func TestVariantsAgree(t *testing.T) {
	denialsOf := func(name string) []Denial {
		denials, _ := Scan(nil, Block{File: name, Body: readLog(t, filepath.Join("testdata", "journal", name)), Reference: reference})
		return slices.DeleteFunc(denials, func(x Denial) bool { return x.Mode == Status })
	}
	for host, files := range map[string][]string{
		"auditd":   {"journald-auditd.audit.log", "journald-auditd.audit.export", "journald-auditd.audit.json", "journald-auditd.short"},
		"noauditd": {"journald-noauditd.all.json", "journald-noauditd.audit.export", "journald-noauditd.audit.json", "journald-noauditd.dmesg", "journald-noauditd.dmesg-T", "journald-noauditd.dmesg-x", "journald-noauditd.dmesg.json", "journald-noauditd.k.short", "journald-noauditd.kernel.json", "journald-noauditd.short"},
	} {
		t.Run(host, func(t *testing.T) {
			full := denialsOf(files[0])
			all := NewDedup()
			distinct := 0
			for _, file := range files {
				denials := denialsOf(file)
				require.NotEmpty(t, denials, file)
				for i := range denials {
					x := &denials[i]
					j := slices.IndexFunc(full, func(y Denial) bool {
						return assert.ObjectsAreEqual(y.AppArmor, x.AppArmor) && assert.ObjectsAreEqual(y.Seccomp, x.Seccomp)
					})
					require.GreaterOrEqual(t, j, 0, "%s line %d", file, x.Event.Records[0].Origin.Line)
					assert.Equal(t, full[j].Subject, x.Subject, file)
					assert.Equal(t, full[j].Mode, x.Mode)
					assert.Equal(t, len(full[j].Event.Records), len(x.Event.Records), "%s line %d", file, x.Event.Records[0].Origin.Line)
					if !all.Duplicate(x) {
						distinct++
					}
				}
			}
			assert.Equal(t, 6, distinct, "three opens, create, capable, SECCOMP")
		})
	}
}

// cutScan scans a log in blocks that end at the given offsets.
func cutScan(log []byte, cuts []int, context int) ([]Denial, Stats) {
	var dst []Denial
	var sum Stats
	lines := 0
	start := 0
	for _, end := range append(slices.Clone(cuts), len(log)) {
		if end <= start {
			continue
		}
		first := len(dst)
		var stats Stats
		dst, stats = Scan(dst, Block{File: "log", Before: log[max(0, start-context):start], Body: log[start:end],
			After: log[end:min(len(log), end+context)], Reference: reference})
		for i := range dst[first:] {
			for j := range dst[first+i].Event.Records {
				if r := &dst[first+i].Event.Records[j]; r.Origin.Line > 0 {
					r.Origin.Line += lines
				}
			}
		}
		stats.Shift(lines)
		lines += stats.Lines
		sum.Add(stats)
		start = end
	}
	return dst, sum
}

// allShapes is one log with every shape in it, and real logs between them.
func allShapes(t testing.TB) []byte {
	var log bytes.Buffer
	for i, shape := range shapes {
		body := strings.Replace(avcBody, "pid=234", fmt.Sprintf("pid=%d", 5000+i), 1)
		log.WriteString(strings.TrimSuffix(fill(shape.log, body), "\n") + "\n")
	}
	for _, file := range logs(t, "journal/*") {
		b := readLog(t, file)
		log.Write(b[:bytes.LastIndexByte(b, '\n')+1])
	}
	return log.Bytes()
}

func lineEnds(log []byte) []int {
	var ends []int
	for i, c := range log {
		if c == '\n' {
			ends = append(ends, i+1)
		}
	}
	return ends
}

func TestCutsDoNotMatter(t *testing.T) {
	log := allShapes(t)
	want, wantStats := cutScan(log, nil, Context)
	require.Greater(t, len(want), len(shapes))
	ends := lineEnds(log)
	rng := rand.New(rand.NewSource(1))
	check := func(name string, cuts []int, context int) {
		got, stats := cutScan(log, cuts, context)
		if !assert.Equal(t, len(want), len(got), name) {
			return
		}
		for i := range want {
			if !assert.Equal(t, want[i], got[i], "%s: denial %d", name, i) {
				return
			}
		}
		stats.Serials, wantStats.Serials = Serials{}, Serials{}
		stats.Lost.seen, wantStats.Lost.seen = nil, nil
		assert.Equal(t, wantStats, stats, name)
	}
	check("every line", ends, Context)
	check("every line, more context", ends, Context+777)
	for i := range 20 {
		var cuts []int
		for _, end := range ends {
			if rng.Intn(1+i*10) == 0 {
				cuts = append(cuts, end)
			}
		}
		check(fmt.Sprint("random ", i), cuts, Context+rng.Intn(3)*rng.Intn(100))
	}
}

// Records of one event come in any order, and events interleaved.
func TestOrderDoesNotMatter(t *testing.T) {
	var log []byte
	for _, file := range logs(t, "corpus/linux-6.1-auditd/net-*.log") {
		log = append(log, readLog(t, file)...)
	}
	require.Less(t, len(log), Context)
	want := map[string]int{}
	denials, _ := scanString(t, string(log))
	for i := range denials {
		require.Len(t, denials[i].Event.Records, 3)
		want[fmt.Sprint(denials[i].Subject, denials[i].Time, denials[i].AppArmor.Operation)]++
	}
	lines := strings.SplitAfter(strings.TrimSuffix(string(log), "\n"), "\n")
	lines[len(lines)-1] += "\n"
	for seed := range int64(20) {
		rand.New(rand.NewSource(seed)).Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		got := map[string]int{}
		denials, _ := scanString(t, strings.Join(lines, ""))
		for i := range denials {
			got[fmt.Sprint(denials[i].Subject, denials[i].Time, denials[i].AppArmor.Operation)]++
		}
		require.Equal(t, want, got)
	}
}
