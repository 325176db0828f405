package parser

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Self is what a process did to itself, as far as its trace shows: what it then is
// refused, no policy of its container refuses.
type Self struct {
	Traced        bool // since the program was started
	Landlock      bool // it is in a Landlock domain
	Filter        bool // it installed a seccomp filter
	NoNewPrivs    bool
	UserNamespace bool     // it made one and is in it
	Became        bool     // it took another user's ID
	UID           int      // that one, the effective
	Effective     []string // capabilities that it kept, as CAP_...; nil if it set none
	Dropped       []string // that it took out of its bounding set
	Rlimits       []string // that it set, as RLIMIT_...
	ambient       bool     // it may have ambient capabilities
}

// selfCalls are the calls by which a process does that.
var selfCalls = map[string]bool{
	"landlock_restrict_self": true, "seccomp": true, "prctl": true, "unshare": true, "capset": true, "setuid": true, "setresuid": true,
	"setreuid": true, "setrlimit": true, "prlimit64": true,
}

// maxDropped bounds what is remembered of a process.
const maxDropped = 64

var capabilityWord = regexp.MustCompile(`CAP_[A-Z_]+`)

// did takes what a call that succeeded did to its process.
func (s *Self) did(name string, args []string) {
	arg := func(i int) string {
		if i < len(args) {
			return args[i]
		}
		return ""
	}
	switch name {
	case "landlock_restrict_self":
		s.Landlock = true
	case "seccomp":
		s.Filter = s.Filter || strings.HasPrefix(arg(0), "SECCOMP_SET_MODE")
	case "unshare":
		if strings.Contains(arg(0), "CLONE_NEWUSER") {
			s.enterUserNamespace()
		}
	case "capset":
		_, set, _ := strings.Cut(arg(1), "effective=")
		set, _, _ = strings.Cut(set, ", permitted")
		s.Effective = append([]string{}, capabilityWord.FindAllString(set, maxDropped)...)
	case "setrlimit", "prlimit64":
		if i := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "RLIMIT_") }); i >= 0 && arg(i+1) != "NULL" {
			s.Rlimits = appendSome(s.Rlimits, args[i])
		}
	case "setuid":
		s.become(arg(0))
	case "setresuid", "setreuid":
		s.become(arg(1))
	case "prctl":
		s.control(arg(0), args)
	}
}

// control takes what prctl(2) did.
func (s *Self) control(option string, args []string) {
	switch {
	case option == "PR_SET_NO_NEW_PRIVS":
		s.NoNewPrivs = true
	case option == "PR_SET_SECCOMP":
		s.Filter = true
	case option == "PR_CAP_AMBIENT" && len(args) > 1 && args[1] == "PR_CAP_AMBIENT_RAISE":
		s.ambient = true
	case option == "PR_CAPBSET_DROP" && len(args) > 1:
		s.Dropped = appendSome(s.Dropped, capabilityWord.FindString(args[1]))
	}
}

// become takes another user's ID: another than root's has no effective capabilities.
func (s *Self) become(id string) {
	uid, err := strconv.Atoi(id)
	if err != nil || uid < 0 {
		return
	}
	if s.Became, s.UID = true, uid; uid != 0 {
		s.Effective = []string{}
	}
}

// enterUserNamespace gives the process all capabilities, in its own namespace.
func (s *Self) enterUserNamespace() {
	s.UserNamespace, s.Effective, s.Dropped = true, nil, nil
}

// executed takes what execve(2) does to capabilities: root has those of its bounding set
// again, another user the ambient ones alone. Programs with capabilities of their own or
// of another user are not known.
func (s *Self) executed() {
	switch {
	case s.UID > 0 && !s.ambient:
		s.Effective = []string{}
	default:
		s.Effective = nil
	}
}

// appendSome appends to a copy, so that processes do not share it.
func appendSome(list []string, word string) []string {
	if word == "" || len(list) >= maxDropped || slices.Contains(list, word) {
		return list
	}
	return append(slices.Clip(list), word)
}

// refused reports whether an error can be a refusal: of a policy, a limit, a mount, or for
// want of what the kernel asks. Most calls fail so in the ordinary course; of those the
// error is taken where it is seldom anything else.
func refused(call, errno string) bool {
	switch errno {
	case "EPERM", "EACCES", "ENOSYS", "EROFS", "EMFILE":
		return true
	case "EAGAIN":
		return call == "fork" || call == "vfork" || call == "clone" || call == "clone3"
	case "ENOSPC":
		return call == "unshare" || call == "clone" || call == "clone3"
	case "ENOMEM":
		return strings.HasPrefix(call, "mlock")
	case "EINVAL":
		return call == "setuid" || call == "setgid" || call == "setresuid" || call == "setresgid"
	case "EAFNOSUPPORT": // RestrictAddressFamilies= of a unit answers so
		return call == "socket" || call == "socketpair"
	}
	return false
}
