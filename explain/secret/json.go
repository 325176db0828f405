package secret

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// JSON puts asterisks in place of the values of environment variables and of the
// secrets in metadata of containers. Everything else keeps its place, as findings point
// into it. An error is that the text is no JSON.
func JSON(text []byte, found Kinds) (clean []byte, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var out bytes.Buffer
	var around []nesting
	last := 0 // of text that is in out
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			out.Write(text[last:])
			return out.Bytes(), nil
		}
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case json.Delim:
			around = nest(around, token)
			continue
		case string:
			end := int(decoder.InputOffset())
			start := last + bytes.IndexByte(text[last:end], '"')
			out.Write(text[last : start+1])
			raw := string(text[start+1 : end-1])
			out.WriteString(maskQuoted(raw, token, inside(around, token), found))
			out.WriteByte('"')
			last = end
		default:
			end := int(decoder.InputOffset())
			out.Write(text[last:end])
			last = end
		}
		if n := len(around); n > 0 {
			around[n-1].passed(token)
		}
	}
}

// A nesting is an object or array around a value.
type nesting struct {
	object  bool
	isKey   bool     // of an object: a key comes next
	key     string   // of an object: the last key; of an array: the one it is under
	name    *string  // of an object: what its key "name" or "key" says
	command *command // of an array
}

func nest(around []nesting, delim json.Delim) []nesting {
	n := len(around)
	switch delim {
	case '{':
		return append(around, nesting{object: true, isKey: true})
	case '[':
		key := ""
		if n > 0 {
			key = around[n-1].key
		}
		return append(around, nesting{key: key, command: &command{}})
	}
	around = around[:n-1]
	if n > 1 {
		around[n-2].passed(nil)
	}
	return around
}

// passed notes a key or a value that was read.
func (n *nesting) passed(token json.Token) {
	s, isString := token.(string)
	switch {
	case !n.object:
	case n.isKey:
		n.key, n.isKey = s, false
	default:
		if isString && (strings.EqualFold(n.key, "name") || strings.EqualFold(n.key, "key")) {
			n.name = &s
		}
		n.isKey = true
	}
}

// inside returns the secrets of a string.
func inside(around []nesting, value string) []span {
	n := len(around)
	if n == 0 {
		return find(value)
	}
	within := &around[n-1]
	if within.isKey || strings.HasPrefix(value, "seccomp=") {
		return forms(value, false)
	}
	all := func(kind string) []span { return []span{{0, len(value), kind}} }
	isEnv := func(level int) bool {
		return level >= 0 && slices.Contains([]string{"env", "envs", "environment"}, strings.ToLower(around[level].key))
	}
	key := strings.ToLower(within.key)
	switch {
	case !within.object && isEnv(n-1):
		name, _, _ := strings.Cut(value+"=", "=")
		if rest := value[len(name):]; rest != "" && (strings.Trim(rest, "=") != "" || !opaque(name, leastOpaque)) {
			return []span{{len(name) + 1, len(value), "environment"}}
		}
		return all("environment")
	case key == "createcommand", key == "kubectl.kubernetes.io/last-applied-configuration":
		return all("copy-of-configuration")
	case within.object && isEnv(n-2) && (key == "value" || around[n-2].object):
		return all("environment") // of Kubernetes, of the CRI, and of Compose
	case within.object && key == "value" && (within.name == nil || isSecret(*within.name, value)):
		return all("value")
	case within.object && isSecret(within.key, value):
		return all(kindOf(within.key))
	case within.command != nil:
		return within.command.argument(value)
	}
	return find(value)
}

// maskQuoted masks a string as it stands in JSON; value is what it means.
func maskQuoted(raw, value string, spans []span, found Kinds) string {
	if len(spans) == 0 || raw == value {
		return mask(raw, spans, '*', found)
	}
	// The places are those of the value: each is moved to what stands for it.
	places, ok := places(raw, value)
	if !ok {
		return mask(raw, []span{{0, len(raw), "value"}}, '*', found)
	}
	for i, s := range spans {
		spans[i].start, spans[i].end = places[s.start], places[s.end]
	}
	return mask(raw, spans, '*', found)
}

// places returns where in a JSON string each byte of its value comes from, and where
// it ends.
func places(raw, value string) ([]int, bool) {
	list := make([]int, 0, len(value)+1)
	for i, at := 0, 0; ; {
		if at == len(value) {
			return append(list, len(raw)), i == len(raw)
		}
		if i >= len(raw) {
			return nil, false
		}
		_, size := utf8.DecodeRuneInString(value[at:])
		for range size {
			list = append(list, i)
		}
		i += unit(raw[i:])
		at += size
	}
}

// unit returns how many bytes stand for the first character of a JSON string (RFC
// 8259, section 7).
func unit(raw string) int {
	if raw[0] != '\\' || len(raw) < 2 {
		_, size := utf8.DecodeRuneInString(raw)
		return size
	}
	if raw[1] != 'u' || len(raw) < 6 {
		return 2
	}
	high, err := strconv.ParseUint(raw[2:6], 16, 32)
	if err != nil || high < 0xd800 || high > 0xdbff || len(raw) < 12 || raw[6:8] != `\u` {
		return 6
	}
	low, err := strconv.ParseUint(raw[8:12], 16, 32)
	if err != nil || low < 0xdc00 || low > 0xdfff {
		return 6
	}
	return 12
}
