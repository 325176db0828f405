//go:build !linux

package source

// DropCapabilities does nothing where there are no capabilities.
func DropCapabilities(keep ...Capability) error { return nil }

// RaisePriority does nothing where nothing is read live.
func RaisePriority() {}
