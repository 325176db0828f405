package parser

import (
	"bytes"
	"fmt"
	"math/rand"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// foldScan is cutScan through Forms, with the repeats parsed in their place. It checks
// what a repeat says without that.
func foldScan(t testing.TB, f *Forms, log []byte, cuts []int, live bool) (all []Denial, folded int) {
	lines, start := 0, 0
	for _, end := range append(slices.Clone(cuts), len(log)) {
		if end <= start {
			continue
		}
		b := Block{File: "log", Before: log[:start], Body: log[start:end], After: log[end:], Reference: reference, Live: live}
		denials, repeats, stats := f.Scan(nil, nil, &b)
		plain, want := Scan(nil, b)
		for i := range repeats {
			r := &repeats[i]
			d := r.Denial()
			checkRepeat(t, r, &d)
			denials = slices.Insert(denials, r.After+i, d)
		}
		require.Len(t, denials, len(plain))
		for i := range denials {
			if at := difference(&denials[i], &plain[i]); at != "" {
				t.Fatalf("line %d differs in %s: %q and %q", lines+i, at, pairsOf(&denials[i]), pairsOf(&plain[i]))
			}
		}
		require.Equal(t, want, stats)
		all, folded = append(all, denials...), folded+len(repeats)
		lines, start = lines+stats.Lines, end
	}
	return all, folded
}

func checkRepeat(t testing.TB, r *Repeat, d *Denial) {
	record := &d.Event.Records[d.Record]
	if !r.Time.Equal(d.Time) || r.Serial != record.Serial || r.PID != d.Subject.PID || r.Exe != d.Subject.Exe || r.Label != d.Subject.Label || r.Line != record.Origin.Line ||
		r.Form.Node != record.Node || r.Form.Yearless != record.Yearless() || r.File() != record.Origin.File || r.Form.transport != record.Origin.Transport {
		t.Fatalf("%+v of %+v", r, d)
	}
	if keyOf(r.Form.said, uint64(r.PID), r.ip) != d.content() {
		t.Fatalf("the repeat %q does not say what its form does", record.Text)
	}
	if record.IsLookAlike() || record.Origin.UnknownPrefix {
		t.Fatalf("a record of unknown origin was folded: %q", record.Text)
	}
}

var (
	stampOfTest = regexp.MustCompile(`audit\(\d+\.\d+:\d+\)`)
	pidOfTest   = regexp.MustCompile(`pid=\d+`)
	ipOfTest    = regexp.MustCompile(`ip=0x[0-9a-f]+`)
)

// repeated is a log with each line some times, with other stamps and process IDs, and now
// and then torn or as it was.
func repeated(log []byte, times int, rng *rand.Rand) []byte {
	var out bytes.Buffer
	for n := range times {
		for line := range bytes.Lines(log) {
			text := string(line)
			if n > 0 && rng.Intn(8) > 0 {
				text = stampOfTest.ReplaceAllString(text, fmt.Sprintf("audit(17954%05d.%03d:%d)", rng.Intn(1e5), rng.Intn(1000), 1+rng.Intn(1e6)))
				text = pidOfTest.ReplaceAllString(text, fmt.Sprintf("pid=%d", rng.Intn(1e5)))
				text = ipOfTest.ReplaceAllString(text, fmt.Sprintf("ip=0x%x", rng.Int63()))
			}
			if rng.Intn(50) == 0 {
				text = text[:rng.Intn(len(text))] + "\n"
			}
			out.WriteString(text)
		}
	}
	return out.Bytes()
}

// Whatever a log is, repeats are what is parsed of them in full.
func TestFoldedIsUnfolded(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	all := map[string][]byte{"every shape": allShapes(t)}
	for _, pattern := range []string{"corpus/*/*.log", "corpus/*/*", "journal/*"} {
		for _, file := range logs(t, pattern) {
			all[file] = readLog(t, file)
		}
	}
	var kindsLog strings.Builder
	for i, k := range kinds {
		fmt.Fprintf(&kindsLog, "type=%s msg=audit(1.2:%d): %s\n", k.typ, i, k.body)
	}
	all["every kind"] = []byte(kindsLog.String())
	folded := 0
	for name, log := range all {
		t.Run(name, func(t *testing.T) {
			log = log[:min(len(log), 300<<10)]
			for _, live := range []bool{false, true} {
				again := repeated(log, 2, rng)
				ends := lineEnds(again)
				var cuts []int
				for range 3 {
					cuts = append(cuts, ends[rng.Intn(len(ends))])
				}
				slices.Sort(cuts)
				_, n := foldScan(t, NewForms(true), again, cuts, live)
				folded += n
			}
		})
	}
	assert.Greater(t, folded, 1000)
}

// What a repeat could hide is no repeat.
func TestFormsAreApart(t *testing.T) {
	const avc = `apparmor="DENIED" operation="open" profile="p" name="/a" pid=7 comm="c" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`
	const call = `auid=1 uid=0 gid=0 ses=1 subj=p pid=7 comm="c" exe="/c" sig=0 arch=c000003e syscall=39 compat=0 ip=0x44 code=0x50000`
	audit := func(typ, body string) string { return "type=" + typ + " msg=audit(1795427169.844:13): " + body + "\n" }
	kmsg := func(head, body string) string {
		return head + "audit: type=1400 audit(1795427169.844:13): " + body + "\n"
	}
	for name, test := range map[string]struct {
		log     string
		repeats int
	}{
		"the process":              {audit("AVC", avc) + audit("AVC", strings.Replace(avc, "pid=7", "pid=654321", 1)), 1},
		"the address":              {audit("SECCOMP", call) + audit("SECCOMP", strings.Replace(call, "0x44", "0x7fffdeadbeef", 1)), 1},
		"the type's spelling":      {audit("AVC", avc) + audit("1400", avc), 1},
		"the name":                 {audit("AVC", avc) + audit("AVC", strings.Replace(avc, `"/a"`, `"/b"`, 1)), 0},
		"the mode":                 {audit("AVC", avc) + audit("AVC", strings.Replace(avc, "DENIED", "ALLOWED", 1)), 0},
		"the host":                 {audit("AVC", avc) + "node=x " + audit("AVC", avc), 0},
		"the transport":            {audit("AVC", avc) + kmsg("", avc), 0},
		"who wrote it":             {kmsg("Nov 23 09:42:59 lab kernel: ", avc) + kmsg("Nov 23 09:42:59 lab evil: ", avc), 0},
		"a name that has a pid":    {strings.Repeat(audit("AVC", strings.Replace(avc, `"/a"`, `"/a pid=5"`, 1)), 2), 0},
		"two process IDs":          {strings.Repeat(audit("AVC", avc+" pid=8"), 2), 0},
		"a process ID of no digit": {strings.Repeat(audit("AVC", strings.Replace(avc, "pid=7", "pid=x", 1)), 2), 0},
		"no label":                 {strings.Repeat(audit("SECCOMP", strings.Replace(call, "subj=p", "subj=?", 1)), 2), 1},
		"labels of another record": {strings.Repeat(audit("SECCOMP", strings.Replace(call, "subj=p", "subj=?", 1))+audit("MAC_TASK_CONTEXTS", "subj_apparmor=p subj_bpf=?"), 2), 1},
		"a suspicion":              {strings.Repeat(audit("ANOM_ABEND", `auid=1 uid=0 gid=0 ses=1 subj=p pid=7 comm="c" exe="/c" sig=31 res=1`), 2), 0},
		"a user-space mediator's":  {strings.Repeat(audit("USER_AVC", `pid=612 uid=101 msg='apparmor="DENIED" operation="dbus_signal" bus="system" mask="send" pid=7 label="p" peer_label="q" exe="/d"'`), 2), 1},
	} {
		t.Run(name, func(t *testing.T) {
			_, folded := foldScan(t, NewForms(true), []byte(test.log), nil, false)
			assert.Equal(t, test.repeats, folded)
		})
	}
}

// Forms that a program makes up are forgotten.
func TestFormsAreBounded(t *testing.T) {
	f := NewForms(true)
	var log bytes.Buffer
	for i := range 60_000 {
		fmt.Fprintf(&log, "type=AVC msg=audit(1.2:%d): %s\n", i, strings.Replace(avcBody, `"aaop"`, fmt.Sprintf(`"%d"`, i), 1))
	}
	denials, repeats, _ := f.Scan(nil, nil, &Block{Body: log.Bytes()})
	assert.Len(t, denials, 60_000)
	assert.Empty(t, repeats)
	assert.LessOrEqual(t, f.size, maxFormSize)
	assert.Less(t, len(f.young)+len(f.old), 30_000)
}

// A line of no interest and a repeat leave nothing for the garbage collector.
func TestRepeatsAreFree(t *testing.T) {
	var log bytes.Buffer
	for i := range 1000 {
		fmt.Fprintf(&log, "type=CWD msg=audit(1.2:%d): cwd=\"/\"\n", i)
		fmt.Fprintf(&log, "type=AVC msg=audit(1.2:%d): %s\n", i, strings.Replace(avcBody, "234", fmt.Sprint(1000+i), 1))
	}
	f, b := NewForms(true), &Block{Body: log.Bytes()}
	_, repeats, _ := f.Scan(nil, nil, b)
	require.Len(t, repeats, 999)
	allocs := testing.AllocsPerRun(10, func() { f.Scan(nil, repeats[:0], b) })
	assert.Less(t, allocs, 30.0, "for 1,000 repeats")
}

// FuzzFold folds logs of arbitrary bytes, each line again with other numbers in it.
func FuzzFold(f *testing.F) {
	for i, shape := range shapes {
		f.Add([]byte(fill(shape.log, avcBody)), uint16(i))
		f.Add([]byte(fill(asType(shape.log, "SECCOMP"), seccompBody)), uint16(i))
	}
	for i, k := range kinds {
		f.Add([]byte("type="+k.typ+" msg=audit(1.2:3): "+k.body+"\n"), uint16(i))
	}
	f.Add([]byte(`type=AVC msg=audit(1.2:3): apparmor="DENIED" operation="open" profile="p" name="/a pid=5" comm="c pid=7 x" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`+"\n"), uint16(1))
	f.Fuzz(func(t *testing.T, log []byte, seed uint16) {
		if len(log) == 0 || len(log) > 32<<10 {
			return
		}
		rng := rand.New(rand.NewSource(int64(seed)))
		again := repeated(append(log, '\n'), 3, rng)
		ends := lineEnds(again)
		foldScan(t, NewForms(true), again, []int{ends[rng.Intn(len(ends))]}, seed%2 == 1)
	})
}

// What a head may have other digits in, and in what it may not.
func TestHeads(t *testing.T) {
	const avc = `apparmor="DENIED" operation="open" profile="p" name="/a" pid=7 comm="c" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`
	line := func(head string, serial int) string {
		return fmt.Sprintf("%saudit: type=1400 audit(1795427169.844:%d): %s\n", head, serial, avc)
	}
	for _, test := range []struct {
		a, b  string
		alike bool
	}{
		{"Nov 23 09:42:59 lab1 kernel: [   40.392669] ", "Nov 23 19:00:01 lab1 kernel: [   41.000001] ", true},
		{"Nov 23 09:42:59 lab1 kernel: ", "Nov 23 09:42:59 lab2 kernel: ", false},
		{"Nov 23 09:42:59 lab1 kernel: ", "Nov 23 09:72:59 lab1 kernel: ", false},
		{"Nov 23 09:42:59 lab1 kernel: ", "Nov 24 09:42:59 lab1 kernel: ", false},
		{"Nov 23 09:42:59 09:42:58 kernel: ", "Nov 23 09:42:59 09:42:57 kernel: ", false},
		{"Nov 23 09:42:59 [1.2] kernel: ", "Nov 23 09:42:59 [1.3] kernel: ", false},
		{"2026-11-23T09:42:59.607716+00:00 lab kernel: ", "2026-11-23T10:42:59.111111+00:00 lab kernel: ", true},
		{"2026-11-23T09:42:59.607716+00:00 lab kernel: ", "2026-11-23T10:42:59.111111+01:00 lab kernel: ", false},
		{"5,1234,40392669,-;", "5,1235,40392999,-;", true},
		{"5,1234,40392669,-;", "4,1235,40392999,-;", false},
		{"[   40.392669] ", "[   41.392660] ", true},
		{"<5>[   40.392669] ", "<6>[   41.392660] ", false},
	} {
		f := NewForms(false)
		log := line(test.a, 1) + line(test.a, 2) + line(test.b, 3)
		_, folded := foldScan(t, f, []byte(log), nil, false)
		assert.LessOrEqual(t, 1, folded)
		b, _, _ := bytes.Cut([]byte(line(test.b, 3)), []byte("audit("))
		assert.Equal(t, test.alike, f.headOf(b).is(b) && !slices.Equal(f.headOf(b).text, b), "%s and %s", test.a, test.b)
	}
	// /dev/kmsg escapes; another that says the same without is another.
	log := line("5,1,2,-;", 1) + line("5,1,2,-;", 2) + strings.Replace(line("5,1,2,-;", 3), `"/a"`, `"/\x5cx41"`, 1) +
		strings.Replace(line("5,1,2,-;", 4), `"/a"`, `"/\x41"`, 1)
	foldScan(t, NewForms(false), []byte(log), nil, false)
}
