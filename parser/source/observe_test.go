package source

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// Each bit of each bitmap is one call of its ABI, with what became of it.
func TestDecodeObserved(t *testing.T) {
	l := layouts["amd64"]
	raw := make([]byte, observedSize)
	set := func(how Passage, abi, nr int) {
		word := raw[observedBits+int(how)*passageSize+abi*abiSize+nr/64*8:]
		binary.NativeEndian.PutUint64(word, binary.NativeEndian.Uint64(word)|1<<(nr%64))
	}
	set(Free, 0, 0)
	set(Passed, 0, 63)
	set(Passed, 0, 64)
	set(Passed, 1, 5)
	set(Answered, 1, maxCall-1)

	_, _, ok := decodeObserved(raw, l)
	assert.False(t, ok, "nobody was seen in it yet")
	binary.NativeEndian.PutUint64(raw[observedTime:], uint64(3*time.Second))
	_, _, ok = decodeObserved(raw, l)
	assert.False(t, ok)
	binary.NativeEndian.PutUint32(raw[observedPID:], 77)

	o, at, ok := decodeObserved(raw, l)
	assert.True(t, ok)
	assert.Equal(t, 3*time.Second, at)
	assert.Equal(t, Observed{PID: 77, Calls: []ObservedCall{
		{0xc000003e, 0, Free},
		{0xc000003e, 63, Passed},
		{0xc000003e, 64, Passed},
		{0x40000003, 5, Passed},
		{0x40000003, maxCall - 1, Answered},
	}}, o)

	_, _, ok = decodeObserved(raw[:observedSize-1], l)
	assert.False(t, ok)
}
