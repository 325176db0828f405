package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/export"
	"github.com/whydenied/whydenied/explain/host"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/explain/store"
	"github.com/whydenied/whydenied/parser/source"
	"github.com/whydenied/whydenied/rules/disk"
)

// agentFlags are the flags of the agent command.
type agentFlags struct {
	liveFlags
	store      storeFlags
	node       string
	otlp       string
	tokenFile  string
	clickhouse string
	cluster    string
	metrics    string
	textfile   string
	kubernetes bool
	every      time.Duration
}

func newAgent() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Watch a node, and send what is found to where a fleet is watched",
		Long: `agent watches as "whydenied watch" does, until it is ended, and gives what it finds
to others: as logs of OpenTelemetry, as rows of ClickHouse, as metrics of Prometheus,
and as Events and reports of Kubernetes. What is sent are findings with their counts, a row for each
minute in which there were any, and not records: it stays as much however often the
same is refused. Rows that the receiver does not take wait, and are sent again;
whydenied help fleet.md says how they count exactly once.

Standard error has notices of what was lost, and what could not be sent.`,
		Example: `  sudo whydenied agent --otlp https://collector.example:4318 --token-file /etc/whydenied/token
  sudo whydenied agent --otlp http://127.0.0.1:4318 --store /var/lib/whydenied/agent.db
  sudo whydenied agent --store /var/lib/whydenied/agent.db --clickhouse 'clickhouse://agent@ch.example/whydenied?password-file=/etc/whydenied/password'
  whydenied agent --kubernetes --metrics :9763`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runAgent(cmd, f) },
	}
	flags := cmd.Flags()
	f.liveFlags.add(flags)
	f.store.add(flags)
	flags.StringVar(&f.node, "node", "", "`NAME` of this node; by default that in the environment's NODE_NAME, or else the host's")
	flags.StringVar(&f.otlp, "otlp", "", "send to the receiver of OTLP over HTTP at `URL`")
	flags.StringVar(&f.tokenFile, "token-file", "", "`FILE` with the bearer token for --otlp")
	flags.StringVar(&f.clickhouse, "clickhouse", "", "send what --store has to the tables of a fleet at `ADDRESS`: clickhouse://USER@HOST:PORT/DATABASE?password-file=FILE")
	flags.StringVar(&f.cluster, "cluster", "", "`NAME` of the cluster that the node is of")
	flags.StringVar(&f.metrics, "metrics", "127.0.0.1:9763", "serve /metrics at `ADDRESS`; nowhere if it is empty")
	flags.StringVar(&f.textfile, "textfile", "", "write the metrics to `FILE`, for the textfile collector of node_exporter")
	flags.BoolVar(&f.kubernetes, "kubernetes", false, "write Events and reports about pods, by the service account of this one")
	flags.DurationVar(&f.every, "every", 10*time.Second, "how often findings are counted and sent")
	return cmd
}

// An agent is where what a stream finds goes.
type agent struct {
	stderr   io.Writer
	node     string
	metrics  *export.Metrics
	ledger   *export.Ledger
	receiver *export.Receiver // nil if there is none
	history  *history         // whose rows are sent, nil for those of ledger
	cluster  *export.Cluster  // nil if it is not to be written to
	fleet    *store.Fleet     // likewise; it gets what history has
	backoff  export.Backoff   // of fleet
	told     time.Time        // when fleet was told of losses
	textfile string

	mu   sync.Mutex
	said map[string]time.Time // when an error was said
}

// maxRows bounds the rows that wait for a receiver, and batch those of one request to it;
// shipped those of one to ClickHouse, which wants few and large ones.
const (
	maxRows = 20000
	batch   = 500
	shipped = 5000
)

