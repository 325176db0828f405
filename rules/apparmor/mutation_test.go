package apparmor

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

var (
	mutations    = flag.Int("mutations", 300, "how many changed policies to compare with each apparmor_parser")
	mutationSeed = flag.Uint64("mutation-seed", 1, "seed of the changes")
)

// piece is what a mutation moves: a string, a word, a run of blanks, a variable
// or any other character.
var piece = regexp.MustCompile("\"[^\"\n]*\"|[A-Za-z_0-9.]+|[ \t]+|->|<=|\\+=|@\\{[^}]*\\}|(?s:.)")

// inserted are pieces that mean something somewhere.
var inserted = append(strings.Fields(`, ( ) { } = -> /a " \ # @ @{HOME} @{A} @{a,b} ^ & : ! | $flag r w rw x ix px Px owner audit deny
	allow file link subset safe unsafe in if else not defined profile hat include flags=(complain) peer=(label=x) label=x addr=@x
	set=kill 1 0 -1 infinity K ms <= += <abi/3.0> alias rewrite xattrs=(user.a=b) true false * ** ? [a] [^a] {a,b} \, \" // :ns:x //& . - _ é`),
	"\n", "\t", "\r\n", "  ", "\\\n", "\x01", "\v", "\x00", `"a b"`, "#c\n")

// mutate changes a policy at one to three places: a piece is dropped, doubled,
// swapped, inserted, replaced, or taken from another policy.
func mutate(r *rand.Rand, policy, other string) string {
	pieces := piece.FindAllString(policy, -1)
	for range 1 + r.IntN(3) {
		if len(pieces) == 0 {
			break
		}
		i, j := r.IntN(len(pieces)), r.IntN(len(pieces))
		switch r.IntN(6) {
		case 0:
			pieces = slices.Delete(pieces, i, i+1)
		case 1:
			pieces = slices.Insert(pieces, i, pieces[i])
		case 2:
			pieces[i], pieces[j] = pieces[j], pieces[i]
		case 3:
			pieces = slices.Insert(pieces, i, inserted[r.IntN(len(inserted))])
		case 4:
			pieces[i] = inserted[r.IntN(len(inserted))]
		case 5:
			others := piece.FindAllString(other, -1)
			pieces[i] = others[r.IntN(len(others))]
		}
	}
	return strings.Join(pieces, "")
}

// checks asks what whydenied check answers for a version: accepted or not, and why not.
func checks(version, policy string) (bool, string) {
	if ok, why := accepts(version, policy); !ok {
		return false, why
	}
	l := Loader{Include: []string{"testdata/include", "/etc/apparmor.d"}, Target: Target{Parser: version}}
	p, _ := l.Load(newFile(policy))
	diags := Lint(p)
	return !refused(diags), diagText(diags)
}

// TestMutatedPolicies changes the cases of our own a little, and compares what
// we accept with what each apparmor_parser accepts.
func TestMutatedPolicies(t *testing.T) {
	for _, release := range parserReleases(t) {
		t.Run(release.version, func(t *testing.T) { mutatedPolicies(t, release) })
	}
}

func mutatedPolicies(t *testing.T, release release) {
	var policies []string
	for _, c := range syntaxCases() {
		if c.since == "" && len(c.policy) > 2 {
			policies = append(policies, c.policy)
		}
	}
	for _, c := range languageCases() {
		policies = append(policies, c.policy)
	}
	r := rand.New(rand.NewPCG(*mutationSeed, 77))
	for range *mutations {
		policy := mutate(r, policies[r.IntN(len(policies))], policies[r.IntN(len(policies))])
		want, oracle := accepted(t, release.tool, policy)
		got, ours := checks(release.version, policy)
		if strings.Contains(oracle, "crashed") || strings.Contains(oracle, "Assertion") {
			continue
		}
		assert.Equal(t, want, got, "%q\n%s\napparmor_parser: %s\nwhydenied: %s", policy, policy, oracle, ours)
	}
}

// TestExecPairs compares two exec rules on paths that overlap: apparmor_parser
// refuses those that conflict.
func TestExecPairs(t *testing.T) {
	for _, release := range parserReleases(t) {
		t.Run(release.version, func(t *testing.T) { execPairs(t, release) })
	}
}

func execPairs(t *testing.T, release release) {
	r := rand.New(rand.NewPCG(*mutationSeed, 78))
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	paths := [][2]string{{"/s/run", "/s/run"}, {"/s/run", "/s/*"}, {"/s/*", "/s/**"}, {"/s/r*", "/s/*n"}, {"/s/*", "/s/*"}, {"/{r,s}", "/s"},
		{"/{r,s}", "/{s,t}"}, {"/[rs]", "/s"}, {"/s?", "/st"}, {"/@{V}", "/r"}, {"/s", "/{s,t*}"}, {`/s\*`, "/s*"}, {"/{r,s}", "/{s,r}"}, {"/[rs]", "/*"}, {"/[^ab]", "/*"}, {"/x[a-c]{d,e}", "/**"}, {`"/s"`, "/s"}, {"/r", "/s"}}
	exec := func() (mode, target string) {
		mode = pick("p", "P", "c", "C", "u", "U", "i")
		if strings.ContainsAny(mode, "pPcC") {
			mode += pick("", "", "i", "u")
			target = pick("", " -> t", " -> o")
		}
		return mode + "x", target
	}
	for range *mutations / 2 {
		pair := paths[r.IntN(len(paths))]
		mode, target := exec()
		policy := "@{V}=r s\nprofile x {\n"
		for _, path := range pair {
			if r.IntN(2) == 0 {
				mode, target = exec()
			}
			rule := pick(path+" "+mode, mode+" "+path)
			policy += fmt.Sprintf("  %s%s%s%s,\n", pick("", "", "owner ", "audit "), pick("", "", "safe ", "unsafe "), rule, target)
		}
		policy += "}\n"
		want, oracle := accepted(t, release.tool, policy)
		got, ours := checks(release.version, policy)
		assert.Equal(t, want, got, "%s\napparmor_parser: %s\nwhydenied: %s", policy, oracle, ours)
	}
}
