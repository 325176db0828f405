// Package expect reads expectations of policy, such as "deny open /etc/shadow r", and
// holds them against profiles. Its functions work on values, and serve any number of
// goroutines.
package expect

import (
	"bufio"
	"fmt"
	"slices"
	"strings"
)

// A Verb is what an expectation asks of an access.
type Verb string

// The verbs. Those but Never take an access in the words of `query`, those but Exec and
// Never a system call too.
const (
	Allow  Verb = "allow"  // it is granted
	Deny   Verb = "deny"   // it is refused
	Silent Verb = "silent" // it is refused, and no record is written
	Logged Verb = "logged" // it is refused, and the record names all that was
	Exec   Verb = "exec"   // PATH -> PROFILE: the program runs under that profile
	Never  Verb = "never"  // nothing that a rule names is granted, by exact comparison
)

var verbs = []Verb{Allow, Deny, Silent, Logged, Exec, Never}

// An Expectation is one line of a file.
type Expectation struct {
	Line    int    // counted from 1
	Text    string // as it stands, without a comment
	Verb    Verb
	Profile string // that it is of; "" for every profile of the policies
	Access  string // what follows the verb
}

// A File is the expectations of a file, and the policies that it names.
type File struct {
	Name         string
	Policies     []Policy
	Expectations []Expectation
}

// A Policy is a file, directory or built-in profile that expectations are held against.
type Policy struct {
	Line int
	Name string // as it is written: relative names begin at the expectations' folder
}

// Parse reads a file. A line is empty, a comment (#), `policy NAME`, `profile NAME` for the
// lines after it (`profile *` for every one), or an expectation: a verb and what it is of.
// The error names the first line that is none of them.
func Parse(name, text string) (File, error) {
	f := File{Name: name}
	profile := ""
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(withoutComment(lines.Text()))
		word, rest, _ := strings.Cut(line, " ")
		rest = strings.TrimSpace(rest)
		switch {
		case line == "":
			continue
		case rest == "":
			return f, fmt.Errorf("%s:%d: nothing follows %s", name, n, word)
		case word == "policy":
			f.Policies = append(f.Policies, Policy{n, rest})
		case word == "profile":
			if profile = rest; profile == "*" {
				profile = ""
			}
		case slices.Contains(verbs, Verb(word)):
			f.Expectations = append(f.Expectations, Expectation{n, line, Verb(word), profile, rest})
		default:
			return f, fmt.Errorf("%s:%d: %q is none of policy, profile, allow, deny, silent, logged, exec, never", name, n, word)
		}
	}
	if err := lines.Err(); err != nil {
		return f, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// withoutComment cuts a comment off a line: from a # at its start or after a space, outside
// of quotes, in which a backslash keeps what follows.
func withoutComment(line string) string {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch {
		case quoted && line[i] == '\\':
			i++
		case line[i] == '"':
			quoted = !quoted
		case line[i] == '#' && !quoted && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t'):
			return line[:i]
		}
	}
	return line
}
