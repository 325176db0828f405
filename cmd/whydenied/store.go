package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/host"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/explain/store"
	"github.com/whydenied/whydenied/parser/source"
)

// storeFlags are the flags of the commands that append to a store.
type storeFlags struct {
	file, age, size string
}

func (f *storeFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.file, "store", "", "append what is found to `FILE`, a history that summary, compare and soak read")
	flags.StringVar(&f.age, "store-age", "", "drop of the store what is older than `AGE`, such as 90d or 12h")
	flags.StringVar(&f.size, "store-size", "1GiB", "drop the oldest of the store beyond a `SIZE`, such as 200MiB; 0 for no limit")
}

// A history is a store that a command appends to.
type history struct {
	*store.Store
	age  time.Duration // what is older is dropped; 0 for nothing
	size int64

	mu   sync.Mutex
	said []report.Finding // explained, and to be written with what is counted
	err  error            // of appending, when no more could wait to be written

	// excuse says an error after which a watch goes on, as what could not be written waits; nil
	// where it ends.
	excuse func(error)

	// Of a watch: what it reads, since when, and when that was written last.
	reader       string
	began, wrote time.Time
	retained     time.Time // when what is too old or too much was dropped last
}

// open opens the store that the flags name; it is nil if they name none.
func (f *storeFlags) open(cmd *cobra.Command) (*history, error) {
	if f.file == "" {
		if f.age != "" || cmd.Flags().Changed("store-size") {
			return nil, usagef("--store-age and --store-size are of a store; name it by --store FILE")
		}
		return nil, nil
	}
	if store.IsFleet(f.file) {
		return nil, usagef("--store: denials are counted once in a file; name one, and have agent --clickhouse send what is in it")
	}
	h := &history{}
	var err error
	if h.size, err = parseSize(f.size); err != nil {
		return nil, usagef("--store-size: %v", err)
	}
	if f.age != "" {
		if h.age, err = parseAge(f.age); err != nil {
			return nil, usagef("--store-age: %v", err)
		}
	}
	var aside string
	h.Store, aside, err = store.Open(cmd.Context(), f.file)
	if aside != "" {
		say(cmd.ErrOrStderr(), "%s was damaged; it is set aside as %s, and a new store begun", escape.Name(f.file), escape.Name(aside))
	}
	if err != nil {
		return nil, fmt.Errorf("--store: %w", err)
	}
	return h, nil
}

// counted returns what is told each denial that is counted; nil without a store.
func (h *history) counted(ctx context.Context) func(explain.Counted) {
	if h == nil {
		return nil
	}
	return func(c explain.Counted) {
		if h.broken() == nil {
			h.breaks(h.Add(ctx, c))
		}
	}
}

// broken returns the error with which appending ended, nil if it did not.
func (h *history) broken() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

func (h *history) breaks(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = cmp.Or(h.err, err)
}

// excused returns an error of writing, nil if it was said and the watch goes on.
func (h *history) excused(err error) error {
	if broken := h.broken(); broken != nil || err == nil || h.excuse == nil || errors.Is(err, store.ErrDamaged) {
		return cmp.Or(broken, err)
	}
	h.excuse(err)
	return nil
}

// end writes what is held, drops what is too old or too much, and closes the store.
func (h *history) end(ctx context.Context) error {
	err := h.Flush(ctx)
	if err == nil {
		err = h.retain(ctx, time.Now())
	}
	if closed := h.Close(ctx); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("--store: %w", err)
	}
	return nil
}

// retain drops what is too old or too much.
func (h *history) retain(ctx context.Context, now time.Time) error {
	h.retained = now
	var before time.Time
	if h.age > 0 {
		before = now.Add(-h.age)
	}
	return h.Retain(ctx, before, h.size)
}

// watch has the stream append what it finds, and keeps what doctor says of this host.
func (h *history) watch(ctx context.Context, s *stream) error {
	if h == nil {
		return nil
	}
	s.history = h
	s.Counted = h.counted(ctx)
	var readers []string
	for _, l := range s.lives {
		readers = append(readers, l.Name)
	}
	h.reader, h.began = strings.Join(readers, " and "), time.Now()
	h.Boot = host.Host{}.Boot()
	if err := h.Look(ctx, h.reader, h.began, h.began); err != nil { // so that the next run knows, if this is killed at once
		return err
	}
	return h.Answer(ctx, h.began, host.Answers(thisHost.Read(ctx)))
}

// write writes what was counted, and now and then that the watch goes on; and drops what is
// too old or too much.
func (h *history) write(ctx context.Context, now time.Time) error {
	if h == nil {
		return nil
	}
	err := h.flush(ctx)
	if err == nil && now.Sub(h.wrote) >= 10*time.Second {
		h.wrote = now
		h.breaks(h.IsThere())
		err = h.Look(ctx, h.reader, h.began, now)
	}
	if err == nil && now.Sub(h.retained) >= 10*time.Minute {
		err = h.retain(ctx, now)
	}
	return h.excused(err)
}

