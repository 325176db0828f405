package store

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/export"
	"github.com/whydenied/whydenied/rules/disk"
)

// A clickHouse is a database of a ClickHouse server, which is asked over HTTP. Rows go both
// ways in the format RowBinary: text is its length and its bytes there, so that nothing in it
// can be taken for anything else, and numbers are eight bytes.
type clickHouse struct {
	url          url.URL
	database     string
	user         string
	passwordFile string
	client       *http.Client
}

// scheme is how the name of a fleet's database begins.
const scheme = "clickhouse://"

// newClickHouse reads an address such as
// clickhouse://reader@ch.example:8443/whydenied?password-file=/etc/whydenied/password.
// What is not on this machine is asked over TLS.
func newClickHouse(address string) (*clickHouse, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme+"://" != scheme || u.Hostname() == "" || strings.Trim(u.Path, "/") == "" {
		return nil, fmt.Errorf("%q is no address of a database, such as clickhouse://reader@ch.example:8443/whydenied", address)
	}
	if _, has := u.User.Password(); has {
		return nil, errors.New("an address with a password in it is seen by every user of this machine: put it in a file, and append ?password-file=FILE")
	}
	options := u.Query()
	secure := !export.IsLoopback(u.Hostname())
	for name, values := range options {
		switch {
		case name == "password-file":
		case name == "secure" && values[0] == "true":
			secure = true
		default:
			return nil, fmt.Errorf("the address has %s, and only password-file=FILE and secure=true are known", name)
		}
	}
	c := &clickHouse{
		url:      url.URL{Scheme: "http", Host: u.Host, Path: "/"},
		database: strings.Trim(u.Path, "/"), user: u.User.Username(), passwordFile: options.Get("password-file"),
		client: export.NewClient(10 * time.Minute), // for a question over all
	}
	port := "8123"
	if secure {
		c.url.Scheme, port = "https", "8443"
	}
	if u.Port() == "" {
		c.url.Host = net.JoinHostPort(u.Hostname(), port)
	}
	return c, nil
}

// maxPassword and maxRefusal bound what is read, in bytes.
const (
	maxPassword = 4 << 10
	maxRefusal  = 4 << 10
)

// do sends a statement with the data that it is about, and returns the body of the answer.
// It has come whole when do returns, unless that is an error: a server that fails later
// would write the error behind the rows.
func (c *clickHouse) do(ctx context.Context, statement string, data io.Reader, settings url.Values) (io.ReadCloser, error) {
	settings.Set("database", c.database)
	settings.Set("wait_end_of_query", "1")
	to := c.url
	if data == nil {
		data = strings.NewReader(statement)
	} else {
		settings.Set("query", statement)
	}
	to.RawQuery = settings.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), data)
	if err != nil {
		return nil, err
	}
	if settings.Has("query") {
		request.Header.Set("Content-Encoding", "gzip")
	}
	if err := c.authorize(request); err != nil {
		return nil, err
	}
	answer, err := c.client.Do(request)
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err // without the address, which has the statement
	}
	if unknown := new(x509.UnknownAuthorityError); errors.As(err, unknown) {
		err = fmt.Errorf("%w; SSL_CERT_FILE=FILE in the environment names a file of authorities", err)
	}
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		defer answer.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(answer.Body, maxRefusal))
		return nil, c.refusal(answer.Status, string(text))
	}
	return answer.Body, nil
}

// authorize says who asks. The password is read each time, as it may be replaced.
func (c *clickHouse) authorize(request *http.Request) error {
	if c.user == "" && c.passwordFile == "" {
		return nil
	}
	var password []byte
	if c.passwordFile != "" {
		var err error
		if password, err = disk.ReadNamed(c.passwordFile, maxPassword); err != nil {
			return err
		}
	}
	request.SetBasicAuth(cmp.Or(c.user, "default"), strings.TrimRight(string(password), "\r\n"))
	return nil
}

// refusal is the error of an answer that is no success; what the server says is one line.
func (c *clickHouse) refusal(status, text string) error {
	text, _, _ = strings.Cut(escape.UTF8(text), ", e.what()")
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 400 {
		text = strings.ToValidUTF8(text[:400], "") + "…"
	}
	switch {
	case noTable.MatchString(text):
		return fmt.Errorf("the database lacks the tables of deploy/clickhouse/schema.sql: %s", text)
	case noUser.MatchString(text):
		return fmt.Errorf("the server does not let %s in: %s", cmp.Or(c.user, "default"), text)
	}
	return fmt.Errorf("the server answers %s: %s", status, text)
}

