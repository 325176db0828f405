package upstream

import "strings"

// A Text is a built-in default profile: a row of rules/releases.tsv names it by the
// first release that has it.
type Text struct {
	Name   string // docker-20.10.4
	Module string // that holds it, with a release; one of several that have the same
}

// The modules of the engines.
const (
	docker      = "github.com/docker/docker@"
	moby        = "github.com/moby/profiles/seccomp@"
	containerd1 = "github.com/containerd/containerd@"
	containerd2 = "github.com/containerd/containerd/v2@"
	common      = "github.com/containers/common@"
	common2     = "go.podman.io/common@"
)

// Texts are all of them; those that are alike stand together, as they are compressed.
var Texts = []Text{
	{"docker-20.10.0", docker + "v20.10.3+incompatible"},
	{"docker-20.10.4", docker + "v20.10.9+incompatible"},
	{"docker-20.10.10", docker + "v20.10.17+incompatible"},
	{"docker-20.10.18", docker + "v20.10.25+incompatible"},
	{"docker-20.10.22", docker + "v20.10.22+incompatible"},
	{"docker-20.10.26", docker + "v20.10.27+incompatible"},
	{"docker-23.0.0", docker + "v24.0.2+incompatible"},
	{"docker-23.0.7", docker + "v24.0.9+incompatible"},
	{"docker-23.0.10", docker + "v23.0.18+incompatible"},
	{"docker-23.0.16", docker + "v23.0.18+incompatible"},
	{"docker-25.0.0", docker + "v25.0.2+incompatible"},
	{"docker-25.0.3", docker + "v28.1.1+incompatible"},
	{"docker-25.0.7", docker + "v28.1.1+incompatible"},
	{"docker-28.2.0", docker + "v28.3.3+incompatible"},
	{"moby-v0.2.2", moby + "v0.2.2"},
	{"moby-v0.2.3", moby + "v0.2.3"},
	{"moby-v0.2.4", moby + "v0.2.4"},
	{"moby-v0.3.0", moby + "v0.3.0"},
	{"containerd-1.4.0", containerd1 + "v1.4.0"},
	{"containerd-1.4.1", containerd1 + "v1.4.1"},
	{"containerd-1.4.2", containerd1 + "v1.4.9"},
	{"containerd-1.4.10", containerd1 + "v1.4.13"},
	{"containerd-1.5.0", containerd1 + "v1.5.5"},
	{"containerd-1.5.6", containerd1 + "v1.5.10"},
	{"containerd-1.6.0", containerd1 + "v1.6.6"},
	{"containerd-1.6.7", containerd1 + "v1.6.8"},
	{"containerd-1.6.9", containerd1 + "v1.6.15"},
	{"containerd-1.6.16", containerd1 + "v1.6.21"},
	{"containerd-1.6.22", containerd1 + "v1.6.27"},
	{"containerd-1.6.28", containerd1 + "v1.6.38"},
	{"containerd-1.7.0", containerd1 + "v1.7.2"},
	{"containerd-1.7.3", containerd1 + "v1.7.12"},
	{"containerd-1.7.13", containerd1 + "v1.7.31"},
	{"containerd-1.7.32", containerd1 + "v1.7.34"},
	{"containerd-2.0.0", containerd2 + "v2.0.7"},
	{"containerd-2.0.9", containerd2 + "v2.0.11"},
	{"containerd-2.0.14", containerd2 + "v2.0.14"},
	{"containerd-2.1.0", containerd2 + "v2.1.9"},
	{"containerd-2.2.0", containerd2 + "v2.3.0"},
	{"containerd-2.2.4", containerd2 + "v2.3.4"},
	{"containerd-2.3.7", containerd2 + "v2.4.2"},
	{"common-0.21.0", common + "v0.21.0"},
	{"common-0.22.0", common + "v0.22.0"},
	{"common-0.23.0", common + "v0.26.0"},
	{"common-0.26.1", common + "v0.31.0"},
	{"common-0.31.1", common + "v0.32.0"},
	{"common-0.33.0", common + "v0.33.1"},
	{"common-0.33.2", common + "v0.33.4"},
	{"common-0.34.0", common + "v0.36.0"},
	{"common-0.37.0", common + "v0.39.0"},
	{"common-0.40.1", common + "v0.43.2"},
	{"common-0.44.0", common + "v0.46.0"},
	{"common-0.47.0", common + "v0.47.5"},
	{"common-0.48.0", common + "v0.48.0"},
	{"common-0.49.0", common + "v0.57.7"},
	{"common-0.58.0", common + "v0.59.2"},
	{"common-0.60.0", common + "v0.62.3"},
	{"common-0.63.0", common + "v0.64.1"},
	{"common-0.67.0", common2 + "v0.67.1"},
	{"common-0.68.0", common2 + "v0.68.0"},
	{"crio-1.24.0", common + "v0.46.0"},
	{"crio-1.25.0", common + "v0.57.7"},
	{"crio-1.29.9", common + "v0.57.7"},
	{"crio-1.31.0", common + "v0.62.3"},
	{"crio-1.33.0", common + "v0.64.1"},
	{"crio-1.35.1", common2 + "v0.66.2-0.20260126213724-1e46b0756b39"},
}

// CRIO are releases of CRI-O whose module is to be had, with the texts that they must
// have.
var CRIO = []Text{
	{"crio-1.33.0", "github.com/cri-o/cri-o@v1.34.0"},
	{"crio-1.35.1", "github.com/cri-o/cri-o@v1.36.2"},
}

// Project is docker, moby, containerd, common or crio.
func (t Text) Project() string {
	project, _, _ := strings.Cut(t.Name, "-")
	return project
}

// File is where a module has the text as JSON; containerd's have none.
func (t Text) File() string {
	return map[string]string{
		"docker": "profiles/seccomp/default.json", "moby": "default.json",
		"common": "pkg/seccomp/seccomp.json", "crio": "pkg/seccomp/seccomp.json",
	}[t.Project()]
}

// Package is the name of the package that a text's own code becomes.
func (t Text) Package() string {
	return strings.NewReplacer("-", "_", ".", "_").Replace(t.Name)
}
