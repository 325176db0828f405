//go:build e2e && linux && amd64

package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/testdata/e2e/kernel"
)

// fleetFor is for how long TestFleet kills and fills; make e2e-fleet says it, which runs the other tests of the fleet too.
var fleetFor = flag.Duration("fleet.for", 0, "how long TestFleet goes on; not at all if it is 0")

// A shard is a server of ClickHouse.
type shard struct {
	t      *testing.T
	dir    string
	http   int
	tcp    int
	config string
	cmd    *exec.Cmd
}

// fleetConfig is the configuration of a shard: its directory, ports, and those of both.
const fleetConfig = `<yandex>
<logger><level>warning</level><log>%[1]s/log</log><errorlog>%[1]s/errors</errorlog></logger>
<http_port>%[2]d</http_port><tcp_port>%[3]d</tcp_port><listen_host>127.0.0.1</listen_host>
<path>%[1]s/data/</path><tmp_path>%[1]s/tmp/</tmp_path><user_files_path>%[1]s/files/</user_files_path>
<mark_cache_size>67108864</mark_cache_size><timezone>UTC</timezone>
<users_config>users.xml</users_config><default_profile>default</default_profile><default_database>default</default_database>
<remote_servers><whydenied>
<shard><replica><host>127.0.0.1</host><port>%[4]d</port></replica></shard>
<shard><replica><host>127.0.0.1</host><port>%[5]d</port></replica></shard>
</whydenied></remote_servers>
</yandex>
`

// fleetUsers are those of a shard: one for its administration and between shards, one that
// sends, and one that reads.
const fleetUsers = `<yandex>
<profiles><default/><reader><readonly>2</readonly></reader></profiles>
<users>
<default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default>
<agent><password>s3nd</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></agent>
<reader><password>r34d</password><networks><ip>127.0.0.1</ip></networks><profile>reader</profile><quota>default</quota></reader>
</users>
<quotas><default/></quotas>
</yandex>
`

// freePort returns a port that nobody listens on.
func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// skipFleet skips a test of servers of ClickHouse but in make e2e-fleet.
func skipFleet(t *testing.T) {
	t.Helper()
	if *fleetFor == 0 {
		t.Skip("make e2e-fleet runs it")
	}
}

// startShards starts two servers, with the tables of deploy/clickhouse.
func startShards(t *testing.T) (shards [2]*shard) {
	for _, name := range []string{"clickhouse-server", "clickhouse-client"} {
		if _, err := exec.LookPath(name); err != nil {
			missing(t, "%s, of Debian's package of that name: %v", name, err)
		}
	}
	tcp := [2]int{freePort(t), freePort(t)}
	for i := range shards {
		s := &shard{t: t, dir: t.TempDir(), http: freePort(t), tcp: tcp[i]}
		s.config = filepath.Join(s.dir, "config.xml")
		require.NoError(t, os.WriteFile(s.config, fmt.Appendf(nil, fleetConfig, s.dir, s.http, tcp[i], tcp[0], tcp[1]), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(s.dir, "users.xml"), []byte(fleetUsers), 0o600))
		s.start()
		t.Cleanup(s.kill)
		shards[i] = s
	}
	for i, s := range shards {
		s.ask("CREATE DATABASE whydenied_shard")
		s.ask("CREATE DATABASE whydenied")
		for _, of := range []struct{ database, file string }{{"whydenied_shard", "schema.sql"}, {"whydenied", "distributed.sql"}} {
			text, err := os.Open("../../deploy/clickhouse/" + of.file)
			require.NoError(t, err)
			defer text.Close()
			cmd := exec.Command("clickhouse-client", "--port", strconv.Itoa(tcp[i]), "--database", of.database, "--multiquery")
			cmd.Stdin = text
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s: %s", of.file, out)
		}
	}
	return shards
}

// start starts the server, and waits until it answers.
func (s *shard) start() {
	s.cmd = exec.Command("clickhouse-server", "--config-file="+s.config)
	s.cmd.Dir = s.dir
	require.NoError(s.t, s.cmd.Start())
	require.Eventually(s.t, func() bool { _, err := s.query("SELECT 1"); return err == nil }, time.Minute, 50*time.Millisecond)
}

