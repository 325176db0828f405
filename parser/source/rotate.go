package source

import (
	"cmp"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/disk"
)

// rotated matches what logrotate, auditd, savelog and newsyslog put behind a
// log's name: .1, .2.gz, -20260131, -20260131-1769850000.zst, -2026-01-31.
var rotated = regexp.MustCompile(`^(.+?)(?:\.(\d{1,5})|[-.](\d{4}-?\d{2}-?\d{2}(?:[-_T]?\d+)?))?(?:\.(?:gz|zst|xz|bz2|lz4))?$`)

// rotation splits a file name into the log's own name and its age: dated ones
// have a date, numbered ones a generation, of which 0 is being written.
func rotation(name string) (base, date string, generation int) {
	m := rotated.FindStringSubmatch(name)
	if m == nil {
		return name, "", 0
	}
	generation, _ = strconv.Atoi(m[2])
	return m[1], strings.ReplaceAll(m[3], "-", ""), generation
}

// sortRotated orders file names by log, and those of one log by time, the
// oldest first: x-20260131, x-20260201, x.2.gz, x.1, x.
func sortRotated(names []string) {
	slices.SortFunc(names, func(a, b string) int {
		baseA, dateA, generationA := rotation(a)
		baseB, dateB, generationB := rotation(b)
		// A dated file is older than the one being written, whose date is empty.
		return cmp.Or(cmp.Compare(baseA, baseB), cmp.Compare(dateOrLast(dateA), dateOrLast(dateB)),
			cmp.Compare(generationB, generationA), cmp.Compare(a, b))
	})
}

func dateOrLast(date string) string {
	if date == "" {
		return "~"
	}
	return date
}

// isLogName reports whether a file of that name is a log that may hold denials.
func isLogName(name string) bool {
	base, _, _ := rotation(name)
	switch base {
	case "kern", "syslog", "messages", "dmesg", "kmsg":
		return true
	}
	return strings.HasSuffix(base, ".log")
}

// looksLikeLog reports whether a file that is not named like a log is one, such
// as a saved `journalctl -o json`: its start is a journal's, or has a denial.
func looksLikeLog(path string) bool {
	f, err := disk.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	text, closeText, err := decode(path, f)
	if err != nil {
		return false
	}
	defer closeText()
	head, err := io.ReadAll(io.LimitReader(text, 256<<10))
	if err != nil || len(head) == 0 {
		return false
	}
	first := string(head[:min(len(head), 4096)])
	if strings.HasPrefix(first, "__CURSOR=") || strings.HasPrefix(first, "{") && strings.Contains(first, `"__REALTIME_TIMESTAMP"`) {
		return true
	}
	denials, _ := parser.Scan(nil, parser.Block{File: path, Body: head})
	return len(denials) > 0
}
