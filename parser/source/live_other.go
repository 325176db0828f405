//go:build !linux

package source

import "errors"

func openRing(Start) (*Live, error) { return nil, errors.New(kmsgPath + ": only Linux has it") }
