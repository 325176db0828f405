package apparmor

import "github.com/whydenied/whydenied/rules"

// A class of rules has a file of its name, which holds its rule, its request and
// what the two answer to the methods below. The tables at the end of this file say
// how it is read, and perms.go has the words of new permissions.

// A Rule is one of *FileRule, *LinkRule, *CapabilityRule, *NetworkRule,
// *MountRule, *PivotRootRule, *PtraceRule, *SignalRule, *UnixRule, *DBusRule,
// *ChangeProfileRule, *RlimitRule, *UsernsRule, *MqueueRule, *IOUringRule and
// *AllRule.
type Rule interface {
	Location() rules.Location
	Head() *Header
	// resolve returns a copy with variables and aliases expanded.
	resolve(by *resolver) Rule
	// cells adds one request for each cell of the requests that it matches; see
	// classGains. Compiled rules are compared by their automata, and add none.
	cells(c *celler)
	// narrow is NarrowDeny for a deny rule that is the profile's own.
	narrow(p *Profile, req Request, perms Perms) (Narrowed, bool)
	// labels returns the patterns for labels of other processes and their objects; nil
	// among them is any.
	labels() []*Pattern
}

// ClassOf returns the name of a request's class, as rules of the class have it.
func ClassOf(req Request) string {
	return req.class()
}

// Labels returns the patterns of a rule for labels of other processes and their
// objects, such as peer=. One that the rule does not have is nil.
func Labels(r Rule) []*Pattern { return r.labels() }

// Relabel returns a request as it is once the processes of one label have another.
func Relabel(req Request, from, to string) Request { return req.relabel(from, to) }

// replace sets a text that is from.
func replace(text *string, from, to string) {
	if *text == from {
		*text = to
	}
}

// A Request is one access to decide on: a FileRequest, CapabilityRequest,
// NetworkRequest, MountRequest, PivotRootRequest, PtraceRequest, SignalRequest,
// UnixRequest, DBusRequest, ChangeProfileRequest, RlimitRequest, UsernsRequest,
// MqueueRequest or IOUringRequest.
//
// Permissions are those of policy, not the letters of a log record: c and d of
// requested_mask= are Write here, and translating them is the caller's part.
type Request interface {
	// class returns the name of its class; abiClasses says which abi files know it.
	class() string
	// wanted returns the permissions that it asks for.
	wanted() Perms
	// subject returns what else it says, of that which can be written in several
	// ways always one: two requests of one subject differ in permissions alone.
	subject() Request
	// decide answers it with the rules of a profile.
	decide(p *Profile, d *Decision)
	// ask returns what a rule gives or takes of it, and the conditions that keep
	// the rule from matching. A rule of another class gives 0.
	ask(r Rule) (perms Perms, diff []string)
	// rule returns the narrowest rule that grants it; see RuleFor.
	rule(exec Transition) string
	// variant returns a copy whose fields can be varied; see neighbours.
	variant() variant
	// relabel returns it with a label of others replaced; see Relabel.
	relabel(from, to string) Request
}

// Requests returns a request of each class, which asks for nothing: what tells classes
// apart can be tested to know all of them.
func Requests() []Request {
	return []Request{
		FileRequest{}, CapabilityRequest{}, NetworkRequest{}, MountRequest{}, PivotRootRequest{}, PtraceRequest{}, SignalRequest{},
		UnixRequest{}, DBusRequest{}, ChangeProfileRequest{}, RlimitRequest{}, UsernsRequest{}, MqueueRequest{}, IOUringRequest{},
	}
}

// keywords are the words that cannot be names at the top level, as in
// apparmor_parser's keyword table.
var keywords = wordSet(`network unix capability if else not defined change_profile unsafe safe
	link owner user other subset audit deny allow prompt set rlimit alias rewrite ptrace file
	mount remount umount unmount pivot_root in dbus signal abi userns mqueue io_uring all
	profile hat priority
	send receive bind read write eavesdrop peer trace tracedby readby`)

// ruleModes are the keywords after which a statement is read in a mode of its own.
var ruleModes = map[string]mode{
	"rlimit": modeRlimit, "if": modeExpr, "change_profile": modeChangeProfile, "userns": modeUserns, "abi": modeABI,
}

// vocabularies are the words of the rules that are read in modeRule, by the keyword
// that those begin with.
var vocabularies = map[string]*vocabulary{
	"network": networkWords, "mount": mountWords, "remount": mountWords, "umount": mountWords, "unmount": mountWords,
	"dbus": dbusWords, "signal": signalWords, "ptrace": ptraceWords, "unix": unixWords, "mqueue": mqueueWords,
}

// parsers read the rules of a class, by the keyword that those begin with. File
// rules need none; see fileRules.
var parsers = map[string]func(*parser, Header) Rule{
	"link":           (*parser).linkRule,
	"capability":     (*parser).capabilityRule,
	"network":        (*parser).networkRule,
	"mount":          (*parser).mountRule,
	"remount":        (*parser).mountRule,
	"umount":         (*parser).mountRule,
	"unmount":        (*parser).mountRule,
	"pivot_root":     (*parser).pivotRootRule,
	"ptrace":         (*parser).ptraceRule,
	"signal":         (*parser).signalRule,
	"unix":           (*parser).unixRule,
	"dbus":           (*parser).dbusRule,
	"change_profile": (*parser).changeProfileRule,
	"set":            (*parser).rlimitRule,
	"userns":         (*parser).usernsRule,
	"mqueue":         (*parser).mqueueRule,
	"io_uring":       (*parser).ioUringRule,
	"all":            (*parser).allRule,
}
