package explain

import (
	"fmt"
	"strings"

	"github.com/whydenied/whydenied/rules/apparmor"
)

// FileMask returns the permissions of a file mask as records and profiles write
// it, such as "rw"; c and d, which only records have, are w. It fails for any
// other letter.
func FileMask(mask string) (apparmor.Perms, error) {
	for _, letter := range mask {
		if _, ok := maskLetters[letter]; !ok {
			return 0, fmt.Errorf("%q is no file permission; the letters are r w a x m k l, and c d of records", letter)
		}
	}
	return filePerms(mask), nil
}

// WordMask returns the permissions of a mask written as words, such as "send
// receive" or "(send, receive)". It fails for a word that is none of allowed.
func WordMask(mask string, allowed apparmor.Perms) (apparmor.Perms, error) {
	mask = strings.Trim(mask, "()")
	for word := range strings.FieldsFuncSeq(mask, func(r rune) bool { return r == ' ' || r == ',' }) {
		if perm, ok := maskWords[word]; !ok || perm&^allowed != 0 {
			return 0, fmt.Errorf("%q is no permission here; the words are %s", word, allowed.Words())
		}
	}
	return wordPerms(mask), nil
}
