package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/elastic/go-libaudit/v2"
	"github.com/elastic/go-libaudit/v2/rule"
)

// readAudit asks the kernel for the state of auditing and its exclude rules.
func readAudit() Audit {
	var a Audit
	client, err := libaudit.NewAuditClient(nil)
	if err != nil {
		a.Err = auditError(err)
		a.RulesErr = a.Err
		return a
	}
	defer client.Close()
	status, err := client.GetStatus()
	if err != nil {
		a.Err = auditError(err)
		a.RulesErr = a.Err
		return a
	}
	a.Status = AuditStatus{
		Enabled: status.Enabled, PID: status.PID, RateLimit: status.RateLimit,
		BacklogLimit: status.BacklogLimit, Lost: status.Lost,
	}
	wire, err := client.GetRules()
	a.RulesErr = err
	for _, w := range wire {
		if e, ok := excludeOf(w); ok {
			a.Excludes = append(a.Excludes, e)
		}
	}
	return a
}

// auditError says what is missing.
func auditError(err error) error {
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w: CAP_AUDIT_CONTROL in the initial namespaces is needed; run it as root, outside a container", err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: only the initial user namespace may ask; run it outside a container", err)
	case errors.Is(err, syscall.EPROTONOSUPPORT):
		return errUnsupported
	}
	return err
}

// The layout of struct audit_rule_data and the numbers in it (linux/audit.h).
const (
	ruleFields     = 64
	ruleFieldsAt   = 12 + 64*4
	ruleValuesAt   = ruleFieldsAt + ruleFields*4
	ruleFlagsAt    = ruleValuesAt + ruleFields*4
	ruleHeader     = ruleFlagsAt + ruleFields*4 + 4
	filterExclude  = 5
	fieldMsgType   = 12
	fieldKey       = 210
	typeAVC        = 1400
	typeSeccomp    = 1326
	opLess         = 0x10000000
	opGreater      = 0x20000000
	opNotEqual     = 0x30000000
	opEqual        = 0x40000000
	opLessEqual    = 0x50000000
	opGreaterEqual = 0x60000000
)

// excludeOf reads a rule as AUDIT_LIST_RULES has it. It is false for one that
// keeps no record of AppArmor or seccomp out. In that list "never" and "always"
// mean the same (audit_filter of kernel/auditsc.c).
func excludeOf(wire []byte) (Exclude, bool) {
	number := func(at int) uint32 { return binary.NativeEndian.Uint32(wire[at:]) }
	if len(wire) < ruleHeader || number(0)&^0x10 != filterExclude { // 0x10 puts it first
		return Exclude{}, false
	}
	e := Exclude{AppArmor: true, Seccomp: true}
	for i := range int(min(number(8), ruleFields)) {
		value, op := number(ruleValuesAt+4*i), number(ruleFlagsAt+4*i)
		switch number(ruleFieldsAt + 4*i) {
		case fieldMsgType:
			e.AppArmor = e.AppArmor && compares(typeAVC, op, value)
			e.Seccomp = e.Seccomp && compares(typeSeccomp, op, value)
		case fieldKey:
		default:
			e.Partly = true
		}
	}
	text, err := rule.ToCommandLine(wire, false)
	if err != nil {
		text = "a rule that cannot be put into words: " + err.Error()
	}
	e.Rule = strings.TrimPrefix(text, "-a ")
	return e, e.AppArmor || e.Seccomp
}

func compares(a, op, b uint32) bool {
	switch op {
	case opEqual:
		return a == b
	case opNotEqual:
		return a != b
	case opLess:
		return a < b
	case opGreater:
		return a > b
	case opLessEqual:
		return a <= b
	case opGreaterEqual:
		return a >= b
	}
	return true // a bit test: not for types
}

// setAudit sets a limit of the kernel's auditing.
func setAudit(setting string, value uint32) error {
	client, err := libaudit.NewAuditClient(nil)
	if err != nil {
		return auditError(err)
	}
	defer client.Close()
	switch setting {
	case auditRateLimit:
		err = client.SetRateLimit(value, libaudit.WaitForReply)
	case auditBacklogLimit:
		err = client.SetBacklogLimit(value, libaudit.WaitForReply)
	default:
		err = fmt.Errorf("auditing has no setting %q", setting)
	}
	if err != nil {
		return auditError(err)
	}
	return nil
}
