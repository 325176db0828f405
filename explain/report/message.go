// Package report prints findings: as JSON lines for machines and as text for
// people. Both print the same Messages, so that findings saved as JSON can be
// read back and printed as text.
//
// Everything that comes from a log or a policy file is hostile: what is printed
// holds no control character, no character that changes the direction of text
// or has no width, and no invalid UTF-8, only their visible escapes.
//
// Errors are those of writing, and of reading what was saved. What writes messages as
// they come serves one goroutine at a time; all else is safe for concurrent use.
package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/rules"
)

// SchemaVersion is the version of the JSON form: its first number changes when
// a key changes its meaning or goes away, its second when one is added.
const SchemaVersion = "1.6.0"

// A Message is one line of the JSON form. Exactly one of its fields is set. A
// report is a Config, any number of Findings, and a Summary; while denials are
// watched, Repeats, Updates and Notices come between.
type Message struct {
	Config  *Config  `json:"config,omitempty"`
	Finding *Finding `json:"finding,omitempty"`
	Repeat  *Repeat  `json:"repeat,omitempty"`
	Update  *Update  `json:"update,omitempty"`
	Notice  *Notice  `json:"notice,omitempty"`
	Patch   *Patch   `json:"patch,omitempty"` // at the end of a run
	// Overview is in place of the findings of summary, and above those of text that are more
	// than a screen has.
	Overview *Overview `json:"overview,omitempty"`
	Summary  *Summary  `json:"summary,omitempty"`
	Silent   *Silent   `json:"silent,omitempty"` // of explain, after the summary
	// Next are the commands to type next, of text alone, which has them with what comes first.
	Next *Next `json:"-"`
}

// A Repeat says how often a finding that was printed has been seen by now.
type Repeat struct {
	ID      string `json:"id"`
	Message string `json:"message"` // of the finding
	Count   int    `json:"count"`   // in all
	First   string `json:"first,omitempty"`
	Last    string `json:"last,omitempty"`

	// As in Finding.
	Times      *Times    `json:"times,omitempty"`
	Containers []Counted `json:"containers,omitempty"`
	Programs   []Counted `json:"programs,omitempty"`
}

// An Update says that the suggested fix of findings that were printed is another
// now, as others came that it has to fit with.
type Update struct {
	IDs      []string `json:"ids"`      // of the findings
	Revision int      `json:"revision"` // of what is suggested for the policy: 2, 3, ...; a finding's own first fix is of 1
	Message  string   `json:"message"`  // of which findings, in words
	Policy   string   `json:"policy"`   // of the findings, as in Finding
	Fix      Fix      `json:"fix"`      // without a diff; without a rule if nothing is to be changed for them
}

// A Notice is something that happened to the source of what is watched, to the
// following of processes, or to what is told apart.
type Notice struct {
	Kind  string `json:"kind"`            // lost, rotated, waiting, resumed, unfollowed, budget, failed, elsewhere, learning, learnt
	Count int    `json:"count,omitempty"` // of what is lost, if it is known
	Text  string `json:"text"`
}

// A Config says what was read and how, before anything was found.
type Config struct {
	SchemaVersion string   `json:"schema_version"`
	Tool          string   `json:"tool"`
	Version       string   `json:"version"`
	Inputs        []string `json:"inputs"`              // logs, as named by the user; "-" is standard input
	Policies      []string `json:"policies"`            // files, directories and built-in profiles
	Inventory     []string `json:"inventory,omitempty"` // saved runtime metadata
	Filters       *Filters `json:"filters,omitempty"`   // nil if nothing was left out
}

// Filters are the conditions that every finding meets.
type Filters struct {
	Since     string   `json:"since,omitempty"` // RFC 3339
	Until     string   `json:"until,omitempty"`
	Container []string `json:"container,omitempty"`
	Profile   []string `json:"profile,omitempty"`
	Comm      []string `json:"comm,omitempty"`
}

