package apparmor

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

func TestMediates(t *testing.T) {
	for _, c := range []struct {
		abi                     string
		req                     Request
		mediates, known, effect bool
	}{
		{"", UsernsRequest{}, true, false, false},
		{"abi <abi/3.0>,", UsernsRequest{}, false, true, false},
		{"abi <abi/4.0>,", UsernsRequest{}, true, true, true},
		{"abi <abi/5.0>,", MqueueRequest{}, true, true, true},
		{"abi <abi/3.0>,", UnixRequest{}, true, true, true},
		{"", UnixRequest{}, true, false, true},
		{"abi <abi/3.0>,", FileRequest{}, true, true, true},
		{"abi <abi/kernel-5.4-vanilla>,", NetworkRequest{}, false, true, false},
		{"abi <abi/kernel-5.4-outoftree-network>,", NetworkRequest{}, true, true, true},
		{"abi <abi/own>,", IOUringRequest{}, true, false, true},
	} {
		policy, _ := new(Loader).Load(rules.NewFile("p", c.abi+"\nprofile p {\n}\n"))
		p := policy.Profile("p")
		require.NotNil(t, p)
		mediates, known := p.Mediates(c.req)
		assert.Equal(t, [3]bool{c.mediates, c.known, c.effect}, [3]bool{mediates, known, p.HasEffect(c.req)}, "%s %T", c.abi, c.req)
	}
}

// What an abstraction declares counts for no profile.
func TestABIOfAbstraction(t *testing.T) {
	loader := &Loader{Overlay: map[string]string{"/i/abi/3.0": "", "/i/with": "  abi <abi/3.0>,\n", "/i/plain": "@{X}=/x\n"}, Include: []string{"/i"}}
	policy, _ := loader.Load(rules.NewFile("p", "include <plain>\nprofile p {\n  include <with>\n}\n"))
	assert.Nil(t, policy.ABI)
	policy, _ = loader.Load(rules.NewFile("p", "include <with>\nprofile p {\n}\n"))
	require.NotNil(t, policy.ABI)
	assert.Equal(t, "abi/3.0", policy.ABI.Path)
}

func TestSetABI(t *testing.T) {
	for before, after := range map[string]string{
		"\n# a comment\n\n#include <tunables/global>\nprofile p {\n}\n": "\n# a comment\n\nabi <abi/4.0>,\n#include <tunables/global>\nprofile p {\n}\n",
		"profile p {\n}\n":                        "abi <abi/4.0>,\nprofile p {\n}\n",
		"profile p {\r\n}\r\n":                    "abi <abi/4.0>,\r\nprofile p {\r\n}\r\n",
		"# x\nabi  <abi/3.0> ,\nprofile p {\n}\n": "# x\nabi <abi/4.0>,\nprofile p {\n}\n",
	} {
		policy, _ := new(Loader).Load(rules.NewFile("p", before))
		edit, rule := policy.SetABI("abi/4.0")
		changes, err := rules.Apply([]rules.Edit{edit})
		require.NoError(t, err)
		assert.Equal(t, after, changes[0].New)
		assert.Equal(t, "abi <abi/4.0>,", rule)
		again, _ := new(Loader).Load(rules.NewFile("p", changes[0].New))
		require.NotNil(t, again.ABI)
		assert.Equal(t, "abi/4.0", again.ABI.Path)
	}
}
