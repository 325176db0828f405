package export

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/whydenied/whydenied/rules/disk"
)

// A Receiver takes rows over HTTP. It is safe for concurrent use.
type Receiver struct {
	url       string
	tokenFile string
	version   string
	client    *http.Client
}

// NewReceiver returns the receiver of OTLP logs at an address, for a version of whydenied: one without a path gets
// /v1/logs, as the specification has it for a base address. The text in tokenFile, if it
// is named, is sent as a bearer token; it is read for each request, as it may be
// replaced. What is not on this machine must be asked over TLS.
func NewReceiver(address, tokenFile, version string) (*Receiver, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("%q is no address of a receiver, such as https://collector.example:4318", address)
	case u.User != nil:
		return nil, errors.New("an address with a password in it is seen by every user of this machine: put a token in a file")
	case u.Scheme == "http" && !IsLoopback(u.Hostname()):
		return nil, fmt.Errorf("%s is not on this machine, so that it has to be https", u.Host)
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/v1/logs"
	}
	return &Receiver{url: u.String(), tokenFile: tokenFile, version: version, client: NewClient(30 * time.Second)}, nil
}

// NewClient returns a client that gives a request so long. It follows no redirection: another
// place was not chosen by who gave us the token.
func NewClient(timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// IsLoopback reports whether a host is this machine whatever a name server says.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// maxToken and maxAnswer bound what is read, in bytes.
const (
	maxToken  = 64 << 10
	maxAnswer = 64 << 10
)

// A sendError is why a request was not taken.
type sendError struct {
	err   error
	again bool          // whether the same request may be taken later
	after time.Duration // when the receiver wants to be asked again; 0 if it does not say
}

func (e *sendError) Error() string { return e.err.Error() }

// pack returns rows as the body of a request, compressed.
func (r *Receiver) pack(rows []Row) ([]byte, error) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	err := cmp.Or(Logs(z, r.version, time.Now(), rows), z.Close())
	return packed.Bytes(), err
}

// send sends a body once. rejected is how many of its records the receiver says that it
// threw away.
func (r *Receiver) send(ctx context.Context, body []byte) (rejected int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Content-Encoding", "gzip")
	if r.tokenFile != "" {
		if err := authorize(request, r.tokenFile); err != nil {
			return 0, &sendError{err: err, again: true}
		}
	}
	answer, err := r.client.Do(request)
	if err != nil {
		return 0, &sendError{err: err, again: true}
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	switch {
	case answer.StatusCode/100 != 2:
		return 0, refusal(answer)
	case err != nil:
		return 0, &sendError{err: err, again: true}
	}
	return rejectedOf(text), nil
}

// authorize gives a request the bearer token in a file, which is read each time, as it may be
// replaced.
func authorize(request *http.Request, file string) error {
	token, err := disk.ReadNamed(file, maxToken)
	if err == nil {
		request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	return err
}

// refusal is the error of an answer that is no success. The specification of OTLP/HTTP
// ("Failures") lists which may be sent again; all others must not be.
func refusal(answer *http.Response) error {
	e := &sendError{err: fmt.Errorf("the receiver answers %s", answer.Status)}
	switch answer.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		e.again = true
		e.after = retryAfter(answer.Header.Get("Retry-After"), time.Now())
	}
	return e
}

// retryAfter reads the header: seconds or a date (RFC 9110, section 10.2.3).
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// rejectedOf reads the partial success of an answer: a number of 64 bits, which JSON has
// as a string, though readers must take a number too.
func rejectedOf(text []byte) int {
	var answer struct {
		PartialSuccess struct {
			Rejected json.RawMessage `json:"rejectedLogRecords"`
		} `json:"partialSuccess"`
	}
	if json.Unmarshal(text, &answer) != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.Trim(string(answer.PartialSuccess.Rejected), `"`))
	return max(n, 0)
}

// The waits between two attempts.
const (
	firstWait = time.Second
	maxWait   = time.Minute
	maxAfter  = 10 * time.Minute // that a receiver can ask for
)

// A Backoff is when a receiver may be asked again that did not take what it was sent. Its zero
// value is now.
type Backoff struct {
	until time.Time
	pause time.Duration // before the last attempt
}

// Over reports whether it may be asked.
func (b *Backoff) Over(now time.Time) bool { return !now.Before(b.until) }

// Failed has it be left alone for longer than the last time, and for as long as it wants at least.
func (b *Backoff) Failed(now time.Time, wants time.Duration) {
	b.pause = min(max(2*b.pause, firstWait), maxWait)
	pause := b.pause/2 + rand.N(b.pause) // so that a thousand nodes do not come at once
	b.until = now.Add(max(pause, min(wants, maxAfter)))
}

// Answered ends it.
func (b *Backoff) Answered() { *b = Backoff{} }

// Deliver sends rows until they are taken, the receiver says that it never will take them, or
// ctx ends. failed, if it is not nil, is told of each attempt after which another comes.
// rejected is how many of the rows the receiver says that it threw away.
func (r *Receiver) Deliver(ctx context.Context, rows []Row, failed func(error)) (rejected int, err error) {
	body, err := r.pack(rows)
	if err != nil {
		return 0, err
	}
	var backoff Backoff
	for {
		rejected, err = r.send(ctx, body)
		var e *sendError
		if err == nil || ctx.Err() != nil || !errors.As(err, &e) || !e.again {
			return rejected, cmp.Or(ctx.Err(), err)
		}
		if failed != nil {
			failed(err)
		}
		backoff.Failed(time.Now(), e.after)
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(time.Until(backoff.until)):
		}
	}
}
