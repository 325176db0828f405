//go:build e2e && linux && amd64

package e2e

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/explain/store"
)

// fleetBuckets is how many TestFleetScale makes; make fleet-scale says it.
var fleetBuckets = flag.Int("fleet.buckets", 0, "buckets that TestFleetScale asks; it does not run if it is 0")

// The fleet that TestFleetScale makes: each of the nodes has the same pairs of a finding and a
// container in each bucket of seven days.
const (
	scaleFindings = 1000 // of 200 profiles
	scalePairs    = 68   // of a node
)

// scalePair makes a table of all pairs; each has 1 to 20 denials in each bucket. scaleDay has them
// of a day as the merged rows that agents' make, scaleSent as agents send them, of one node.
const (
	scalePair = `CREATE TABLE pair ENGINE = MergeTree ORDER BY node AS
	SELECT concat('node-', toString(intDiv(n, %[1]d))) AS node, lower(hex(MD5(toString(intDiv(n, %[1]d))))) AS boot, finding,
		concat('shop/app-', toString(app), '-', substring(digest, 1, 10), '/main') AS name, concat(digest, lower(hex(MD5(digest)))) AS container,
		concat('registry.example/shop/app-', toString(app), ':1.', toString(app %% 7)) AS image, concat('registry.example/shop/app-', toString(app)) AS repository,
		concat('prog', toString(app %% 40)) AS program, intHash64(n) AS h
	FROM (SELECT number AS n, intHash64(n) %% 500 AS app, lower(hex(MD5(toString(n)))) AS digest, toUInt32(intHash32(n) %% %[3]d) AS i FROM numbers(%[2]d))
	ANY LEFT JOIN (SELECT toUInt32(rowNumberInAllBlocks()) AS i, finding FROM (SELECT finding FROM finding ORDER BY finding)) USING i`
	scaleDay = `INSERT INTO day (finding, day, cluster, node, boot, key, name, container, image, repository, program, mades, counts, befores, afters, firsts, lasts)
	SELECT finding, toInt64(%[1]d) AS day, 'c' AS cluster, node, boot,
		toFixedString(substring(SHA256(concat('1796000000000/', toString(length(boot)), '/', boot, toString(length(name)), '/', name,
			toString(length(container)), '/', container, toString(length(image)), '/', image, program)), 1, 16), 16) AS key,
		name, container, image, repository, program, maxState(toInt64(1796000000000)),
		maxForEachState(arrayMap(g -> toUInt64(1 + g %% 20), gs)),
		maxForEachState(arrayMap(g -> toInt64(4096000 - intDiv(g, 32) %% 2000000), gs)),
		maxForEachState(arrayMap((g, at) -> toInt64(at * 1000 + 2000000 + intDiv(g, 64) %% 2096000), gs, ats)),
		minState(toInt64(ats[1] * 1000 + intDiv(gs[1], 32) %% 2000000)), maxState(toInt64(ats[-1] * 1000 + 2000000 + intDiv(gs[-1], 64) %% 2096000))
	FROM (SELECT finding, node, boot, name, container, image, repository, program,
		arrayMap(i -> (i + intDiv(%[1]d + 4095, 4096)) * 4096, range(toUInt64(intDiv(%[1]d + 86400 + 4095, 4096) - intDiv(%[1]d + 4095, 4096)))) AS ats,
		arrayMap((at, k) -> intHash64(k + at), ats, arrayResize(emptyArrayUInt64(), length(ats), h)) AS gs FROM pair)
	GROUP BY finding, cluster, node, boot, name, container, image, repository, program`
	scaleSent = `INSERT INTO bucket (cluster, node, boot, sequence, finding, at, name, container, image, repository, made, program, count, first, last)
	SELECT 'c', node, boot, 1796000000000, finding, at, name, container, image, repository, 1796000000000, program,
		1 + g %% 20, at * 1000 + intDiv(g, 32) %% 2000000, at * 1000 + 2000000 + intDiv(g, 64) %% 2096000
	FROM (SELECT node, boot, finding, name, container, image, repository, program, at, intHash64(h + at) AS g FROM pair ARRAY JOIN arrayMap(i -> (i + intDiv(%[1]d + 4095, 4096)) * 4096, range(toUInt64(%[2]d))) AS at WHERE node = 'node-0')`
)