// explained has a finding be written with what was counted of it, by the next write, which is a
// second away at most: a transaction of its own costs more than explaining it.
func (h *history) explained(f report.Finding) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said = append(h.said, f)
}

// flush writes what was counted and explained. What could not be written is tried again by the
// next, as at the end.
func (h *history) flush(ctx context.Context) error {
	h.mu.Lock()
	said := h.said
	h.said = nil
	h.mu.Unlock()
	err := h.Flush(ctx)
	if err == nil {
		err = h.Explain(ctx, said)
	}
	if err != nil {
		h.mu.Lock()
		h.said = append(said, h.said...)
		h.mu.Unlock()
	}
	return err
}

// lost keeps that records were lost.
func (h *history) lost(ctx context.Context, n report.Notice, now time.Time) error {
	if h == nil || n.Kind != source.Lost.String() {
		return nil
	}
	return h.excused(h.Lose(ctx, n.Kind, now, now, max(n.Count, 1), n.Text))
}

// stop ends a watch: findings are what it found.
func (h *history) stop(ctx context.Context, findings []*explain.Explained) error {
	if h == nil {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	if err := h.found(ctx, findings); err != nil {
		h.Close(ctx)
		return fmt.Errorf("--store: %w", err)
	}
	return h.end(ctx)
}

// found writes what a watch found so far, and that it went on until now.
func (h *history) found(ctx context.Context, findings []*explain.Explained) error {
	if h == nil {
		return nil
	}
	h.wrote = time.Time{}
	h.excuse = nil // the end is the last time
	return cmp.Or(h.broken(), h.write(ctx, time.Now()), h.Explain(ctx, report.NewFindings(findings)))
}

// keep appends what a log gave, and closes the store.
func (h *history) keep(cmd *cobra.Command, in *input, session *explain.Session, all *report.Report) error {
	if h == nil {
		return nil
	}
	ctx := context.WithoutCancel(cmd.Context())
	err := cmp.Or(h.broken(), h.Flush(ctx))
	if err == nil && in.inventory != nil {
		err = h.Containers(ctx, in.inventory.Containers)
	}
	if err == nil {
		err = h.Explain(ctx, all.Findings)
	}
	if err == nil && all.Summary != nil {
		err = h.Missing(ctx, all.Summary)
	}
	if first, last := span(session, all); err == nil && !first.IsZero() {
		err = h.Look(ctx, "log", first, last)
	}
	if err != nil {
		h.Close(ctx)
		return fmt.Errorf("--store: %w", err)
	}
	return h.end(ctx)
}

// span is the time that a log has, as far as it tells: of audit.log that of all its records,
// else that of the denials.
func span(session *explain.Session, all *report.Report) (first, last time.Time) {
	if first, last = session.Stats.Serials.Span(); !first.IsZero() || all.Summary == nil {
		return first, last
	}
	first, _ = time.Parse(time.RFC3339Nano, all.Summary.First)
	last, _ = time.Parse(time.RFC3339Nano, all.Summary.Last)
	return first, last
}

// A reader is what can be asked for findings of any time: a store, or a fleet's database.
type reader interface {
	Report(context.Context, store.Range) (*report.Report, error)
	Groups(ctx context.Context, r store.Range, by string, only []string) (list []report.Group, all int, err error)
	Made(context.Context, string) (time.Time, error)
	Close(context.Context) error
}

// openReader opens a store, or a fleet's database by its address.
func openReader(ctx context.Context, name string) (reader, error) {
	if store.IsFleet(name) {
		return store.OpenFleet(name)
	}
	return store.OpenToRead(ctx, name)
}

// parseAge reads a duration, which may be in days.
func parseAge(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n < 100_000 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	if age, err := time.ParseDuration(s); err == nil && age > 0 {
		return age, nil
	}
	return 0, fmt.Errorf("%q is no age, such as 90d or 12h", s)
}

var sizes = regexp.MustCompile(`^(\d{1,9})\s*(|[kKMGT]i?B?)$`)

// parseSize reads a number of bytes; units are of 1024.
func parseSize(s string) (int64, error) {
	m := sizes.FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("%q is no size, such as 200MiB", s)
	}
	n, _ := strconv.ParseInt(m[1], 10, 64)
	unit := ""
	if m[2] != "" {
		unit = strings.ToLower(m[2][:1])
	}
	return n << (10 * strings.Index("_kmgt", cmp.Or(unit, "_"))), nil
}
