package report

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// A change is one removed or added line of a unified diff.
type change struct {
	file string // as the diff names it, without the a/ or b/
	line int    // in the old file for a removed line, else in the new one
	sign byte   // '-' or '+'
	text string

	other string // what the line replaces or is replaced by, or ""
}

var hunkHeader = regexp.MustCompile(`^@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@`)

// changesOf returns the changed lines of a unified diff. What is not a hunk is
// passed over, so any text is taken.
func changesOf(diff string) []change {
	var changes []change
	file := ""
	oldLine, newLine, oldLeft, newLeft := 0, 0, 0, 0
	for line := range strings.Lines(diff) {
		line = strings.TrimRight(line, "\r\n")
		if oldLeft <= 0 && newLeft <= 0 {
			if header, ok := strings.CutPrefix(line, "+++ "); ok {
				file, _ = rules.DiffName(header)
			} else if m := hunkHeader.FindStringSubmatch(line); m != nil {
				oldLine, oldLeft = hunkRange(m[1], m[2])
				newLine, newLeft = hunkRange(m[3], m[4])
			}
			continue
		}
		switch {
		case strings.HasPrefix(line, "-"):
			changes = append(changes, change{file: file, line: oldLine, sign: '-', text: line[1:]})
			oldLine, oldLeft = oldLine+1, oldLeft-1
		case strings.HasPrefix(line, "+"):
			changes = append(changes, change{file: file, line: newLine, sign: '+', text: line[1:]})
			newLine, newLeft = newLine+1, newLeft-1
		case strings.HasPrefix(line, `\`): // "\ No newline at end of file"
		default:
			oldLine, oldLeft = oldLine+1, oldLeft-1
			newLine, newLeft = newLine+1, newLeft-1
		}
	}
	pair(changes)
	return changes
}

// hunkRange reads the start and length of a hunk's side; the length is 1 if it
// is not said.
func hunkRange(start, length string) (line, left int) {
	line, _ = strconv.Atoi(start)
	left = 1
	if length != "" {
		left, _ = strconv.Atoi(length)
	}
	return line, left
}

// pair sets what each removed line is replaced by and each added one replaces:
// the line at the same place of the neighbouring run.
func pair(changes []change) {
	for i := 0; i < len(changes); {
		added := run(changes, i, '-')
		end := run(changes, added, '+')
		for j := range min(added-i, end-added) {
			removed, new := &changes[i+j], &changes[added+j]
			removed.other, new.other = new.text, removed.text
		}
		i = end
	}
}

// run returns the index behind the run of changes of a sign that starts at i.
func run(changes []change, i int, sign byte) int {
	for i < len(changes) && changes[i].sign == sign {
		i++
	}
	return i
}

// firstDifference returns the index of the first character in which two lines
// differ, 0 if there is no other line.
func firstDifference(a, b string) int {
	if b == "" {
		return 0
	}
	other := []rune(b)
	n := 0
	for _, r := range a {
		if n >= len(other) || other[n] != r {
			break
		}
		n++
	}
	return n
}
