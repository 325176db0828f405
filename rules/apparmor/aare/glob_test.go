package aare

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// compiled returns the automaton of one glob.
func compiled(glob string) (*Automaton, error) {
	e, err := Parse(glob, false)
	if err != nil {
		return nil, err
	}
	return automatonFor(e), nil
}

func matches(a *Automaton, name string) bool { return len(a.Match(name)) > 0 }

func TestMatch(t *testing.T) {
	tests := []struct {
		glob     string
		match    []string
		mismatch []string
	}{
		{"/a", []string{"/a"}, []string{"", "/", "/a/", "/ab", "a"}},
		{"/a/*", []string{"/a/b", "/a/.b", "/a/*"}, []string{"/a/", "/a/b/", "/a/b/c", "/a"}},
		{"/a/*/", []string{"/a/b/"}, []string{"/a//", "/a/b", "/a/b/c/"}},
		{"/a*", []string{"/a", "/ab"}, []string{"/a/", "/a/b"}},
		{"/a/**", []string{"/a/b", "/a/b/", "/a/b/c"}, []string{"/a/", "/a", "/a//b"}},
		{"/a/**/", []string{"/a/b/", "/a/b/c/"}, []string{"/a/", "/a//", "/a/b"}},
		{"/a**", []string{"/a", "/a/", "/ab/c"}, []string{"/b"}},
		{"/a/*b", []string{"/a/b", "/a/bb"}, []string{"/a/", "/a/c/b"}},
		{"/**", []string{"/a", "/a/b"}, []string{"/", "//"}},
		{"/{**,}", []string{"/", "/a", "/a/"}, []string{"", "a"}},
		{"/a/{*,b/**}", []string{"/a/", "/a/c", "/a/b/", "/a/b/c"}, []string{"/a/c/d"}},
		{"/a/***", []string{"/a/b", "/a/b/c"}, []string{"/a/"}},
		{"/?", []string{"/a"}, []string{"/", "//", "/ab"}},
		{"/[ab]c", []string{"/ac", "/bc"}, []string{"/cc", "/c"}},
		{"/[a-c]", []string{"/a", "/b", "/c"}, []string{"/d", "/-"}},
		{"/[c-a]", []string{"/b"}, []string{"/d"}},
		{"/[^a-c]x", []string{"/dx", "//x"}, []string{"/ax", "/x"}},
		{"/[-a]", []string{"/-", "/a"}, []string{"/b"}},
		{"/[^^]", []string{"/a"}, []string{"/^"}},
		{"/[a{},]", []string{"/a", "/{", "/}", "/,"}, []string{"/b"}},
		{`/[\]\\]`, []string{"/]", `/\`}, []string{"/a"}},
		{`/[a\-c]`, []string{"/b"}, []string{"/-"}}, // the useless backslash is dropped
		{"/[a*]", []string{"/]", "/a]", "/[^]", "/a[a]"}, []string{"/a", "/*", "/b]"}},
		{"/{a,b}", []string{"/a", "/b"}, []string{"/", "/ab", "/{a,b}"}},
		{"/{a,{b,c}d}e", []string{"/ae", "/bde", "/cde"}, []string{"/be", "/ade"}},
		{"/{,a}b", []string{"/b", "/ab"}, []string{"/a"}},
		{"/a,b", []string{"/a,b"}, []string{"/a", "/b"}},
		{`/\*\?\[\{\,\\`, []string{`/*?[{,\`}, []string{`/a?[{,\`}},
		{`/\101\x42\d067`, []string{"/ABC"}, []string{"/101"}},
		{`/\q`, []string{"/q"}, []string{`/\q`}},
		{"/a.b+c|d(e)$^", []string{"/a.b+c|d(e)$^"}, []string{"/aXb+c|d(e)$^"}},
		{"/é", []string{"/é"}, []string{"/e"}},
		{"/?", []string{"/\xff"}, []string{"/é"}}, // bytes, not characters
		{"**", []string{"", "a", "/a/b"}, []string{"a\x00b"}},
		{"a//b", []string{"a//b"}, []string{"a/b"}}, // a label; paths are cleaned before
	}
	for _, test := range tests {
		p, err := compiled(test.glob)
		require.NoError(t, err, test.glob)
		for _, name := range test.match {
			assert.True(t, matches(p, name), "%s should match %q", test.glob, name)
		}
		for _, name := range test.mismatch {
			assert.False(t, matches(p, name), "%s should not match %q", test.glob, name)
		}
	}
}

func TestErrors(t *testing.T) {
	tests := []struct {
		glob   string
		offset int
		reason string
	}{
		{"/a]", 2, "] without ["},
		{"/a}", 2, "} without {"},
		{"/{a}", 3, "without a comma"},
		{"/{}", 2, "without a comma"},
		{"/{a,b", 5, "unclosed alternation"},
		{"/[ab", 4, "unclosed character class"},
		{"/[]", 1, "malformed character class"},
		{"/[^]", 1, "malformed character class"},
		{"/[a-]", 1, "malformed character class"},
		{"/[a--]", 1, "malformed character class"},
		{`/a\`, 2, "backslash at the end"},
		{"/a\x00", 2, "NUL"},
		{strings.Repeat("{a,", 50) + strings.Repeat("}", 50), 147, "inside each other"},
		{strings.Repeat("a", maxGlobLength+1), maxGlobLength, "longer than"},
	}
	for _, test := range tests {
		var err *Error
		_, failed := Parse(test.glob, false)
		require.ErrorAs(t, failed, &err, test.glob)
		assert.Equal(t, test.offset, err.Offset, test.glob)
		assert.ErrorContains(t, err, test.reason, test.glob)
	}
	_, err := ParseAny(nil)
	assert.Error(t, err)
	_, err = Parse(strings.Repeat("{a,", 49)+strings.Repeat("}", 49), false)
	assert.NoError(t, err)
}

// TestHostileGlobs checks that no pattern takes time out of proportion.
func TestHostileGlobs(t *testing.T) {
	name := "/" + strings.Repeat("a", 2000)
	for _, text := range []string{
		"/" + strings.Repeat("*a", 300) + "b",
		"/" + strings.Repeat("{a,aa}", 500) + "b",
		"/" + strings.Repeat("{a*,", 49) + strings.Repeat("}", 49),
		"/" + strings.Repeat("{,a}{,b}", 500),
		"/" + strings.Repeat("**?", 500),
		"/" + strings.Repeat("x", maxGlobLength-1),
		"/*[ab]" + strings.Repeat("?", 200), // 2^200 states, were all of them built
	} {
		p, err := compiled(text)
		require.NoError(t, err)
		p.Match(name)
		other, err := compiled("/*[ab]" + strings.Repeat("?", 100))
		require.NoError(t, err)
		relation := Compare(p, other, Both|OnlyA|OnlyB)
		assert.LessOrEqual(t, relation.Work, maxCompare+1<<20, text[:20])
		assert.LessOrEqual(t, p.held, maxHeld+1<<20)
	}
}

// reference translates a glob to the syntax of Go's regexp on its own terms. It
// reports false for what it does not know.
func reference(glob string) (*regexp.Regexp, bool) {
	var out strings.Builder
	depth, commas := 0, []int{}
	out.WriteString(`(?s)\A(?:`)
	for i := 0; i < len(glob); i++ {
		c := glob[i]
		afterSlash := i > 0 && glob[i-1] == '/'
		switch {
		case c == '\\':
			if i++; i == len(glob) || strings.IndexByte(`*?[]{}\/.+`, glob[i]) < 0 {
				return nil, false
			}
			out.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		case c == '*':
			n := 1
			for i+n < len(glob) && glob[i+n] == '*' {
				n++
			}
			end := i+n == len(glob) || glob[i+n] == '/'
			if afterSlash && end {
				out.WriteString(`[^/\x00]`)
			}
			for range n / 2 {
				out.WriteString(`[^\x00]*`)
			}
			if n%2 == 1 {
				out.WriteString(`[^/\x00]*`)
			}
			i += n - 1
		case c == '?':
			out.WriteString(`[^/\x00]`)
		case c == '[':
			end := strings.IndexByte(glob[i:], ']')
			if end < 2 {
				return nil, false
			}
			class := glob[i+1 : i+end]
			body := strings.TrimPrefix(class, "^")
			if body == "" || strings.ContainsAny(body, "-^[\\*?&~.+|()$\x00") || !isASCII(body) {
				return nil, false
			}
			out.WriteString("[" + class[:len(class)-len(body)] + regexp.QuoteMeta(body) + "]")
			i += end
		case c == '{':
			if depth++; depth > 40 {
				return nil, false
			}
			commas = append(commas, 0)
			out.WriteString("(?:")
		case c == '}':
			if depth == 0 || commas[depth-1] == 0 {
				return nil, false
			}
			depth--
			commas = commas[:depth]
			out.WriteString(")")
		case c == ',' && depth > 0:
			commas[depth-1]++
			out.WriteString("|")
		case c == ']' || c >= 0x80 || c == 0:
			return nil, false
		default:
			out.WriteString(regexp.QuoteMeta(string(rune(c))))
		}
	}
	out.WriteString(`)\z`)
	if depth > 0 {
		return nil, false
	}
	re, err := regexp.Compile(out.String())
	return re, err == nil
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}

func FuzzGlob(f *testing.F) {
	f.Add("/a/*", "/a/b")
	f.Add("/{a,b/**}/?[^c]", "/b/c/d/ef")
	f.Add(`/\*/{,x}y***`, "/*/xy/z")
	f.Add("/a/**/", "/a/b/")
	f.Add("/[ab]*{c,d{e,f}}", "/abcdf")
	f.Fuzz(func(t *testing.T, text, name string) {
		p, err := compiled(text)
		got := err == nil && matches(p, name)
		if err == nil {
			e, _ := Parse(text, false)
			literal, ok := e.Literal()
			if ok {
				require.True(t, matches(p, literal))
			}
			if IsLiteral(text) {
				require.Equal(t, text, literal)
			}
			for _, sample := range e.Samples() {
				require.True(t, matches(p, sample), "%q", sample)
				require.NotContains(t, sample, "\x00")
			}
		}
		re, ok := reference(text)
		if !ok || len(text) > 200 || len(name) > 200 || !isASCII(name) {
			return
		}
		require.NoError(t, err, text)
		require.Equal(t, re.MatchString(name), got, "glob %q, name %q, regexp %s", text, name, re)
	})
}
