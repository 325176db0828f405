package store

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestKilled kills a process that appends, again and again, each time further on. What it
// said was written is there, and what is appended again counts once. STORE_KILLS=200 kills
// more often.
func TestKilled(t *testing.T) {
	if name := os.Getenv("STORE_CHILD"); name != "" {
		appendForever(t, name)
		return
	}
	kills := 6
	if n, err := strconv.Atoi(os.Getenv("STORE_KILLS")); err == nil {
		kills = n
	}
	ctx := context.Background()
	name := filepath.Join(t.TempDir(), "history.db")
	acknowledged := 0
	for i := range kills {
		child := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		child.Env = append(os.Environ(), "STORE_CHILD="+name, fmt.Sprint("STORE_FROM=", max(acknowledged-3, 0)))
		out, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		said := bufio.NewScanner(out)
		for range 3 + i%7 { // it is in the middle of the next by then
			require.True(t, said.Scan())
			n, err := strconv.Atoi(said.Text())
			require.NoError(t, err, "%s", said.Text())
			acknowledged = max(acknowledged, n)
		}
		require.NoError(t, child.Process.Kill())
		_ = child.Wait()
		s, aside, err := Open(ctx, name)
		require.NoError(t, err)
		require.Empty(t, aside)
		have := 0
		require.NoError(t, s.db.QueryRow("SELECT sum(count) FROM bucket WHERE width = 20").Scan(&have))
		require.GreaterOrEqual(t, have, acknowledged, "what was said to be written is there")
		require.NoError(t, s.Close(ctx))
	}
	s, _, err := Open(ctx, name)
	require.NoError(t, err)
	defer s.Close(ctx)
	have := 0
	require.NoError(t, s.db.QueryRow("SELECT sum(count) FROM bucket WHERE width = 20").Scan(&have))
	for i := range have + 5 {
		s.addOne(t, nth(i))
	}
	require.NoError(t, s.Flush(ctx))
	for _, width := range widths {
		n := 0
		require.NoError(t, s.db.QueryRow("SELECT sum(count) FROM bucket WHERE width = ?", width).Scan(&n))
		assert.Equal(t, have+5, n, "nothing counts twice")
	}
}

// nth is the record of the nth denial.
func nth(i int) string {
	return line(fmt.Sprintf("/srv/%d", i%4), start.Add(time.Duration(i)*time.Second), 1+i)
}

// appendForever is the process that is killed: it says how many denials are written.
func appendForever(t *testing.T, name string) {
	s, _, err := Open(context.Background(), name)
	require.NoError(t, err)
	from, _ := strconv.Atoi(os.Getenv("STORE_FROM"))
	for i := from; i < 1_000_000; i++ {
		s.addOne(t, nth(i))
		require.NoError(t, s.Flush(context.Background()))
		fmt.Println(i + 1)
	}
}
