package export

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/rules/disk"
)

// An api is that of a Kubernetes cluster, which is asked as a service account.
type api struct {
	url       string // https://HOST:PORT
	tokenFile string
	client    *http.Client
	backoff   Backoff
}

// serviceAccount is where a pod finds what it may say to the API
// (kubernetes.io/docs/tasks/run-application/access-api-from-pod).
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

// maxFile bounds a file of a service account, in bytes.
const maxFile = 1 << 20

// apiOfPod returns the API that the environment and the service account of this process name.
func apiOfPod() (*api, error) {
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return nil, errors.New("this is no pod of a Kubernetes cluster: KUBERNETES_SERVICE_HOST is not set")
	}
	return newAPI("https://"+net.JoinHostPort(host, port), serviceAccount)
}

// newAPI returns the API at an address, of which a directory has the authority and the token.
func newAPI(address, dir string) (*api, error) {
	ca, err := disk.ReadNamed(filepath.Join(dir, "ca.crt"), maxFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s/ca.crt holds no certificate", dir)
	}
	client := NewClient(30 * time.Second)
	client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, IdleConnTimeout: 90 * time.Second}
	return &api{url: address, tokenFile: filepath.Join(dir, "token"), client: client}, nil
}

// A statusError is an answer of the API that is no success.
type statusError struct {
	code  int
	after time.Duration // when it wants to be asked again; 0 if it does not say
	what  string
}

func (e *statusError) Error() string { return e.what }

// again reports whether the same request may be answered otherwise in a while: where no answer
// came, or the token is not valid, or the API says that it cannot now
// (kubernetes.io/docs/reference/using-api/api-concepts). What it forbids, does not know or does not
// take is not asked for again.
func again(err error) bool {
	var status *statusError
	if !errors.As(err, &status) {
		return err != nil
	}
	switch status.code {
	case http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return true
	}
	return status.code >= 500
}

// is reports whether an error is an answer with a status.
func is(err error, code int) bool {
	var status *statusError
	return errors.As(err, &status) && status.code == code
}

// answered notes what became of a request, and with it when the next may be made.
func (a *api) answered(err error, now time.Time) {
	if !again(err) {
		a.backoff.Answered()
		return
	}
	var wants time.Duration
	if status := new(statusError); errors.As(err, &status) {
		wants = status.after
	}
	a.backoff.Failed(now, wants)
}

// ask makes a request. The body of a PATCH is applied: the fields that it has become ours, and
// the object is made if it is not there (server-side apply).
func (a *api) ask(ctx context.Context, method, path string, object any) error {
	body, err := escape.Encode(object)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, a.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if err := authorize(request, a.tokenFile); err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/apply-patch+yaml") // of which JSON is a part
		// Of the object that was made, its metadata will do.
		request.Header.Set("Accept", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json")
	}
	answer, err := a.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, maxAnswer)) // also so that the connection can be used again
	if answer.StatusCode/100 != 2 {
		path, _, _ = strings.Cut(path, "?")
		return &statusError{answer.StatusCode, retryAfter(answer.Header.Get("Retry-After"), time.Now()), cut(fmt.Sprintf("the Kubernetes API answers %s to %s %s%s", answer.Status, method, path, saidBy(text)), maxMessage)}
	}
	return nil
}

// saidBy is what a Status says (meta/v1), behind a colon.
func saidBy(text []byte) string {
	var status struct{ Kind, Message string }
	if json.Unmarshal(text, &status) != nil || status.Kind != "Status" || status.Message == "" {
		return ""
	}
	return ": " + escape.UTF8(status.Message)
}

// apply writes an object of a namespace.
func (a *api) apply(ctx context.Context, group, namespace, resource, name string, object any) error {
	path := "/apis/" + group
	if group == "v1" {
		path = "/api/v1"
	}
	path += "/namespaces/" + url.PathEscape(namespace) + "/" + resource + "/" + url.PathEscape(name)
	return a.ask(ctx, http.MethodPatch, path+"?fieldManager=whydenied&force=true", object)
}

// reportGroup returns the group of reports that the cluster has, "" if it has none. Who may not
// ask has none, which the error says with it.
func (a *api) reportGroup(ctx context.Context) (string, error) {
	for _, group := range []string{"openreports.io/v1alpha1", "wgpolicyk8s.io/v1alpha2"} {
		if err := a.ask(ctx, http.MethodGet, "/apis/"+group, nil); !is(err, http.StatusNotFound) {
			return cmp.Or(map[bool]string{true: group}[err == nil]), err
		}
	}
	return "", nil
}
