package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// undone take back what each migration but the first did.
var undone = []string{
	`DROP TABLE span; DROP TABLE answer`,
	`DROP TABLE arrived; DROP TABLE made`,
	`DELETE FROM bucket WHERE width = 18`,
	`DROP INDEX finding_bare; ALTER TABLE finding DROP COLUMN bare`,
	`DROP TABLE reached; DROP TABLE arrived; CREATE TABLE arrived (
		at INTEGER NOT NULL, finding TEXT NOT NULL, source INTEGER NOT NULL,
		container INTEGER NOT NULL, program TEXT NOT NULL, count INTEGER NOT NULL)`,
}

// TestMigration makes a store of each older version, and brings it up to date: it then has
// what one of the newest version has.
func TestMigration(t *testing.T) {
	require.Len(t, undone, len(migrations)-1)
	ctx := context.Background()
	var log string
	for i := range 200 {
		log += line(fmt.Sprintf("/srv/%d", i%3), start.Add(time.Duration(i)*7*time.Hour), 1+i)
	}
	fresh, _ := openNew(t)
	appendLog(t, fresh, log)
	for version := 1; version < len(migrations); version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			s, name := openNew(t)
			appendLog(t, s, log)
			for i := len(undone); i >= version; i-- {
				_, err := s.db.Exec(undone[i-1])
				require.NoError(t, err)
			}
			_, err := s.db.Exec(fmt.Sprintf("PRAGMA user_version = %d", version))
			require.NoError(t, err)
			require.NoError(t, s.Close(ctx))
			_, err = OpenToRead(ctx, name)
			require.ErrorContains(t, err, fmt.Sprint("schema version ", version))
			s, _, err = Open(ctx, name)
			require.NoError(t, err)
			defer s.Close(ctx)
			for _, table := range []string{"bucket", "seen", "finding"} {
				assert.Equal(t, dump(t, fresh, table), dump(t, s, table))
			}
			assert.Equal(t, read(t, fresh, Range{}), read(t, s, Range{}))
			require.NoError(t, s.Look(ctx, "audit", start, start.Add(time.Hour)))
		})
	}
}

// dump returns the rows of a table as text.
func dump(t *testing.T, s *Store, table string) (list []string) {
	rows, err := s.db.Query("SELECT * FROM " + table)
	require.NoError(t, err)
	defer rows.Close()
	names, err := rows.Columns()
	require.NoError(t, err)
	for rows.Next() {
		values, to := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			to[i] = &values[i]
		}
		require.NoError(t, rows.Scan(to...))
		list = append(list, fmt.Sprint(values...))
	}
	require.NotEmpty(t, list)
	return list
}
