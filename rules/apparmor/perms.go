package apparmor

import (
	"slices"
	"strings"
)

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

// PermOf returns the permission of a word, such as "send", or 0 if it is none.
func PermOf(word string) Perms {
	i := slices.Index(permWords[:], word)
	if i < 0 {
		return 0
	}
	return 1 << i
}

// Access is the permission of the classes that have only one: capability,
// mount, pivot_root, change_profile and rlimit.
const Access Perms = 1 << 31

// A vocabulary is the words of the permissions of one class of rules.
type vocabulary struct {
	perms   map[string]Perms
	letters [2]Perms // what r and w mean; 0 where there are no letters
	all     Perms    // what a rule means that names none
}

// read returns what a word means: a name, or letters of r and w in either case.
func (v *vocabulary) read(word string) Perms {
	perms := v.perms[word]
	if perms != 0 || v.letters[0] == 0 {
		return perms
	}
	for i := range len(word) {
		switch word[i] {
		case 'r', 'R':
			perms |= v.letters[0]
		case 'w', 'W':
			perms |= v.letters[1]
		default:
			return 0
		}
	}
	return perms
}

// isLetterPerms reports whether a word is r, w, rw or wr.
func isLetterPerms(word string) bool {
	return word == "r" || word == "w" || word == "rw" || word == "wr"
}
