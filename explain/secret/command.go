package secret

import (
	_ "embed"
	"path"
	"strings"
	"sync"
)

//go:embed programs.txt
var programTable string

// programs are the lines of programs.txt: flags by the names of programs.
var programs = sync.OnceValue(func() map[string][]string {
	flags := map[string][]string{}
	for line := range strings.Lines(programTable) {
		names, own, ok := strings.Cut(line, "  ")
		if ok && !strings.HasPrefix(line, "#") {
			for name := range strings.FieldsSeq(names) {
				flags[name] = strings.Fields(own)
			}
		}
	}
	return flags
})

// A command is a command line that is being read, one argument after the other.
type command struct {
	flags []string // of the program
	want  byte     // what the next argument is: 's' a secret, '?' one if it looks like one, ':' '%' ',' of a user with it, 'h' of a header
	name  string   // of the flag before
	isRaw bool     // the argument before was -c: the next is a script
}

// next reads an argument, and returns where in it a secret begins, -1 if none does.
func (c *command) next(arg string) (from int) {
	want := c.want
	c.want = 0
	if want != 0 && (!strings.HasPrefix(arg, "-") || want == 's' && strings.HasPrefix(c.name, "-p")) {
		return c.wanted(want, arg)
	}
	name := arg
	if !strings.HasPrefix(arg, "-") {
		name = arg[strings.LastIndexAny(arg, "=\"'`(")+1:] // x="mysql, $(mysql
	}
	if own, ok := programs()[path.Base(name)]; ok {
		c.flags = own
		return -1
	}
	switch arg {
	case "|", "||", "&&", ";", "&":
		c.flags = nil
		return -1
	}
	if !strings.HasPrefix(arg, "-") && !strings.HasPrefix(arg, "/") {
		return -1
	}
	c.name = arg
	for _, flag := range c.flags {
		kind := byte('s')
		if last := flag[len(flag)-1]; last == ':' && !strings.HasPrefix(flag, "/") || last == '%' || last == ',' {
			kind, flag = last, flag[:len(flag)-1]
		}
		switch attached, isAttached := strings.CutSuffix(flag, "*"); {
		case isAttached && strings.HasPrefix(arg, attached) && len(arg) > len(attached):
			if from := c.wanted(kind, arg[len(attached):]); from >= 0 {
				return len(attached) + from
			}
			return -1
		case arg == flag:
			c.want = kind
			return -1
		}
	}
	return c.flag(arg)
}

// flag notes what the argument after a flag is by the flag's name, and returns where in
// its own a secret begins.
func (c *command) flag(arg string) int {
	for _, user := range []string{"--user=", "--proxy-user=", "--userpass=", "--creds="} {
		if rest, ok := strings.CutPrefix(arg, user); ok {
			if from := c.wanted(':', rest); from >= 0 {
				return len(user) + from
			}
		}
	}
	switch {
	case arg == "-u" || arg == "--user" || arg == "--userpass" || arg == "--proxy-user" || arg == "--creds":
		c.want = ':'
	case arg == "-H" || arg == "--header":
		c.want = 'h'
	case strings.ContainsAny(arg, "=:") || !strings.HasPrefix(arg, "-") || ofFile(arg) || strings.HasSuffix(arg, "-stdin"):
	case len(arg) > 2:
		switch strengthOf(strings.TrimLeft(arg, "-")) {
		case strong:
			c.want = 's'
		case weak:
			c.want = '?'
		}
	}
	return -1
}

// wanted returns where in an argument of a kind the secret begins, -1 if it has none.
func (c *command) wanted(kind byte, arg string) int {
	switch kind {
	case 's':
		return 0
	case '?':
		if opaque(arg, leastOpaque) {
			return 0
		}
		return -1
	case 'h':
		if name, value, ok := strings.Cut(arg, ":"); ok && strengthOf(name) != none {
			return skipScheme(arg, len(arg)-len(strings.TrimLeft(value, " ")), len(arg))
		}
		return -1
	}
	user, secret, ok := strings.Cut(arg, string(kind))
	if !ok || secret == "" || user == "" && kind != ':' || kind == ':' && isOwner(user, secret) {
		return -1
	}
	return len(user) + 1
}

