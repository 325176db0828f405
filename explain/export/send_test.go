package export

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNewReceiver(t *testing.T) {
	for address, want := range map[string]string{
		"https://collector.example:4318":         "https://collector.example:4318/v1/logs",
		"https://collector.example/":             "https://collector.example/v1/logs",
		"https://collector.example/otlp/v1/logs": "https://collector.example/otlp/v1/logs",
		"http://127.0.0.1:4318":                  "http://127.0.0.1:4318/v1/logs",
		"http://[::1]:4318":                      "http://[::1]:4318/v1/logs",
		"http://localhost:4318":                  "http://localhost:4318/v1/logs",
	} {
		r, err := NewReceiver(address, "", "v1")
		require.NoError(t, err, address)
		assert.Equal(t, want, r.url)
	}
	for address, want := range map[string]string{
		"collector:4318":                        "is no address",
		"":                                      "is no address",
		"ftp://collector.example":               "is no address",
		"http://collector.example:4318":         "has to be https",
		"http://127.0.0.1.example:4318":         "has to be https",
		"https://user:secret@collector.example": "put a token in a file",
	} {
		_, err := NewReceiver(address, "", "v1")
		assert.ErrorContains(t, err, want, address)
		if err != nil {
			assert.NotContains(t, err.Error(), "secret")
		}
	}
}

// What the receiver gets is what was sent, and who sends it is in a header alone.
func TestSend(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(token, []byte("first\n"), 0o600))
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, r.Method+" "+r.URL.Path+" "+r.Header.Get("Content-Type")+" "+r.Header.Get("Content-Encoding")+" "+r.Header.Get("Authorization")+" "+string(body))
		io.WriteString(w, `{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"too old"}}`)
	}))
	defer server.Close()
	r, err := NewReceiver(server.URL, token, "v1")
	require.NoError(t, err)
	rejected, err := r.send(t.Context(), []byte("{}"))
	require.NoError(t, err)
	assert.EqualValues(t, 3, rejected)
	require.NoError(t, os.WriteFile(token, []byte("second"), 0o600), "as Kubernetes replaces it")
	_, err = r.send(t.Context(), []byte("{}"))
	require.NoError(t, err)
	assert.Equal(t, []string{"POST /v1/logs application/json gzip Bearer first {}", "POST /v1/logs application/json gzip Bearer second {}"}, got)
}

// A receiver of which the certificate is not trusted, and one that sends us elsewhere,
// get nothing of a token.
func TestSendKeepsTheToken(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(token, []byte("secret"), 0o600))
	asked := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer elsewhere.Close()
	moved := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer moved.Close()
	r, err := NewReceiver(moved.URL, token, "v1")
	require.NoError(t, err)
	_, err = r.send(t.Context(), nil)
	assert.ErrorContains(t, err, "307")
	untrusted := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	untrusted.Config.ErrorLog = nil
	defer untrusted.Close()
	r, err = NewReceiver(untrusted.URL, token, "v1")
	require.NoError(t, err)
	_, err = r.send(t.Context(), nil)
	assert.ErrorContains(t, err, "certificate")
	assert.False(t, asked)
}

// answers is a receiver that gives its answers in turn, and the last one for ever.
type answers struct {
	list []int // status; 0 for no answer at all
	wait string
	at   []time.Duration // since start that it was asked
	from time.Time
}

func (a *answers) RoundTrip(*http.Request) (*http.Response, error) {
	status := a.list[min(len(a.at), len(a.list)-1)]
	a.at = append(a.at, time.Since(a.from))
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	answer := &http.Response{StatusCode: status, Status: http.StatusText(status), Header: http.Header{}, Body: io.NopCloser(&bytes.Buffer{})}
	if a.wait != "" {
		answer.Header.Set("Retry-After", a.wait)
	}
	return answer, nil
}

func TestDeliver(t *testing.T) {
	for _, c := range []struct {
		name  string
		list  []int
		wait  string
		asked int
		err   string
		least time.Duration // in all
		most  time.Duration
	}{
		{name: "taken at once", list: []int{200}, asked: 1},
		{name: "taken after a while", list: []int{0, 503, 429, 502, 504, 200}, asked: 6, least: 15 * time.Second, most: 47 * time.Second},
		{name: "as the receiver wants", list: []int{429, 200}, wait: "100", asked: 2, least: 100 * time.Second, most: 100 * time.Second},
		{name: "not for ever", list: []int{503, 200}, wait: "99999999", asked: 2, least: 10 * time.Minute, most: 10 * time.Minute},
		{name: "never taken", list: []int{400}, asked: 1, err: "the receiver answers Bad Request"},
		{name: "not by 500 either", list: []int{500}, asked: 1, err: "the receiver answers Internal Server Error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				receiver := &answers{list: c.list, wait: c.wait, from: time.Now()}
				r := &Receiver{url: "http://localhost", client: &http.Client{Transport: receiver}}
				failures := 0
				_, err := r.Deliver(t.Context(), nil, func(error) { failures++ })
				if c.err == "" {
					assert.NoError(t, err)
				} else {
					assert.EqualError(t, err, c.err)
				}
				assert.Len(t, receiver.at, c.asked)
				assert.Equal(t, c.asked-1, failures)
				took := time.Since(receiver.from)
				assert.True(t, c.least <= took && took <= c.most, "%s", took)
			})
		})
	}
}

// A receiver that is away is left when there is no more time.
func TestDeliverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		receiver := &answers{list: []int{0}, from: time.Now()}
		r := &Receiver{url: "http://localhost", client: &http.Client{Transport: receiver}}
		_, err := r.Deliver(ctx, nil, nil)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Less(t, len(receiver.at), 150, "no more than about once a minute")
		assert.Greater(t, len(receiver.at), 30)
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-7": 0, "soon": 0, strings.Repeat("9", 400): 0,
		"Sun, 01 Mar 2026 09:00:30 GMT": 30 * time.Second, "Sun, 01 Mar 2026 08:00:00 GMT": 0,
	} {
		assert.Equal(t, want, retryAfter(text, now), text)
	}
}

func TestRejected(t *testing.T) {
	for text, want := range map[string]int{
		`{}`: 0, ``: 0, `no JSON`: 0, `{"partialSuccess":{"rejectedLogRecords":"12"}}`: 12,
		`{"partialSuccess":{"rejectedLogRecords":12}}`: 12, `{"partialSuccess":{"rejectedLogRecords":"-5"}}`: 0,
	} {
		assert.Equal(t, want, rejectedOf([]byte(text)), text)
	}
}
