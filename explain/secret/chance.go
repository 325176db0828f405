package secret

import "strings"

// How long a word of letters and digits by chance is at least: where its name or place
// says that it may be a secret, and where nothing does.
const (
	leastOpaque = 12
	leastUser   = 8 // of a URL
	leastRandom = 20
)

// opaque reports whether a value is one word of letters and digits mixed, as keys are
// and names hardly ever.
func opaque(value string, least int) bool {
	if len(value) < least || value[0] == '/' {
		return false
	}
	colons := 0
	for i := range len(value) {
		switch b := value[i]; {
		case b == ':':
			if colons++; colons > 1 {
				return false
			}
		case !base64[b], b == '=' && i+1 < len(value) && value[i+1] != '=':
			return false
		}
	}
	c := census(value)
	return c.digits >= 1 && c.lower+c.upper >= 2 && 6*c.changes >= len(value)
}

// A count is what a word is made of.
type count struct {
	lower, upper, digits int
	changes              int // of one to another between two that are next to each other
}

func census(word string) (c count) {
	before := -1
	for i := range len(word) {
		now := -1
		switch b := word[i]; {
		case b >= 'a' && b <= 'z':
			now = 0
			c.lower++
		case b >= 'A' && b <= 'Z':
			now = 1
			c.upper++
		case b >= '0' && b <= '9':
			now = 2
			c.digits++
		}
		if now >= 0 && before >= 0 && now != before {
			c.changes++
		}
		before = now
	}
	return c
}

// byChance reports whether a word that nothing is known of is a key: of small and
// capital letters and digits, and so often one after another that nobody chose it. Of
// 20 by chance 9 in 10 are found, of 32 99 in 100. What has no capitals is none: IDs
// of containers, digests, UUIDs, names of pods and of the Nix store.
func byChance(word string) bool {
	c := census(word)
	tenth := (len(word) + 9) / 10
	return c.lower >= tenth && c.upper >= tenth && c.digits >= max(tenth-1, 1) && 3*c.changes >= len(word)
}

// random adds the words that are by chance, where they stand alone or as a value. Names
// of files are full of such: what begins with a slash or has one in it is passed over,
// but for base64's.
func random(text string, spans []span) []span {
	if len(text) < leastRandom {
		return spans
	}
	for i := 0; i < len(text); {
		n := base64.run(text[i:])
		if n == 0 {
			i++
			continue
		}
		word := text[i : i+n]
		start := i
		i += n
		if k := strings.LastIndexByte(strings.TrimRight(word, "="), '='); k >= 0 { // NAME=value
			start, word = start+k+1, word[k+1:]
		}
		if isDigest(word) || !isWord(text, start) {
			continue
		}
		bare := strings.TrimRight(word, "=.")
		if strings.Contains(bare, "/") && (strings.ContainsAny(bare, "-_.~%") || strings.Count(bare, "/") > len(bare)/12) {
			continue
		}
		if len(bare) >= leastRandom && byChance(bare) {
			spans = append(spans, span{start, start + len(word), "random"})
		}
	}
	return spans
}

// isWord reports whether what begins at start is no part of a file's name.
func isWord(text string, start int) bool {
	return text[start] != '/' && (start == 0 || text[start-1] != '/' && text[start-1] != '@')
}

// isDigest reports whether a word is an integrity value of the W3C's Subresource
// Integrity or of Nix.
func isDigest(word string) bool {
	return strings.HasPrefix(word, "sha256-") || strings.HasPrefix(word, "sha384-") || strings.HasPrefix(word, "sha512-")
}
