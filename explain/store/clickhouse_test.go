package store

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFleetAddress(t *testing.T) {
	for _, c := range []struct{ address, url, database, says string }{
		{"clickhouse://localhost/db", "http://localhost:8123/", "db", ""},
		{"clickhouse://[::1]:18123/db", "http://[::1]:18123/", "db", ""},
		{"clickhouse://127.0.0.1/db?secure=true", "https://127.0.0.1:8443/", "db", ""},
		{"clickhouse://reader@ch.example/db?password-file=/p", "https://ch.example:8443/", "db", ""},
		{"clickhouse://ch.example:9443/db", "https://ch.example:9443/", "db", ""},
		{"clickhouse://ch.example/", "", "", "is no address of a database"},
		{"clickhouse:///db", "", "", "is no address of a database"},
		{"clickhouse://u:secret@ch.example/db", "", "", "put it in a file"},
		{"clickhouse://ch.example/db?secure=false", "", "", "only password-file=FILE and secure=true"},
		{"clickhouse://ch.example/db?query=DROP", "", "", "only password-file=FILE and secure=true"},
	} {
		f, err := OpenFleet(c.address)
		if c.says != "" {
			assert.ErrorContains(t, err, c.says, c.address)
			assert.NotContains(t, err.Error(), "secret")
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, c.url, f.server.url.String())
		assert.Equal(t, c.database, f.server.database)
	}
	assert.True(t, IsFleet("clickhouse://x/y"))
	assert.False(t, IsFleet("clickhouse.db"))
}

// TestClickHouseAsks holds what a request has: who asks, and that a redirection is not
// followed with the password.
func TestClickHouseAsks(t *testing.T) {
	password := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(password, []byte("s3cret\n"), 0o600))
	answer := func(w http.ResponseWriter, r *http.Request) {}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r) }))
	defer server.Close()
	c, err := newClickHouse("clickhouse://me@" + strings.TrimPrefix(server.URL, "http://") + "/db?password-file=" + password)
	require.NoError(t, err)
	ask := func() error {
		return c.each(context.Background(), "SELECT 1", func(scan func(...any) error) error { return nil })
	}
	answer = func(w http.ResponseWriter, r *http.Request) {
		user, key, _ := r.BasicAuth()
		assert.Equal(t, "me s3cret", user+" "+key)
		assert.Equal(t, "db", r.URL.Query().Get("database"))
		assert.NotContains(t, r.URL.String(), "s3cret")
	}
	require.NoError(t, ask())
	answer = func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://elsewhere.example/", http.StatusTemporaryRedirect)
	}
	assert.ErrorContains(t, ask(), "307")
	answer = func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		io.WriteString(w, "Code: 60, e.displayText() = DB::Exception: Table db.denial doesn't exist., e.what() = DB::Exception\n\x1b[31m")
	}
	err = ask()
	assert.ErrorContains(t, err, "lacks the tables of deploy/clickhouse/schema.sql")
	assert.NotContains(t, err.Error(), "\x1b")
	answer = func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		io.WriteString(w, "Code: 241, "+strings.Repeat("\xff", 1<<20))
	}
	assert.Less(t, len(ask().Error()), 1000)
	require.NoError(t, os.Remove(password))
	assert.ErrorIs(t, ask(), os.ErrNotExist)
}

// rowsOf reads what insert wrote: a row for each of columns, s for text and n for numbers.
func rowsOf(t testing.TB, body io.Reader, columns string) (rows [][]any) {
	z, err := gzip.NewReader(body)
	require.NoError(t, err)
	in := bufio.NewReader(z)
	for {
		if _, err := in.Peek(1); err == io.EOF {
			return rows
		}
		var row []any
		for _, kind := range columns {
			var text string
			var n int64
			if kind == 's' {
				require.NoError(t, scan(in, []any{&text}))
				row = append(row, text)
			} else {
				require.NoError(t, scan(in, []any{&n}))
				row = append(row, n)
			}
		}
		rows = append(rows, row)
	}
}

// FuzzRows writes texts as rows and reads them again; what is no row is an error.
func FuzzRows(f *testing.F) {
	f.Add("'); DROP TABLE bucket --", "\x00\xff\n\\'", int64(-1), []byte("\x03abc"))
	f.Add("", strings.Repeat("x", 300), int64(math.MinInt64), []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, a, b string, n int64, raw []byte) {
		row := binary.LittleEndian.AppendUint64(appendText(appendText(nil, a), b), uint64(n))
		var a2, b2 string
		var n2 int64
		require.NoError(t, scan(bufio.NewReader(bytes.NewReader(row)), []any{&a2, &b2, &n2}))
		assert.Equal(t, []any{a, b, n}, []any{a2, b2, n2})
		assert.Error(t, scan(bufio.NewReader(bytes.NewReader(row[:len(row)-1])), []any{&a2, &b2, &n2}))
		assert.Regexp(t, `^unhex\('[0-9a-f]*'\)$`, quoted(a))
		scan(bufio.NewReader(bytes.NewReader(raw)), []any{&a2, &n2, &b2}) // no panic, no memory beyond maxText
	})
}
