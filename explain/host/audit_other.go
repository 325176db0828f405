//go:build !linux

package host

func readAudit() Audit { return Audit{Err: errUnsupported, RulesErr: errUnsupported} }

func setAudit(string, uint32) error { return errUnsupported }
