package parser

import (
	"strconv"
	"strings"
	"time"
)

// An Attempt is something that a program tried and did not get, by its own
// account or by that of strace. No record of the kernel says that it happened,
// or why: that is for a policy to say.
type Attempt struct {
	Origin  Origin
	Time    time.Time // zero if it is not known
	PID     int       // as strace saw it; 0 if it is not known
	Comm    string    // the program, as far as it is known
	Syscall string    // openat, or ""
	Args    []string  // of the call as strace prints them; nil if they are not known
	Path    string    // what it was about; "" if Args or nothing say
	Cwd     string    // the directory that it was in; "" if it is not known
	Or      []Tried   // the calls that it was if it was not Syscall, the likelier first: a message seldom names its call
	Errno   string    // EACCES, or SIGSYS for a call that ended in this signal; "" if Hint says all
	First   bool      // it is the execution of a container's first program, by the runtime
	Outside bool      // the runtime did it, before the container's own policies are in force
	Host    bool      // it is of a program of the host, by what the text says: a unit of systemd, libvirt, a desktop
	Self    *Self     // what the process did to itself before; nil without a trace
	Arch    string    // "i386" where strace says that the process runs in 32-bit mode
	Text    string    // the line, with the begin of a call that spans several
	Hint    string    // what the line says by itself, and what to do, sentences; without Syscall and Errno no policy is to be asked
	Layer   string    // which layer of the kernel the line itself names, as explain/layer has them; "" if it does not
}

// A Tried is a system call that was tried.
type Tried struct {
	Syscall string
	Args    []string // as in Attempt
}

// Denial turns a record that was put together into a denial, as if the kernel had
// written it. It reports false if the fields are not those of a record.
func (r Record) Denial() (Denial, bool) {
	d := Denial{Event: Event{Records: []Record{r}}, Time: r.Time}
	why := ""
	if r.Type == SECCOMP {
		why = typeSeccomp(&d, &r)
	} else {
		why = typeAppArmor(&d, &r)
	}
	return d, why == ""
}

// StraceString returns the string of an argument as strace prints it, "a\n", and
// whether it is whole: strace cuts long ones and prints "..." behind them.
func StraceString(arg string) (s string, whole, ok bool) {
	arg = strings.TrimSpace(arg)
	end := quoteEnd(arg)
	if end < 0 {
		return "", false, false
	}
	return unescapeC(arg[1:end]), arg[end+1:] == "", true
}

// StraceFD returns the path that strace -y prints with a file descriptor, 3</a>,
// and what it prints of AT_FDCWD.
func StraceFD(arg string) (path string, ok bool) {
	_, rest, ok := strings.Cut(arg, "<")
	if !ok || !strings.HasPrefix(rest, "/") {
		return "", false
	}
	end := strings.IndexAny(rest, "<>") // 3</dev/null<char 1:3>>
	if end < 0 {
		return "", false
	}
	return unescapeC(rest[:end]), true
}

// quoteEnd returns the index of the quote that ends the string which s begins
// with, or -1.
func quoteEnd(s string) int {
	if !strings.HasPrefix(s, `"`) {
		return -1
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// unescapeC undoes the escapes of C: \n, \", \x7f and octal numbers.
func unescapeC(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			out = append(out, s[i])
			continue
		}
		i++
		if at := strings.IndexByte("abtnvfr", s[i]); at >= 0 {
			out = append(out, byte(7+at))
			continue
		}
		digits, base := 0, 8
		if s[i] == 'x' {
			i, base = i+1, 16
		}
		for digits < 3 && i+digits < len(s) && isDigit(s[i+digits], base) && (base == 8 || digits < 2) {
			digits++
		}
		if digits == 0 { // \\ and \"
			out = append(out, s[min(i, len(s)-1)])
			continue
		}
		n, _ := strconv.ParseUint(s[i:i+digits], base, 16)
		out = append(out, byte(n))
		i += digits - 1
	}
	return string(out)
}

func isDigit(c byte, base int) bool {
	if base == 8 {
		return c >= '0' && c <= '7'
	}
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
