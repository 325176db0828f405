package parser

import "bytes"

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
