package store_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/explain/store"
	"github.com/whydenied/whydenied/parser"
)

// A log is appended, and a second time, which adds nothing; then the store is asked for a day.
func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	s, _, err := store.Open(ctx, filepath.Join(dir, "history.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close(ctx)

	const text = `type=AVC msg=audit(1772355600.000:7): apparmor="DENIED" operation="open" profile="web" name="/srv/a" pid=9 comm="nginx" requested_mask="w" denied_mask="w"` + "\n"
	explainer, _, err := explain.Options{}.Explainer()
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		session := explain.NewSession(nil, explain.Filter{})
		session.Counted = func(c explain.Counted) {
			if err := s.Add(ctx, c); err != nil {
				log.Fatal(err)
			}
		}
		denials, _ := parser.Scan(nil, parser.Block{Body: []byte(text)})
		for _, d := range denials {
			session.Add(d)
		}
		if err := s.Flush(ctx); err != nil {
			log.Fatal(err)
		}
		if err := s.Explain(ctx, report.NewFindings(explainer.ExplainAll(session.Findings()))); err != nil {
			log.Fatal(err)
		}
	}

	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	all, err := s.Report(ctx, store.Range{Since: day, Until: day.AddDate(0, 0, 1)})
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range all.Findings {
		fmt.Println(f.Last, f.Count, f.Message)
	}
	// Output:
	// 2026-03-01T09:00:00.000Z 1 nginx (profile web, container unknown) may not write /srv/a
}

// A node's agent sends what its store has to a fleet's database, and whoever wants to know
// asks that for what was refused on each node within a day.
func ExampleFleet() {
	ctx := context.Background()
	fleet, err := store.OpenFleet("clickhouse://agent@ch.example/whydenied?password-file=/etc/whydenied/password")
	if err != nil {
		log.Fatal(err)
	}
	fleet.Cluster = "east"
	s, _, err := store.Open(ctx, "/var/lib/whydenied/agent.db")
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close(ctx)
	buckets, _, err := s.Unsent(ctx, fleet.Name(), 5000)
	if err != nil {
		log.Fatal(err)
	}
	if err := fleet.Put(ctx, buckets); err != nil {
		log.Fatal(err) // they are unsent still
	}
	if err := s.Arrived(ctx, fleet.Name(), buckets); err != nil {
		log.Fatal(err)
	}

	groups, _, err := fleet.Groups(ctx, store.Range{Since: time.Now().AddDate(0, 0, -1)}, "node", nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, g := range groups {
		fmt.Println(g.Key, g.Count, g.Last)
	}
}
