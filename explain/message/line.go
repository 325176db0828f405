package message

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// before are what engines, collectors and loggers put before a line of a program's output,
// each of which may stand there once or several times, in any order.
var before = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:` + strings.Join([]string{
		`>+ ?`, // as quoted in a mail or in Markdown
		`\[pod/[^\]\s]+\] `,
		`[\w.@-]+ +\| `, // docker compose, docker service
		`(?:=> ERROR \[[^\]]*\] |#\d+ )?\d+\.\d+ `, // BuildKit: the seconds of a step
		`(?:stdout|stderr) [FP] `,
		`\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]? (?:[\w.-]+ [\w./@-]+\[\d+\]: )?`,
		`\[ *\d+\.\d+\] `, // the kernel's clock
		`[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)? (?:[\w.-]+ [\w./@-]+(?:\[\d+\])?: )?`,
		`[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ [\w.-]+:\d+\] `, // klog
	}, "|") + `)`)
})

// podmanEnds is how Podman ends what a runtime says, to tell of what kind it is: of EPERM, too.
const podmanEnds = `: OCI (?:runtime )?permission denied(?: error)?\s*$`

var (
	ofRuntime = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)([^\s:])` + podmanEnds) })
	ofPodman  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)\bpodman\b|` + podmanEnds) })
)

// IsPodman reports whether Podman said a text: it names itself, or ends what a runtime below it says
// in its own way.
func IsPodman(text string) bool {
	return ofPodman().MatchString(text)
}

// IsKubelet reports whether a text is of a kubelet, or of an event of a pod.
func IsKubelet(text string) bool { return ofKubelet().MatchString(text) }