func (s *shard) kill() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

// query asks the server as its administrator.
func (s *shard) query(statement string) (string, error) {
	answer, err := http.Post(fmt.Sprintf("http://127.0.0.1:%d/", s.http), "", strings.NewReader(statement))
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s", text)
	}
	return strings.TrimSpace(string(text)), err
}

func (s *shard) ask(statement string) string {
	s.t.Helper()
	text, err := s.query(statement)
	require.NoError(s.t, err, "%s", statement)
	return text
}

// address is that of the fleet's database for a user.
func (s *shard) address(user, password string) string {
	file := filepath.Join(s.dir, user)
	require.NoError(s.t, os.WriteFile(file, []byte(password+"\n"), 0o600))
	return fmt.Sprintf("clickhouse://%s@127.0.0.1:%d/whydenied?password-file=%s", user, s.http, file)
}

// A fleetNode is a log, with an agent that follows it.
type fleetNode struct {
	name, dir, program, to string

	mu      sync.Mutex
	log     *os.File
	clock   time.Duration // how far it is off
	records int           // in the log

	cmd    *exec.Cmd // nil while none runs
	stderr lines
}

// start starts the agent, if none runs.
func (n *fleetNode) start(t *testing.T) {
	if n.cmd != nil {
		return
	}
	n.cmd = exec.Command(n.program, "agent", "--node", n.name, "--source", filepath.Join(n.dir, "audit.log"),
		"--store", filepath.Join(n.dir, "disk", "agent.db"), "--clickhouse", n.to, "--every", "300ms", "--metrics", "")
	n.cmd.Stderr = &n.stderr
	require.NoError(t, n.cmd.Start())
}

// kill ends the agent without a word.
func (n *fleetNode) kill() {
	if n.cmd != nil {
		n.cmd.Process.Kill()
		n.cmd.Wait()
		n.cmd = nil
	}
}

// revive starts the agent again if it has ended by itself, as the unit of systemd does.
func (n *fleetNode) revive(t *testing.T) {
	if n.cmd != nil && syscall.Kill(n.cmd.Process.Pid, 0) == nil {
		var status syscall.WaitStatus
		if pid, _ := syscall.Wait4(n.cmd.Process.Pid, &status, syscall.WNOHANG, nil); pid == 0 {
			return
		}
	}
	n.cmd = nil
	n.start(t)
}

var stamp = regexp.MustCompile(`msg=audit\((\d+)\.`)

// write appends a record as the node's clock has it.
func (n *fleetNode) write(t *testing.T, line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	line = stamp.ReplaceAllStringFunc(line, func(text string) string {
		seconds, _ := strconv.ParseInt(stamp.FindStringSubmatch(text)[1], 10, 64)
		return fmt.Sprintf("msg=audit(%d.", seconds+int64(n.clock/time.Second))
	})
	_, err := n.log.WriteString(line + "\n")
	require.NoError(t, err)
	n.records++
}

// fill fills the disk of the agent's store, or empties it.
func (n *fleetNode) fill(full bool) {
	filler := filepath.Join(n.dir, "disk", "filler")
	if !full {
		os.Remove(filler)
		return
	}
	if f, err := os.Create(filler); err == nil {
		defer f.Close()
		for buf := make([]byte, 4096); err == nil; {
			_, err = f.Write(buf)
		}
	}
}

