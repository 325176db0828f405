package track

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/whydenied/whydenied/explain/container"
)

// apiTimeout bounds one question to an engine, which may hold the container
// until it has started it.
const apiTimeout = 2 * time.Second

// An api is how the engine behind a unix socket is asked. The texts are such as
// container.Read and container.ReadEngine know.
type api interface {
	version(ctx context.Context) (container.Metadata, error)
	list(ctx context.Context) (ids []string, err error) // stopped containers too
	inspect(ctx context.Context, id string) (container.Metadata, error)
}

// inspect asks an engine for a container.
func inspect(ctx context.Context, engine api, id string) (container.Container, error) {
	answer, err := engine.inspect(ctx, id)
	if err != nil {
		return container.Container{}, err
	}
	containers, err := container.Read(answer.Name, answer.Text)
	if err != nil {
		return container.Container{}, err
	}
	if len(containers) != 1 || containers[0].ID != id {
		return container.Container{}, fmt.Errorf("%s: the engine answers for another container than %s", answer.Name, container.ShortID(id))
	}
	return containers[0], nil
}

// A dockerAPI is the socket of an engine with the Docker Engine API, which Podman
// serves too. Paths have no version: engines answer with their newest, and Docker
// 29 refuses the old ones.
type dockerAPI string

func (socket dockerAPI) version(ctx context.Context) (container.Metadata, error) {
	return socket.get(ctx, "", "/version", "its version")
}

func (socket dockerAPI) inspect(ctx context.Context, id string) (container.Metadata, error) {
	return socket.get(ctx, id, "/containers/"+url.PathEscape(id)+"/json", "container "+container.ShortID(id))
}

func (socket dockerAPI) list(ctx context.Context) ([]string, error) {
	answer, err := socket.get(ctx, "", "/containers/json?all=1", "its containers")
	if err != nil {
		return nil, err
	}
	var all []struct{ ID string }
	if err := json.Unmarshal(answer.Text, &all); err != nil {
		return nil, fmt.Errorf("the engine at %s answers what is no list of containers: %w", socket, err)
	}
	var ids []string
	for _, c := range all {
		ids = append(ids, c.ID)
	}
	return ids, nil
}

// get returns an engine's answer to a question, a path of its API; about says
// for errors what it is about.
func (socket dockerAPI) get(ctx context.Context, id, question, about string) (container.Metadata, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+question, nil)
	if err != nil {
		return container.Metadata{}, err
	}
	response, text, err := send(string(socket), request, nil)
	if err != nil {
		return container.Metadata{}, err
	}
	if response.StatusCode != http.StatusOK {
		return container.Metadata{}, fmt.Errorf("the engine at %s answers %s to a question for %s", socket, response.Status, about)
	}
	return container.Metadata{Container: id, Name: string(socket) + question, Text: text}, nil
}

// send sends a request to the engine behind a unix socket and returns its answer
// with the text of it, which is read to its end. The protocols may be nil, for HTTP/1.
func send(socket string, request *http.Request, protocols *http.Protocols) (*http.Response, []byte, error) {
	ctx, cancel := context.WithTimeout(request.Context(), apiTimeout)
	defer cancel()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		Protocols:         protocols,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	response, err := client.Do(request.WithContext(ctx))
	if err != nil {
		return nil, nil, fmt.Errorf("cannot ask the engine at %s: %w", socket, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxFile+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("cannot read the answer of the engine at %s: %w", socket, err)
	case len(text) > maxFile:
		return nil, nil, fmt.Errorf("the engine at %s answers with more than %d bytes", socket, maxFile)
	}
	return response, text, nil
}

// engines returns those of a user that may know a container of a runtime, "" if
// that is not known; uid 0 is the system's. Those with the CRI are there.
func engines(uid int, runtime string) (found []api) {
	for _, e := range container.Engines {
		if runtime != "" && runtime != e.Name || uid != 0 && !e.Rootless {
			continue
		}
		sockets := e.Sockets
		if own, ok := strings.CutPrefix(os.Getenv(e.Endpoint), "unix://"); ok && uid == 0 {
			sockets = []string{own}
		}
		for _, socket := range sockets {
			socket = strings.Replace(socket, "RUN", runDir(uid), 1)
			if e.Docker {
				found = append(found, dockerAPI(socket))
			} else if _, err := os.Stat(socket); err == nil && !slices.Contains(found, api(criAPI(socket))) {
				found = append(found, criAPI(socket))
			}
		}
	}
	return found
}

// runDir returns the directory of a user for what does not outlive a boot; uid 0
// is the system's.
func runDir(uid int) string {
	if uid == 0 {
		return "/run"
	}
	return fmt.Sprintf("/run/user/%d", uid)
}
