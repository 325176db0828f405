package seccomp

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// A unit of systemd is its file, or what `systemctl cat` prints, which has the drop-ins behind
// it, or what `systemctl show` prints, of which each property is a line. Of it are read the
// settings that systemd makes filters of (systemd.exec(5) of systemd 257).
var (
	unitSection = regexp.MustCompile(`(?m)^\[(?:Service|Socket|Mount|Swap)\][ \t]*\r?$`)
	unitShown   = regexp.MustCompile(`(?m)^SystemCallFilter=`)
)

// unitWords are those of which a unit has one: a search for them is much cheaper than the
// expressions, and all policy is asked.
var unitWords = []string{"[Service]", "[Socket]", "[Mount]", "[Swap]", "SystemCallFilter="}

// IsUnit reports whether a text is meant as a unit of systemd.
func IsUnit(text string) bool {
	return slices.ContainsFunc(unitWords, func(word string) bool { return strings.Contains(text, word) }) && !strings.HasPrefix(strings.TrimLeft(text, " \t\r\n\ufeff"), "{") && (unitSection.MatchString(text) || unitShown.MatchString(text))
}

// A setting of a unit is KEY=WORDS.
type setting struct {
	key   string
	words []unitWord
}

type unitWord struct {
	text string
	at   rules.Span
}

