package fix

import (
	"regexp"
	"slices"
	"strings"
)

// follows has the letters that stand after each letter, from a to z, in the words of
// file names that people chose: 98 of 100 pairs in the names of 110,520 files of
// packages of Debian 12. Of 100 pairs by chance 62 are among them.
var follows = [26]string{
	"abcdefgiklmnprstuvwxyz", "abcdefgijlmnoprstuxyz", "abcdefhiklmnoprstuvxy", "abcdefgiklmnoprstuvwy", "abcdefghiklmnopqrstuvwxy",
	"acdefgilmoprstuy", "acdeghilmnoprstu", "acdeilmoprstuy", "abcdefglmnoprstvxz", "aeiosu",
	"abcdefgilmorstu", "abcdefgiklmoprstuvyz", "abcdeiklmopstu", "abcdefgijklmnoprstuvy", "abcdfghijklmnoprstuvwxy",
	"acdefghiklmnoprstuwy", "lu", "abcdefgiklmnoprstuvy", "abcdefghiklmnopqrstuvwy", "abcdefghiklmnoprstuwy",
	"abcdefgilmnoprstx", "aeimopst", "acdehinors", "acdefimpstx", "abcelmnprst",
	"aeio",
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }

// pair reports whether two letters stand together in words.
func pair(a, b byte) bool {
	return strings.IndexByte(follows[a|0x20-'a'], b|0x20) >= 0
}

// breaks returns at how many places of a part of a name somebody who chose it would
// hardly have gone on so: a pair of letters that no word has, a letter after a digit,
// and a capital in a word that begins neither a word nor an abbreviation.
func breaks(part string) int {
	n := 0
	for i := 1; i < len(part); i++ {
		a, b := part[i-1], part[i]
		switch {
		case isLower(a) && isLower(b), isUpper(a) && isUpper(b):
			if !pair(a, b) {
				n++
			}
		case isUpper(a) && isLower(b):
			if !pair(a, b) || i+1 == len(part) || !isLower(part[i+1]) {
				n++
			}
		case isLower(a) && isUpper(b):
			if !beginsWord(part[i:]) {
				n++
			}
		case isDigit(a) && (isLower(b) || isUpper(b)):
			if !numbered(part, i) {
				n++
			}
		}
	}
	return n
}

// numbered reports whether a part of a name is a number and a word, which begins at i.
func numbered(part string, i int) bool {
	return len(part)-i >= 4 && strings.Trim(part[:i], "0123456789") == "" && strings.Trim(part[i:], "abcdefghijklmnopqrstuvwxyz") == ""
}

// beginsWord reports whether what begins with a capital is a word or an abbreviation.
func beginsWord(s string) bool {
	if len(s) > 2 && isLower(s[1]) && isLower(s[2]) {
		return true
	}
	return len(s) > 1 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// word is what is most often chosen: one word, and a number behind it.
var word = regexp.MustCompile(`^([A-Z]?[a-z]+|[A-Z]+)[0-9]*$`)

// chosen are endings of names that look like chance and are always the same: of vim's swap files, and of
// Office Open XML.
var chosen = []string{"swp", "swpx", "swx", "pptx", "xlsx"}

// random reports whether a part of a name has at least so many breaks; two, where it
// has the form of a word. Of names by chance, 1 break leaves out 3 in 100 of
// mkstemp(3)'s six letters and 4 in 100 of Python's eight; of the words of six to ten
// letters in names of files of Debian, it takes 1 in 100.
func random(part string, least int) bool {
	if word.MatchString(part) {
		least = max(least, 2)
	}
	return breaks(part) >= least && !slices.Contains(chosen, part)
}

// isWord reports whether a part of a name is of letters alone, which make words.
func isWord(part string) bool {
	return strings.Trim(part, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_.-") == "" && breaks(part) == 0
}
