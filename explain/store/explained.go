package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/whydenied/whydenied/explain/report"
)

// Explain keeps what findings were explained by. It takes the place of what was said of
// them before; the rules that decided them are kept of each version of the policy.
// What no log has, a claim, is no history and passed over.
func (s *Store) Explain(ctx context.Context, list []report.Finding) error {
	if len(list) == 0 {
		return nil
	}
	return s.within(ctx, func(tx *sql.Tx) error {
		put, err := tx.PrepareContext(ctx, `INSERT INTO finding (id, id_version, first, last, mode, profile, cause, layer, workload, message, explained)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET profile = excluded.profile, cause = excluded.cause, layer = excluded.layer, mode = excluded.mode,
				workload = excluded.workload, message = excluded.message, explained = excluded.explained`)
		if err != nil {
			return err
		}
		defer put.Close()
		for i := range list {
			f := &list[i]
			if f.Claim != nil {
				continue
			}
			kept, err := f.Keep()
			if err != nil {
				return err
			}
			first, last := millisOf(f.First), millisOf(f.Last)
			if _, err := put.ExecContext(ctx, f.ID, f.IDVersion, first, last, f.Mode, kept.Profile, f.Cause, kept.Layer, f.Workload, f.Message, string(kept.Text)); err != nil {
				return err
			}
			if err := decide(ctx, tx, f, first, last); err != nil {
				return err
			}
		}
		return nil
	})
}

// millisOf is millis of a time as package report has it.
func millisOf(s string) int64 {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return 0
	}
	return millis(t)
}

// decide keeps the version of the rules that decided a finding.
func decide(ctx context.Context, tx *sql.Tx, f *report.Finding, first, last int64) error {
	if f.Policy == "" {
		return nil
	}
	type rule struct {
		File string `json:"file"`
		Line int    `json:"line"`
		Text string `json:"text"`
	}
	rules := []rule{}
	for _, r := range f.Rules {
		rules = append(rules, rule{r.File, r.Line, r.Text})
	}
	text, err := json.Marshal(rules)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(append([]byte(f.Policy+"\x00"), text...))
	hash := hex.EncodeToString(sum[:])
	if _, err := tx.ExecContext(ctx, `INSERT INTO policy (hash, name, rules) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, hash, f.Policy, string(text)); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO decided (finding, policy, first, last) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last)`, f.ID, hash, first, last)
	return err
}