// settings returns those of the sections of units that run programs, with lines that go on
// after a backslash put together.
func settings(text string) (list []setting) {
	inside, goesOn, at := !unitSection.MatchString(text), false, 0
	for line := range strings.Lines(text) {
		start := at
		at += len(line)
		said := strings.TrimRight(line, " \t\r\n")
		body := strings.TrimLeft(said, " \t")
		isComment := strings.HasPrefix(body, "#") || strings.HasPrefix(body, ";")
		if isComment || goesOn && body == "" {
			continue // also within lines that go on
		}
		if !goesOn && strings.HasPrefix(body, "[") {
			inside = unitSection.MatchString(body)
			continue
		}
		said, more := strings.CutSuffix(said, `\`)
		if !goesOn {
			key, _, ok := strings.Cut(said, "=")
			if !ok || !inside {
				continue
			}
			list = append(list, setting{key: strings.TrimSpace(key)})
			start += len(key) + 1
			said = said[len(key)+1:]
		}
		last := &list[len(list)-1]
		for from := 0; from < len(said); {
			n := strings.IndexAny(said[from:], " \t")
			if n < 0 {
				n = len(said) - from
			}
			if n > 0 {
				last.words = append(last.words, unitWord{said[from : from+n], rules.Span{Start: start + from, End: start + from + n}})
			}
			from += n + 1
		}
		goesOn = more
	}
	return list
}

// A unitReader makes of a unit's settings the tree that the same profile has in JSON, with the
// places of the unit's own text. systemd loads a filter for each setting; of several answers
// to a call the strictest counts, so what one setting refuses is in no list of what is allowed.
type unitReader struct {
	filter  map[string]listedCall // by call: of the list
	order   []string              // its calls, "" in the place of one that was taken out
	named   int                   // calls so far, put in or taken out; see maxValues
	allow   bool                  // it lists what is allowed
	set     bool
	at      rules.Span // of what begins the list
	answer  string     // SystemCallErrorNumber=, "" is to kill
	native  bool       // SystemCallArchitectures= names no other than the host's
	entries []node
	refused map[string]bool // calls that another setting refuses, always or in some cases
}

// A listedCall is one of SystemCallFilter=.
type listedCall struct {
	answer string // "" for the usual one
	at     rules.Span
	place  int // in order
}

// readUnit reads a unit as a tree. It fails where no setting makes a filter.
func readUnit(file *rules.File) (*node, error) {
	r := &unitReader{filter: map[string]listedCall{}, refused: map[string]bool{}}
	list := settings(file.Text)
	for _, s := range list {
		switch s.key {
		case "SystemCallFilter":
			if r.list(s.words); r.named > maxValues {
				return nil, fmt.Errorf("SystemCallFilter= names calls more than %d times, which is too many for a seccomp profile", maxValues)
			}
		case "SystemCallErrorNumber":
			r.answer = errorNumber(s.words)
		case "SystemCallArchitectures":
			r.native = len(s.words) == 1 && s.words[0].text == "native"
		}
	}
	for _, of := range restrictions {
		if given := valuesOf(list, of.key); len(given) > 0 {
			of.refuse(r, given)
		}
	}
	if !r.set && len(r.entries) == 0 {
		return nil, errors.New("not a seccomp profile: the unit has no SystemCallFilter=, and no other setting that makes a filter")
	}
	return r.tree(file), nil
}

// valuesOf returns what a key is given, one after the other, since it was last given nothing.
func valuesOf(list []setting, key string) (given [][]unitWord) {
	for _, s := range list {
		switch {
		case s.key != key:
		case len(s.words) == 0:
			given = nil
		default:
			given = append(given, s.words)
		}
	}
	return given
}

// UnitSetting returns the key of the setting of a unit that has a place in its text, which
// makes part of its filter: SystemCallFilter, unless it is another.
func (p *Profile) UnitSetting(at rules.Location) string {
	for _, s := range settings(p.File.Text) {
		for _, w := range s.words {
			if w.at.Start <= at.Span.Start && at.Span.Start < w.at.End && len(p.File.Text) > at.Span.End-at.Span.Start {
				return s.key
			}
		}
	}
	return "SystemCallFilter"
}

// list adds one SystemCallFilter= (config_parse_syscall_filter() and
// seccomp_parse_syscall_filter() of systemd): the first says which kind of list it is, an
// empty one takes all back.
func (r *unitReader) list(words []unitWord) {
	if len(words) == 0 {
		r.filter, r.order, r.set = map[string]listedCall{}, nil, false
		return
	}
	first, inverted := strings.CutPrefix(words[0].text, "~")
	words = slices.Clone(words)
	words[0].text = first
	if !r.set {
		r.set, r.allow, r.at = true, !inverted, words[0].at
		if r.allow {
			r.put(unitWord{"@default", words[0].at}, true)
		}
	}
	for _, w := range words {
		if r.named > maxValues {
			return
		}
		r.put(w, inverted != r.allow)
	}
}

// put adds the calls of a word, NAME or @GROUP, with :ERROR behind it or not, or takes them out.
func (r *unitReader) put(w unitWord, add bool) {
	name, answer, _ := strings.Cut(w.text, ":")
	for _, call := range callsOf(name) {
		was, has := r.filter[call]
		switch r.named++; {
		case call == "" || !add && !has:
		case !add:
			r.order[was.place] = ""
			delete(r.filter, call)
		case has:
			r.filter[call] = listedCall{answer, w.at, was.place}
		default:
			r.filter[call] = listedCall{answer, w.at, len(r.order)}
			r.order = append(r.order, call)
		}
	}
}

// callsOf returns the calls of a group, NAME with an @ before it, or else the name alone.
func callsOf(name string) []string {
	if strings.HasPrefix(name, "@") {
		return slices.Sorted(maps.Keys(membersOf(name)))
	}
	return []string{name}
}

// errorNumber is what SystemCallErrorNumber= says, "" for the default, which kills: systemctl
// show has 0 for that, or the number of SECCOMP_ERROR_NUMBER_KILL.
func errorNumber(words []unitWord) string {
	if len(words) != 1 || words[0].text == "0" || words[0].text == "kill" || words[0].text == "2147483646" {
		return ""
	}
	return words[0].text
}

// tree puts what was read together.
func (r *unitReader) tree(file *rules.File) *node {
	whole := rules.Span{End: len(file.Text)}
	root := &node{kind: object, at: whole}
	otherwise := textNode("SCMP_ACT_ALLOW", r.at)
	if r.set && r.allow {
		does, errno := actionOf(r.answer)
		otherwise.value = does
		if errno != "" {
			root.set("defaultErrnoRet", node{kind: number, value: errno, at: whole})
		}
	}
	root.set("defaultAction", otherwise)
	if !r.native {
		root.set("archMap", node{kind: array, at: whole, items: slices.Clone(lxcArchMap)})
	}
	for _, call := range r.order {
		of, ok := r.filter[call]
		if !ok {
			continue
		}
		does, errno := "SCMP_ACT_ALLOW", ""
		if of.answer != "" || !r.allow {
			does, errno = actionOf(cmp.Or(of.answer, r.answer))
		}
		if does != "SCMP_ACT_ALLOW" || !r.refused[call] {
			r.entries = append(r.entries, entryOf([]string{call}, of.at, does, errno))
		}
	}
	root.set("syscalls", node{kind: array, at: whole, items: r.entries})
	return root
}

// actionOf is what a filter does that answers an error, "" to kill.
func actionOf(answer string) (does, errno string) {
	n, ok := errnoNumber(answer)
	if !ok || n == 0 {
		return "SCMP_ACT_KILL_PROCESS", ""
	}
	return "SCMP_ACT_ERRNO", strconv.Itoa(n)
}

// entryOf is an entry of the tree.
func entryOf(names []string, at rules.Span, does, errnoRet string, args ...node) node {
	list := node{kind: array, at: at}
	for _, name := range names {
		list.items = append(list.items, textNode(name, at))
	}
	entry := node{kind: object, at: at}
	entry.set("names", list)
	entry.set("action", textNode(does, at))
	if errnoRet != "" {
		entry.set("errnoRet", node{kind: number, value: errnoRet, at: at})
	}
	if len(args) > 0 {
		entry.set("args", node{kind: array, at: at, items: args})
	}
	return entry
}