// A Finding is explain.Explained as plain data. All its strings are valid UTF-8,
// as escape.UTF8 makes them; for a value of Denial that is not, Denial also has its
// bytes, under the key with _hex appended.
type Finding struct {
	ID       string   `json:"id"`
	Message  string   `json:"message"` // who was refused what, one sentence without a full stop
	Cause    string   `json:"cause"`
	Why      string   `json:"why"`
	Decision string   `json:"decision"` // granted, refused, quiet, undecidable
	Policy   string   `json:"policy"`   // where the policy was read; "" if not found
	Count    int      `json:"count"`
	First    string   `json:"first,omitempty"` // RFC 3339 in UTC with milliseconds; "" if the log has no times
	Last     string   `json:"last,omitempty"`
	Serials  []uint32 `json:"serials"`

	IDVersion  int       `json:"id_version"`           // see explain.IDVersion; 0 in what was saved before 1.5
	Workload   string    `json:"workload,omitempty"`   // of which the containers are runs; "" if only the profile tells
	Times      *Times    `json:"times,omitempty"`      // nil if the log has no times
	Containers []Counted `json:"containers,omitempty"` // with the most of the denials; what they leave is of others, or unknown ones
	Programs   []Counted `json:"programs,omitempty"`   // likewise

	Container *Container `json:"container"`         // of the earliest; nil if unknown
	Product   *Product   `json:"product,omitempty"` // nil if no product that is known made the profile
	Subject   Subject    `json:"subject"`
	Mode      string     `json:"mode"`              // DENIED, ALLOWED, AUDIT, KILLED, ...
	Denial    Fields     `json:"denial"`            // type, time, serial, node; then the record, with the kernel's key names
	Seccomp   *Seccomp   `json:"seccomp,omitempty"` // nil for AppArmor
	Module    *Module    `json:"module,omitempty"`  // nil for AppArmor and seccomp

	Rules       []Rule   `json:"rules"`
	Fixes       []Fix    `json:"fixes"`
	Granted     *Granted `json:"granted,omitempty"` // nil unless what was suggested for others does for this one
	Quiet       string   `json:"quiet,omitempty"`
	Notes       []string `json:"notes,omitempty"`
	Investigate string   `json:"investigate,omitempty"`
	Claim       *Claim   `json:"claim,omitempty"`   // nil for what the kernel logged
	Gate        *Gate    `json:"gate,omitempty"`    // nil where nothing is gated
	Further     *Further `json:"further,omitempty"` // nil for one distinct denial

	Harmless string    `json:"harmless,omitempty"` // why it did no harm as far as the log tells
	Incident *Incident `json:"incident,omitempty"` // nil if it is of no known one

	FirstSeen *Sighting `json:"first_seen,omitempty"` // nil but of a store or a fleet's database

	// Consequence is what came after the denials; see explain.Explanation.
	Consequence string `json:"consequence,omitempty"`

	// NotFound names what decided and is not known, and Unchecked is what would grant the
	// access to an otherwise empty one; see explain.Explanation.
	NotFound  string     `json:"not_found,omitempty"`
	Unchecked *Unchecked `json:"unchecked,omitempty"`
}

// place is the most telling place of the finding, or the zero Rule.
func (f *Finding) place() Rule {
	if len(f.Rules) == 0 {
		return Rule{}
	}
	return f.Rules[0]
}

// A Gate is what a run makes of a finding.
type Gate struct {
	Fails bool `json:"fails"`
	// State is known for what is in the baseline, expired for what was to be gone by now,
	// new for what is not in it, and "" without a baseline.
	State   string `json:"state,omitempty"`
	Owner   string `json:"owner,omitempty"` // as in the baseline
	Reason  string `json:"reason,omitempty"`
	Expires string `json:"expires,omitempty"` // a date
}

// passes reports whether the finding does not fail the run.
func (f *Finding) passes() bool { return f.Gate != nil && !f.Gate.Fails }

// gateWords says what the gate makes of the finding; "" where nothing is gated, or
// nothing is to be said.
func (f *Finding) gateWords() string {
	g := f.Gate
	if g == nil || g.State == "" && g.Fails {
		return ""
	}
	words := map[string]string{"known": "known", "expired": "expired", "new": "new"}[g.State]
	if words == "" || g.State == "new" && !g.Fails {
		words = strings.TrimSpace(words + " does not fail the run")
	}
	for _, part := range []struct{ label, text string }{{"owner ", g.Owner}, {"", g.Reason}, {"until ", g.Expires}} {
		if part.text != "" {
			words += "; " + part.label + part.text
		}
	}
	return words
}

// Further is set in a finding of more names than are told apart. Its Denial has what
// their records have in common.
type Further struct {
	Class   string   `json:"class,omitempty"` // of the accesses; "" if it stands for several
	Samples []string `json:"samples"`         // the first few of the names, as far as they were seen
}

// A Container is the container that a finding is attributed to, and why.
type Container struct {
	ID        string `json:"id,omitempty"`
	Name      string `json:"name,omitempty"`
	Image     string `json:"image,omitempty"`
	Runtime   string `json:"runtime,omitempty"`
	Pod       string `json:"pod,omitempty"`
	Namespace string `json:"namespace,omitempty"`

	Evidence   []string `json:"evidence"`   // sentences
	Confidence string   `json:"confidence"` // low, medium, high
}

// A Product is what made an AppArmor profile, and for what.
type Product struct {
	Name  string   `json:"name"`            // snap
	What  string   `json:"what"`            // "app mysql of snap nextcloud"
	Files []string `json:"files,omitempty"` // where the profile lies, or else
	// Generated is set where the product makes the file anew, so that no change of it lasts.
	Generated bool `json:"generated"`
}

