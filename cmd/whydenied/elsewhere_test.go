package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/container"
)

// What run leaves out is told, with the option that has it explained.
func TestElsewhere(t *testing.T) {
	var e elsewhere
	assert.Nil(t, e.notice())
	e.add(container.Container{})
	require.NotNil(t, e.notice())
	assert.Equal(t, "1 record is left out that was of processes which the command did not start itself, such as what docker exec has a daemon start; --all explains all", e.notice().Text)
	for _, c := range []container.Container{{Name: "web", ID: "1"}, {Name: "a b"}, {Name: "web", Pod: "shop-0"}, {ID: "2"}, {}} {
		e.add(c)
	}
	assert.Equal(t, 6, e.notice().Count)
	assert.Equal(t, "6 records are left out that were of processes which the command did not start itself, such as what docker exec has a daemon start (in web, a b, shop-0); --container web explains what is refused there, --all all", e.notice().Text)
}
