package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/parser/source"
)

// Whose a cgroup is stays known when its first process is gone, and when the clock of the wall
// was read a moment earlier or later than before.
func TestObservingKeepsOwners(t *testing.T) {
	alive := true
	o := &observing{flags: &watchFlags{}, cgroups: map[[2]uint64]owner{}, find: func(container.Subject) container.Container {
		if !alive {
			return container.Container{}
		}
		return container.Container{ID: "web", Name: "web", Confidence: container.High}
	}}
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	seen := source.Observed{Cgroup: [2]uint64{7, 0}, PID: 100, Time: at, Calls: []parser.ObservedCall{{Arch: 0xc000003e, Syscall: 1}}}
	o.note([]source.Observed{seen})
	alive, seen.Time = false, at.Add(-time.Millisecond)
	o.note([]source.Observed{seen})
	all := o.byContainer([]source.Observed{seen}, source.Unobserved{})
	require.Len(t, all, 1)
	assert.Equal(t, "web", all[0].Container.Name)
}
