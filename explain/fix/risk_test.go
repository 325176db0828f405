package fix

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// Each class of request has an answer of its own; one without is never low.
func TestRequestDanger(t *testing.T) {
	for _, req := range apparmor.Requests() {
		assert.NotEqual(t, unknownDanger, RequestDanger(req), "%T", req)
	}
	type newClass struct{ apparmor.Request }
	assert.Equal(t, rules.High, RequestDanger(newClass{}).Risk)
}
