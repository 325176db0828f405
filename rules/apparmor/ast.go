// Package apparmor reads AppArmor policy as apparmor_parser does, keeps where
// every rule stands, and answers what a profile says to an access.
//
// The language is that of apparmor.d(5) from AppArmor 3.0 to 5.0. Values are
// immutable once loaded and safe for concurrent use, except a Loader, which
// serves one goroutine at a time. What is wrong with policy is told as diagnostics,
// and the rest is read; errors are for files that cannot be read.
package apparmor

import (
	"sync"

	"github.com/whydenied/whydenied/rules"
)

// A Policy is one loaded policy file with everything it includes.
type Policy struct {
	Profiles  []*Profile // all of them, flattened: a parent comes before its children and hats
	Files     []*rules.File
	Variables map[string][]string // expanded values by name, without the @{}
	Aliases   []Alias
	ABI       *ABI // nil if nothing before the first profile declares one
	// Target is what the policy was loaded for, and Constructs is what not every
	// version of apparmor_parser reads of it, in the order of files.
	Target     Target
	Constructs []Construct

	// Unknown says why it is not known that a built-in policy is the one in force, as a
	// clause; "" of all others. Then it is the one of Releases, and Others are those that
	// may be in force in its place, oldest first: there may be none, of a release newer than
	// all known ones.
	Unknown  string
	Releases rules.ReleaseText
	Others   []*Policy

	once   sync.Once
	byName map[string]*Profile // see Profile
	sets   *patternSets        // of the Loader

	versioned versioned // see Profile.ByVersion
	spent     spent     // see Profile.Tried
}

// Profile returns the profile of the given full name ("a", "a//b", ":ns:a",
// "/usr/bin/a"), or nil. A profile that is named by its attachment is found by
// that text. A leading namespace may be left out of the name.
func (p *Policy) Profile(name string) *Profile {
	p.once.Do(func() {
		p.byName = map[string]*Profile{}
		for _, nameOf := range []func(*Profile) string{(*Profile).FullName, func(prof *Profile) string { return prof.Name }} {
			for _, prof := range p.Profiles {
				if p.byName[nameOf(prof)] == nil {
					p.byName[nameOf(prof)] = prof
				}
			}
		}
	})
	return p.byName[name]
}

// An Alias is a path prefix that is also reachable under another name.
type Alias struct {
	From, To string // alias /From/ -> /To/,
	At       rules.Location
}

// An ABI is the feature set that a policy was written for.
type ABI struct {
	Path string // abi <Path>,
	At   rules.Location
}

// A Profile is one profile, child profile or hat.
type Profile struct {
	Name       string   // full name without the namespace: parent//child
	Namespace  string   // of :ns:name, or ""
	Attachment *Pattern // the programs it attaches to; nil if it attaches to none
	Flags      []Flag   // flags=(complain, attach_disconnected)
	Xattrs     []Xattr  // xattrs=(security.tag=trusted)
	Identities []string // + identities=(NAME ...), which do not matter to what is granted
	Parent     *Profile // nil at the top level
	Hat        bool     // hat NAME or ^NAME
	Rules      []Rule   // all in force, in source order, includes and qualifier blocks flattened
	Policy     *Policy
	Unread     []rules.Location // statements that were not understood, which may say anything
	At         rules.Location   // header: from its first word to before the {
	Body       rules.Location   // between the braces
	Via        []rules.Location // include lines through which the profile came, outermost first

	stmts     []statement // of the body, as parsed
	itemsOnce sync.Once
	items     []ownItem            // see own
	local     *rules.File          // see Local
	decider   decider              // see decide.go
	compiled  func(Request) Answer // see NewLoaded
}

// FullName returns the name with its namespace, if it has one: ":ns:a//b".
func (p *Profile) FullName() string {
	if p.Namespace == "" {
		return p.Name
	}
	return ":" + p.Namespace + ":" + p.Name
}

// HasFlag reports whether the profile has the flag of that name, such as
// "complain" or "attach_disconnected".
func (p *Profile) HasFlag(name string) bool {
	for _, f := range p.Flags {
		if f.Name == name {
			return true
		}
	}
	return false
}

// A Flag is one member of flags=(...).
type Flag struct {
	Name, Value string // error=EPERM has the value EPERM
	At          rules.Location
	Since       string // the first AppArmor version that has it; "" for 3.0
}

// An Xattr is one extended attribute that a program must carry for the profile
// to attach.
type Xattr struct {
	Name  string
	Value *Pattern
}

// Qualifiers are the words before a rule, joined with those of the blocks
// around it.
type Qualifiers struct {
	Audit    bool // audit
	Deny     bool // deny
	Allow    bool // allow, when written
	Prompt   bool // prompt
	Owner    bool // owner
	Other    bool // other: a parsed word that apparmor_parser refuses or ignores by version
	Priority int  // priority=N
}

// Header is what every rule has.
type Header struct {
	Qualifiers
	At  rules.Location   // the whole rule with qualifiers and comma
	Via []rules.Location // the include lines through which it came, outermost first
	// Shared says that it came through an include, and not of the profile's local
	// file: other profiles have it, too, and it is not to be edited for one.
	Shared bool
	// Since is the first AppArmor version that accepts the rule, such as
	// "4.0"; "" for everything that 3.0 reads.
	Since string
}

// Location returns where the rule stands.
func (h *Header) Location() rules.Location { return h.At }

// Head returns the part that all rules share.
func (h *Header) Head() *Header { return h }

// A Pattern is an AppArmor glob as the source writes it, unquoted, and what it
// becomes: the glob with its variables resolved, those of several values to
// alternations, and one more for each alias that applies to it. Escapes that the
// glob matcher reads (\*, \[, \\) are still escapes in both.
type Pattern struct {
	Source   string
	Expanded []string
	At       rules.Location // of the token, quotes included

	slashes string // Expanded before runs of slashes became one, where it has such
	matcher matcher
	shared  *matcher // in its place: that of all patterns that mean the same; see resolver.share
}
