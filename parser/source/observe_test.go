package source

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/whydenied/whydenied/parser"
)

// Each bit of each bitmap is one call of its ABI, with what became of it.
func TestDecodeObserved(t *testing.T) {
	l := layouts["amd64"]
	raw := make([]byte, observedSize)
	set := func(how parser.Passage, abi, nr int) {
		word := raw[observedBits+int(how)*passageSize+abi*abiSize+nr/64*8:]
		binary.NativeEndian.PutUint64(word, binary.NativeEndian.Uint64(word)|1<<(nr%64))
	}
	set(parser.Free, 0, 0)
	set(parser.Passed, 0, 63)
	set(parser.Passed, 0, 64)
	set(parser.Passed, 1, 5)
	set(parser.Answered, 1, maxCall-1)

	_, _, ok := decodeObserved(raw, l)
	assert.False(t, ok, "nobody was seen in it yet")
	binary.NativeEndian.PutUint64(raw[observedTime:], uint64(3*time.Second))
	_, _, ok = decodeObserved(raw, l)
	assert.False(t, ok)
	binary.NativeEndian.PutUint32(raw[observedPID:], 77)

	o, at, ok := decodeObserved(raw, l)
	assert.True(t, ok)
	assert.Equal(t, 3*time.Second, at)
	assert.Equal(t, Observed{PID: 77, Calls: []parser.ObservedCall{
		{Arch: 0xc000003e, Syscall: 0, How: parser.Free},
		{Arch: 0xc000003e, Syscall: 63, How: parser.Passed},
		{Arch: 0xc000003e, Syscall: 64, How: parser.Passed},
		{Arch: 0x40000003, Syscall: 5, How: parser.Passed},
		{Arch: 0x40000003, Syscall: maxCall - 1, How: parser.Answered},
	}}, o)

	_, _, ok = decodeObserved(raw[:observedSize-1], l)
	assert.False(t, ok)
}
