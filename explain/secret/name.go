package secret

import (
	"bytes"
	"slices"
	"strings"
)

// What names of secrets hold, without the signs between words and in lower case.
var (
	// secretWords are enough anywhere in a name.
	secretWords = []string{
		"password", "passwd", "passphrase", "passcode", "pswd", "secret", "token", "credential", "authorization", "cookie", "webhook",
		"apikey", "accesskey", "accountkey", "privatekey", "encryptionkey", "signingkey", "masterkey", "sharedkey", "storagekey", "sessionkey",
		"serverkey", "requirepass", "masterauth", "connectionstring", "xamzsignature", "xamzcredential", "xgoogsignature",
	}
	// strongParts are a word of a name.
	strongParts = []string{"pass", "pw", "pwd", "psk", "auth", "dsn", "cred", "creds", "jwt", "userpass", "dbpass"}
	// weakParts are a word of a name that may be a secret's: its value has to look like
	// one too.
	weakParts = []string{"key", "sig", "signature", "hmac", "sas", "license", "licence", "salt", "otp", "login"}
	// services are those whose keys have no form of their own.
	services = []string{
		"adafruit", "airtable", "algolia", "alibaba", "asana", "atlassian", "beamer", "bitbucket", "bittrex", "cloudflare", "codecov", "cohere",
		"coinbase", "confluent", "contentful", "datadog", "discord", "droneci", "dropbox", "etsy", "facebook", "fastly", "finicity", "finnhub", "flickr",
		"freshbooks", "gitter", "jfrog", "kraken", "kucoin", "launchdarkly", "linear", "linkedin", "lob", "looker", "mailchimp", "mailgun", "mapbox",
		"mattermost", "meraki", "messagebird", "netlify", "newrelic", "nytimes", "okta", "plaid", "privateai", "rapidapi", "sendbird", "sentry",
		"snyk", "sumo", "heroku", "hubspot", "intercom", "artifactory", "xray", "contribsys", "squarespace", "sumologic", "telegram", "travis", "twitch", "twitter", "typeform", "yandex", "zendesk",
	}
	byFirst, parts = index()

	// files are the ends of names of what says where a secret is.
	files = []string{"file", "path", "dir", "directory", "location", "folder"}
	// about are the ends of names of what is said of a secret.
	about = []string{"mode", "type", "ttl", "length", "size", "name", "expiry", "expiration", "timeout", "algorithm", "format", "enabled", "method", "count"}
)

// A strength is how much a name tells of its value.
type strength int

const (
	none strength = iota
	weak          // a secret if it looks like one
	strong
)

// index returns secretWords by their first letters, and what single words tell.
func index() (byFirst [256][]string, parts map[string]strength) {
	for _, word := range secretWords {
		byFirst[word[0]] = append(byFirst[word[0]], word)
	}
	parts = map[string]strength{}
	for _, list := range [][]string{weakParts, services} {
		for _, part := range list {
			parts[part] = weak
		}
	}
	for _, part := range strongParts {
		parts[part] = strong
	}
	return byFirst, parts
}

// maxName bounds the names that are looked at.
const maxName = 100

// strengthOf tells whether what has the name is a secret.
func strengthOf(name string) strength {
	if len(name) < 2 || len(name) > maxName {
		return none
	}
	var flat, split [2 * maxName]byte // both in lower case; split has a space between words
	f, s := 0, 0
	for i := range len(name) {
		c := name[i]
		isUpper := c >= 'A' && c <= 'Z'
		if isUpper {
			c += 'a' - 'A'
		}
		isSign := !alnum[c]
		if isSign || isUpper && i > 0 && name[i-1] >= 'a' && name[i-1] <= 'z' {
			split[s] = ' '
			s++
		}
		if !isSign {
			flat[f], split[s] = c, c
			f++
			s++
		}
	}
	for i, c := range flat[:f] {
		for _, word := range byFirst[c] {
			if len(word) <= f-i && string(flat[i:i+len(word)]) == word {
				if endsIn(string(flat[:f]), about) {
					return weak
				}
				return strong
			}
		}
	}
	how := none
	for rest := split[:s]; len(rest) > 0; {
		n := bytes.IndexByte(rest, ' ')
		if n < 0 {
			n = len(rest)
		}
		how = max(how, parts[string(rest[:n])])
		if n >= len("key") && string(rest[n-len("key"):n]) == "key" {
			how = max(how, weak)
		}
		rest = rest[min(n+1, len(rest)):]
	}
	return how
}

