// Package apparmor reads AppArmor policy as apparmor_parser does, keeps where
// every rule stands, and answers what a profile says to an access.
//
// The language is that of apparmor.d(5) from AppArmor 3.0 to 4.1. Values are
// immutable once loaded and safe for concurrent use, except a Loader, which
// serves one goroutine at a time.
package apparmor

import (
	"strings"
	"sync"

	"github.com/whydenied/whydenied/rules"
)

// A Policy is one loaded policy file with everything it includes.
type Policy struct {
	Profiles  []*Profile // all of them, flattened: a parent comes before its children and hats
	Files     []*rules.File
	Variables map[string][]string // expanded values by name, without the @{}
	Aliases   []Alias
	ABI       *ABI // nil if the file declares none
}

// Profile returns the profile of the given full name ("a", "a//b", ":ns:a",
// "/usr/bin/a"), or nil. A profile that is named by its attachment is found by
// that text. A leading namespace may be left out of the name.
func (p *Policy) Profile(name string) *Profile {
	for _, prof := range p.Profiles {
		if prof.FullName() == name {
			return prof
		}
	}
	for _, prof := range p.Profiles {
		if prof.Name == name {
			return prof
		}
	}
	return nil
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
	Parent     *Profile // nil at the top level
	Hat        bool     // hat NAME or ^NAME
	Rules      []Rule   // all in force, in source order, includes and qualifier blocks flattened
	Policy     *Policy
	At         rules.Location   // header: from its first word to before the {
	Body       rules.Location   // between the braces
	Via        []rules.Location // include lines through which the profile came, outermost first

	stmts     []statement // of the body, as parsed
	itemsOnce sync.Once
	items     []ownItem   // see own
	local     *rules.File // see Local
	decider   decider     // see decide.go
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

func (h *Header) rule() {}

// A Rule is one of *FileRule, *LinkRule, *CapabilityRule, *NetworkRule,
// *MountRule, *PivotRootRule, *PtraceRule, *SignalRule, *UnixRule, *DBusRule,
// *ChangeProfileRule, *RlimitRule, *UsernsRule, *MqueueRule, *IOUringRule and
// *AllRule.
type Rule interface {
	Location() rules.Location
	Head() *Header
	rule()
}

// A FileRule grants or denies permissions on files. The bare rule `file,` has a
// nil Path, and covers every file.
type FileRule struct {
	Header
	Path    *Pattern       // /etc/passwd; nil in the bare file rule
	Perms   Perms          // rwk; Exec is set along with Exec.Mode, or alone in deny rules
	Exec    Transition     // px -> target
	PathAt  rules.Location // the path token, quotes included
	PermsAt rules.Location // the permissions token; the word "file" in the bare rule
	Leading bool           // rw /path, instead of /path rw,
}

// A LinkRule grants hard links between two paths: link subset /a -> /b,. The
// rule `/a l -> /b` and `l /a -> /b` is one too.
type LinkRule struct {
	Header
	Subset bool     // subset
	Link   *Pattern // the new name
	Target *Pattern // the existing file
	LinkAt rules.Location
}

// A CapabilityRule grants capabilities: capability chown setuid,.
type CapabilityRule struct {
	Header
	Names []string // lower case, without cap_; none means all
}

// A NetworkRule grants sockets: network inet stream,.
type NetworkRule struct {
	Header
	Perms    Perms  // (send, receive); 0 means all
	Family   string // inet; "" for all
	Type     string // stream; "" for all
	Protocol string // tcp; "" for all
	// Local and Peer are the conditions of AppArmor 4.0.
	Local NetworkAddr
	Peer  NetworkAddr
}

// A NetworkAddr is ip=, port=, interface= and label= conditions; "" and nil are any.
type NetworkAddr struct {
	IP, Port, Interface string
	Label               *Pattern
}

// A MountRule is a mount, remount or umount rule.
type MountRule struct {
	Header
	Op      string      // mount, remount or umount
	Fstype  []MountCond // fstype=ext4, fstype in (ext4, xfs)
	Options []MountCond // options=(ro, bind), options in (ro, bind)
	Source  *Pattern    // device or directory; nil is any
	Target  *Pattern    // -> mount point; nil is any. Of umount, the thing unmounted
}

// A MountCond is one fstype or options condition.
type MountCond struct {
	In     bool // "in": any subset; otherwise "=": exactly these
	Values []string
}

// A PivotRootRule is pivot_root oldroot=/old/ /new/ -> profile,.
type PivotRootRule struct {
	Header
	OldRoot *Pattern
	NewRoot *Pattern
	Target  *Pattern // profile to change to
}

// A PtraceRule is ptrace (trace, read) peer=label,.
type PtraceRule struct {
	Header
	Perms Perms    // never 0: an absent list means all
	Peer  *Pattern // nil is any
}

// A SignalRule is signal (send) set=(kill) peer=label,.
type SignalRule struct {
	Header
	Perms   Perms    // never 0: an absent list means all
	Signals []string // hup, rtmin+3; none means all
	Peer    *Pattern // nil is any
}

// A UnixRule is unix (send, receive) type=stream addr=@x peer=(label=y),.
type UnixRule struct {
	Header
	Perms     Perms    // never 0: an absent list means all
	Type      []string // type=stream
	Protocol  []string // protocol=0
	Addr      *Pattern // addr=@name, addr=none, addr=auto
	Label     *Pattern // label=
	Attr      *Pattern // attr=
	Opt       *Pattern // opt=
	PeerAddr  *Pattern // peer=(addr=)
	PeerLabel *Pattern // peer=(label=)
}

// A DBusRule is dbus (send) bus=system path=/x peer=(name=y),.
type DBusRule struct {
	Header
	Perms     Perms    // never 0: an absent list means all that the conditions allow
	Bus       *Pattern // bus=system
	Path      *Pattern // path=/org/x
	Interface *Pattern // interface=org.x
	Member    *Pattern // member=Get
	Name      *Pattern // name=org.x, of a bind rule
	PeerName  *Pattern // peer=(name=)
	PeerLabel *Pattern // peer=(label=)
}

// A ChangeProfileRule is change_profile safe /bin/bash -> target,.
type ChangeProfileRule struct {
	Header
	Safe   bool     // safe, when written
	Unsafe bool     // unsafe, when written
	Exec   *Pattern // the exec condition; nil if there is none
	Target *Pattern // nil is any profile
}

// An RlimitRule is set rlimit nofile <= 1024,.
type RlimitRule struct {
	Header
	Name  string // nofile
	Value string // 1024, 10M, 2min, infinity
}

// A UsernsRule is userns create,.
type UsernsRule struct {
	Header
	Perms Perms // UsernsCreate
}

// A MqueueRule is mqueue (create, read) type=posix label=x /name,.
type MqueueRule struct {
	Header
	Perms Perms    // never 0: an absent list means all
	Type  string   // posix or sysv; "" is any
	Label *Pattern // nil is any
	Name  *Pattern // /name or a System V key; nil is any
}

// An IOUringRule is io_uring (sqpoll, override_creds) label=x,.
type IOUringRule struct {
	Header
	Perms Perms    // never 0: an absent list means all
	Label *Pattern // nil is any
}

// An AllRule is all,: everything that a profile can grant.
type AllRule struct{ Header }

// Perms is a set of permissions. File rules use the letters; the other classes
// use the words, and Read and Write where their words are those.
type Perms uint32

// The permissions. Create and Delete are also the log-only letters c and d of
// file denials, which a rule grants with w.
const (
	Read   Perms = 1 << iota // r
	Write                    // w
	Append                   // a
	Exec                     // x
	Mmap                     // m
	Lock                     // k
	Link                     // l
	Create
	Delete
	Open
	Send
	Receive
	Bind
	Listen
	Accept
	Connect
	Shutdown
	GetAttr
	SetAttr
	GetOpt
	SetOpt
	Eavesdrop
	Trace
	TracedBy
	ReadBy
	SQPoll
	OverrideCreds
)

// FilePerms are the permissions that a file rule can name.
const FilePerms = Read | Write | Append | Exec | Mmap | Lock | Link

// What each class of rule means when it names no permissions.
const (
	PtracePerms  = Read | ReadBy | Trace | TracedBy
	SignalPerms  = Send | Receive
	DBusPerms    = Send | Receive | Bind | Eavesdrop
	UnixPerms    = Create | Bind | Listen | Accept | Connect | Shutdown | GetAttr | SetAttr | GetOpt | SetOpt | Send | Receive
	NetworkPerms = UnixPerms
	MqueuePerms  = Create | Open | Delete | Read | Write | GetAttr | SetAttr
	IOUringPerms = SQPoll | OverrideCreds
	UsernsPerms  = Create
)

// fileLetters are the letters of file permissions in bit order.
const fileLetters = "rwaxmkl"

// permWords are the names of the bits in bit order.
var permWords = [...]string{
	"read", "write", "append", "exec", "mmap", "lock", "link", "create", "delete", "open",
	"send", "receive", "bind", "listen", "accept", "connect", "shutdown", "getattr", "setattr",
	"getopt", "setopt", "eavesdrop", "trace", "tracedby", "readby", "sqpoll", "override_creds",
}

// String returns file permissions as letters in the order that profiles use
// ("rwmk"), and any other set as words: "send, receive". x stands for execute.
func (p Perms) String() string {
	if p&^FilePerms == 0 {
		return p.letters()
	}
	return p.Words()
}

func (p Perms) letters() string {
	var out strings.Builder
	for i := range len(fileLetters) {
		if p&(1<<i) != 0 {
			out.WriteByte(fileLetters[i])
		}
	}
	return out.String()
}

// Words returns the permissions as words with ", " between: "read, trace".
func (p Perms) Words() string {
	var words []string
	for i, w := range permWords {
		if p&(1<<i) != 0 {
			words = append(words, w)
		}
	}
	return strings.Join(words, ", ")
}

// An ExecMode is what happens to a program's confinement when it is executed.
type ExecMode byte

// The exec modes by their letter. The zero mode is none: no execute
// permission, or the bare x of a deny rule.
const (
	Inherit    ExecMode = 'i' // ix: stay in this profile
	ToProfile  ExecMode = 'p' // px: change to the profile that attaches or is named
	ToChild    ExecMode = 'c' // cx: change to a child of this profile
	Unconfined ExecMode = 'u' // ux: leave confinement
)

// A Transition is the exec mode of a file rule.
type Transition struct {
	Mode     ExecMode
	Fallback ExecMode // Inherit or Unconfined when Mode finds no profile: pix, PUx
	Unsafe   bool     // lower case px, cx, ux: the environment is not scrubbed
	Target   *Pattern // -> target, nil if none is named
	TargetAt rules.Location
}

// String returns the mode as profiles write it: "ix", "Px", "pix", "PUx"; ""
// for none.
func (t Transition) String() string {
	switch t.Mode {
	case 0:
		return ""
	case Inherit:
		return "ix"
	}
	word := string(rune(t.Mode))
	switch t.Fallback {
	case Inherit:
		word += "i"
	case Unconfined:
		word += "u"
	}
	if !t.Unsafe {
		// Pix scrubs as Px does; the fallback of PUx scrubs too.
		word = strings.ToUpper(word)
		word = strings.Replace(word, "I", "i", 1)
	}
	return word + "x"
}

// A Pattern is an AppArmor glob as the source writes it, unquoted, and what it
// becomes: the glob with its variables resolved, those of several values to
// alternations, and one more for each alias that applies to it. Escapes that the
// glob matcher reads (\*, \[, \\) are still escapes in both.
type Pattern struct {
	Source   string
	Expanded []string
	At       rules.Location // of the token, quotes included

	matcher matcher // see glob.go
}
