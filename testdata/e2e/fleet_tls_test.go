//go:build e2e && linux && amd64

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/explain/store"
)

// An authority signs certificates.
type authority struct {
	t    *testing.T
	file string // of its own certificate
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T, name string) *authority {
	a := &authority{t: t, file: filepath.Join(t.TempDir(), name+".pem")}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	var err error
	a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a.write(a.file, "CERTIFICATE", a.sign(template, template, &a.key.PublicKey))
	return a
}

func (a *authority) sign(template, by *x509.Certificate, of *ecdsa.PublicKey) []byte {
	der, err := x509.CreateCertificate(rand.Reader, template, by, of, a.key)
	require.NoError(a.t, err)
	if a.cert == nil {
		a.cert, err = x509.ParseCertificate(der)
		require.NoError(a.t, err)
	}
	return der
}

func (a *authority) write(file, kind string, der []byte) {
	require.NoError(a.t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

// issue writes a certificate of 127.0.0.1, and its key.
func (a *authority) issue() (cert, key string) {
	dir := a.t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	a.write(cert, "CERTIFICATE", a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "server"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.cert, &own.PublicKey))
	der, err := x509.MarshalECPrivateKey(own)
	require.NoError(a.t, err)
	a.write(key, "EC PRIVATE KEY", der)
	return cert, key
}

// TestFleetTLS asks a server of ClickHouse over TLS, of an authority of our own, as users that
// may and may not.
func TestFleetTLS(t *testing.T) {
	skipFleet(t)
	shards := startShards(t)
	program := buildForAll(t)
	ours, others := newAuthority(t, "ours"), newAuthority(t, "others")
	cert, key := ours.issue()
	s, port := shards[0], freePort(t)
	config, err := os.ReadFile(s.config)
	require.NoError(t, err)
	text := strings.Replace(string(config), "<http_port>", fmt.Sprintf(`<https_port>%d</https_port>
<openSSL><server><certificateFile>%s</certificateFile><privateKeyFile>%s</privateKeyFile><verificationMode>none</verificationMode></server></openSSL>
<http_port>`, port, cert, key), 1)
	require.NoError(t, os.WriteFile(s.config, []byte(text), 0o600))
	s.kill()
	s.start()
	fleet, err := store.OpenFleet(s.address("agent", "s3nd"))
	require.NoError(t, err)
	now := time.Now()
	require.NoError(t, fleet.Put(context.Background(), []store.Bucket{{Node: "n", Finding: &report.Finding{ID: "f", Message: "m"}, Program: "p", Start: now.Truncate(4096 * time.Second), First: now, Last: now, Count: 7}}))

	ask := func(authority, user, password, database string) (string, int) {
		file := filepath.Join(t.TempDir(), "password")
		require.NoError(t, os.WriteFile(file, []byte(password), 0o600))
		cmd := exec.Command(program, "summary", fmt.Sprintf("clickhouse://%s@127.0.0.1:%d/%s?secure=true&password-file=%s", user, port, database, file))
		cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+authority)
		out, _ := cmd.CombinedOutput()
		t.Logf("%s as %s: %d\n%s", filepath.Base(authority), user, cmd.ProcessState.ExitCode(), out)
		return string(out), cmd.ProcessState.ExitCode()
	}
	file := filepath.Join(t.TempDir(), "reader")
	require.NoError(t, os.WriteFile(file, []byte("r34d"), 0o600))
	readonly, err := store.OpenFleet(fmt.Sprintf("clickhouse://reader@127.0.0.1:%d/whydenied?password-file=%s", s.http, file))
	require.NoError(t, err)
	assert.ErrorContains(t, readonly.Put(context.Background(), []store.Bucket{{Finding: &report.Finding{ID: "g"}}}), "readonly")

	out, code := ask(ours.file, "reader", "r34d", "whydenied")
	assert.Equal(t, 3, code)
	assert.Contains(t, out, "7 denials in 1 finding")
	for _, c := range []struct{ authority, user, password, database, says string }{
		{others.file, "reader", "r34d", "whydenied", "SSL_CERT_FILE"},
		{ours.file, "nobody", "r34d", "whydenied", "does not let nobody in: "},
		{ours.file, "reader", "wrong", "whydenied", "does not let reader in: "},
		{ours.file, "reader", "r34d", "elsewhere", "lacks the tables"},
	} {
		out, code := ask(c.authority, c.user, c.password, c.database)
		assert.Equal(t, 1, code)
		assert.Contains(t, out, c.says)
		assert.Equal(t, 1, strings.Count(out, "\n"), out)
	}
}
