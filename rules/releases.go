package rules

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// releases.tsv says which releases of container engines have which built-in texts:
// engine, first release, last release, and the names of the seccomp and the AppArmor
// text. It was made of the engines' release tags: of each, the files that hold the
// texts were compared, or the module of which go.mod takes them. The generators in
// internal/tools write the texts. A row is of one branch (20.10, 1.7), so that a
// patch release after its last is not known; the first release "later" is of texts
// that were published, and that no release before has.
//
//go:embed releases.tsv
var releasesTSV string

// A Release is some releases of a container engine in a row that have the same
// built-in texts.
type Release struct {
	Engine            string // docker, containerd, podman, cri-o, containers-common
	From, To          string // the first and the last; both "" of texts that only later releases than the known ones can have
	Seccomp, AppArmor string // the names of the texts

	row int // of the table
}

// Releases are the releases of which an engine of some version may be one.
type Releases struct {
	Engine string
	All    []Release // oldest first; never none

	why     string // it may not be known which one it is
	covered bool   // it is one of All
}

// engineNames maps the names that runtimes and inventories have for an engine.
var engineNames = map[string]string{
	"docker": "docker", "dockerd": "docker", "moby": "docker",
	"containerd": "containerd", "nerdctl": "containerd", "cri-containerd": "containerd",
	"podman": "podman", "libpod": "podman", "buildah": "podman",
	"cri-o": "cri-o", "crio": "cri-o", "containers-common": "containers-common",
}

// EngineTitles are the engines' names in a sentence.
var EngineTitles = map[string]string{
	"docker": "Docker", "containerd": "containerd", "podman": "Podman", "cri-o": "CRI-O", "containers-common": "containers-common",
}

var releasesOf = sync.OnceValue(func() map[string][]Release {
	of := map[string][]Release{}
	for line := range strings.Lines(releasesTSV) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		r := Release{Engine: f[0], From: f[1], To: f[2], Seccomp: f[3], AppArmor: f[4]} // TestReleases reads each
		if r.From == "later" {
			r.From = ""
		}
		r.row = len(of[r.Engine])
		of[r.Engine] = append(of[r.Engine], r)
	}
	return of
})

// FindReleases returns the releases of which an engine of a version, such as
// "20.10.24+dfsg1", may be one: the one that it is; of "20.10" all of the branch; without a
// version all; of a version that is not known the ones before and after it, and the newest,
// of which its branch may have taken something. ok is false for an unknown engine.
func FindReleases(engine, version string) (r Releases, ok bool) {
	engine = engineNames[strings.ToLower(engine)]
	all, title := releasesOf()[engine], EngineTitles[engine]
	if all == nil {
		return r, false
	}
	r = Releases{Engine: engine, All: all, covered: true}
	want := VersionNumbers(version)
	if len(want) < 3 {
		r.why = "the version of " + title + " is not known"
		if want == nil {
			return r, true
		}
		branch := slices.DeleteFunc(slices.Clone(all), func(o Release) bool { return o.From == "" || !slices.Equal(VersionNumbers(o.From)[:len(want)], want) })
		if len(branch) > 0 {
			r.All, r.why = branch, "which "+title+" "+version+" it is, is not known"
			return r, true
		}
		want = append(want, 0, 0)[:3]
	}
	r.covered = false
	released := len(all)
	for all[released-1].From == "" {
		released--
	}
	after := slices.IndexFunc(all[:released], func(o Release) bool { return slices.Compare(VersionNumbers(o.From), want) > 0 })
	if after < 0 {
		after = released
	}
	before := after - 1
	switch {
	case before >= 0 && slices.Compare(want, VersionNumbers(all[before].To)) <= 0:
		r.All, r.covered = all[before:before+1], true
	case before < 0:
		r.All = all[:1]
		r.why = fmt.Sprintf("%s %s is not known, older than %s", title, version, all[0].From)
	case after == released:
		r.All = all[before:]
		r.why = fmt.Sprintf("%s %s is not known, newer than %s", title, version, all[before].To)
	default:
		r.All = []Release{all[before], all[after]}
		if after < released-1 {
			r.All = append(r.All, all[released-1])
		}
		for i := range r.All { // no range is to span the one that is not known
			r.All[i].row += i * len(all)
		}
		r.why = fmt.Sprintf("%s %s is not known, between %s and %s", title, version, all[before].To, all[after].From)
	}
	return r, true
}

// A ReleaseText is a built-in text by its name, and the releases that have it.
type ReleaseText struct {
	Name string
	of   []Release
}

// Later reports whether no known release has the text.
func (t ReleaseText) Later() bool { return t.of[0].From == "" }

// First returns the first release that has the text, "" if none is known.
func (t ReleaseText) First() string { return t.of[0].From }

// String names the releases: "Docker 20.10.18 to 20.10.21 or 20.10.23 to 20.10.25".
func (t ReleaseText) String() string { return ReleaseNames(t) }

// ReleaseNames names the releases of texts of one engine, as of ReleaseText.String.
func ReleaseNames(texts ...ReleaseText) string {
	var all []Release
	for _, t := range texts {
		all = append(all, t.of...)
	}
	slices.SortFunc(all, func(a, b Release) int { return a.row - b.row })
	var words []string
	for i := 0; i < len(all); i++ {
		first := all[i]
		for i+1 < len(all) && first.From != "" && all[i+1].From != "" && all[i+1].row == all[i].row+1 {
			i++
		}
		switch {
		case first.From == "":
			words = append(words, "later than all known ones")
		case first.From == all[i].To:
			words = append(words, first.From)
		default:
			words = append(words, first.From+" to "+all[i].To)
		}
	}
	return EngineTitles[all[0].Engine] + " " + strings.Join(slices.Compact(words), " or ")
}

// Texts returns the texts that releases have, as text says of each, in the order in
// which they came. unknown says, as a clause, why none of them is known to be in force;
// it is "" if that one is which is the only one.
func (r Releases) Texts(text func(Release) string) (texts []ReleaseText, unknown string) {
	for _, o := range r.All {
		name := text(o)
		i := slices.IndexFunc(texts, func(t ReleaseText) bool { return t.Name == name })
		if i < 0 {
			i = len(texts)
			texts = append(texts, ReleaseText{Name: name})
		}
		texts[i].of = append(texts[i].of, o)
	}
	if r.covered && len(texts) == 1 {
		return texts, ""
	}
	return texts, r.why
}

// VersionNumbers returns the numbers of a version such as "v20.10.24+dfsg1", or nil if
// it does not start with one.
func VersionNumbers(version string) []int {
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