// ofFile reports whether a name is of where a secret is, not of the secret.
func ofFile(name string) bool { return endsIn(strings.ToLower(name), files) }

func endsIn(name string, ends []string) bool {
	return slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(name, end) })
}

// isSecret reports whether a value that has a name is a secret.
func isSecret(name, value string) bool {
	how := strengthOf(name)
	if how == none || value == "" {
		return false
	}
	switch strings.ToLower(value) {
	case "true", "false", "null", "none", "yes", "no", "on", "off", "nil":
		return false
	}
	path := strings.HasPrefix(value, "/")
	if path && (ofFile(name) || strings.EqualFold(name, "PWD") || strings.EqualFold(name, "OLDPWD")) {
		return false
	}
	return how == strong || opaque(value, leastOpaque)
}

// maxValue bounds how much of a value is looked at to tell whether it is a secret.
const maxValue = 64

// assigned adds the values that names are given to: NAME=value, "name": "value",
// Name: value, name := value.
func assigned(text string, spans []span) []span {
	last := 0 // the end of the value before
	for i := 0; i < len(text); i++ {
		if c := text[i]; c != '=' && c != ':' || i < last {
			continue
		}
		name := nameBefore(text[last:i])
		if name == "" || strengthOf(name) == none {
			continue
		}
		near := text[:min(i+maxValue, len(text))]
		from, to := valueAfter(near, i, name)
		if from >= to || !isSecret(name, text[from:to]) || isPlace(text, i, name, text[from:to]) || isError(text[from:]) {
			continue
		}
		if to == len(near) {
			_, to = valueAfter(text, i, name)
		}
		spans = append(spans, span{from, to, kindOf(name)})
		last = to
	}
	return namedValues(text, spans)
}

// isPlace reports whether name:value is a place in a file, or a path before a word
// about it.
func isPlace(text string, colon int, name, value string) bool {
	if text[colon] != ':' {
		return false
	}
	start := colon - len(name)
	if name == "chpasswd" || name == "passwd" && strings.Trim(value, letters) == "" { // the programs, and nsswitch.conf
		return true
	}
	if start > 0 && text[start-1] == '/' {
		return true
	}
	return colon+1 < len(text) && text[colon+1] == value[0] && strings.Trim(value, "0123456789:,.)") == ""
}

// isError reports whether a text begins with the name of an error, which is no secret of the file that it
// is about.
func isError(text string) bool {
	return slices.ContainsFunc([]string{"permission denied", "operation not permitted", "read-only file system", "no such file or directory", "eacces", "eperm"}, func(name string) bool {
		return len(text) >= len(name) && strings.EqualFold(text[:len(name)], name) && (len(text) == len(name) || !id[text[len(name)]])
	})
}

