// Package escapetest reads output as the places do that it is written to, for tests
// to find what in it is more than text. It knows nothing of how text is escaped.
package escapetest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Terminal is as much of a terminal as shows whether output does more than to
// print lines: a state machine of ECMA-48, with nothing but colours and ends of lines
// permitted.
type Terminal struct {
	Colors []string // parameters of "select graphic rendition" that are permitted, but for 0
	Tabs   bool     // whether tabs are

	Columns int // of the longest line
}

// Print returns what of the output is not permitted.
func (t *Terminal) Print(output string) error {
	if !utf8.ValidString(output) {
		return fmt.Errorf("not UTF-8: %q", output)
	}
	column, color := 0, "0"
	for i := 0; i < len(output); {
		r, n := utf8.DecodeRuneInString(output[i:])
		switch {
		case r == '\n':
			if color != "0" {
				return fmt.Errorf("color %q goes on over the end of a line", color)
			}
			column = 0
		case r == '\t' && t.Tabs:
			column += 8 - column%8
		case r == 0x1b:
			parameters, length := colorSequence(output[i:])
			if length == 0 || parameters != "0" && !slices.Contains(t.Colors, parameters) {
				return fmt.Errorf("escape sequence in %q", output[i:min(len(output), i+20)])
			}
			color, n = parameters, length
		case unicode.IsControl(r):
			return fmt.Errorf("control character %U", r)
		case unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs), r != ' ' && unicode.Is(unicode.Zs, r), unicode.Is(unicode.Variation_Selector, r), unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r):
			return fmt.Errorf("invisible character %U", r)
		case unicode.In(r, unicode.Mn, unicode.Me):
		default:
			column++
		}
		t.Columns = max(t.Columns, column)
		i += n
	}
	if color != "0" {
		return fmt.Errorf("color %q is left on", color)
	}
	return nil
}

// colorSequence reads CSI parameters m; length is 0 for another sequence.
func colorSequence(s string) (parameters string, length int) {
	rest, ok := strings.CutPrefix(s, "\x1b[")
	if !ok {
		return "", 0
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > ';' || r == ':' })
	if end < 0 || rest[end] != 'm' {
		return "", 0
	}
	return rest[:end], len("\x1b[") + end + 1
}

var (
	// A marker of GitLab is one with \r\x1b[0K behind it (its documentation of job
	// logs, "custom collapsible sections"); without is taken for one here.
	gitlabSection = regexp.MustCompile(`section_(?:start|end):\d`)
	// The commands of Azure Pipelines and TeamCity, and the old ones of GitHub, which
	// its runner looks for anywhere in a line.
	hashCommand = regexp.MustCompile(`##[A-Za-z]*\[`)
)

// Commands returns the lines of the log of a CI job that are commands to it.
func Commands(log string) (commands []string) {
	for _, line := range strings.FieldsFunc(log, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if name, _, _ := GitHub(line); name != "" || hashCommand.MatchString(line) || gitlabSection.MatchString(line) {
			commands = append(commands, line)
		}
	}
	return commands
}

// GitHub reads a line as GitHub's runner does (src/Runner.Common/ActionCommand.cs,
// the form of two colons): name is "" if it is no command. Every name of letters and
// dashes is taken for a registered one, and every word between colons for the token
// of a stop-commands.
func GitHub(line string) (name string, properties map[string]string, message string) {
	rest, ok := strings.CutPrefix(strings.TrimLeftFunc(line, unicode.IsSpace), "::")
	if !ok {
		return "", nil, ""
	}
	info, data, ok := strings.Cut(rest, "::")
	if !ok {
		return "", nil, ""
	}
	name, list, more := strings.Cut(info, " ")
	isName := strings.IndexFunc(name, func(r rune) bool { return r != '-' && (r > 'z' || !unicode.IsLetter(r)) }) < 0
	if name == "" || more && !isName {
		return "", nil, ""
	}
	properties = map[string]string{}
	for _, property := range strings.Split(strings.TrimSpace(list), ",") {
		if key, value, ok := strings.Cut(property, "="); ok {
			properties[key] = unescapeGitHub(value, "%3A", ":", "%2C", ",")
		}
	}
	return name, properties, unescapeGitHub(data)
}

// unescapeGitHub undoes the runner's escapes, in its order: the percent sign last.
func unescapeGitHub(s string, more ...string) string {
	pairs := append([]string{"%0D", "\r", "%0A", "\n"}, more...)
	for i := 0; i < len(pairs); i += 2 {
		s = strings.ReplaceAll(s, pairs[i], pairs[i+1])
	}
	return strings.ReplaceAll(s, "%25", "%")
}
