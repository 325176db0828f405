//go:build e2e && linux && amd64

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/explain/store"
)

// ship sends what a store has to a fleet's database.
func ship(t *testing.T, file string, fleet *store.Fleet) {
	ctx := context.Background()
	s, _, err := store.Open(ctx, file)
	require.NoError(t, err)
	defer s.Close(ctx)
	list, more, err := s.Unsent(ctx, fleet.Name(), 100000)
	require.NoError(t, err)
	require.Zero(t, more)
	require.NoError(t, fleet.Put(ctx, list))
	require.NoError(t, fleet.Tell(ctx, s))
}

// overview is what summary makes of a store or a database.
func overview(t *testing.T, program string, args ...string) (o report.Overview, sum report.Summary) {
	out, err := exec.Command(program, append([]string{"summary", "--format", "json"}, args...)...).Output()
	var exit *exec.ExitError
	if err != nil {
		require.ErrorAs(t, err, &exit)
		require.Equal(t, 3, exit.ExitCode(), "%s", exit.Stderr)
	}
	for line := range bytes.Lines(out) {
		m := struct {
			Overview *report.Overview
			Summary  *report.Summary
		}{&o, &sum}
		require.NoError(t, json.Unmarshal(line, &m))
	}
	for i := range o.Groups {
		o.Groups[i].Times = nil // whose width differs
	}
	return o, sum
}

// TestFleetViews holds that the database of three nodes and the store that has the logs of
// all three give the same groups, ranges, first sightings and blind nodes.
func TestFleetViews(t *testing.T) {
	skipFleet(t)
	shards := startShards(t)
	program := buildForAll(t)
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole.db")
	start := time.Now().Add(-5 * 24 * time.Hour).UTC().Truncate(86400 * time.Second)
	ctx := context.Background()
	now := time.Now()
	for n := range 3 {
		var log bytes.Buffer
		for i := range 60 {
			fmt.Fprintf(&log, "node=node-%d type=AVC msg=audit(%d.%03d:%d): apparmor=\"DENIED\" operation=\"open\" profile=\"web-%d\" name=\"/srv/%d\" pid=%d comm=\"prog%d\" requested_mask=\"w\" denied_mask=\"w\" fsuid=0 ouid=0\n",
				n, start.Unix()+int64(i)*7200+int64(n), i, 100+i, i%2, i%(3+n), 42+i, i%4)
		}
		file := filepath.Join(dir, fmt.Sprintf("node-%d.log", n))
		require.NoError(t, os.WriteFile(file, log.Bytes(), 0o600))
		own := filepath.Join(dir, fmt.Sprintf("node-%d.db", n))
		for _, to := range []string{own, whole} {
			out, err := exec.Command(program, "explain", file, "--store", to, "--format", "line").CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "%s", out)
			require.Equal(t, 3, exit.ExitCode(), "%s", out)
			s, _, err := store.Open(ctx, to)
			require.NoError(t, err)
			s.Node = fmt.Sprintf("node-%d", n)
			require.NoError(t, s.Look(ctx, "audit", start, now.Add(-time.Duration(n)*time.Hour)))
			if n == 1 {
				require.NoError(t, s.Lose(ctx, "suppressed", start.Add(time.Hour), start.Add(time.Hour), 305, ""))
			}
			require.NoError(t, s.Close(ctx))
		}
		fleet, err := store.OpenFleet(shards[n%2].address("agent", "s3nd"))
		require.NoError(t, err)
		fleet.Cluster = "c"
		ship(t, own, fleet)
		ship(t, own, fleet) // which changes nothing
	}
	to := shards[1].address("reader", "r34d")
	day := func(n int) string { return start.Add(time.Duration(n) * 24 * time.Hour).Format(time.RFC3339) }
	for _, by := range []string{"node", "digest", "deploy", "container", "image", "program", "profile", "rule"} {
		want, sum := overview(t, program, whole, "--by", by)
		got, of := overview(t, program, to, "--by", by)
		require.NotEmpty(t, want.Groups, by)
		assert.Equal(t, want, got, by)
		assert.Equal(t, sum.Denials, of.Denials)
	}
	want, sum := overview(t, program, whole, "--by", "node", "--profile-name", "web-1")
	got, of := overview(t, program, to, "--by", "node", "--profile-name", "web-1")
	assert.Equal(t, want, got, "filtered")
	require.NotNil(t, of.Watched)
	assert.Equal(t, 3, of.Watched.Nodes)
	assert.Equal(t, 2, of.Watched.Blind)
	for i := range of.Watched.Named {
		assert.Equal(t, "c", of.Watched.Named[i].Cluster)
		of.Watched.Named[i].Cluster = ""
	}
	assert.Equal(t, sum.Watched, of.Watched)

	requireTimes(t, to, store.Range{})
	requireTimes(t, to, store.Range{Since: start.Add(30 * time.Hour), Until: start.Add(100 * time.Hour)})
	got, _ = overview(t, program, to, "--by", "cluster", "--since", day(1), "--until", day(3))
	require.Len(t, got.Groups, 1)
	assert.Equal(t, "c", got.Groups[0].Key)
	assert.Zero(t, got.Groups[0].Blind, "what made nodes blind was before and after")
	assert.InDelta(t, 3*24, got.Groups[0].Count, 6, "but for buckets that reach over the ends")
	got, _ = overview(t, program, to, "--by", "cluster")
	require.Len(t, got.Groups, 1)
	assert.Equal(t, 2, got.Groups[0].Blind)
	got, _ = overview(t, program, to, "--new", "--since", day(1))
	assert.Zero(t, got.Findings)
	got, _ = overview(t, program, to, "--new", "--since", start.Add(3*time.Hour).Format(time.RFC3339), "--by", "node")
	again, _ := overview(t, program, whole, "--new", "--since", start.Add(3*time.Hour).Format(time.RFC3339), "--by", "node")
	assert.NotZero(t, got.Findings)
	assert.Equal(t, again.Findings, got.Findings)
}