// A Subject is the process that the record names.
type Subject struct {
	PID   int      `json:"pid,omitempty"`
	Comm  string   `json:"comm"`
	Exe   string   `json:"exe,omitempty"`
	Label string   `json:"label,omitempty"`
	UID   *int     `json:"uid,omitempty"`
	Argv  []string `json:"argv,omitempty"`
}

// Seccomp names the numbers of a SECCOMP record.
type Seccomp struct {
	SyscallName string `json:"syscall_name"` // "" if the architecture has no call of that number
	// Call has the arguments that choose what the call does, "socket(AF_ALG)", of a claim.
	Call     string `json:"call,omitempty"`
	ArchName string `json:"arch_name"`
	Action   string `json:"action"` // errno, kill_process, log, ...
	// Suspected is set where only SIGSYS speaks for a filter; the rest is "" then.
	Suspected bool `json:"suspected,omitempty"`
}

// A Module says which other security module refused something, and what.
type Module struct {
	Name   string `json:"name"`             // SELinux, Smack, Landlock, IPE, fanotify
	Layer  string `json:"layer"`            // as in Verdict
	Access string `json:"access"`           // in the module's words
	Class  string `json:"class,omitempty"`  // of the object
	Object string `json:"object,omitempty"` // its name
	Target string `json:"target,omitempty"` // its label
	Domain string `json:"domain,omitempty"` // of Landlock
}

// A Rule is a place in a policy that takes part in the finding. Lines and
// columns count from 1; columns count characters; the end is exclusive.
type Rule struct {
	File      string `json:"file"`
	Builtin   string `json:"builtin,omitempty"` // where a profile that is not on disk comes from
	Line      int    `json:"line"`
	Column    int    `json:"column"`
	EndLine   int    `json:"end_line"`
	EndColumn int    `json:"end_column"`
	Text      string `json:"text"` // the line of the source, or the part of it around the place
	// TextColumn is where Text begins in the line, 0 for its first column.
	TextColumn int    `json:"text_column,omitempty"`
	Note       string `json:"note,omitempty"`
	Via        []Via  `json:"via,omitempty"` // the includes that led there, innermost first

	at rules.Location // zero if it was read from JSON
}

// A Via is the place of an include.
type Via struct {
	File string `json:"file"`
	Line int    `json:"line"`
}

// A Fix is one way to remedy the finding; see rules.Fix.
type Fix struct {
	Message string   `json:"message"`
	Rule    string   `json:"rule,omitempty"`  // the rule or entry as it reads afterwards; a command if there is no Diff
	Files   []string `json:"files,omitempty"` // that Diff changes, in its order; it drops their leading slash
	Diff    string   `json:"diff,omitempty"`  // unified, for git apply or patch -p1
	Cut     bool     `json:"cut,omitempty"`   // Diff has lines of which only the policy is told, so that these do not take it
	Grants  string   `json:"grants,omitempty"`
	Risk    string   `json:"risk"` // low, medium, high
	Reason  string   `json:"reason,omitempty"`
	Proof   []string `json:"proof,omitempty"`
	// Capability is what the container has to be given besides, or in place of a change.
	Capability string `json:"capability,omitempty"`

	edits []rules.Edit // none if it was read from JSON
}

// An Incident is a known one that a finding is of; see explain.Incident.
type Incident struct {
	ID       string `json:"id"`
	Versions string `json:"versions"`
	What     string `json:"what"`
	Remedy   string `json:"remedy"`
	Source   string `json:"source"`
}

// An Unchecked is what would remedy the finding if the policy that is not known said
// nothing else. It is no fix.
type Unchecked struct {
	Message    string `json:"message"`
	Rule       string `json:"rule"`
	Unproved   string `json:"unproved"` // what it was not checked against
	Grants     string `json:"grants,omitempty"`
	Risk       string `json:"risk"`
	Reason     string `json:"reason,omitempty"`
	Capability string `json:"capability,omitempty"`
}

// A Granted says that the fix of other findings grants the access of this one.
type Granted struct {
	Rule     string `json:"rule"`
	Revision int    `json:"revision"` // of what was suggested, as in Update
}

