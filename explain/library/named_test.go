package library_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules"
)

func TestNamedProfile(t *testing.T) {
	l := library.New(t.TempDir(), nil)
	_, err := l.NamedProfile("web")
	assert.EqualError(t, err, "no AppArmor profile was given with --profile")

	l.UseProfile(rules.NewFile("web.apparmor", "profile web {\n  profile child {\n  }\n}\n"))
	for asked, want := range map[string]string{"": "web", "web": "web", "web//child": "web//child", "web//null-/bin/sh": "web", "web.apparmor": "web"} {
		p, err := l.NamedProfile(asked)
		require.NoError(t, err, asked)
		assert.Equal(t, want, p.FullName(), asked)
	}
	_, err = l.NamedProfile("db")
	assert.EqualError(t, err, `there is no profile "db"; the profiles are: web, web//child`)

	l.UseProfile(rules.NewFile("db.apparmor", "profile db {\n}\n"))
	_, err = l.NamedProfile("")
	assert.EqualError(t, err, "name one of the profiles with --name: web, web//child, db")

	_, _, err = l.AddProfile("builtin:docker-default@28.1")
	require.NoError(t, err)
	p, err := l.NamedProfile("builtin:docker-default@28.1")
	require.NoError(t, err)
	assert.Equal(t, "docker-default", p.Name)
}