// noTable are the errors 60, UNKNOWN_TABLE, and 81, UNKNOWN_DATABASE; noUser 192 to 195, of users
// and their passwords and addresses, and 516, which later versions give in place of these
// (ClickHouse's ErrorCodes.cpp).
var (
	noTable = regexp.MustCompile(`^Code: (60|81)\b`)
	noUser  = regexp.MustCompile(`^Code: (19[2-5]|516)\b`)
)

// each calls row for each row that a statement gives.
func (c *clickHouse) each(ctx context.Context, statement string, row func(scan func(...any) error) error) error {
	// That what is asked of a view is looked for in its table is no matter of course in 18.16.
	body, err := c.do(ctx, statement+" FORMAT RowBinary", nil, url.Values{
		"enable_optimize_predicate_expression": {"1"},
		"max_query_size":                       {strconv.Itoa(maxStatement)}, "max_ast_elements": {strconv.Itoa(maxStatement)}, "max_expanded_ast_elements": {strconv.Itoa(maxStatement)},
	})
	if err != nil {
		return err
	}
	defer body.Close()
	in := bufio.NewReaderSize(body, 64<<10)
	for {
		if _, err := in.Peek(1); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
		if err := row(func(to ...any) error { return scan(in, to) }); err != nil {
			return err
		}
	}
}

// maxStatement bounds a statement, in bytes: one that names findings has many.
const maxStatement = 64 << 20

// maxText bounds a text of a row, in bytes.
const maxText = 64 << 20

// scan reads a row into *string, *[]byte, *int and *int64.
func scan(in *bufio.Reader, row []any) error {
	for _, to := range row {
		var number int64
		var text []byte
		var err error
		switch to := to.(type) {
		case *int:
			err = binary.Read(in, binary.LittleEndian, &number)
			*to = int(number)
		case *int64:
			err = binary.Read(in, binary.LittleEndian, to)
		case *string:
			text, err = scanText(in)
			*to = string(text)
		case *[]byte:
			*to, err = scanText(in)
		}
		if err != nil {
			return fmt.Errorf("the answer is not the rows that were asked for: %w", err)
		}
	}
	return nil
}

func scanText(in *bufio.Reader) ([]byte, error) {
	n, err := binary.ReadUvarint(in)
	if err == nil && n > maxText {
		err = fmt.Errorf("a text of %d bytes", n)
	}
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(in, int64(n))) // which takes no more memory than came
	if err == nil && uint64(len(text)) < n {
		err = io.ErrUnexpectedEOF
	}
	return text, err
}

// insert appends rows to a table, each with a value for each of the columns: a string or an
// int64. When it returns nil the server, and each shard, has them.
func (c *clickHouse) insert(ctx context.Context, table, columns string, rows [][]any) error {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	var row []byte
	for _, values := range rows {
		row = row[:0]
		for _, v := range values {
			switch v := v.(type) {
			case string:
				row = appendText(row, v)
			case int64:
				row = binary.LittleEndian.AppendUint64(row, uint64(v))
			}
		}
		if _, err := z.Write(row); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	body, err := c.do(ctx, "INSERT INTO "+table+" ("+columns+") FORMAT RowBinary", &packed, url.Values{"insert_distributed_sync": {"1"}})
	if err != nil {
		return err
	}
	return body.Close()
}

func appendText(row []byte, text string) []byte {
	return append(binary.AppendUvarint(row, uint64(len(text))), text...)
}

// quoted returns a text as an expression of a statement. Hexadecimal digits have nothing that
// could end it.
func quoted(s string) string { return "unhex('" + hex.EncodeToString([]byte(s)) + "')" }

// among returns the condition that the finding is one of those named, which the server looks
// for by its key.
func among(findings []string) string {
	list := []string{"''"}
	for _, id := range findings {
		list = append(list, quoted(id))
	}
	return "finding IN (" + strings.Join(list, ", ") + ")"
}
