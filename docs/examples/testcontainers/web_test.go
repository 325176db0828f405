// Package web tests a container that a profile confines. Run below whydenied run (run.sh), the
// tests fail where the container is refused something, and say which rule it lacks.
package web

import (
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

func TestServes(t *testing.T) {
	nginx, err := testcontainers.Run(t.Context(), "nginx:1.27",
		testcontainers.WithExposedPorts("80/tcp"),
		testcontainers.WithHostConfigModifier(func(c *container.HostConfig) { c.SecurityOpt = []string{"apparmor=web"} }),
		testcontainers.WithWaitStrategy(wait.ForHTTP("/")))
	testcontainers.CleanupContainer(t, nginx)
	if err != nil {
		t.Fatal(err)
	}
}
