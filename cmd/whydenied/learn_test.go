package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/parser"
)

// What the kernel made a profile for, as no rule did, is told from a child of the policy's own.
func TestRanWithoutRule(t *testing.T) {
	for profile, want := range map[string]bool{"p//null-/usr/bin/x": true, "p//null-/usr/bin/x//null-/usr/bin/y": true, "p//x": false, "p": false} {
		f := &explain.Explained{Finding: &explain.Finding{}}
		f.Denial.AppArmor = &parser.AppArmor{Profile: profile}
		assert.Equal(t, want, ranWithoutRule(f), profile)
	}
	assert.False(t, ranWithoutRule(&explain.Explained{Finding: &explain.Finding{}}))
}