// isOwner reports whether user:secret is a user and a group, as of chown, docker run
// and setpriv, or a place in a file.
func isOwner(user, secret string) bool {
	switch secret {
	case user, "root", "nogroup", "nobody", "users", "daemon", "adm", "wheel", "staff", "docker", "audio", "video", "www-data":
		return true
	}
	return strings.Trim(secret, "0123456789") == "" && strings.Trim(user, "0123456789") == ""
}

// commandLine adds what the flags in a text say is a secret.
func commandLine(text string, spans []span) []span {
	var c command
	for at := 0; at < len(text); {
		at += len(text[at:]) - len(strings.TrimLeft(text[at:], " \t\r\n\x00"))
		start, end, next := word(text, at)
		if start < end {
			if from := c.next(text[start:end]); from >= 0 {
				from += start
				if from < end && strings.IndexByte(`"'`, text[from]) >= 0 { // -p"..."
					from++
				}
				spans = append(spans, span{from, end, "argument"})
			}
		}
		if strings.HasSuffix(text[at:next], ";") {
			c = command{}
		}
		spans = quoted(text, at, next, spans)
		at = max(next, at+1)
	}
	return spans
}

// quoted adds what is a secret in the quotes of a word: "mysql -px", info="mysql -px".
// In double quotes there can be single ones, so it is called again once at most.
func quoted(text string, at, next int, spans []span) []span {
	for at < next {
		open := strings.IndexAny(text[at:next], `"'`)
		if open < 0 {
			break
		}
		open += at
		end := strings.IndexByte(text[open+1:next], text[open])
		if end < 0 {
			at = open + 1
			continue
		}
		end += open + 1
		if strings.ContainsAny(text[open+1:end], " \t\r\x00") {
			for _, s := range commandLine(text[open+1:end], nil) {
				spans = append(spans, span{open + 1 + s.start, open + 1 + s.end, s.kind})
			}
		}
		at = end + 1
	}
	return spans
}

// word returns the place of a shell's word that begins at a place, without the quotes
// around it, and where it ends with them.
func word(text string, at int) (start, end, next int) {
	quote := byte(0)
	for next = at; next < len(text); next++ {
		b := text[next]
		switch {
		case quote != 0 && b == quote:
			quote = 0
		case quote != 0:
		case b == '"' || b == '\'':
			if i := strings.IndexAny(text[next+1:], string(b)+"\n"); i >= 0 && text[next+1+i] == b {
				quote = b
			}
		case b == ' ' || b == '\t' || b == '\n' || b == '\r' || b == 0:
			return unquoted(text, at, next)
		}
	}
	return unquoted(text, at, next)
}

func unquoted(text string, at, next int) (int, int, int) {
	end := next
	for end > at && strings.IndexByte(",;)", text[end-1]) >= 0 {
		end--
	}
	if end-at >= 2 && text[at] == text[end-1] && strings.IndexByte(`"'`, text[at]) >= 0 {
		return at + 1, end - 1, next
	}
	return at, next, next
}

// Args returns the arguments of a command with asterisks for their secrets.
func Args(args []string, found Kinds) []string {
	clean := make([]string, len(args))
	var c command
	for i, arg := range args {
		clean[i] = mask(arg, c.argument(arg), '*', found)
	}
	return clean
}

// argument returns the secrets of the next argument. One that is NAME=value as a whole
// is all value behind the sign.
func (c *command) argument(arg string) []span {
	spans := find(arg)
	if from := c.next(arg); from >= 0 {
		spans = append(spans, span{from, len(arg), "argument"})
	}
	isScript := c.isRaw
	c.isRaw = arg == "-c"
	name, value, ok := strings.Cut(arg, "=")
	if ok && !isScript && classes["token"].run(name) == len(name) && isSecret(strings.TrimLeft(name, "-"), value) {
		spans = append(spans, span{len(name) + 1, len(arg), kindOf(name)})
	}
	return spans
}
