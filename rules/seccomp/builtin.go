package seccomp

import (
	"embed"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/whydenied/whydenied/rules"
)

//go:generate go -C internal/tools run ./profiles -o ../../builtin

//go:embed builtin/*.json
var builtinFiles embed.FS

// A release is the default profile of an engine from one version on.
type release struct {
	engine string // docker, containerd or podman
	from   string // first version of the engine that has it
	file   string // in builtin, without .json
	source string // the module and version that it was taken from
	known  string // of an engine's last release: the version that it is known to be of
}

// releases are in the order of engine and version. Docker keeps its profile in
// moby/profiles since 28.4; patch releases of old branches went their own way.
var releases = []release{
	{"docker", "20.10.0", "docker-20.10.0", "moby v20.10.0", ""},
	{"docker", "20.10.4", "docker-20.10.4", "moby v20.10.4", ""},
	{"docker", "20.10.10", "docker-20.10.10", "moby v20.10.10", ""},
	{"docker", "20.10.18", "docker-20.10.18", "moby v20.10.18", ""},
	{"docker", "20.10.22", "docker-20.10.22", "moby v20.10.22", ""},
	{"docker", "20.10.23", "docker-20.10.18", "moby v20.10.23", ""},
	{"docker", "20.10.26", "docker-20.10.26", "moby v20.10.26", ""},
	{"docker", "23.0.0", "docker-23.0.0", "moby v23.0.0", ""},
	{"docker", "23.0.7", "docker-23.0.7", "moby v23.0.7", ""},
	{"docker", "23.0.10", "docker-23.0.10", "moby v23.0.10", ""},
	{"docker", "24.0.0", "docker-23.0.0", "moby v24.0.0", ""},
	{"docker", "24.0.3", "docker-23.0.7", "moby v24.0.3", ""},
	{"docker", "25.0.0", "docker-25.0.0", "moby v25.0.0", ""},
	{"docker", "25.0.3", "docker-25.0.3", "moby v25.0.3", ""},
	{"docker", "28.2.0", "docker-28.2.0", "moby v28.2.0", ""},
	{"docker", "29.4.3", "moby-v0.2.3", "moby/profiles seccomp v0.2.3", ""},
	{"docker", "29.4.4", "moby-v0.2.4", "moby/profiles seccomp v0.2.4", ""},
	{"containerd", "0", "containerd-v2.4.2", "containerd v2.4.2", "2.4.2"},
	{"podman", "0", "podman-common-v0.66.0", "go.podman.io/common v0.66.0", ""},
}

// engineNames maps the names that runtimes and inventories have for an engine.
var engineNames = map[string]string{
	"docker": "docker", "dockerd": "docker", "moby": "docker",
	"containerd": "containerd", "nerdctl": "containerd", "cri-containerd": "containerd",
	"podman": "podman", "libpod": "podman", "cri-o": "podman", "crio": "podman", "buildah": "podman",
}

// engineTitles are the engines' names in a sentence.
var engineTitles = map[string]string{"docker": "Docker's", "containerd": "containerd's", "podman": "Podman's and CRI-O's"}

// Builtin returns the default profile of an engine ("docker", "containerd",
// "podman" or "cri-o") as of a version such as "20.10.24", and its full name.
// Where the text of that version is not here, or no version is given, it is the
// nearest one here, and the name says so. ok is false for an unknown engine.
func Builtin(engine, version string) (p *Profile, name string, ok bool) {
	engine, ok = engineNames[strings.ToLower(engine)]
	if !ok {
		return nil, "", false
	}
	of := releases[slices.IndexFunc(releases, func(r release) bool { return r.engine == engine }):]
	if end := slices.IndexFunc(of, func(r release) bool { return r.engine != engine }); end >= 0 {
		of = of[:end]
	}
	last := of[len(of)-1]
	r := last
	remark := ""
	want := versionNumbers(version)
	switch {
	case want == nil:
		remark = ", the newest known; the version in use is unknown"
	case slices.Compare(want, versionNumbers(of[0].from)) < 0:
		r = of[0]
		remark = ", the oldest known; in use is " + version
	default:
		for _, o := range of {
			if slices.Compare(versionNumbers(o.from), want) <= 0 {
				r = o
			}
		}
		if r == last && strings.TrimPrefix(version, "v") != r.known {
			remark = ", the newest known; in use is " + version
		}
	}
	p = builtin(r)
	return p, p.File.Builtin + remark, true
}

// parsedBuiltins has the profiles by source.
var parsedBuiltins sync.Map

// builtin returns the parsed profile of a release.
func builtin(r release) *Profile {
	if p, ok := parsedBuiltins.Load(r.source); ok {
		return p.(*Profile)
	}
	text, err := builtinFiles.ReadFile("builtin/" + r.file + ".json")
	if err != nil {
		panic("seccomp: " + err.Error())
	}
	f := rules.NewFile(r.file+".json", string(text))
	f.Builtin = engineTitles[r.engine] + " default seccomp profile of " + r.source
	p, diagnostics, err := Parse(f)
	if err != nil || len(diagnostics) > 0 {
		panic("seccomp: builtin " + r.file + " is damaged") // TestBuiltin reads each
	}
	actual, _ := parsedBuiltins.LoadOrStore(r.source, p)
	return actual.(*Profile)
}

// versionNumbers returns the numbers of a version such as "v20.10.24+dfsg1", or
// nil if it does not start with one.
func versionNumbers(version string) []int {
	var numbers []int
	for part := range strings.SplitSeq(strings.TrimPrefix(version, "v"), ".") {
		end := strings.IndexFunc(part, func(c rune) bool { return c < '0' || c > '9' })
		digits := part
		if end >= 0 {
			digits = part[:end]
		}
		n, err := strconv.ParseUint(digits, 10, 31)
		if err != nil {
			break
		}
		numbers = append(numbers, int(n))
		if end >= 0 {
			break
		}
	}
	return numbers
}
