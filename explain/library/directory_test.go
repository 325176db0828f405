package library

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestMayDefine(t *testing.T) {
	for text, want := range map[string]bool{
		"profile web {\n":                       true,
		"profile web flags=(complain)\n{\n":     true,
		"/usr/bin/web {\n":                      true,
		"@{bin}/web flags=(audit){ /a r, }":     true,
		"# about web\nprofile db {\n}\n":        false,
		"profile db {\n  /{usr/,}bin/web r,\n}": false,
		"  /web/** r,\n/x/web {\n":              true,
		"web":                                   false,
		"":                                      false,
	} {
		assert.Equal(t, want, mayDefine(headersOf(text), "web"), text)
	}
}