// requireTimes holds that when denials came adds up to how many came, of findings and of groups,
// and that it begins with the bucket of the first.
func requireTimes(t *testing.T, to string, r store.Range) {
	ctx := context.Background()
	fleet, err := store.OpenFleet(to)
	require.NoError(t, err)
	all, err := fleet.Report(ctx, r)
	require.NoError(t, err)
	groups, _, err := fleet.Groups(ctx, r, "node", nil)
	require.NoError(t, err)
	require.NotEmpty(t, all.Findings)
	require.NotEmpty(t, groups)
	sum := func(counts []uint32) (n int) {
		for _, c := range counts {
			n += int(c)
		}
		return n
	}
	total := 0
	for _, f := range all.Findings {
		assert.Equal(t, f.Count, sum(f.Times.Counts), f.ID)
		first, err := time.Parse(time.RFC3339Nano, f.First)
		require.NoError(t, err)
		width := time.Duration(f.Times.Seconds) * time.Second
		assert.Equal(t, report.Time(time.Unix(first.Unix()/int64(f.Times.Seconds)*int64(f.Times.Seconds), 0)), f.Times.Start, "%s, of %s", f.ID, width)
		total += f.Count
	}
	for _, g := range groups {
		assert.Equal(t, g.Count, sum(g.Times.Counts), g.Key)
		total -= g.Count
	}
	assert.Zero(t, total)
}

// schema2 is deploy/clickhouse/schema.sql as it was in version 2, of which upgrade.sh reads.
const schema2 = `CREATE VIEW schema_version AS SELECT toInt64(2) AS version;
CREATE TABLE bucket (cluster String, node String, boot String, sequence Int64, finding String, at Int64,
	name String, container String, image String, repository String, made Int64, program String, count UInt64, first Int64, last Int64
) ENGINE = ReplacingMergeTree(count) PARTITION BY toYYYYMM(toDate(intDiv(at, 86400))) ORDER BY (at, finding, cluster, node, boot, sequence, name, container, image, program);
CREATE MATERIALIZED VIEW sighting ENGINE = AggregatingMergeTree ORDER BY (finding, cluster)
AS SELECT finding, cluster, minState(first) AS firsts, argMinState(node, first) AS nodes FROM bucket WHERE first > 0 GROUP BY finding, cluster;
CREATE TABLE finding (finding String, said Int64, id_version Int64, mode String, profile String, cause String, layer String, workload String, message String, explained String) ENGINE = ReplacingMergeTree(said) ORDER BY finding;
CREATE TABLE loss (cluster String, node String, boot String, kind String, first Int64, last Int64, count UInt64, said String) ENGINE = ReplacingMergeTree(count) ORDER BY (cluster, node, boot, kind, first);
CREATE TABLE span (cluster String, node String, boot String, reader String, first Int64, last Int64) ENGINE = ReplacingMergeTree(last) ORDER BY (cluster, node, boot, reader, first);
CREATE TABLE answer (cluster String, node String, boot String, at Int64, name String, status String, found String) ENGINE = ReplacingMergeTree ORDER BY (cluster, node, boot, at, name);
INSERT INTO bucket SELECT 'c', concat('node-', toString(number % 5)), 'boot', 7, concat('f', toString(number % 11)), 1772150784 + 4096 * (number % 97), 'name', toString(number % 13), 'image', 'image', 9, 'prog',
	1 + number % 17, (1772150784 + 4096 * (number % 97)) * 1000 + number, (1772150784 + 4096 * (number % 97)) * 1000 + 2 * number FROM numbers(2000);
INSERT INTO bucket SELECT cluster, node, boot, sequence, finding, at, name, container, image, repository, made, program, count + 1, first, last + 1 FROM bucket WHERE at % 3 = 0;
INSERT INTO bucket SELECT 'c', 'n', '', 7, 'untimed', 0, '', '', '', '', 0, '', 5, 0, 0;
INSERT INTO finding SELECT 'f1', 1, 1, 'DENIED', 'web', 'cause', 'apparmor', '', 'text', '{}';
INSERT INTO loss SELECT 'c', 'node-1', 'boot', 'lost', 1772150784000, 1772150785000, 3, 'said';
INSERT INTO span SELECT 'c', 'node-1', 'boot', 'audit', 1772150784000, 1772150785000;
INSERT INTO answer SELECT 'c', 'node-1', 'boot', 1772150784000, 'auditd', 'ok', 'found'`

