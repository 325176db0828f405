package library_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// Whatever a request or a rule calls the label of its own profile has the new name of a
// derived one.
func TestDeriveRenamesOwnLabels(t *testing.T) {
	l := library.New(t.TempDir(), nil)
	policy, _ := l.UseProfile(rules.NewFile("web", `profile web {
  ptrace peer=web,
  signal peer=web,
  unix peer=(label=web),
  dbus send bus=system peer=(label=web),
  mqueue type=posix label=web /q,
  io_uring override_creds label=web,
}
`))
	derived := l.Derive(policy, "web-custom")
	text := derived.Files[0].Text
	assert.Equal(t, 7, strings.Count(text, "web-custom"), text)
	assert.Equal(t, 7, strings.Count(text, "web"), text)

	for _, req := range apparmor.Requests() {
		named := reflect.New(reflect.TypeOf(req)).Elem()
		labels := 0
		for i := range named.NumField() {
			switch named.Type().Field(i).Name {
			case "Label", "PeerLabel", "Peer":
				named.Field(i).SetString("web")
				labels++
			}
		}
		renamed := reflect.ValueOf(apparmor.Relabel(named.Interface().(apparmor.Request), "web", "web-custom"))
		for i := range renamed.NumField() {
			if renamed.Field(i).String() == "web-custom" {
				labels--
			}
		}
		assert.Zero(t, labels, "%T", req)
	}
}