// nameBefore returns the name that a text ends with, before spaces and a quote.
func nameBefore(text string) string {
	text = strings.TrimRight(text[max(len(text)-maxName-10, 0):], " \t?+!") // ?= of make, += and != of many
	text = strings.TrimRight(text, `"'\`+"`")
	n := 0
	for n < len(text) {
		c := text[len(text)-1-n]
		if !id[c] && c != '.' {
			break
		}
		n++
	}
	return text[len(text)-n:]
}

// valueAfter returns the place of the value after a separator at i.
func valueAfter(text string, i int, name string) (from, to int) {
	from = i + 1
	for from < min(i+3, len(text)) && (text[from] == '=' || text[from] == '>' && text[from-1] == '=') { // := == === =>
		from++
	}
	from += spaces(text[from:])
	if text[i] == ':' && from < len(text) && (text[from] == '|' || text[from] == '>') { // a block of YAML
		if end := strings.IndexByte(text[from:], '\n'); end >= 0 && end < 4 {
			from += end + 1
			from += spaces(text[from:])
			return from, lineEnd(text, from)
		}
	}
	if from, to, ok := quotedValue(text, from); ok {
		return skipScheme(text, from, to), to
	}
	switch strings.ToLower(name) {
	case "cookie", "set-cookie", "authorization", "proxy-authorization":
		to = from + strings.IndexAny(text[from:]+"\n", "\r\n\"'`")
		return skipScheme(text, from, to), to
	}
	from = skipScheme(text, from, len(text))
	if f, t, ok := quotedValue(text, from); ok {
		return f, t
	}
	to = from
	for to < len(text) && !ends[text[to]] {
		to++
	}
	return from, len(strings.TrimRight(text[:to], `\`))
}

// ends are what a value without quotes ends at.
var ends = newClass(" \t\r\n\"'`&;\x00")

// quotedValue returns the place of a value in quotes, which may be escaped themselves:
// up to the quote that ends it, or the end of the line.
func quotedValue(text string, at int) (from, to int, ok bool) {
	rest := text[at:]
	escaped := strings.HasPrefix(rest, `\`)
	quote := strings.TrimPrefix(rest, `\`)
	if quote == "" || strings.IndexByte("\"'`", quote[0]) < 0 {
		return 0, 0, false
	}
	from = at + len(rest) - len(quote) + 1
	for to = from; to < len(text) && text[to] != '\n'; to++ {
		switch {
		case text[to] == '\\' && escaped && strings.HasPrefix(text[to+1:], quote[:1]):
			return from, to, true
		case text[to] == '\\' && to+1 < len(text):
			to++
		case text[to] == quote[0]:
			return from, to, true
		}
	}
	return from, min(to, len(text)), true
}

func spaces(text string) int { return len(text) - len(strings.TrimLeft(text, " \t")) }

func lineEnd(text string, from int) int {
	if i := strings.IndexByte(text[from:], '\n'); i >= 0 {
		return from + i
	}
	return len(text)
}

// schemes are those of the Authorization header (RFC 9110 and IANA's registry), and
// what others have.
var schemes = []string{"bearer", "basic", "digest", "token", "negotiate", "apikey", "aws4-hmac-sha256", "ntlm", "key", "hoba", "mutual", "splunk", "genie"}

// skipScheme returns where a value goes on after the scheme that it begins with.
func skipScheme(text string, from, to int) int {
	word, _, ok := strings.Cut(text[from:min(from+20, to)], " ")
	if !ok || !slices.Contains(schemes, strings.ToLower(word)) {
		return from
	}
	at := from + len(word)
	return min(at+spaces(text[at:]), to)
}

// namedValues adds the value of {"name": "X-Token", "value": "..."} and of the same in
// YAML, where the text is not read as JSON.
func namedValues(text string, spans []span) []span {
	for at := 0; ; {
		i := strings.Index(text[at:], "value")
		if i < 0 {
			return spans
		}
		start := at + i
		at = start + len("value")
		sep := at
		for sep < len(text) && sep < at+4 && strings.IndexByte(`"'\ `, text[sep]) >= 0 {
			sep++
		}
		if sep >= len(text) || text[sep] != ':' && text[sep] != '=' {
			continue
		}
		before := strings.TrimRight(text[max(start-2*maxName, 0):start], "\"'`\\ \t\r\n,-")
		name := nameBefore(before)
		before = strings.TrimRight(strings.TrimSuffix(before, name), "\"'`\\ \t:=")
		key := nameBefore(before)
		if !strings.EqualFold(key, "name") && !strings.EqualFold(key, "key") {
			continue
		}
		if from, to := valueAfter(text[:min(sep+maxValue, len(text))], sep, "value"); from < to && isSecret(name, text[from:to]) {
			spans = append(spans, span{from, to, kindOf(name)})
			at = to
		}
	}
}

// kindOf returns the kind of what a name is given to.
func kindOf(name string) string {
	name = strings.ToLower(name)
	for _, kind := range []string{"token", "cookie", "authorization", "key", "signature"} {
		if strings.Contains(name, kind) {
			return kind
		}
	}
	return "password"
}