func runAgent(cmd *cobra.Command, f agentFlags) error {
	if f.every <= 0 {
		return usagef("--every must be more than nothing, such as 10s")
	}
	spareMemory()
	a, err := f.prepare(cmd)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	var background sync.WaitGroup
	if err := f.serve(ctx, a, &background); err != nil {
		return err
	}
	from, err := f.goOn(cmd, a)
	if err != nil {
		return err
	}
	s, err := f.open(cmd, source.Start{Since: from, OrNow: true}, a.take)
	if err != nil {
		return err
	}
	defer s.close()
	s.unhurry()
	if err := a.history.watch(cmd.Context(), s); err != nil {
		return err
	}
	s.dropPrivileges()
	background.Go(func() { s.beat(ctx, f.every, newStatus(io.Discard)) })
	for _, pass := range a.passes() { // each by itself, as a receiver that is away holds up its own alone
		background.Go(func() { repeatedly(ctx, f.every, pass) })
	}
	err = s.follow(ctx)
	stop()
	background.Wait()
	s.repeat()
	return errors.Join(err, a.end(cmd.Context(), s))
}

// goOn opens the store that the flags name, and returns from when on the source is to be
// read: where the last run ended. What it has read before counts once.
func (f *agentFlags) goOn(cmd *cobra.Command, a *agent) (from time.Time, err error) {
	if a.history, err = f.store.open(cmd); err != nil || a.history == nil {
		return time.Time{}, err
	}
	a.history.Node = a.node
	a.history.excuse = func(err error) {
		a.complain(export.Store, fmt.Errorf("not written, and tried again: %w", err))
	}
	if a.receiver != nil {
		a.history.Receivers = append(a.history.Receivers, toOTLP)
	}
	if a.fleet != nil {
		a.history.Receivers = append(a.history.Receivers, a.fleet.Name())
	}
	from, err = a.history.Reached(cmd.Context())
	if err != nil || from.IsZero() {
		return time.Time{}, err
	}
	say(a.stderr, "the store has what came before %s; what came after it counts as far as the source still has it", report.Time(from))
	return from.Add(-time.Minute), nil // as records are not in order
}

// end passes on what is left, for 5 seconds at most.
func (a *agent) end(ctx context.Context, s *stream) error {
	ctx = context.WithoutCancel(ctx)
	findings := s.findings()
	errs := []error{a.history.found(ctx, findings)}
	last, stop := context.WithTimeout(ctx, 5*time.Second)
	defer stop()
	var passing sync.WaitGroup
	for _, pass := range a.passes() { // at once, as a receiver that is away would take the time of all
		passing.Go(func() { pass(last) })
	}
	passing.Wait()
	if a.cluster != nil && a.cluster.Waiting() > 0 {
		errs = append(errs, fmt.Errorf("%d Events and reports of Kubernetes were not written", a.cluster.Waiting()))
	}
	if rows, more := a.ledger.Next(1); len(rows) > 0 {
		errs = append(errs, fmt.Errorf("%d rows were not sent, and are lost; --store FILE keeps them", len(rows)+more))
	}
	return errors.Join(append(errs, a.history.stop(ctx, findings))...)
}

// prepare makes the places that the flags name.
func (f *agentFlags) prepare(cmd *cobra.Command) (*agent, error) {
	name, err := os.Hostname()
	if node := cmp.Or(f.node, os.Getenv("NODE_NAME")); node != "" {
		name, err = node, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the host's name is not known: %w; give --node", err)
	}
	a := &agent{
		stderr: cmd.ErrOrStderr(), textfile: f.textfile, metrics: export.NewMetrics(version()),
		node: name, ledger: export.NewLedger(name, host.Host{}.Boot(), maxRows, time.Now()),
		said: map[string]time.Time{},
	}
	if f.otlp == "" && f.tokenFile != "" {
		return nil, usagef("--token-file is for --otlp")
	}
	if f.otlp != "" {
		if a.receiver, err = export.NewReceiver(f.otlp, f.tokenFile, version()); err != nil {
			return nil, usagef("--otlp: %v", err)
		}
	}
	if f.clickhouse != "" {
		if f.store.file == "" {
			return nil, usagef("--clickhouse sends what is in a store; name its file by --store FILE")
		}
		if a.fleet, err = store.OpenFleet(f.clickhouse); err != nil {
			return nil, usagef("--clickhouse: %v", err)
		}
		a.fleet.Cluster = f.cluster
	}
	if f.kubernetes {
		if a.cluster, err = export.InCluster(name, a.metrics); err != nil {
			return nil, fmt.Errorf("--kubernetes: %w", err)
		}
	}
	if f.textfile != "" {
		if err := disk.CanPut(f.textfile); err != nil {
			return nil, fmt.Errorf("--textfile: %w", err)
		}
	}
	return a, nil
}