var ofKubelet = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\bkubelet\b|\bkuberuntime|\bpod_workers\.go|\bpodSandboxID=|\b(?:Create|Run)ContainerError\b`)
})

// colour is how programs have a terminal change colours, as bytes or as JSON and cat -v spell them.
var colour = regexp.MustCompile(`(?:\x1b|\\u001[bB]|\\x1[bB]|\\033|\^\[)\[[0-9;]*[A-Za-z]`)

// spelled are what web pages and chats put in place of a space, of none, and of the characters that HTML has
// a meaning for; and the colon of Chinese and Japanese texts.
var spelled = strings.NewReplacer("\u00a0", " ", "\u202f", " ", "\u2007", " ", "\u200b", "", "\ufeff", "", "：", ": ",
	"&#39;", "'", "&#x27;", "'", "&apos;", "'", "&quot;", `"`, "&#34;", `"`, "&gt;", ">", "&lt;", "<", "&nbsp;", " ", "&amp;", "&")

// logged are the values of a line of KEY=VALUE that hold a message.
var logged = regexp.MustCompile(`\b(?:msg|message|error|err)=("(?:[^"\\]|\\.)*")(?:\s|$)`)

// maxBefore bounds how often something is taken away from before a line.
const maxBefore = 8

// bare returns a line of output as the program wrote it: without what others put before
// it, and out of the JSON or the KEY=VALUE that it was put into, or several of them in each other.
func bare(line string) string {
	line = outermost(line)
	if strings.Contains(line, `\"`) {
		line = quoted.ReplaceAllLiteralString(line, `"`)
	}
	return line
}

// quoted is a quotation mark in what is quoted, however deep.
var quoted = regexp.MustCompile(`\\+"`)

// outermost is bare without what is quoted within the quoted.
func outermost(line string) string {
	line = spelled.Replace(line)
	if strings.ContainsAny(line, "\x1b\\^") {
		line = colour.ReplaceAllLiteralString(line, "")
	}
	line = strings.TrimSpace(line)
	for range maxBefore {
		rest := strings.TrimSpace(before().ReplaceAllLiteralString(line, ""))
		if rest == line || rest == "" {
			break
		}
		line = rest
	}
	if strings.HasPrefix(line, "{") {
		return fromJSON(line)
	}
	if strings.Contains(lowerASCII(line), "permission denied") {
		line = ofRuntime().ReplaceAllString(line, "$1")
	}
	if !strings.Contains(line, `="`) {
		return line
	}
	var said []string
	for _, m := range logged.FindAllStringSubmatch(line, maxBefore) {
		if value, err := strconv.Unquote(m[1]); err == nil {
			said = append(said, value)
		}
	}
	if len(said) == 0 {
		return line
	}
	return strings.TrimSpace(strings.Join(said, ": "))
}

// isCodeAlone reports whether a line in lower case names an error and nothing else, as npm
// and Node.js list the parts of the error that they also print whole.
func isCodeAlone(lower string) bool { return codeAlone.MatchString(lower) }

var codeAlone = regexp.MustCompile(`^(?:\d+ error )?(?:npm (?:err!|error) +)?code:? '?(?:eperm|eacces)'?,?$`)

// messageKeys are the keys by which loggers and collectors have the text of a line, in the
// order of a sentence.
var messageKeys = []string{"log", "MESSAGE", "message", "msg", "text", "error", "err", "reason"}

// fromJSON returns what an object says, or the line itself if it is none.
func fromJSON(line string) string {
	var object map[string]any
	if json.Unmarshal([]byte(line), &object) != nil {
		return line
	}
	var said []string
	attr, _ := object["attr"].(map[string]any) // where MongoDB has what its messages are about
	for _, in := range []map[string]any{object, attr} {
		for _, key := range messageKeys {
			if s, ok := in[key].(string); ok && strings.TrimSpace(s) != "" {
				said = append(said, strings.TrimSpace(s))
			}
		}
	}
	text := strings.Join(said, ": ")
	if namesError(line) && !namesError(text) { // what they say is about something deeper
		return cmp.Or(sayingError(object, 0), text, line)
	}
	return cmp.Or(text, line)
}

// namesError reports whether a text names an error.
func namesError(text string) bool {
	errno, _, _ := errnoOf(lowerASCII(text))
	return errno != ""
}

// maxNested bounds how deep an object is looked into.
const maxNested = 6

// sayingError returns the first text in a value of JSON, by the names of its keys, that names an error; "" if none does.
func sayingError(value any, depth int) string {
	if depth > maxNested {
		return ""
	}
	switch value := value.(type) {
	case string:
		if text := strings.TrimSpace(value[:min(len(value), maxMessage)]); namesError(text) {
			return text
		}
	case []any:
		for _, v := range value {
			if text := sayingError(v, depth+1); text != "" {
				return text
			}
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			if text := sayingError(value[key], depth+1); text != "" {
				return text
			}
		}
	}
	return ""
}

// locales.tsv has a row for each language in which the C library names errors: those of
// EPERM, EACCES, SIGSYS, ENOSYS and EROFS, as strerror(3) and strsignal(3) of glibc 2.36
// print them; then what mount and umount of util-linux 2.38 say in place of that, and what tells
// that coreutils 9.1 could not open a file, the longest words of it that no name parts. The first row is in English.
//
//go:embed locales.tsv
var localesTSV string

// toEnglish replaces the names of errors in other languages by the English ones.
var toEnglish = sync.OnceValue(func() *strings.Replacer {
	var pairs, english []string
	known := map[string]bool{}
	for row := range strings.Lines(localesTSV) {
		names := strings.Split(strings.TrimSuffix(row, "\n"), "\t")[1:]
		if english == nil {
			english = names
			continue
		}
		for i, name := range names {
			for _, name := range cased(name) {
				if !known[name] {
					known[name] = true
					pairs = append(pairs, name, english[i])
				}
			}
		}
	}
	return strings.NewReplacer(pairs...)
})

// cased returns a text with a small and with a capital letter first: programs have their own
// texts in the middle of a line, where the C library's begin with a capital.
func cased(text string) []string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return nil
	}
	return []string{text, string(unicode.ToLower(first)) + text[size:], string(unicode.ToUpper(first)) + text[size:]}
}

// isForeign reports whether a line in lower case says that something else than the kernel
// refused: a server to a client, a database to a role.
func isForeign(lower string) bool { return foreign().MatchString(lower) }

var foreign = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\(publickey|\(password|\bcode = permissiondenied\b|\b40[13]\b|\bforbidden\b|\bunauthori[sz]ed\b|\bnot authori[sz]ed\b|^etcdserver:|^5[35]0 |` +
		`\baccess is denied\b|\b(?:table|schema|database|relation|sequence|role|column) \w+$|\barn:aws:`)
})

// isProse reports whether a phrase of a line in lower case goes on as a sentence, which an
// error does not that strerror(3) names.
func isProse(lower string, end int) bool {
	rest := lower[end:]
	if strings.HasPrefix(rest, " while ") { // com_err(3), and what was done
		return false
	}
	return len(rest) > 1 && rest[0] == ' ' && rest[1] >= 'a' && rest[1] <= 'z'
}
