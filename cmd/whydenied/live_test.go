package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestFollowingGetsWorse(t *testing.T) {
	was := following{tier: "ebpf", lost: 1}
	assert.Empty(t, was.since(was))
	assert.Empty(t, was.since(following{tier: "ebpf", lost: 1}))
	assert.Contains(t, following{tier: "ebpf", lost: 3}.since(was)[0], "2 times processes came and went faster")
	assert.Contains(t, following{tier: "proc", why: "ebpf: gone", lost: 1}.since(was)[0], "followed by ebpf no more (ebpf: gone)")
}
