package container

import (
	"strconv"
	"strings"
)

// A Setup is what the config of a product says of how it makes the AppArmor profile of what
// it runs. All strings are as hostile as those of a Container.
type Setup struct {
	File    string // of the config, as it was named
	Option  string // of rules that it adds to the profile: raw.apparmor; "" if it has none
	Raw     string // those rules, one or several lines; "" if there are none
	Nesting bool   // the profile is that of containers that run containers
	Project string // of Incus or LXD; "" if that is not told

	Plugs []Plug  // of an app of a snap; nil if it is none
	Given []Given // what a virtual machine is given of the host's files
}

// A Plug is one of an app of a snap.
type Plug struct{ Name, Interface string }

// A Given is a file of the host that a virtual machine is given, with all below it.
type Given struct {
	Path     string
	ReadOnly bool
}

// plainValues returns what each key of a YAML text has, under the names of the maps around
// it: "config/raw.apparmor". It reads what programs print and people write in configs:
// blocks, scalars of a line, blocks of text, and lists of scalars, also in brackets. Of a list of maps
// the keys are those of the list. What it does not read is left out.
func plainValues(text string) map[string][]string {
	r := plainReader{values: map[string][]string{}}
	for line := range strings.Lines(text) {
		r.line(strings.TrimRight(line, " \t\r\n"))
	}
	r.end()
	return r.values
}

// A plainReader is between two lines of a YAML text.
type plainReader struct {
	values map[string][]string
	around []plainKey
	block  *plainKey // of which the lines that stand further in are the text
	text   []string
}

// A plainKey is a key, and where its line begins.
type plainKey struct {
	name   string // with those around it
	indent int
}

// maxPlainDepth bounds the maps in one another, of which those further in are left out.
const maxPlainDepth = 16

func (r *plainReader) line(line string) {
	rest := strings.TrimLeft(line, " ")
	indent := len(line) - len(rest)
	if r.block != nil {
		if rest == "" || indent > r.block.indent {
			r.text = append(r.text, line)
			return
		}
		r.end()
	}
	if rest == "" || rest[0] == '#' || rest == "---" {
		return
	}
	list := false
	for strings.HasPrefix(rest, "- ") {
		inner := strings.TrimLeft(rest[1:], " ")
		list, indent, rest = true, indent+len(rest)-len(inner), inner
	}
	for len(r.around) > 0 && r.around[len(r.around)-1].indent >= indent {
		r.around = r.around[:len(r.around)-1]
	}
	outer := ""
	if len(r.around) > 0 {
		outer = r.around[len(r.around)-1].name + "/"
	}
	key, value, ok := cutPlainKey(rest)
	switch {
	case !ok && list && outer != "":
		r.add(strings.TrimSuffix(outer, "/"), plainScalar(rest))
	case !ok || len(r.around) >= maxPlainDepth:
	case value == "":
		r.around = append(r.around, plainKey{outer + key, indent})
		r.values[outer+key] = append(r.values[outer+key], []string{}...)
	case value[0] == '|' || value[0] == '>':
		r.block = &plainKey{outer + key, indent}
	case value[0] == '[':
		for item := range strings.SplitSeq(strings.Trim(value, "[]"), ",") {
			if item = plainScalar(strings.TrimSpace(item)); item != "" {
				r.add(outer+key, item)
			}
		}
	default:
		r.add(outer+key, plainScalar(value))
	}
}

func (r *plainReader) add(key, value string) { r.values[key] = append(r.values[key], value) }

// end ends a block of text: what all its lines begin with is no part of it.
func (r *plainReader) end() {
	if r.block == nil {
		return
	}
	common := -1
	for _, line := range r.text {
		if n := spaces(line); line != "" && (common < 0 || n < common) {
			common = n
		}
	}
	for i, line := range r.text {
		r.text[i] = line[min(max(common, 0), len(line)):]
	}
	r.add(r.block.name, strings.TrimSpace(strings.Join(r.text, "\n")))
	r.block, r.text = nil, nil
}

func spaces(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// cutPlainKey cuts a line at the colon behind its key.
func cutPlainKey(line string) (key, value string, ok bool) {
	key, value, ok = strings.Cut(line, ": ")
	if !ok {
		if key, ok = strings.CutSuffix(line, ":"); !ok {
			return "", "", false
		}
	}
	if strings.ContainsAny(key, "{}[],\"' ") {
		return "", "", false // of a scalar, or in a notation that is not read
	}
	return key, strings.TrimSpace(value), true
}

// plainScalar returns what a scalar of one line says.
func plainScalar(s string) string {
	switch {
	case len(s) > 1 && s[0] == '\'' && s[len(s)-1] == '\'':
		return strings.ReplaceAll(s[1:len(s)-1], "''", "'")
	case len(s) > 1 && s[0] == '"':
		if said, err := strconv.Unquote(s); err == nil {
			return said
		}
		return strings.Trim(s, `"`)
	}
	said, _, _ := strings.Cut(s, " #")
	return strings.TrimSpace(said)
}