// TestFleetScale says what a week of a fleet takes of a server, and how long questions of it
// take, beside the same ones of records. It holds that sums are right, and no time.
func TestFleetScale(t *testing.T) {
	if *fleetBuckets == 0 {
		t.Skip("make fleet-scale runs it")
	}
	s := startShards(t)[0]
	program := buildForAll(t)
	user := strings.Replace(s.address("agent", "s3nd"), "/whydenied?", "/whydenied_shard?", 1)
	reader := strings.Replace(s.address("reader", "r34d"), "/whydenied?", "/whydenied_shard?", 1)
	explainFindings(t, program, user)
	start := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -7).Unix()
	slots := int((start+7*86400+4095)/4096 - (start+4095)/4096)
	nodes := max(1, *fleetBuckets/(scalePairs*slots))
	all := nodes * scalePairs * slots

	began := time.Now()
	s.client("", fmt.Sprintf(scalePair, scalePairs, nodes*scalePairs, scaleFindings))
	for day := range int64(7) {
		s.client("", fmt.Sprintf(scaleDay, start+day*86400))
		t.Logf("%d days after %.0f s", day+1, time.Since(began).Seconds())
	}
	s.client("", "INSERT INTO sighting SELECT finding, cluster, minState(first), argMinState(node, first) FROM denial_day GROUP BY finding, cluster")
	t.Logf("%d buckets of %d nodes; made in %.0f s", all, nodes, time.Since(began).Seconds())
	s.rest()
	sum := s.ask("SELECT sum(count) FROM whydenied_shard.denial_day")
	s.client("", fmt.Sprintf(scaleSent, start, slots))
	require.Equal(t, sum, s.ask("SELECT sum(count) FROM whydenied_shard.denial_day"), "what an agent sends of a node is what was made of it")
	require.Equal(t, strconv.Itoa(slots*scalePairs), s.ask("SELECT count() FROM whydenied_shard.denial WHERE node = 'node-0'"))
	s.weigh()

	week := time.Now().Add(-167 * time.Hour).UTC().Format(time.RFC3339)
	for _, args := range [][]string{
		{"summary", reader, "--since", week, "--by", "profile"},
		{"summary", reader, "--since", week, "--by", "node"},
		{"summary", reader, "--since", time.Now().Add(-24 * time.Hour).UTC().Format(time.RFC3339), "--by", "profile"},
		{"explain", reader, "--since", week, "--new", "--format", "line"},
	} {
		began := time.Now()
		cmd := exec.Command(program, args...)
		out, err := cmd.CombinedOutput()
		require.NotNil(t, cmd.ProcessState, err)
		first, _, _ := bytes.Cut(out, []byte("\n"))
		t.Logf("%s %v: %.1f s, %d bytes: %s", args[0], args[2:], time.Since(began).Seconds(), len(out), first)
	}
	s.compare(nodes)
}

// compare asks the same questions of what agents send and of raw records, of the same nodes:
// a tenth of them.
func (s *shard) compare(nodes int) {
	began := time.Now()
	tenth := fmt.Sprintf("toUInt32OrZero(substring(node, 6)) < %d", max(1, nodes/10))
	s.client("", `CREATE TABLE record ENGINE = MergeTree PARTITION BY toYYYYMM(at) ORDER BY (node, at) AS
		SELECT cluster, node, boot, toDateTime(intDiv(first, 1000) + i * 97) AS at, profile, finding, name, container, image, program, concat('type=AVC msg=audit(', toString(at), '.', toString(i), '): ', message, ' pid=', toString(intHash32(at + i) % 32768)) AS text
		FROM denial ARRAY JOIN range(count) AS i ANY LEFT JOIN (SELECT finding, profile, message FROM finding) USING finding WHERE `+tenth)
	s.t.Logf("records of a tenth of the nodes: %s; %.0f s", s.ask("SELECT count() FROM whydenied_shard.record"), time.Since(began).Seconds())
	s.weigh()
	top := "SELECT profile, sum(n) AS n FROM (SELECT finding, sum(arraySum(finalizeAggregation(counts))) AS n FROM day FINAL%s GROUP BY finding) ANY LEFT JOIN (SELECT finding, profile FROM finding) USING finding GROUP BY profile ORDER BY n DESC, profile LIMIT 10"
	for _, q := range []struct{ what, statement string }{
		{"top profiles of records, a tenth of the nodes", "SELECT profile, count() AS n FROM record GROUP BY profile ORDER BY n DESC, profile LIMIT 10"},
		{"top profiles of buckets, the same nodes", fmt.Sprintf(top, " WHERE "+tenth)},
		{"top profiles of buckets, two nodes", fmt.Sprintf(top, " WHERE node IN ('node-7', 'node-13')")},
		{"top profiles of buckets, all nodes", fmt.Sprintf(top, "")},
		{"first seen, of records of a tenth of the nodes", "SELECT finding, min(at), argMin(node, at) FROM record GROUP BY finding ORDER BY min(at) LIMIT 10"},
		{"first seen, of all nodes", "SELECT finding, min(first), argMin(node, first) FROM first_seen GROUP BY finding ORDER BY min(first) LIMIT 10"},
	} {
		s.time(q.what, q.statement)
	}
}

