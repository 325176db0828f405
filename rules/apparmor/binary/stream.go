package binary

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// The codes of elements: enum aa_code in security/apparmor/include/policy_unpack.h.
const (
	codeU8 = iota
	codeU16
	codeU32
	codeU64
	codeName
	codeString
	codeBlob
	codeStruct
	codeStructEnd
	codeList
	codeListEnd
	codeArray
	codeArrayEnd
)

// maxDepth bounds how deep elements that are not understood may be nested. The
// deepest that the kernel reads are three: profile, policydb, perms.
const maxDepth = 8

// A stream reads the elements of compiled policy in turn. After the first fault
// all it reads is zero.
type stream struct {
	data []byte
	pos  int
	err  error
}

func (s *stream) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf("at byte %d: %s", s.pos, fmt.Sprintf(format, args...))
	}
}

func (s *stream) done() bool { return s.err != nil || s.pos >= len(s.data) }

// take returns the next n bytes, which are those of the input, or nil.
func (s *stream) take(n int) []byte {
	if s.err != nil || n < 0 || n > len(s.data)-s.pos {
		s.fail("the policy ends within an element")
		return nil
	}
	b := s.data[s.pos : s.pos+n]
	s.pos += n
	return b
}

// size reads the length of what follows.
func (s *stream) size(width int) int {
	b := s.take(width)
	switch {
	case b == nil:
		return 0
	case width == 2:
		return int(binary.LittleEndian.Uint16(b))
	}
	return int(binary.LittleEndian.Uint32(b))
}

// head reads the name of the next element, "" if it has none, and its code. Its
// content follows.
func (s *stream) head() (name string, code byte) {
	b := s.take(1)
	if b == nil {
		return "", codeStructEnd
	}
	if b[0] == codeName {
		name = strings.TrimSuffix(string(s.take(s.size(2))), "\x00")
		b = s.take(1)
	}
	if b == nil {
		return "", codeStructEnd
	}
	if code = b[0]; code == codeName || code > codeArrayEnd {
		s.fail("no element has the code %d", code)
	}
	return name, code
}

// want fails unless an element has the code that it must have.
func (s *stream) want(name string, code, wanted byte) bool {
	if s.err == nil && code != wanted {
		s.fail("the element %q has the code %d in place of %d", name, code, wanted)
	}
	return s.err == nil
}

// expect reads the head of an element, whatever its name.
func (s *stream) expect(wanted byte) bool {
	name, code := s.head()
	return s.want(name, code, wanted)
}

// number reads the content of a number.
func (s *stream) number(code byte) uint64 {
	switch code {
	case codeU8:
		if b := s.take(1); b != nil {
			return uint64(b[0])
		}
	case codeU16:
		if b := s.take(2); b != nil {
			return uint64(binary.LittleEndian.Uint16(b))
		}
	case codeU32:
		if b := s.take(4); b != nil {
			return uint64(binary.LittleEndian.Uint32(b))
		}
	case codeU64:
		if b := s.take(8); b != nil {
			return binary.LittleEndian.Uint64(b)
		}
	default:
		s.fail("an element of code %d is no number", code)
	}
	return 0
}

// u32 reads a whole element, whatever its name.
func (s *stream) u32() uint32 {
	if !s.expect(codeU32) {
		return 0
	}
	return uint32(s.number(codeU32))
}

// text reads the content of a string, which may hold NUL before the one that
// ends it.
func (s *stream) text() string {
	b := s.take(s.size(2))
	if len(b) == 0 || b[len(b)-1] != 0 {
		s.fail("a string does not end in NUL")
		return ""
	}
	return string(b[:len(b)-1])
}

func (s *stream) blob() []byte { return s.take(s.size(4)) }

// skip passes over the content of an element that is not understood.
func (s *stream) skip(code byte, depth int) {
	switch code {
	case codeU8, codeU16, codeU32, codeU64:
		s.number(code)
	case codeString:
		s.take(s.size(2))
	case codeBlob:
		s.blob()
	case codeStruct, codeList, codeArray:
		if code == codeArray {
			s.take(2)
		}
		if depth >= maxDepth {
			s.fail("elements are nested deeper than %d", maxDepth)
		}
		for s.err == nil {
			_, inner := s.head()
			if inner == code+1 {
				return
			}
			s.skip(inner, depth+1)
		}
	default:
		s.fail("an element of code %d ends nothing", code)
	}
}

// array reads the elements of an unnamed array within a struct, and the ends of
// both, as those of xtable, xattrs, secmark, rlimits and perms are.
func (s *stream) array(limit int, element func(i int)) {
	if !s.expect(codeArray) {
		return
	}
	n := s.size(2)
	if n > limit {
		s.fail("an array has %d elements, more than %d", n, limit)
	}
	for i := 0; i < n && s.err == nil; i++ {
		element(i)
	}
	s.expect(codeArrayEnd)
	s.expect(codeStructEnd)
}
