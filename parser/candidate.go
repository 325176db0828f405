package parser

import "bytes"

// A finder finds the lines of a text in which holdsDenial or needleKey can be. It goes from
// one letter to the next of those that are rare in logs and in each of their words: the m
// of apparmor, the M of SECCOMP and of ANOM_ABEND, and the y of type=, over all lines at
// once, by the vector search of bytes.IndexByte.
type finder struct {
	text  []byte
	next  [3]int // where the next word with each letter is; behind the text if there is none
	stamp int    // the same of the parenthesis of audit(
}

var finderLetters = [...]byte{'m', 'M', 'y', stampLetter: '('}

const stampLetter = 3

// within reports whether such a word is in text[from:to]. Calls must go forward.
func (f *finder) within(from, to int) bool {
	for i := range f.next {
		if f.next[i] < from {
			f.next[i] = f.find(i, from)
		}
		if f.next[i] < to {
			return true
		}
	}
	return false
}

// companion returns the serial of the first audit(TIME:SERIAL): in text[from:to], and what is
// behind its parenthesis, if that is the stamp of one of the commonest companions, as the
// kernel's own log has them. Calls must go forward.
func (f *finder) companion(from, to int) (serial uint32, rest []byte, ok bool) {
	if f.stamp < from {
		f.stamp = f.find(stampLetter, from)
	}
	const head = "audit: type=1300 audit"
	if at := f.stamp; at >= to || at-from < len(head) || string(f.text[at-len(head):at-len("00 audit")]) != "audit: type=13" {
		return 0, nil, false
	}
	switch string(f.text[f.stamp-len("00 audit") : f.stamp-len("audit")]) {
	case "00 ", "02 ", "07 ", "09 ", "27 ":
	default:
		return 0, nil, false
	}
	rest = f.text[f.stamp+1 : to]
	_, _, serial, n := parseID(rest)
	return serial, rest[n:], n > 0 && serial > 0
}

// find returns the place of the next word with a letter.
func (f *finder) find(letter, at int) int {
	for ; at < len(f.text); at++ {
		n := bytes.IndexByte(f.text[at:], finderLetters[letter])
		if n < 0 {
			break
		}
		if at += n; at < 5 || f.isWord(letter, f.text[at-5:at], f.text[at+1:]) {
			return at
		}
	}
	return len(f.text) + 1
}

// isWord reports whether a letter with five bytes before it and what is behind it can be
// of a denial.
func (f *finder) isWord(letter int, before, after []byte) bool {
	switch letter {
	case 0:
		return string(before) == "appar" && len(after) >= 2 && string(after[:2]) == "or"
	case 1:
		return string(before) == "SECCO" || string(before[2:]) == "ANO"
	case stampLetter:
		return string(before) == "audit"
	}
	if before[4] != 't' || len(after) < 6 || string(after[:3]) != "pe=" {
		return before[4] == 't' && len(after) < 6
	}
	switch after[3] { // see isDenialType
	case '1':
		return after[4] == '3' && after[5] == '2' || after[4] == '7' || after[4] == '5'
	case 'S', 'A', 'U', '\x1b':
		return true
	}
	return false
}

// holdsDenial reports whether a line has apparmor=, SECCOMP auid=, ANOM_ABEND auid= or
// the type= of a denial in it. It goes from one equals sign to the next, which most lines of
// most logs have none of.
func holdsDenial(line []byte) bool {
	for i := 0; ; i++ {
		n := bytes.IndexByte(line[i:], '=')
		if n < 0 {
			return false
		}
		i += n
		switch {
		case i > 0 && isMark[line[i-1]] && marked(line[:i]):
			return true
		case i >= 8 && string(line[i-8:i]) == "apparmor" && (i == 8 || line[i-9] != '_'): // but subj_apparmor=
			return true
		case i >= 12 && string(line[i-12:i]) == "SECCOMP auid", i >= 15 && string(line[i-15:i]) == "ANOM_ABEND auid":
			return true
		case i >= 6 && string(line[i-4:i]) == "auid" && isMark[line[i-6]] && marked(line[:i-5]):
			return true
		case i >= 4 && string(line[i-4:i]) == "type" && isDenialType(line[i+1:]):
			return true
		}
	}
}

// marked reports whether a text ends in apparmor or SECCOMP, with what colours it
// or makes it bold behind it.
func marked(text []byte) bool {
	text = text[max(0, len(text)-32):]
	for _, word := range [...]string{"apparmor", "SECCOMP"} {
		i := bytes.LastIndex(text, []byte(word))
		if i >= 0 && bytes.IndexAny(text[i:], "\x1b[<") == len(word) {
			return true
		}
	}
	return false
}

// isMark holds the bytes that end escape sequences and tags.
var isMark = [256]bool{'K': true, 'm': true, ']': true, '>': true}

// isDenialType reports whether a text starts with a type whose records do not
// have apparmor= in them.
func isDenialType(text []byte) bool {
	switch {
	case len(text) < 5:
		return string(text) == "1326"
	case text[0] == '\x1b':
		return true
	case string(text[:4]) == "1326", string(text[:4]) == "1701":
		return text[4] == ' ' || text[4] == '\\'
	case string(text[:3]) == "150":
		return '0' <= text[3] && text[3] <= '7' && text[4] == ' '
	case string(text[:5]) == "SECCO" || string(text[:5]) == "APPAR" || string(text[:5]) == "UNKNO" || string(text[:5]) == "ANOM_":
		return true
	}
	return false
}

// isEvident reports whether a line is a denial for a human reader.
func isEvident(line []byte) bool {
	for rest := line; ; {
		i := bytes.Index(rest, needleAppArmor)
		if i < 0 {
			return bytes.Contains(line, []byte("type=SECCOMP")) || bytes.Contains(line, []byte("type=1326")) ||
				bytes.Contains(line, []byte("SECCOMP auid="))
		}
		rest = rest[i+len(needleAppArmor):]
		word := bytes.TrimLeft(rest[:min(len(rest), 10)], `\"`)
		for _, mode := range [...]string{"DENIED", "ALLOWED", "AUDIT", "KILLED"} {
			if bytes.HasPrefix(word, []byte(mode)) {
				return true
			}
		}
	}
}