// client runs a statement as the administrator, as long as it takes, with what it reads.
func (s *shard) client(in string, statement string) string {
	cmd := exec.Command("clickhouse-client", "--port", strconv.Itoa(s.tcp), "--database", "whydenied_shard", "--max_memory_usage", "12000000000", "--enable_optimize_predicate_expression", "1", "--query", statement)
	cmd.Stdin = strings.NewReader(in)
	var errors bytes.Buffer
	cmd.Stderr = &errors
	out, err := cmd.Output()
	require.NoError(s.t, err, "%s", &errors)
	return string(out)
}

// time says how long a statement takes, the second time that it is asked.
func (s *shard) time(what, statement string) {
	s.client("", statement)
	began := time.Now()
	out := s.client("", statement)
	first, _, _ := strings.Cut(out, "\n")
	s.t.Logf("%s: %.2f s: %s", what, time.Since(began).Seconds(), first)
}

// rest waits until nothing is merged.
func (s *shard) rest() {
	for deadline := time.Now().Add(20 * time.Minute); time.Now().Before(deadline) && s.ask("SELECT count() FROM system.merges") != "0"; {
		time.Sleep(time.Second)
	}
}

// weigh says what tables take of the disk.
func (s *shard) weigh() {
	s.t.Logf("table, rows, bytes, bytes of a row:\n%s", s.ask("SELECT table, sum(rows), sum(bytes_on_disk), round(sum(bytes_on_disk) / sum(rows), 1) FROM system.parts WHERE active AND database = 'whydenied_shard' GROUP BY table ORDER BY table"))
}

// explainFindings has the database know findings of profiles, as agents send them.
func explainFindings(t *testing.T, program, to string) {
	dir := t.TempDir()
	var log bytes.Buffer
	for i := range scaleFindings {
		fmt.Fprintf(&log, "type=AVC msg=audit(%d.%03d:%d): apparmor=\"DENIED\" operation=\"open\" profile=\"app-%d\" name=\"/srv/data/%d/file\" pid=42 comm=\"prog\" requested_mask=\"w\" denied_mask=\"w\" fsuid=0 ouid=0\n",
			time.Now().Unix()-3600, i%1000, i+1, i%200, i)
	}
	file, db := filepath.Join(dir, "audit.log"), filepath.Join(dir, "one.db")
	require.NoError(t, os.WriteFile(file, log.Bytes(), 0o600))
	out, err := exec.Command(program, "explain", file, "--store", db, "--format", "line").CombinedOutput()
	require.Error(t, err, "%s", out)
	fleet, err := store.OpenFleet(to)
	require.NoError(t, err)
	ship(t, db, fleet)
}

