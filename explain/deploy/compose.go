package deploy

import (
	"io"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/patch"
)

// writeCompose writes a Compose override file (docker compose -f compose.yaml -f
// THIS) that gives the services concerned the profiles of the patch, below
// comments that say what is fixed. A file of seccomp is named as it is, so it is
// looked up from the project's directory. The keys are those of the Compose
// specification.
func writeCompose(w io.Writer, p *patch.Patch) (limits []string, err error) {
	out := comments(p)
	services := composeServices(p)
	if len(services) == 0 {
		return nil, escape.Write(w, out.Text())
	}
	out.Add(
		yamlComment("Save this as whydenied.compose.yaml beside the project's file, then:"),
		yamlComment("  docker compose -f compose.yaml -f whydenied.compose.yaml up -d"))
	out.Add(yamlComment("Compose adds these options to those of the file that it overrides: take other apparmor= and seccomp= ones out there."))
	out.Add("services:\n")
	for _, s := range services {
		for _, note := range s.notes {
			out.Add("  ", yamlComment(note))
		}
		out.Add("  ", yamlString(s.name), ":\n")
		if len(s.options) > 0 {
			out.Add("    security_opt:\n")
		}
		for _, option := range s.options {
			// Compose replaces $NAME in values; $$ is a dollar sign.
			out.Add("      - ", yamlString(strings.ReplaceAll(option, "$", "$$")), "\n")
		}
		yamlList(out, "    ", "cap_add", s.caps)
	}
	return nil, escape.Write(w, out.Text())
}

// A composeService is a service with the options that it is to have besides.
type composeService struct {
	name    string
	notes   []string
	options []string
	caps    []string
}

// composeServices returns the services of the containers concerned, each once.
func composeServices(p *patch.Patch) []composeService {
	var services []composeService
	for _, w := range workloads(p) {
		s := composeService{name: w.container.Service, caps: w.caps}
		switch {
		case s.name != "":
		case w.container.Name != "":
			s.name = w.container.Name
			s.notes = []string{"The service is not known: this is the container's name. Put the service's in its place."}
		case w.container.ID != "":
			s.name = w.container.ID
			s.notes = []string{"The service is not known: this is the container's ID. Put the service's name in its place."}
		default:
			s.name = "SERVICE"
			s.notes = []string{"The container is not known: put the name of its service in place of SERVICE, or name it with --inventory."}
		}
		if w.apparmor != "" {
			s.options = append(s.options, "apparmor="+w.apparmor)
		}
		if w.seccomp != "" {
			s.options = append(s.options, "seccomp="+relativePath(w.seccomp))
		}
		i := slices.IndexFunc(services, func(o composeService) bool { return o.name == s.name })
		if i < 0 {
			services = append(services, s)
			continue
		}
		for _, option := range s.options { // another container of the service
			if !slices.Contains(services[i].options, option) {
				services[i].options = append(services[i].options, option)
			}
		}
		for _, name := range s.caps {
			if !slices.Contains(services[i].caps, name) {
				services[i].caps = append(services[i].caps, name)
			}
		}
	}
	return services
}
