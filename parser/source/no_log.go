package source

import (
	"bufio"
	"io"
	"regexp"
	"unicode/utf8"

	"github.com/whydenied/whydenied/rules/disk"
)

// logLine matches how lines of logs start in every shape that is read, and the
// words that kernel messages without any header have.
var logLine = regexp.MustCompile(`(?i)^(<\d+>|\d+,\d+,\d+,|\[[ \d]+\.\d+\]|\[?(mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec) |\d{4}-\d\d-\d\d|\d+\.\d+ |(node=\S+ )?type=|--|\{|\[\{|"|_|[a-z]+ *:[a-z]+ *:)|audit|kernel|apparmor|seccomp|denied`)

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
	lines := bufio.NewScanner(io.LimitReader(file, 64<<10))
	seen := false
	for lines.Scan() {
		if !utf8.Valid(lines.Bytes()) || logLine.Match(lines.Bytes()) {
			return false
		}
		seen = seen || len(lines.Bytes()) > 0
	}
	return seen
}
