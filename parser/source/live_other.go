//go:build !linux

package source

import "errors"

func openAudit(Start) (*Live, error) { return nil, errors.New("audit netlink: only Linux has it") }

func openUnicast(from Start) (*Live, error) { return openAudit(from) }

func openRing(Start) (*Live, error) { return nil, errors.New(kmsgPath + ": only Linux has it") }

func openTrace(Start) (*Live, error) { return nil, errors.New("trace: only Linux can be traced") }

// An Observer sees which system calls processes make; there is none here.
type Observer struct{}

// Observe returns an error.
func Observe() (*Observer, error) { return nil, errors.New("trace: only Linux can be traced") }

// Close does nothing.
func (*Observer) Close() {}

// Read returns nothing.
func (*Observer) Read() ([]Observed, Unobserved, error) { return nil, Unobserved{}, nil }
