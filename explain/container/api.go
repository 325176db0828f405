package container

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// apiTimeout bounds one question to an engine, which may hold the container
// until it has started it.
const apiTimeout = 2 * time.Second

// inspect asks the engine behind a unix socket for a container by the Docker
// Engine API, which Podman serves too. The path has no version: engines answer
// with their newest, and Docker 29 refuses the old ones.
func inspect(ctx context.Context, socket, id string) (Container, error) {
	text, err := ask(ctx, socket, "/containers/"+url.PathEscape(id)+"/json", "container "+shortID(id))
	if err != nil {
		return Container{}, err
	}
	containers, err := Read(socket, text)
	if err != nil {
		return Container{}, err
	}
	if len(containers) != 1 || containers[0].ID != id {
		return Container{}, fmt.Errorf("the engine at %s answers for another container than %s", socket, shortID(id))
	}
	return containers[0], nil
}

// ask returns an engine's answer to a question, a path of its API; about says
// for errors what it is about.
func ask(ctx context.Context, socket, question, about string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+question, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("cannot ask the engine at %s: %w", socket, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot read the answer of the engine at %s: %w", socket, err)
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the engine at %s answers %s to a question for %s", socket, response.Status, about)
	case len(text) > maxFile:
		return nil, fmt.Errorf("the engine at %s answers with more than %d bytes", socket, maxFile)
	}
	return text, nil
}

// sockets returns where the engines of a user may listen; uid 0 is the system's.
func sockets(uid int, runtime string) []string {
	docker, podman := "/run/docker.sock", "/run/podman/podman.sock"
	if uid != 0 {
		docker, podman = fmt.Sprintf("/run/user/%d/docker.sock", uid), fmt.Sprintf("/run/user/%d/podman/podman.sock", uid)
	}
	if own, ok := strings.CutPrefix(os.Getenv("DOCKER_HOST"), "unix://"); ok && uid == 0 {
		docker = own
	}
	switch runtime {
	case "docker":
		return []string{docker}
	case "podman":
		return []string{podman}
	case "":
		return []string{docker, podman}
	}
	return nil // containerd and CRI-O have another API; their bundles say as much
}