// serve answers Prometheus until the context ends, in the background.
func (f *agentFlags) serve(ctx context.Context, a *agent, background *sync.WaitGroup) error {
	if f.metrics == "" {
		return nil
	}
	l, err := net.Listen("tcp", f.metrics)
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("%w, perhaps by another agent; give another ADDRESS, or none: --metrics ''", err)
	}
	if err != nil {
		return fmt.Errorf("--metrics: %w", err)
	}
	say(a.stderr, "metrics are at http://%s/metrics", l.Addr())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		a.metrics.Write(w) // the error is the client's, who went away
	})
	server := &http.Server{Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10}
	context.AfterFunc(ctx, func() { server.Close() })
	background.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			complain(a.stderr, fmt.Errorf("--metrics: %w", err))
		}
	})
	return nil
}

// take enters what a stream reports.
func (a *agent) take(m report.Message) error {
	a.metrics.Take(m)
	if a.receiver != nil && a.history == nil {
		a.ledger.Take(m, time.Now())
	}
	if a.cluster != nil {
		a.cluster.Take(m)
	}
	if m.Notice != nil {
		say(a.stderr, "%s", m.Notice.Text)
	}
	return nil
}

// repeatedly does something again and again until the context ends.
func repeatedly(ctx context.Context, every time.Duration, do func(context.Context)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			do(ctx)
		}
	}
}

// passes are what passes on what was taken so far.
func (a *agent) passes() (list []func(context.Context)) {
	if a.receiver != nil {
		list = append(list, a.send)
	}
	if a.fleet != nil {
		list = append(list, func(ctx context.Context) {
			if !a.backoff.Over(time.Now()) {
				return
			}
			err := a.ship(ctx)
			if errors.Is(ctx.Err(), context.Canceled) { // then the last pass says it
				return
			}
			if err == nil {
				a.backoff.Answered()
			} else {
				a.backoff.Failed(time.Now(), 0)
			}
			a.complain(export.ClickHouse, err)
		})
	}
	if a.cluster != nil {
		list = append(list, func(ctx context.Context) {
			if err := a.cluster.Write(ctx, time.Now()); !errors.Is(ctx.Err(), context.Canceled) { // then the last pass says it
				a.complain(export.Kubernetes, err)
			}
		})
	}
	if a.textfile != "" {
		list = append(list, a.writeTextfile)
	}
	return list
}

// writeTextfile writes the metrics for node_exporter, whose textfile collector reads
// whole files only.
func (a *agent) writeTextfile(context.Context) {
	var text strings.Builder
	a.metrics.Write(&text) // into memory
	a.complain(export.Textfile, disk.Put(a.textfile, []byte(text.String())))
}

// next returns rows that wait, at most so many, how many more there are, and what is to be
// called when they have arrived.
func (a *agent) next(ctx context.Context, most int) (rows []export.Row, more int, arrived func() error, err error) {
	if a.history == nil {
		rows, more = a.ledger.Next(most)
		return rows, more, func() error { a.ledger.Arrived(rows, time.Now()); return nil }, nil
	}
	buckets, more, err := a.history.Unsent(ctx, toOTLP, most)
	for _, b := range buckets {
		rows = append(rows, export.Row{
			Node: b.Node, Boot: b.Boot, Run: b.Made, Finding: export.In(b.Finding, b.Container, b.Program),
			Start: b.Start, Width: b.Width, Last: b.Last, Count: uint64(b.Count),
		})
	}
	return rows, more, func() error { return a.history.Arrived(context.WithoutCancel(ctx), toOTLP, buckets) }, err
}

