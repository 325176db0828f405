package source

import (
	"bufio"
	"bytes"
	"io"
	"regexp"
	"sync"
	"unicode/utf8"

	"github.com/whydenied/whydenied/rules/disk"
)

// head matches how lines of logs start in every shape that is read.
const head = `^(<\d+>|\d+,\d+,\d+,|\[[ \d]+\.\d+\]|\[?(mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec) |\d{4}-\d\d-\d\d|\d+\.\d+ |(node=\S+ )?type=|-- |----|\{|\[\{|"|_|[a-z]+ *:[a-z]+ *:)`

// headed and logLine are for what is no log: logLine matches the words that kernel messages
// without any header have, too.
var (
	headed  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)` + head) })
	logLine = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)` + head + `|audit|kernel|apparmor|seccomp|denied`)
	})
)

// IsNoLog reports whether a file in which nothing was found is plainly no log:
// it is plain text, and none of its first lines looks like one of a log. What
// cannot be told is a log.
func IsNoLog(name string) bool {
	if name == "-" {
		return false
	}
	file, err := disk.Open(name)
	if err != nil {
		return false
	}
	defer file.Close()
	return isPlain(file, logLine())
}

// IsHeaded reports whether one of the first lines of a text starts as those of logs do, or that
// cannot be told.
func IsHeaded(text []byte) bool { return !isPlain(bytes.NewReader(text), headed()) }

// isPlain reports whether a text is plain, without a line among the first that matches.
func isPlain(text io.Reader, line *regexp.Regexp) bool {
	lines := bufio.NewScanner(io.LimitReader(text, 64<<10))
	seen := false
	for lines.Scan() {
		if !utf8.Valid(lines.Bytes()) || line.Match(lines.Bytes()) {
			return false
		}
		seen = seen || len(lines.Bytes()) > 0
	}
	return seen
}
