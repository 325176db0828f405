// Package access is the one place where words become requests of policy: those of
// the kernel's records, of a batch that `whydenied query` reads, of its --access,
// and of the system calls that strace and programs name. All of them are turned into
// the words of records first, and those by Request and Call into what policy decides
// on, so that the same access has the same answer wherever it comes from.
//
// It does no I/O, and its functions are safe for concurrent use. Strings of records
// are hostile; they are passed on as they are, and quoted in errors.
package access

import (
	"github.com/whydenied/whydenied/parser"
)

// Words are the keys and values of a record, as the kernel spells them.
type Words []parser.Field

// NewWords returns words of pairs of a key and a value.
func NewWords(pairs ...string) Words {
	w := make(Words, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		w = w.add(pairs[i], pairs[i+1])
	}
	return w
}

// FileWords are those of an access to a file, such as open, /etc/shadow and wc.
func FileWords(operation, name, mask string) Words {
	return NewWords("operation", operation, "name", name, "requested_mask", mask, "denied_mask", mask)
}

func (w Words) add(key, value string) Words { return append(w, parser.Field{Key: key, Value: value}) }

// The keys that only requests have: what policy can ask for and no record says.
const (
	onExec      = "on_exec"      // program with whose execution a change of profile takes place
	leadsTo     = "leads_to"     // profile that an execution is to lead to
	objectLabel = "object_label" // of a socket or a message queue
	queueType   = "queue_type"   // posix or sysv
	mountData   = "mount_data"   // options of the file system
)

// LookAlike is why nothing is made of a record that is a look-alike of the kernel's.
const LookAlike = "a process wrote this line into the log, not the kernel: nothing says that it happened"

// extra returns the value of a key that parser.AppArmor has no field for.
func extra(d *parser.Denial, key string) string {
	if d.Record >= len(d.Event.Records) {
		return ""
	}
	return d.Event.Records[d.Record].Get(key)
}
