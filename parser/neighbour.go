package parser

import (
	"bytes"
	"strings"
)

// A Neighbour is a kind of record by which a part of the kernel other than AppArmor and
// seccomp says that it refused something, or what it refuses by. They are counted, as
// they tell why something failed that neither of the two refused.
type Neighbour uint8

// The neighbours.
const (
	SELinux        Neighbour = iota // AVC and USER_AVC with "avc:", which can be grants, too
	Smack                           // AVC with lsm=SMACK
	LandlockAccess                  // 1423, since Linux 6.15: a refusal
	LandlockDomain                  // 1424: which domain refused, and when it was freed
	IPE                             // 1420 to 1422, since Linux 6.12: refusals, and policy
	Fanotify                        // 1331: the answer of a program that permits access to files
	Neighbours                      // how many there are
)

// String names the kind as summaries do.
func (n Neighbour) String() string {
	return [...]string{"SELinux", "Smack", "Landlock access", "Landlock domain", "IPE", "fanotify"}[n]
}

// neighbourTypes are the types of records that are only of neighbours, by number and by
// name (include/uapi/linux/audit.h, Linux 6.18).
var neighbourTypes = map[string]Type{
	"1331": "FANOTIFY", "FANOTIFY": "FANOTIFY",
	"1420": "IPE_ACCESS", "IPE_ACCESS": "IPE_ACCESS",
	"1421": "IPE_CONFIG_CHANGE", "IPE_CONFIG_CHANGE": "IPE_CONFIG_CHANGE",
	"1422": "IPE_POLICY_LOAD", "IPE_POLICY_LOAD": "IPE_POLICY_LOAD",
	"1423": "LANDLOCK_ACCESS", "LANDLOCK_ACCESS": "LANDLOCK_ACCESS",
	"1424": "LANDLOCK_DOMAIN", "LANDLOCK_DOMAIN": "LANDLOCK_DOMAIN",
}

// neighbourOf returns the neighbour that writes a record, if one does.
func neighbourOf(t Type, body []byte) (Neighbour, bool) {
	switch t {
	case AVC:
		if bytes.HasPrefix(body, []byte("lsm=SMACK")) {
			return Smack, true
		}
		return SELinux, bytes.HasPrefix(body, []byte("avc:"))
	case USERAVC:
		return SELinux, bytes.Contains(body, []byte("msg='avc:"))
	case "LANDLOCK_ACCESS":
		return LandlockAccess, true
	case "LANDLOCK_DOMAIN":
		return LandlockDomain, true
	case "FANOTIFY":
		return Fanotify, true
	}
	return IPE, strings.HasPrefix(string(t), "IPE_")
}

// neighbour counts a record if it is a neighbour's.
func (s *scanner) neighbour(t Type, body []byte) {
	if n, ok := neighbourOf(t, body); ok {
		s.stats.Neighbours[n]++
	}
}

// neighbourLine counts the record of a line of another shape than auditd's log, which
// has its word audit at a place: "audit: type=1423 audit(1.2:3): BODY", "audit[7]: AVC BODY".
func (s *scanner) neighbourLine(line []byte, audit int) {
	if s.part != body {
		return
	}
	rest := line[audit:]
	if i := bytes.Index(line, []byte(" type=")); i >= 0 {
		rest = line[i+len(" type="):]
	} else if i := bytes.Index(rest[:min(len(rest), 24)], []byte(": ")); i >= 0 {
		rest = rest[i+2:]
	}
	word, rest, _ := bytes.Cut(rest[:min(len(rest), 512)], []byte(" "))
	if len(word) == 0 || word[0] > 'Z' || len(word) > 32 {
		return
	}
	rest = bytes.TrimPrefix(rest, []byte("msg="))
	if bytes.HasPrefix(rest, []byte("audit(")) {
		_, rest, _ = bytes.Cut(rest, []byte("): "))
	}
	s.neighbour(typeOf(string(word)), rest)
}