// TestFleet has real records of the kernel's, of programs that a filter stops, in the logs of
// three nodes. While agents send them to two shards, agents and servers are killed and
// stopped, disks are full and clocks step. In the end both the database and what summary
// makes of it have each record once.
func TestFleet(t *testing.T) {
	skipFleet(t)
	shards := startShards(t)
	program := buildForAll(t)
	audit := kernel.OpenAudit(t)
	var nodes []*fleetNode
	for i := range 3 {
		dir := t.TempDir()
		disk := filepath.Join(dir, "disk")
		require.NoError(t, os.Mkdir(disk, 0o700))
		if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=16m,mode=0700"); err != nil {
			missing(t, "permission to mount: %v", err)
		}
		t.Cleanup(func() { syscall.Unmount(disk, syscall.MNT_DETACH) })
		log, err := os.Create(filepath.Join(dir, "audit.log"))
		require.NoError(t, err)
		n := &fleetNode{name: fmt.Sprintf("node-%d", i), dir: dir, program: program, log: log, to: shards[i%2].address("agent", "s3nd")}
		n.start(t)
		t.Cleanup(n.kill)
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		n.stderr.waitFor(t, "whydenied: reading ") // it looks from now on
	}

	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	stop := make(chan struct{})
	var recording sync.WaitGroup
	recording.Go(func() {
		spread := rand.New(rand.NewPCG(seed, 2))
		for {
			select {
			case <-stop:
				return
			default:
			}
			line, err := audit.Next(false)
			if err != nil {
				time.Sleep(5 * time.Millisecond)
				continue
			}
			if strings.Contains(line, "type=SECCOMP ") && strings.Contains(line, `comm="fleet`) {
				nodes[spread.IntN(len(nodes))].write(t, line)
			}
		}
	})
	until := time.Now().Add(*fleetFor)
	for i := 0; time.Now().Before(until); i++ {
		flood := kernel.Logged{Calls: 50 + random.IntN(400), Pause: time.Millisecond, Comm: fmt.Sprintf("fleet%d", random.IntN(5)), Call: kernel.NoCall + random.IntN(20)}.Start(t)
		n, s := nodes[random.IntN(len(nodes))], shards[random.IntN(len(shards))]
		switch random.IntN(8) {
		case 0, 1:
			n.kill()
		case 2:
			s.kill()
			time.Sleep(time.Duration(random.IntN(2000)) * time.Millisecond)
			s.start()
		case 3:
			s.cmd.Process.Signal(syscall.SIGSTOP)
			time.Sleep(time.Duration(random.IntN(2000)) * time.Millisecond)
			s.cmd.Process.Signal(syscall.SIGCONT)
		case 4:
			n.mu.Lock()
			n.clock += time.Duration(random.IntN(14400)-7200) * time.Second
			n.mu.Unlock()
		case 5:
			n.fill(true)
		case 6:
			s.query("OPTIMIZE TABLE whydenied_shard.day FINAL")
		}
		time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond)
		n.fill(false)
		n.revive(t)
		flood.Wait()
	}
	time.Sleep(time.Second) // what the kernel has not given yet
	close(stop)
	recording.Wait()
	truth := 0
	for _, n := range nodes {
		n.fill(false)
		n.revive(t)
		truth += n.records
	}
	require.Greater(t, truth, 100)
	const sum = "SELECT sum(count) FROM whydenied.denial"
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline) && shards[0].ask(sum) != strconv.Itoa(truth); time.Sleep(500 * time.Millisecond) {
		for _, n := range nodes {
			n.revive(t)
		}
	}
	for _, n := range nodes {
		got := shards[1].ask("SELECT sum(count) FROM whydenied.denial WHERE node = '" + n.name + "'")
		assert.Equal(t, strconv.Itoa(n.records), got, "%s\n%s", n.name, &n.stderr)
	}
	assert.Equal(t, strconv.Itoa(truth), shards[0].ask("SELECT sum(count) FROM whydenied.denial_day"))
	t.Logf("%d records; a shard has %s rows, both have %s buckets", truth, shards[0].ask("SELECT sum(rows) FROM system.parts WHERE active AND database = 'whydenied_shard' AND table LIKE '%day'"), shards[0].ask("SELECT count() FROM whydenied.denial"))

	out, err := exec.Command(program, "summary", shards[1].address("reader", "r34d"), "--format", "json").Output()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 3, exit.ExitCode(), "%s", exit.Stderr)
	var m struct{ Overview struct{ Denials int } }
	line, _, _ := bytes.Cut(out, []byte("\n"))
	require.NoError(t, json.Unmarshal(line, &m))
	assert.Equal(t, truth, m.Overview.Denials)
}