// A Summary says what was read, found, and perhaps missed.
type Summary struct {
	Lines      int `json:"lines"`
	Records    int `json:"records"`          // AppArmor and SECCOMP records understood
	Duplicates int `json:"duplicates"`       // the same records seen again through another transport
	Denials    int `json:"denials"`          // refused accesses that meet the filters, duplicates left out
	Findings   int `json:"findings"`         // distinct ones among them and among Complain
	Complain   int `json:"complain"`         // logged and permitted: complain mode, seccomp's log action
	Audited    int `json:"audited"`          // permitted, and logged because a rule says audit
	Status     int `json:"status"`           // records of policy being loaded, replaced or removed
	Claims     int `json:"claims,omitempty"` // findings that no log has; Findings are without them
	Dropped    int `json:"dropped"`          // denials beyond the distinct ones that are kept apart

	First string `json:"first,omitempty"` // of the denials, as in Finding
	Last  string `json:"last,omitempty"`

	Unparsed  int        `json:"unparsed"`          // lines that are evidently a denial but were not understood
	Samples   []Unparsed `json:"samples,omitempty"` // the first of them
	Overlong  int        `json:"overlong"`          // lines passed over for their length
	NULBytes  int        `json:"nul_bytes"`         // a log that was not closed cleanly has them
	CRLFLines int        `json:"crlf_lines"`
	TornLines int        `json:"torn_lines"` // files whose last line has no end

	// Neighbours counts records of other security modules, by kind: what neither
	// AppArmor nor seccomp refused can be theirs.
	Neighbours map[string]int `json:"neighbours,omitempty"`

	NotFound []NotFound `json:"not_found,omitempty"` // in the order of the findings

	Missing Missing `json:"missing"`

	Watched *Watched `json:"watched,omitempty"` // nil but of a store or a fleet's database
}

// A NotFound is a policy that decided findings and is not known.
type NotFound struct {
	Kind     string `json:"kind"`     // apparmor, seccomp
	Name     string `json:"name"`     // as in Finding.NotFound
	Findings int    `json:"findings"` // that it decided
	Send     string `json:"send"`     // what to give for more to be known, a clause
}

// An Unparsed is a line that is evidently a denial but was not understood.
type Unparsed struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Why  string `json:"why"`
	Text string `json:"text"` // its first bytes
}

// Missing counts the signs that records did not reach the log. The numbers of
// different signs can speak of the same records.
type Missing struct {
	SerialGaps  int `json:"serial_gaps"`      // serials between the first and the last that no record has
	AuditLost   int `json:"audit_lost"`       // records that the kernel says it dropped since it booted
	Suppressed  int `json:"suppressed"`       // "callbacks suppressed" of printk
	RateLimited int `json:"rate_limited"`     // times the kernel said "rate limit exceeded"
	Backlog     int `json:"backlog"`          // times it said that its backlog or hold queue overflowed
	Failed      int `json:"failed,omitempty"` // times it said that it could not write part of a record
	Messages    int `json:"messages"`         // log messages that journald or rsyslog say they dropped
	Auditd      int `json:"auditd"`           // times auditd said that it dropped events or that its disk is full
}

// Fields are the key=value pairs of a record in the kernel's order. In JSON they
// are one object.
type Fields []Field

// A Field is one pair of a record.
type Field struct {
	Key   string
	Value string
	// Bare is set for a value that JSON shows without quotes: an integer, true
	// or false.
	Bare bool
}

// Get returns the value of the first of the keys that the record has, or "".
func (f Fields) Get(keys ...string) string {
	for _, key := range keys {
		for i := range f {
			if f[i].Key == key {
				return f[i].Value
			}
		}
	}
	return ""
}

// MarshalJSON writes the fields as one object, in order.
func (f Fields) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, field := range f {
		if i > 0 {
			out.WriteByte(',')
		}
		key, err := escape.Encode(field.Key)
		if err != nil {
			return nil, err
		}
		out.Write(key)
		out.WriteByte(':')
		if field.Bare && isBare(field.Value) {
			out.WriteString(field.Value)
			continue
		}
		value, err := escape.Encode(field.Value)
		if err != nil {
			return nil, err
		}
		out.Write(value)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// UnmarshalJSON reads an object of strings, integers and booleans, keeping its
// order.
func (f *Fields) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		if err == nil && t == nil {
			return nil // null
		}
		return errors.New("a record must be an object of strings, integers and booleans")
	}
	*f = Fields{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		value, err := d.Token()
		if err != nil {
			return err
		}
		field := Field{Key: key.(string)} // an object's keys are strings
		switch v := value.(type) {
		case string:
			field.Value = v
		case json.Number:
			field.Value, field.Bare = v.String(), true
		case bool:
			field.Value, field.Bare = strconv.FormatBool(v), true
		default:
			return fmt.Errorf("%q must be a string, an integer or a boolean", field.Key)
		}
		*f = append(*f, field)
	}
	return nil
}

// isBare reports whether s is a 64-bit integer or a boolean exactly as JSON
// writes it.
func isBare(s string) bool {
	if s == "true" || s == "false" {
		return true
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return strconv.FormatInt(n, 10) == s
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return err == nil && strconv.FormatUint(n, 10) == s
}