// TestFleetGrowth says what more records of the same findings take on a node and in the
// fleet's database: 68 findings in each bucket of a day. It holds that rows do not grow.
func TestFleetGrowth(t *testing.T) {
	if *fleetBuckets == 0 {
		t.Skip("make fleet-scale runs it")
	}
	program := buildForAll(t)
	var rows []string
	for _, times := range []int{1, 10, 100} {
		s := startShards(t)[0]
		dir := t.TempDir()
		file, db := filepath.Join(dir, "audit.log"), filepath.Join(dir, "agent.db")
		size := writeDay(t, file, times)
		out, err := exec.Command(program, "explain", file, "--store", db, "--format", "line").CombinedOutput()
		require.Error(t, err, "%s", out)
		fleet, err := store.OpenFleet(strings.Replace(s.address("agent", "s3nd"), "/whydenied?", "/whydenied_shard?", 1))
		require.NoError(t, err)
		ship(t, db, fleet)
		s.ask("OPTIMIZE TABLE whydenied_shard.day FINAL")
		info, err := os.Stat(db)
		require.NoError(t, err)
		t.Logf("%d×: log %d bytes, the agent's store %d bytes, %s denials", times, size, info.Size(), s.ask("SELECT sum(count) FROM whydenied_shard.denial"))
		s.weigh()
		rows = append(rows, s.ask("SELECT count() FROM whydenied_shard.day"))
		s.kill()
	}
	require.Equal(t, []string{rows[0], rows[0], rows[0]}, rows)
}

// writeDay writes the log of a day, with so many records of each of 68 findings in each
// of its buckets, and returns its size.
func writeDay(t *testing.T, file string, times int) int {
	var log bytes.Buffer
	start := time.Now().Add(-2*24*time.Hour).Unix() / 4096 * 4096
	serial := 1
	for slot := range 21 {
		for i := range times {
			for f := range scalePairs {
				fmt.Fprintf(&log, "type=AVC msg=audit(%d.%03d:%d): apparmor=\"DENIED\" operation=\"open\" profile=\"app-%d\" name=\"/srv/data/%d/file\" pid=%d comm=\"prog\" requested_mask=\"w\" denied_mask=\"w\" fsuid=0 ouid=0\n",
					start+int64(slot)*4096+int64(i*4000/times), f, serial, f%10, f, 1000+serial%30000)
				serial++
			}
		}
	}
	require.NoError(t, os.WriteFile(file, log.Bytes(), 0o600))
	return log.Len()
}

// TestFleetIngest says how fast a server takes buckets as an agent sends them, beside its own
// client.
func TestFleetIngest(t *testing.T) {
	if *fleetBuckets == 0 {
		t.Skip("make fleet-scale runs it")
	}
	const n = 500000
	s := startShards(t)[0]
	ctx := context.Background()
	var list []store.Bucket
	at := time.Now().Add(-24 * time.Hour).Truncate(4096 * time.Second)
	for i := range n {
		list = append(list, store.Bucket{
			Node: fmt.Sprint("node-", i/scalePairs), Boot: "5f1b", Finding: &report.Finding{ID: fmt.Sprint("f", i%scaleFindings), Message: "m"},
			Container: report.Counted{Name: fmt.Sprint("shop/app-", i%500, "/main"), ID: fmt.Sprintf("%064x", i), Image: "registry.example/shop/app:1"},
			Program:   "prog", Start: at, First: at, Last: at.Add(time.Hour), Count: 1 + i%20, Width: 4096 * time.Second,
		})
	}
	address := strings.Replace(s.address("agent", "s3nd"), "/whydenied?", "/whydenied_shard?", 1)
	for _, batch := range []int{5000, 100000} {
		fleet, err := store.OpenFleet(address)
		require.NoError(t, err)
		require.NoError(t, fleet.Put(ctx, list[:scaleFindings])) // the findings
		began := time.Now()
		for i := 0; i < n; i += batch {
			require.NoError(t, fleet.Put(ctx, list[i:i+batch]))
		}
		t.Logf("as the agent, %d rows at once: %.0f rows/s", batch, n/time.Since(began).Seconds())
		tsv := s.client("", "SELECT cluster, node, boot, 0, finding, at, name, container, image, repository, made, program, count, first, last FROM denial FORMAT TSV")
		lines := strings.SplitAfter(tsv, "\n")
		lines = lines[:len(lines)-1]
		began = time.Now()
		sent := 0
		for ; sent+batch <= len(lines); sent += batch {
			s.client(strings.Join(lines[sent:sent+batch], ""), "INSERT INTO bucket FORMAT TSV")
		}
		t.Logf("as clickhouse-client, %d rows at once: %.0f rows/s", batch, float64(sent)/time.Since(began).Seconds())
	}
}
