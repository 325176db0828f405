package apparmor

import (
	"math"
	"strconv"
	"strings"
)

// An RlimitRule is set rlimit nofile <= 1024,.
type RlimitRule struct {
	Header
	Name  string // nofile
	Value string // 1024, 10M, 2min, infinity
}

// An RlimitRequest is a setrlimit(2).
type RlimitRequest struct {
	Name  string // nofile
	Value uint64 // the new hard limit, in the unit of setrlimit(2)
}

func (RlimitRequest) class() string      { return "rlimit" }
func (RlimitRequest) wanted() Perms      { return Access }
func (q RlimitRequest) subject() Request { return q }

// rlimitKinds are the limits by what their values count.
var rlimitKinds = map[string]string{
	"cpu": "seconds", "rttime": "microseconds",
	"fsize": "bytes", "data": "bytes", "stack": "bytes", "core": "bytes", "rss": "bytes", "as": "bytes",
	"memlock": "bytes", "msgqueue": "bytes",
	"nofile": "number", "ofile": "number", "nproc": "number", "locks": "number", "sigpending": "number",
	"rtprio": "number", "nice": "nice",
}

// timeUnits are the units of cpu and rttime, in microseconds.
var timeUnits = map[string]int64{
	"us": 1, "microsecond": 1, "microseconds": 1, "ms": 1e3, "millisecond": 1e3, "milliseconds": 1e3,
	"s": 1e6, "sec": 1e6, "second": 1e6, "seconds": 1e6, "min": 60e6, "minute": 60e6, "minutes": 60e6,
	"h": 3600e6, "hour": 3600e6, "hours": 3600e6, "d": 86400e6, "day": 86400e6, "days": 86400e6,
	"week": 7 * 86400e6, "weeks": 7 * 86400e6,
}

// rlimitRule reads set rlimit NAME <= VALUE [UNIT].
func (p *parser) rlimitRule(h Header) Rule {
	set := p.advance()
	if h.Audit || h.Deny || h.Allow || h.Prompt || h.Owner || h.Other || h.Priority != 0 {
		p.errorf(p.at(set), "bad-qualifier", "rlimit rules take no qualifiers")
	}
	if !p.word("rlimit") {
		p.expected("rlimit")
		return nil
	}
	r := &RlimitRule{Header: h}
	name := p.tok
	if !p.expect(tokID, "the name of a limit") || !p.expect(tokLessEqual, "<=") {
		return nil
	}
	value := p.tok
	if !p.expect(tokValue, "a number or infinity") {
		return nil
	}
	r.Name, r.Value = name.value, value.value
	unit := ""
	if p.tok.kind == tokID {
		unit = p.advance().value
	}
	r.Value += unit
	kind := rlimitKinds[r.Name]
	if kind == "" {
		p.errorf(p.at(name), "unknown-rlimit", "unknown rlimit %q%s", r.Name, closest(r.Name, keys(rlimitKinds)))
		return r
	}
	if value.value != "infinity" {
		if problem := checkRlimit(kind, value.value, unit); problem != "" {
			p.errorf(p.loc(value.start, p.last), "bad-rlimit", "rlimit %s: %s", r.Name, problem)
		}
	}
	return r
}

// checkRlimit says what is wrong with the value of a limit, or "".
func checkRlimit(kind, number, unit string) string {
	// What is too large for 64 bits saturates; 08 is a bad octal number, which
	// strtoll reads as 0.
	n, _ := strconv.ParseInt(number, 0, 64)
	switch kind {
	case "nice":
		if unit != "" || n < -20 || n > 19 {
			return "expected a number from -20 to 19"
		}
		return ""
	case "number":
		if unit != "" {
			return "expected a number without a unit"
		}
	case "bytes":
		if unit != "" && !strings.HasPrefix("KB", unit) && !strings.HasPrefix("MB", unit) && !strings.HasPrefix("GB", unit) {
			return "expected a unit of K, M or G"
		}
	default:
		per, ok := timeUnits[unit]
		switch {
		case unit == "":
		case !ok:
			return "expected a unit of time, such as ms, s or min"
		case n > math.MaxInt64/per:
			return "too large"
		case kind == "seconds" && n < (1e6+per-1)/per:
			return "less than one second"
		case n == 0:
			return "less than one microsecond"
		}
	}
	if n < 0 {
		return "expected a number that is not negative"
	}
	return ""
}