// schema3 is the present schema as it was in version 3, of which upgrade.sh reads, too.
func schema3(t *testing.T) string {
	text, err := os.ReadFile("../../deploy/clickhouse/schema.sql")
	require.NoError(t, err)
	was := strings.NewReplacer("toInt64(4) AS version", "toInt64(3) AS version", "ORDER BY (day, cluster, node, finding, key)", "ORDER BY (finding, day, cluster, node, key)").Replace(string(text))
	require.NotEqual(t, string(text), was)
	return was
}

// TestFleetUpgrade holds that upgrade.sh copies all that a database of version 2 or 3 has, each bucket
// by its greatest count, and that it may run again.
func TestFleetUpgrade(t *testing.T) {
	skipFleet(t)
	s := startShards(t)[0]
	client := func(database, statements string) {
		cmd := exec.Command("clickhouse-client", "--port", strconv.Itoa(s.tcp), "--database", database, "--multiquery")
		cmd.Stdin = strings.NewReader(statements)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	upgrade := func(old, new string) (string, error) {
		out, err := exec.Command("../../deploy/clickhouse/upgrade.sh", old, new, "--port", strconv.Itoa(s.tcp)).CombinedOutput()
		return string(out), err
	}
	for _, database := range []string{"whydenied2", "whydenied3", "whydenied4"} {
		s.ask("CREATE DATABASE " + database)
	}
	client("whydenied2", schema2)
	client("whydenied3", schema3(t))
	present, err := os.ReadFile("../../deploy/clickhouse/schema.sql")
	require.NoError(t, err)
	client("whydenied4", string(present))
	client("whydenied3", "INSERT INTO bucket SELECT * FROM whydenied2.bucket; INSERT INTO sighting SELECT * FROM whydenied2.sighting; INSERT INTO finding SELECT * FROM whydenied2.finding;"+
		"INSERT INTO loss SELECT * FROM whydenied2.loss; INSERT INTO span SELECT * FROM whydenied2.span; INSERT INTO answer SELECT * FROM whydenied2.answer")
	for range 2 {
		out, err := upgrade("whydenied2", "whydenied_shard")
		require.NoError(t, err, "%s", out)
		out, err = upgrade("whydenied3", "whydenied4")
		require.NoError(t, err, "%s", out)
	}
	const columns = "cluster, node, boot, finding, at, name, container, image, repository, made, program, count, first, last"
	want := s.ask(`SELECT ` + columns + ` FROM (SELECT cluster, node, boot, finding, at, name, container, image, any(repository) AS repository, max(made) AS made, program, max(count) AS count, min(first) AS first, max(last) AS last
		FROM whydenied2.bucket GROUP BY cluster, node, boot, sequence, finding, at, name, container, image, program) ORDER BY ` + columns)
	require.Greater(t, strings.Count(want, "\n"), 1000)
	const seen = "SELECT finding, cluster, argMinMerge(nodes), minMerge(firsts) FROM %s.sighting GROUP BY finding, cluster ORDER BY finding"
	for _, of := range []string{"whydenied_shard", "whydenied4"} {
		assert.Equal(t, want, s.ask("SELECT "+columns+" FROM "+of+".denial ORDER BY "+columns), of)
		assert.Equal(t, s.ask(fmt.Sprintf(seen, "whydenied2")), s.ask(fmt.Sprintf(seen, of)), of)
		for _, table := range []string{"finding", "loss", "span", "answer"} {
			assert.Equal(t, s.ask("SELECT * FROM whydenied2."+table), s.ask("SELECT * FROM "+of+"."+table+" FINAL"), table)
		}
	}
	out, err := upgrade("whydenied_shard", "whydenied2")
	assert.Error(t, err)
	assert.Contains(t, out, "version 4")
}

// TestFleetNames holds that any bytes as the name of a container come back as that name and no
// other, and end no statement.
func TestFleetNames(t *testing.T) {
	skipFleet(t)
	shards := startShards(t)
	fleet, err := store.OpenFleet(shards[0].address("agent", "s3nd"))
	require.NoError(t, err)
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 3))
	names := []string{"'", "\\", "\\'", "');DROP TABLE bucket;--", "\x00", "a\x00b", "\xff\xfe", "`", "{x:String}", "unhex('61')", "ä\u202e", "\n\t\r"}
	for range 300 {
		name := make([]byte, 1+random.IntN(40))
		for i := range name {
			name[i] = "'\\`;\x00\xff\"(){}%\n-/*ax"[random.IntN(18)]
		}
		names = append(names, string(name))
	}
	var list []store.Bucket
	made := map[string]time.Time{}
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for i, name := range names {
		if _, twice := made[name]; twice {
			continue
		}
		made[name] = day.Add(time.Duration(i) * time.Second)
		list = append(list, store.Bucket{Node: name, Finding: &report.Finding{ID: strconv.Itoa(i), Message: name}, Container: report.Counted{Name: name, Image: "image", ID: strconv.Itoa(i)},
			Program: name, Created: made[name], Start: day, First: day, Last: day, Count: 1})
	}
	ctx := context.Background()
	require.NoError(t, fleet.Put(ctx, list))
	for name, at := range made {
		got, err := fleet.Made(ctx, name)
		require.NoError(t, err, "%q", name)
		assert.Equal(t, at, got.UTC(), "%q", name)
	}
	got, err := fleet.Made(ctx, "' OR '1' = '1")
	require.NoError(t, err)
	assert.Zero(t, got)
	groups, all, err := fleet.Groups(ctx, store.Range{}, "node", nil)
	require.NoError(t, err)
	assert.Equal(t, len(list), all)
	for _, g := range groups {
		assert.Contains(t, made, g.Key)
		assert.Equal(t, 1, g.Count, "%q", g.Key)
		assert.Len(t, g.Times.Counts, 1, "%q", g.Key)
	}
	assert.Equal(t, strconv.Itoa(len(list)), shards[1].ask("SELECT sum(count) FROM whydenied.denial"))
}