// toOTLP is the receiver of OpenTelemetry's logs in the store.
const toOTLP = export.OTLP

// ship sends what the store has to the fleet's database. What is not taken waits there.
func (a *agent) ship(ctx context.Context) error {
	for {
		buckets, more, err := a.history.Unsent(ctx, a.fleet.Name(), shipped)
		if err != nil {
			return err
		}
		a.waiting(export.ClickHouse, len(buckets)+more)
		if len(buckets) == 0 {
			break
		}
		if err := a.fleet.Put(ctx, buckets); err != nil {
			a.metrics.Sending(export.Failed, len(buckets))
			return fmt.Errorf("not sent, and tried again: %w", err)
		}
		a.metrics.Sending(export.Sent, len(buckets))
		if err := a.history.Arrived(context.WithoutCancel(ctx), a.fleet.Name(), buckets); err != nil {
			return err
		}
	}
	if time.Since(a.told) < time.Minute {
		return nil
	}
	a.told = time.Now()
	return a.fleet.Tell(ctx, a.history.Store)
}

// send sends the rows that wait.
func (a *agent) send(ctx context.Context) {
	for ctx.Err() == nil {
		rows, more, arrived, err := a.next(ctx, batch)
		if err != nil {
			if ctx.Err() == nil {
				a.complain(export.OTLP, err)
			}
			return
		}
		a.waiting(toOTLP, len(rows)+more)
		if len(rows) == 0 || !a.deliver(ctx, rows) {
			return
		}
		a.complain(export.OTLP, arrived())
	}
}

// waiting notes how many rows wait for a receiver, and what was dropped of all that waited.
func (a *agent) waiting(receiver string, rows int) {
	dropped, why := a.ledger.Dropped(), fmt.Sprintf("more than %d rows wait", maxRows)
	if a.history != nil {
		dropped, why = a.history.Dropped(), "the store has no room for more"
	}
	a.metrics.Waiting(receiver, rows, dropped)
	if dropped > 0 {
		a.complain(receiver, fmt.Errorf("%d denials are not sent, as %s", dropped, why))
	}
}

// deliver sends rows, and reports whether they need not be sent again.
func (a *agent) deliver(ctx context.Context, rows []export.Row) bool {
	rejected, err := a.receiver.Deliver(ctx, rows, func(err error) {
		a.metrics.Sending(export.Failed, len(rows))
		a.complain(export.OTLP, fmt.Errorf("not sent, and tried again: %w", err))
	})
	switch {
	case ctx.Err() != nil:
		return false // they wait
	case err != nil: // they never will be taken
		a.metrics.Sending(export.Rejected, len(rows))
		a.complain(export.OTLP, fmt.Errorf("%d rows are lost: %w", len(rows), err))
	default:
		a.metrics.Sending(export.Sent, len(rows)-rejected)
		a.metrics.Sending(export.Rejected, rejected)
	}
	return true
}

// complain counts an error of an output if there is one, and says it, the same no more than once
// a minute.
func (a *agent) complain(output string, err error) {
	if err == nil {
		return
	}
	a.metrics.Error(output)
	a.mu.Lock()
	defer a.mu.Unlock()
	err = fmt.Errorf("--%s: %w", output, err)
	text := err.Error()
	if at, said := a.said[text]; said && time.Since(at) < time.Minute {
		return
	}
	if len(a.said) > 100 {
		clear(a.said)
	}
	a.said[text] = time.Now()
	complain(a.stderr, err)
}
