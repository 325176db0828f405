package store

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/report"
)

var schedules = flag.Int("schedules", 8, "random schedules of TestFleetCountsExactly")

// A model is what two shards of ClickHouse do with what is inserted, as far as its manual says
// it: an insertion arrives or not on each shard, or after others; what came is kept as
// often as it came, until some merge leaves one row of a key, that with the greatest
// count. What SQL makes of the rows is held against real servers in testdata/e2e.
type model struct {
	t      *testing.T
	random *rand.Rand
	calm   bool // all that comes is taken
	shards [2]map[string][]int64
	late   []func() // what is still under way
}

// bucketColumns are the kinds of the columns of Put; the key is all of them but the container's
// repository and when it was made, and the last three.
const bucketColumns = "sssnsnssssnsnnn"

func (m *model) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch statement := r.URL.Query().Get("query"); {
	case statement == "": // the version is asked for
		binary.Write(w, binary.LittleEndian, int64(fleetVersion))
		return
	case !strings.HasPrefix(statement, "INSERT INTO bucket ("):
		return
	}
	taken := true
	for shard, rows := range m.sharded(rowsOf(m.t, r.Body, bucketColumns)) {
		keep := func() {
			for key, count := range rows {
				m.shards[shard][key] = append(m.shards[shard][key], count)
			}
		}
		switch m.random.IntN(4) {
		case 0:
			if taken = m.calm; !m.calm {
				break // the shard is away
			}
			keep()
		case 1:
			if taken = m.calm; !m.calm {
				m.late = append(m.late, keep) // nobody waits so long
				break
			}
			keep()
		default:
			keep()
		}
	}
	if !taken || !m.calm && m.random.IntN(4) == 0 { // the answer is lost
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// sharded returns the count of each key, by shard.
func (m *model) sharded(rows [][]any) (shards [2]map[string]int64) {
	shards = [2]map[string]int64{{}, {}}
	for _, row := range rows {
		h := fnv.New32a()
		h.Write([]byte(row[4].(string)))
		key := fmt.Sprintf("%#v", append(slices.Clone(row[:9]), row[11]))
		shards[h.Sum32()%2][key] = row[12].(int64)
	}
	return shards
}

// merge leaves one row of some keys.
func (m *model) merge() {
	for _, shard := range m.shards {
		for key, counts := range shard {
			if m.random.IntN(2) == 0 {
				shard[key] = []int64{slices.Max(counts)}
			}
		}
	}
}

// arrive has something that was under way arrive.
func (m *model) arrive() {
	if len(m.late) > 0 {
		i := m.random.IntN(len(m.late))
		m.late[i]()
		m.late = slices.Delete(m.late, i, i+1)
	}
}

func (m *model) sum() (n int64) {
	for _, shard := range m.shards {
		for _, counts := range shard {
			n += slices.Max(counts)
		}
	}
	return n
}

// An agentModel is what an agent does with its store, a step at a time.
type agentModel struct {
	t      *testing.T
	random *rand.Rand
	fleet  *Fleet
	store  *Store
	node   string
	file   string

	log     []string
	written int           // lines of the log that are in the store for sure
	clock   time.Duration // which steps
}

func (a *agentModel) open() {
	s, _, err := Open(context.Background(), a.file)
	require.NoError(a.t, err)
	a.use(s)
}

// use goes on with a store; that the power fails is not among what happens here.
func (a *agentModel) use(s *Store) {
	_, err := s.db.ExecContext(context.Background(), "PRAGMA synchronous = off")
	require.NoError(a.t, err)
	s.Node, a.store = a.node, s
}

// kill ends the agent, which loses what was not written; the next one has no memory of what
// it sent.
func (a *agentModel) kill() {
	require.NoError(a.t, a.store.db.Close())
	a.open()
	fleet, err := OpenFleet(scheme + a.fleet.name)
	require.NoError(a.t, err)
	a.fleet = fleet
}

// refuse has denials come, and some of before be read once more.
func (a *agentModel) refuse() {
	if a.random.IntN(4) == 0 {
		a.clock += time.Duration(a.random.IntN(7)-3) * time.Hour
	}
	for range a.random.IntN(20) {
		a.clock += time.Duration(a.random.IntN(5000)) * time.Millisecond
		a.log = append(a.log, line(fmt.Sprintf("/srv/%d", a.random.IntN(6)), start.Add(a.clock), len(a.log)+1))
	}
	again := max(0, min(a.written, len(a.log))-a.random.IntN(20))
	appendLog(a.t, a.store, strings.Join(a.log[again:], ""))
	a.written = len(a.log)
}

// fill has the disk be full while denials come: what cannot be written waits, or is read
// again by the next run.
func (a *agentModel) fill(ctx context.Context) {
	_, err := a.store.db.ExecContext(ctx, "PRAGMA max_page_count = 1")
	require.NoError(a.t, err)
	for err == nil { // until the pages that are there are full
		for range 50 {
			a.log = append(a.log, line(fmt.Sprintf("/srv/full/%d", len(a.log)), start.Add(a.clock), len(a.log)+1))
		}
		addLog(a.t, a.store, strings.Join(a.log[a.written:], ""), nil)
		err = a.store.Flush(ctx)
	}
	assert.ErrorContains(a.t, err, "full")
	if a.random.IntN(2) == 0 {
		a.kill()
	}
	_, err = a.store.db.ExecContext(ctx, "PRAGMA max_page_count = 1000000")
	require.NoError(a.t, err)
	appendLog(a.t, a.store, strings.Join(a.log[a.written:], ""))
	a.written = len(a.log)
}

// send makes one pass, which may be killed before it knows what arrived. It returns whether
// nothing waits.
func (a *agentModel) send(ctx context.Context, calm bool) bool {
	list, more, err := a.store.Unsent(ctx, a.fleet.Name(), 1+a.random.IntN(40))
	require.NoError(a.t, err)
	if err := a.fleet.Put(ctx, list); err != nil || !calm && a.random.IntN(5) == 0 {
		return false
	}
	require.NoError(a.t, a.store.Arrived(ctx, a.fleet.Name(), list))
	return more == 0
}

// What a fleet's database counts is what was logged on all nodes, whatever happens on the way:
// agents are killed, read parts of their logs again, have a full disk and a clock that
// steps; what they send is lost, comes twice, late, on one of two shards, or is not known to
// have come; and merges are made at any time.
func TestFleetCountsExactly(t *testing.T) {
	ctx := context.Background()
	for seed := range uint64(*schedules) {
		random := rand.New(rand.NewPCG(seed, 7))
		m := &model{t: t, random: random, shards: [2]map[string][]int64{{}, {}}}
		server := httptest.NewServer(m)
		var agents []*agentModel
		for i := range 3 {
			s, file := openNew(t)
			fleet, err := OpenFleet(scheme + strings.TrimPrefix(server.URL, "http://") + "/db")
			require.NoError(t, err)
			a := &agentModel{t: t, random: random, fleet: fleet, node: fmt.Sprintf("node-%d", i), file: file}
			a.use(s)
			agents = append(agents, a)
		}
		for range 60 {
			a := agents[random.IntN(len(agents))]
			switch random.IntN(12) {
			case 0, 1, 2:
				a.refuse()
			case 3:
				a.kill()
			case 4:
				m.merge()
			case 5:
				m.arrive()
			case 6:
				if random.IntN(10) == 0 {
					a.fill(ctx)
				}
			default:
				a.send(ctx, false)
			}
		}
		m.calm = true
		truth := 0
		for _, a := range agents {
			for !a.send(ctx, true) {
			}
			truth += len(a.log)
		}
		for len(m.late) > 0 {
			m.arrive()
		}
		assert.EqualValues(t, truth, m.sum(), "seed %d", seed)
		server.Close()
	}
}

// A database of another version is neither read nor written, and the error says what to do.
func TestFleetVersion(t *testing.T) {
	version := int64(fleetVersion)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		binary.Write(w, binary.LittleEndian, version)
		assert.NotContains(t, r.URL.RawQuery, "INSERT")
	}))
	defer server.Close()
	ctx := context.Background()
	for of, says := range map[int64]string{
		fleetVersion - 1: "make another database by deploy/clickhouse/schema.sql",
		fleetVersion + 1: "use the version of whydenied that it was made for",
	} {
		version = of
		fleet, err := OpenFleet(scheme + strings.TrimPrefix(server.URL, "http://") + "/db")
		require.NoError(t, err)
		_, err = fleet.Report(ctx, Range{})
		assert.ErrorContains(t, err, says)
		assert.ErrorContains(t, fleet.Put(ctx, []Bucket{{Finding: &report.Finding{}}}), says)
	}
	schema, err := os.ReadFile("../../deploy/clickhouse/schema.sql")
	require.NoError(t, err)
	assert.Contains(t, string(schema), fmt.Sprintf("toInt64(%d) AS version", fleetVersion))
}
