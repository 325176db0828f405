package access

import (
	"fmt"
	"strings"

	"github.com/whydenied/whydenied/rules/apparmor"
)

// maskLetters are the letters of a file record's masks: aa_perm_mask_to_str()
// in security/apparmor/lib.c, Linux 6.18. Creating, deleting, renaming and
// changing attributes are all written w in policy.
var maskLetters = map[rune]apparmor.Perms{
	'r': apparmor.Read,
	'w': apparmor.Write,
	'a': apparmor.Append,
	'c': apparmor.Write, // create
	'd': apparmor.Write, // delete, rename away
	'x': apparmor.Exec,
	'm': apparmor.Mmap,
	'k': apparmor.Lock,
	'l': apparmor.Link,
}

// letters returns the permissions of a file mask as records and profiles write it,
// such as "rw"; c and d, which only records have, are w. It fails for any other
// letter.
func letters(mask string) (perms apparmor.Perms, err error) {
	for _, letter := range mask {
		perm, ok := maskLetters[letter]
		if !ok {
			return 0, fmt.Errorf("%q is no file permission; the letters are r w a x m k l, and c d of records", letter)
		}
		perms |= perm
	}
	return perms, nil
}

// wordsOf returns the permissions of a mask written as words, such as "send
// receive" or "(send, receive)", which are those of policy. It fails for a word that is none of allowed.
func wordsOf(mask string, allowed apparmor.Perms) (perms apparmor.Perms, err error) {
	isSpace := func(r rune) bool { return r == ' ' || r == ',' }
	for word := range strings.FieldsFuncSeq(strings.Trim(mask, "()"), isSpace) {
		perm := apparmor.PermOf(word)
		if perm == 0 || perm&^allowed != 0 {
			return 0, fmt.Errorf("%q is no permission here; the words are %s", word, allowed.Words())
		}
		perms |= perm
	}
	return perms, nil
}

// someOf is wordsOf for a class of which something must be asked for.
func someOf(mask string, allowed apparmor.Perms) (apparmor.Perms, error) {
	perms, err := wordsOf(mask, allowed)
	if err == nil && perms == 0 {
		return 0, fmt.Errorf("the permission is missing; the words are %s", allowed.Words())
	}
	return perms, err
}
