package library_test

import (
	"fmt"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// What a runtime generates and keeps nowhere on disk is found too, as the version of
// its engine has it.
func ExampleLibrary() {
	policies := library.New(library.SystemProfiles, nil)
	policies.Engines = map[string]string{"docker": "28.1.0"}
	profile := policies.Profile(container.Container{}, "docker-default")
	fmt.Println(policies.Source(profile))

	arch, _ := seccomp.ParseArch("amd64")
	_, name := policies.Seccomp(container.Container{Runtime: "docker"}, "docker-default", arch)
	fmt.Println(name)
	// Output:
	// docker-default of Docker 28.1.0 (github.com/docker/docker v28.0.4)
	// Docker's default seccomp profile of moby v25.0.7
}
