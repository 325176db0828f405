//go:build !linux

package source

import "errors"

func openAudit(Start) (*Live, error) { return nil, errors.New("audit netlink: only Linux has it") }

func openUnicast(from Start) (*Live, error) { return openAudit(from) }

func openRing(Start) (*Live, error) { return nil, errors.New(kmsgPath + ": only Linux has it") }

func openTrace(Start) (*Live, error) { return nil, errors.New("trace: only Linux can be traced") }
