package parser

// An ObservedCall is a system call that was seen to be made at least once, by tracing.
type ObservedCall struct {
	Arch    uint32 // AUDIT_ARCH_*
	Syscall uint32
	How     Passage
}

// A Passage says what became of a call on its way into the kernel.
type Passage int

// The passages.
const (
	Free     Passage = iota // the task had no seccomp filter
	Passed                  // its filters let the call pass
	Answered                // a filter answered it
)
