package seccomp

import (
	"errors"

	"github.com/whydenied/whydenied/rules"
)

// Allow returns the edits that make the profile allow a system call whatever
// its arguments: the name goes, in its alphabetical place, into the list of the
// largest entry that allows without conditions, or into a new entry; entries
// that refuse it without conditions lose it. It fails if the profile allows the
// call already or name is not a plain system call name.
func (p *Profile) Allow(name string) ([]rules.Edit, error) { return nil, errors.New("not implemented") }

// AllowWhen returns the edits that make the profile allow a system call when
// all conditions hold, as a new entry. It fails as Allow does, and if two
// conditions are on the same argument, as those would mean "one of them".
func (p *Profile) AllowWhen(name string, args ...Arg) ([]rules.Edit, error) {
	return nil, errors.New("not implemented")
}

// AnswerENOSYS returns the edits that make the profile answer a system call
// with ENOSYS, on which C libraries fall back to an older call.
func (p *Profile) AnswerENOSYS(name string) ([]rules.Edit, error) {
	return nil, errors.New("not implemented")
}

// Remove returns the edit that takes a name out of an entry, or the whole entry
// if it has no other name. It fails if the entry does not have the name.
func (p *Profile) Remove(e *Entry, name string) (rules.Edit, error) {
	return rules.Edit{}, errors.New("not implemented")
}

// Observe returns the edits that make refusals visible in the audit log. With
// flag, the profile gets SECCOMP_FILTER_FLAG_LOG and stays otherwise the same
// (runc 1.2 and later, Docker 23 and later). Without, entries and a default
// that answer an errno get SCMP_ACT_LOG instead, which PERMITS what they
// refused: a diagnostic step to take back.
func (p *Profile) Observe(flag bool) ([]rules.Edit, error) {
	return nil, errors.New("not implemented")
}
