package access

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// Parse reads an access in the words of policy, such as "open /etc/shadow r", as
// docs/query.md has them. If owner is set, the process owns the files. The denial is
// that of the record which the kernel would write of it.
func Parse(text string, owner bool) (*parser.Denial, error) {
	args, err := splitWords(text)
	if err != nil {
		return nil, err
	}
	if len(args) == 0 {
		return nil, errors.New("it is empty; write such as 'open /etc/shadow r'")
	}
	if strings.HasPrefix(args[0], "/") { // as a rule has it: /etc/shadow r
		args = append([]string{"open"}, args...)
	}
	name, args := args[0], args[1:]
	v := verbs[name]
	if v == nil {
		return nil, fmt.Errorf("%q is no access; the words are %s", name, strings.Join(slices.Sorted(maps.Keys(verbs)), " "))
	}
	w, args, err := v.conditionsIn(args)
	if err != nil {
		return nil, fmt.Errorf("%w of %s", err, name)
	}
	for pattern := range strings.SplitSeq(v.patterns, "|") {
		if found, ok := match(pattern, args); ok {
			return asked(slices.Concat(v.words(), w, found).owned(owner))
		}
	}
	return nil, fmt.Errorf("words are missing or too many; write %s", strings.TrimSpace(name+" "+v.usage))
}

// Usage lists the accesses that Parse reads, in columns, for the help of a command.
func Usage() string {
	const column, width = 30, 80
	var b strings.Builder
	line := ""
	for i := range classes {
		for _, v := range classes[i].verbs {
			name, _, _ := strings.Cut(v.names, " ")
			usage := strings.TrimSpace(name + " " + v.usage)
			at := (len(line)+column-1)/column*column + 2
			if at+len(usage) > width {
				b.WriteString(line + "\n")
				line, at = "", 2
			}
			line = fmt.Sprintf("%-*s%s", at, line, usage)
		}
	}
	return b.String() + line + "\n  PERMS of files: r w a x m k l; else words: send,receive\n"
}

// match returns the words of args by the keys of a pattern, and whether they fit it.
func match(pattern string, args []string) (w Words, ok bool) {
	keys := strings.Fields(pattern)
	if len(keys) != len(args) {
		return nil, false
	}
	for i, key := range keys {
		switch isArrow := args[i] == "->"; {
		case (key == "->") != isArrow:
			return nil, false
		case !isArrow:
			w = w.set(key, args[i])
		}
	}
	return w, true
}

// conditionsIn takes the words NAME=VALUE out of args.
func (v *verb) conditionsIn(args []string) (w Words, rest []string, err error) {
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || strings.ContainsAny(name, "/@ ") {
			rest = append(rest, arg)
			continue
		}
		i := slices.IndexFunc(strings.Fields(v.conditions), func(c string) bool { return c == name || strings.HasPrefix(c, name+":") })
		if i < 0 {
			return nil, nil, fmt.Errorf("%q is no condition", name+"=")
		}
		_, key, _ := strings.Cut(strings.Fields(v.conditions)[i], ":")
		w = w.set(cmp.Or(key, name), value)
	}
	return w, rest, nil
}

// set adds what somebody wrote, if it is not "", as the kernel spells it.
func (w Words) set(key, value string) Words {
	if value == "" {
		return w
	}
	return w.add(key, spelled(key, value))
}

// spelled returns a value as the kernel spells it, where people write it as programs
// do: CAP_CHOWN, SIGTERM, RLIMIT_NOFILE, infinity.
func spelled(key, value string) string {
	switch key {
	case "capname":
		return strings.TrimPrefix(strings.ToLower(value), "cap_")
	case "signal":
		return strings.TrimPrefix(strings.ToLower(value), "sig")
	case "rlimit":
		return strings.TrimPrefix(strings.ToLower(value), "rlimit_")
	case "value":
		if strings.EqualFold(value, "infinity") || value == "-1" {
			return "18446744073709551615" // RLIM_INFINITY
		}
	}
	return value
}

// asked returns the denial of what somebody asks, whose names must be those of the
// policy language: every profile would refuse others, which is no answer.
func asked(w Words) (*parser.Denial, error) {
	d := denial(parser.AVC, w)
	req, err := Request(d)
	if err == nil {
		err = apparmor.Vocabulary(req)
	}
	return d, err
}

// owned adds whether the process owns the file.
func (w Words) owned(owner bool) Words {
	if owner {
		return w.add("fsuid", "0").add("ouid", "0")
	}
	return w
}

// denial is that of a record of these words. What the kernel writes in each record
// may be missing.
func denial(typ parser.Type, w Words) *parser.Denial {
	d, _ := parser.Record{Type: typ, Fields: w.add("apparmor", "DENIED")}.Denial()
	return &d
}

// splitWords splits text at spaces. Double quotes keep spaces, and in them a
// backslash keeps a quote or a backslash; so do single quotes, and the
// parentheses of a list: options=(ro, bind).
func splitWords(text string) ([]string, error) {
	var out []string
	var word strings.Builder
	in, started := byte(0), false // in is the quote or parenthesis to end
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case in == '"' && c == '\\' && i+1 < len(text) && strings.IndexByte(`"\`, text[i+1]) >= 0:
			i++
			word.WriteByte(text[i])
		case in != 0 && c == in:
			in = 0
			if c == ')' {
				word.WriteByte(c)
			}
		case in != 0:
			word.WriteByte(c)
		case c == '"' || c == '\'':
			in, started = c, true
		case c == '(' && (!started || strings.HasSuffix(word.String(), "=")):
			in, started = ')', true
			word.WriteByte(c)
		case strings.IndexByte(" \t\n", c) < 0:
			started = true
			word.WriteByte(c)
		case started:
			out = append(out, word.String())
			word.Reset()
			started = false
		}
	}
	if in != 0 {
		return nil, fmt.Errorf("a %q is missing at the end", in)
	}
	if started {
		out = append(out, word.String())
	}
	return out, nil
}