// TestFleetRetains holds that retain.sh drops the weeks that are old on a shard, and no other,
// and that where a finding was seen first stays known.
func TestFleetRetains(t *testing.T) {
	skipFleet(t)
	shards := startShards(t)
	fleet, err := store.OpenFleet(shards[0].address("agent", "s3nd"))
	require.NoError(t, err)
	now := time.Now().UTC()
	ctx := context.Background()
	var list []store.Bucket
	for i := range 40 {
		at := now.AddDate(0, 0, -i*10)
		list = append(list, store.Bucket{Node: "n", Finding: &report.Finding{ID: fmt.Sprint("f", i)}, Program: "p", Start: at.Truncate(4096 * time.Second), First: at, Last: at, Count: 1})
	}
	require.NoError(t, fleet.Put(ctx, list))
	for _, s := range shards {
		out, err := exec.Command("../../deploy/clickhouse/retain.sh", "90", "whydenied_shard", "--port", strconv.Itoa(s.tcp)).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	limit := now.AddDate(0, 0, -90)
	first := limit.Truncate(24*time.Hour).AddDate(0, 0, -6)
	for first.Weekday() != time.Monday { // the week that has not ended by then
		first = first.AddDate(0, 0, 1)
	}
	want := 0
	for _, b := range list {
		if !b.Start.Before(first) {
			want++
		}
	}
	require.Less(t, want, len(list))
	assert.Equal(t, strconv.Itoa(want), shards[1].ask("SELECT sum(count) FROM whydenied.denial"))
	assert.Equal(t, strconv.Itoa(want), shards[1].ask("SELECT sum(count) FROM whydenied.denial_day"))
	assert.Equal(t, strconv.Itoa(len(list)), shards[1].ask("SELECT count() FROM whydenied.first_seen"))
	out, err := exec.Command("../../deploy/clickhouse/retain.sh", "90", "whydenied_shard", "--port", strconv.Itoa(shards[0].tcp), "--user", "nobody").CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(out), "nobody")
	out, err = exec.Command("../../deploy/clickhouse/retain.sh", "90; rm").CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(out), "usage:")
}
