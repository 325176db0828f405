// Package secrets makes secrets for tests: by chance, after the published formats of
// tokens and after the ways in which programs are given passwords. None is real.
package secrets

import (
	_ "embed"
	"hash/fnv"
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

//go:embed gitleaks.txt
var gitleaks string

//go:embed own.txt
var own string

// A Secret is a piece of text with a secret in it.
type Secret struct {
	Kind  string
	Text  string // a token, NAME=token, a command line
	Value string // the part of it that nobody may see
}

// Formless are kinds that nothing tells from IDs and digests.
var Formless = []string{
	"sourcegraph-access-token", // 40 hexadecimal digits, as a commit has
	"asana-client-id",          // 16 digits
	"discord-client-id",        // 18 digits
	"kubernetes-secret-yaml",   // a whole manifest, whose data can have any names
}

// IsBare reports whether it is a token with a form of its own: it has no name, no flag
// and no URL around it, so that it can be a part of any name.
func (s Secret) IsBare() bool { return s.Text == s.Value && !strings.ContainsAny(s.Text, " /\n") }

// Leaked returns what of the secret is to be seen: eight characters of it, of a long one
// twelve, or all; "" if nothing is.
func (s Secret) Leaked(shown string) string {
	enough := 8
	if len(s.Value) >= 24 {
		enough = 12
	}
	for i := 0; i == 0 || i+enough <= len(s.Value); i++ {
		if piece := s.Value[i:min(i+enough, len(s.Value))]; strings.Contains(shown, piece) {
			return piece
		}
	}
	return ""
}

// All returns one secret of each kind, the same whenever it is called.
func All() []Secret {
	var all []Secret
	for line := range strings.Lines(gitleaks + own) {
		id, expression, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		if !slices.Contains(Formless, id) {
			all = append(all, newSecret(id, expression))
		}
	}
	return all
}

// beforeHook is what everybody may know of a webhook's address.
var beforeHook = regexp.MustCompile(`^.*?/(?:services|workflows|triggers|webhookb2)/`)

// plain takes the simplest of what gitleaks takes between a name and its value, a flag
// and its, a program and its flags.
var plain = strings.NewReplacer(
	`(?:=|>|:{1,3}=|\|\||:|=>|\?=|,)`, "=",
	`(?:=|[ \t]{0,5})`, " ",
	`(?:.*?|.*?(?:[\r\n]{1,2}.*?){1,5})`, "",
	`(?:.*|.*(?:[\r\n]{1,2}.*){1,5})`, "",
)

func newSecret(id, expression string) Secret {
	expression = plain.Replace(expression)
	re, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		panic(err) // of this package's own table
	}
	h := fnv.New64()
	h.Write([]byte(id))
	m := maker{Rand: rand.New(rand.NewPCG(h.Sum64(), 1)), expression: expression}
	m.make(re)
	s := Secret{Kind: id, Text: m.out.String(), Value: m.group}
	if s.Value == "" {
		s.Value = beforeHook.ReplaceAllString(s.Text, "")
	}
	return s
}

// A maker makes a text that an expression matches.
type maker struct {
	*rand.Rand
	expression string
	out        strings.Builder
	group      string // the longest
}

func (m *maker) make(re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpLiteral:
		text := string(re.Rune)
		if re.Flags&syntax.FoldCase != 0 { // which the parser has in capitals
			text = strings.ToLower(text)
			if i := strings.Index(strings.ToLower(m.expression), text); i >= 0 {
				text = m.expression[i : i+len(text)]
			}
		}
		m.out.WriteString(text)
	case syntax.OpCharClass:
		m.out.WriteByte(m.member(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		m.out.WriteByte('.') // that nobody escaped
	case syntax.OpCapture:
		start := m.out.Len()
		m.make(re.Sub[0])
		if text := m.out.String()[start:]; len(text) > len(m.group) {
			m.group = text
		}
	case syntax.OpStar, syntax.OpQuest:
	case syntax.OpPlus:
		m.repeat(re.Sub[0], 12)
	case syntax.OpRepeat:
		m.repeat(re.Sub[0], re.Min)
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			m.make(sub)
		}
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			if sub.Op == syntax.OpEndText || sub.Op == syntax.OpBeginText || sub.Op == syntax.OpEmptyMatch {
				return
			}
		}
		m.make(re.Sub[m.IntN(len(re.Sub))])
	}
}

func (m *maker) repeat(re *syntax.Regexp, n int) {
	for range n {
		if re.Op == syntax.OpAnyChar || re.Op == syntax.OpAnyCharNotNL {
			re = &syntax.Regexp{Op: syntax.OpCharClass, Rune: []rune{' ', '~'}}
		}
		m.make(re)
	}
}

// member returns a member of a class: a letter or digit if it has any, else what
// stands between a name and its value.
func (m *maker) member(class []rune) byte {
	pick := func(from string) []byte {
		var members []byte
		for i := range len(from) {
			for j := 0; j < len(class); j += 2 {
				if c := rune(from[i]); class[j] <= c && c <= class[j+1] {
					members = append(members, from[i])
				}
			}
		}
		return members
	}
	for _, from := range []string{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "=", " ", "\n", "\"'|,:-_.+/"} {
		if members := pick(from); len(members) > 0 {
			return members[m.IntN(len(members))]
		}
	}
	return '?'
}
