package shell

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "''",
		"/etc/apparmor.d/web@1":    "/etc/apparmor.d/web@1",
		"a b":                      "'a b'",
		"it's":                     `'it'\''s'`,
		"$(reboot)":                "'$(reboot)'",
		"a;b|c&d>e#f*~":            "'a;b|c&d>e#f*~'",
		"größe":                    "'größe'",
		"a\nb":                     `$'a\012b'`,
		"\x1b[31m'\\1":             `$'\033[31m\'\\1'`,
		"\xff":                     `$'\377'`,
		"\u202e":                   `$'\342\200\256'`,
		"-rf":                      "-rf",
		"\ufffd":                   "'\ufffd'",
		"!!":                       "'!!'",
		"{a,b}":                    "'{a,b}'",
		"a\u00a0b":                 `$'a\302\240b'`,
		"1\x002":                   `$'1\0002'`,
		"::error::x ##[command] y": "'::error::x ##[command] y'",
	} {
		assert.Equal(t, want, Quote(text))
	}
	assert.Equal(t, "sudo cat -- 'a b' c", Command("sudo cat", "--", "a b", "c"))
}

// A shell has back what was quoted.
func FuzzQuote(f *testing.F) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		f.Skip("bash is not installed")
	}
	for _, text := range []string{"", "a b", "it's", "$x `y` \\", "a\nb\n", "\x1b\xff\u202e", "!a", "~", "-n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for i := range len(text) {
			if text[i] == 0 {
				t.Skip("no argument has NUL in it")
			}
		}
		out, err := exec.Command(bash, "-c", "printf %s "+Quote(text)).Output()
		require.NoError(t, err)
		assert.Equal(t, text, string(out))
	})
}
