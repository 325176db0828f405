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

// TestFleetRetains holds that retain.sh drops the months that are old on a shard, and no other,
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
	first := time.Date(limit.Year(), limit.Month(), 1, 0, 0, 0, 0, time.UTC)
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