func (r *RlimitRule) resolve(*resolver) Rule { c := *r; return &c }

// ask finds nothing: rlimit rules grant nothing; see decide.
func (RlimitRequest) ask(Rule) (Perms, []string) { return 0, nil }

// decide decides on setrlimit(2): profile_setrlimit() in
// security/apparmor/resource.c. Only a limit above the one that the profile sets
// is refused; there is nothing to grant.
func (q RlimitRequest) decide(p *Profile, d *Decision) {
	d.Granted, d.Permitted = Access, true
	for _, rule := range p.Rules {
		limit, ok := rule.(*RlimitRule)
		if !ok || rlimitName(limit.Name) != rlimitName(q.Name) {
			continue
		}
		highest, ok := rlimitValue(limit)
		if !ok {
			d.Notes = append(d.Notes, "the value "+limit.Value+" of the rule is not readable")
			continue
		}
		if q.Value <= highest {
			d.Allow = append(d.Allow, rule)
			continue
		}
		d.Granted, d.Unmatched, d.Permitted = 0, Access, p.HasFlag("complain")
		d.Notes = append(d.Notes, "the rule limits "+limit.Name+" to "+limit.Value)
		d.Deny = append(d.Deny, rule)
	}
}

// rlimitName folds the two names of RLIMIT_NOFILE.
func rlimitName(name string) string {
	if name == "ofile" {
		return "nofile"
	}
	return name
}

// rlimitValue returns the limit of a rule in the unit of setrlimit(2): bytes,
// seconds of cpu, microseconds of rttime, or a number. For nice, setrlimit takes 20
// less the nice value; what apparmor_parser (3.0.8) compiles is 20 more, and the
// kernel compares the two.
func rlimitValue(r *RlimitRule) (uint64, bool) {
	if r.Value == "infinity" {
		return ^uint64(0), true
	}
	end := strings.LastIndexAny(r.Value, "0123456789") + 1
	n, err := strconv.ParseInt(r.Value[:end], 10, 64)
	if err != nil {
		return 0, false
	}
	unit := strings.TrimSpace(r.Value[end:])
	switch kind := rlimitKinds[r.Name]; {
	case kind == "nice":
		return uint64(20 + n), n >= -20 && n < 20
	case n < 0:
		return 0, false
	case kind == "bytes" && unit != "":
		shift, ok := map[byte]uint{'K': 10, 'M': 20, 'G': 30}[unit[0]]
		return uint64(n) << shift, ok
	case unit == "":
		return uint64(n), true
	case kind == "seconds":
		return uint64(n*timeUnits[unit]) / 1e6, timeUnits[unit] != 0
	case kind == "microseconds":
		return uint64(n * timeUnits[unit]), timeUnits[unit] != 0
	}
	return uint64(n), true
}

func (q RlimitRequest) rule(Transition) string {
	return "set rlimit " + q.Name + " <= " + rlimitText(q) + ","
}

// rlimitText is the value of a limit as policy writes it; see rlimitValue.
func rlimitText(r RlimitRequest) string {
	switch {
	case r.Value == ^uint64(0):
		return "infinity"
	case rlimitKinds[r.Name] == "nice":
		return strconv.FormatInt(int64(r.Value)-20, 10)
	}
	return strconv.FormatUint(r.Value, 10)
}

func (r *RlimitRule) cells(c *celler) {
	if value, ok := rlimitValue(r); ok {
		c.add(RlimitRequest{rlimitName(r.Name), value})
	}
	c.add(RlimitRequest{rlimitName(r.Name), ^uint64(0)})
}

func (q RlimitRequest) variant() variant {
	return variant{func() Request { return q }, nil, []variedField{{&q.Name, nil}}}
}

// narrow narrows nothing: rlimit rules deny nothing.
func (*RlimitRule) narrow(*Profile, Request, Perms) (n Narrowed, ok bool) { return n, false }

func (*RlimitRule) labels() []*Pattern { return nil }

func (q RlimitRequest) relabel(string, string) Request { return q }
